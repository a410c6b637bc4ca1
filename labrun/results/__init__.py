"""From a run request to its results page: collect, tables, the page, Weights & Biases."""
