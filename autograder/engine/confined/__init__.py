"""The confined side: what runs in the same process as a student's code. Nothing here knows a right answer."""
