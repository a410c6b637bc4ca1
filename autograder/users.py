"""Which unprivileged users a grader's workers run as, where the grader is started as root."""

import socket

USERS = range(61000, 65000)
BLOCK = 200  # as many of them as one fork server takes for itself


def claim_users() -> tuple[socket.socket, range]:
    """Return users that no other grader of this machine has, and the socket whose name says so while open.

    Two graders with the same users would share their workers' limit of processes.
    """
    for number in range(len(USERS) // BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0labkit-autograder-{number}")  # abstract: gone with its owner, however that ends
            return claim, USERS[number * BLOCK : (number + 1) * BLOCK]
        except OSError:
            claim.close()
    return socket.socket(socket.AF_UNIX), USERS
