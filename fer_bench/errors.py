"""The one exception whose message is meant for the user."""


class UserError(Exception):
    """What the user asked for cannot be done; the message is one clear sentence.

    The command line prints it without a traceback and exits with status 2.
    """
