"""The exception whose message is for the user."""


class UserError(Exception):
    """A request that cannot be fulfilled; the message says what is wrong and what to do.

    The command line prints the message without a traceback and exits with status 2. What is not printable, such as a
    line break in the name of a file, becomes a question mark.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in str(message)))


def write_error(what: object, error: OSError, advice: str = "") -> UserError:
    """Return a UserError that a file or folder cannot be written, why, and what to do."""
    why = error.strerror or f"the disk may be full ({error})"  # NumPy's message for a full disk has only byte counts
    return UserError(f"{what} cannot be written: {why}.{advice and ' '}{advice}")
