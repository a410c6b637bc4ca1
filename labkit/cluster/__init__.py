"""Runs, from a wish (notebook + parameters) to a finished record. No torch: commands answer at once."""
