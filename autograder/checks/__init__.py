"""One file per lab: functions `test_*(student, draw)`, each with points; see autograder/README.md."""
