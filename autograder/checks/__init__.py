"""One file per lab: plain pytest functions `test_*(student, draw)`, each with points; see
autograder/README.md.
"""
