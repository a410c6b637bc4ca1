"""`python -m labrun.cli`, for a machine where the script labkit is not on the path."""

from labrun.cli import main

main()
