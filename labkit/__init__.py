"""labkit: the small library that the course's notebooks stand on. Importing it loads nothing else."""

__version__ = "0.1.0"
