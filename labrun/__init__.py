"""Runs, from a request (notebook + parameters) to its results. No torch: commands answer at once."""
