"""The autograder. `from autograder import check; check("lab03")` shows how far a lab has come."""


def __getattr__(name: str):
    if name == "check":
        from autograder.public import check

        return check
    raise AttributeError(f"autograder has no {name!r}; it offers check")
