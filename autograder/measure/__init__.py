"""What checks measure with, in the worker and on the trusted side."""
