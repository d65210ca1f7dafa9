"""The exceptions for faults in a user's data."""

import errno


class DataError(Exception):
    """A fault in the data, told in one line that names the file (and line or field), what was found and what to do.

    Command lines print it as it is and exit with 1; it never carries a traceback to the user.
    """


class RuleError(DataError):
    """A DataError that also carries the kebab-case name of the rule that the data break, so that a scan can list it."""

    def __init__(self, rule: str, message: str):
        super().__init__(message)
        self.rule = rule

    def __reduce__(self) -> tuple[type["RuleError"], tuple[str, str]]:
        """Exceptions are sent between processes by their arguments, of which `Exception` knows only the message."""
        return type(self), (self.rule, str(self))


def advice(number: int | None) -> str:
    """What to do where the operating system refuses to write: more room helps a full disk alone.

    Args:
        number: of `errno`.
    """
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "free space there, or choose another folder"
    return "choose another folder"
