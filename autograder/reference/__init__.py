"""The right answers, one file per lab. Never shown to a worker, never part of the student copy."""
