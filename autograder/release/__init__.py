"""`python -m autograder release DEST`: the student copy of the course, cut from the tracked files."""
