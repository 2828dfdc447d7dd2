"""What can go wrong for a scientist, sorted by whose move it is. Each text is a plain sentence."""


class IdlegridError(Exception):
    """Base of all errors of this package; ``exit_code`` is what the command line ends with.

    ``detail`` holds further lines for people, such as a compiler's messages.
    """

    exit_code = 3

    def __init__(self, text: str, *, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail


class InputError(IdlegridError):
    """Your input is at fault: a file, a table, an argument. Nothing was sent."""

    exit_code = 2


class AppFileError(InputError):
    """``app.toml`` cannot be used; the text names file, section, key and what would work."""


class BuildError(InputError):
    """A program does not compile; ``detail`` is what the compiler said."""


class TableError(InputError):
    """The table of units cannot be used; the text names the line and the column."""


class SigningKeyError(InputError):
    """A key is missing, locked or not the right one."""


class ServerError(IdlegridError):
    """The server cannot be reached, or refused."""


class BatchFailedError(IdlegridError):
    """The batch ended without an answer."""

    exit_code = 1
