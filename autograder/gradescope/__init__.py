"""Grading inside Gradescope's container: its folders in, its results.json out."""
