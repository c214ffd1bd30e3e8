"""The one exception whose message is meant for the user."""


class UserError(Exception):
    """What the user asked for cannot be done; the message is one clear sentence.

    The command line prints it without a traceback and exits with status 2.
    """


def write_error(what: object, error: OSError, advice: str = "") -> UserError:
    """That a file or a folder cannot be written, why, and in a sentence what to do."""
    why = error.strerror or f"there may be no space left ({error})"  # NumPy tells in numbers alone that a disk is full
    return UserError(f"{what} cannot be written: {why}.{advice and ' '}{advice}")
