"""The autograder. `from autograder import check; check("lab03")` shows how far a lab has come."""


def __getattr__(name: str):
    if name == "check":
        from autograder import public

        public.start()  # loads torch in another process while the notebook goes on to its next line
        return public.check
    raise AttributeError(f"autograder has no {name!r}; it offers check")
