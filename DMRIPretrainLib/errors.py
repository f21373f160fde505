"""The one exception that a user may see."""


class UserError(Exception):
    """Something only the user can mend: a broken file, a wrong option.

    The message is a single line that names the file, what was expected, what was found and what
    to do next. The command line prints it without a traceback and exits with code 2.

    Attributes:
        code: sort of mistake, for programs.
        action: what to do next, for a job that failed of it.
    """

    code = "input"
    action = "mend the input and start again"

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
