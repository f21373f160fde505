"""The one exception that a user may see."""


class UserError(Exception):
    """Something only the user can mend: a broken file, a wrong option.

    The message is a single line that names the file, what was expected, what was found and what
    to do next. The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
