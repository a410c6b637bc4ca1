"""`python -m labkit.cli`, for a machine where the script labkit is not on the path."""

from labkit.cli import main

main()
