"""absl's flags with the exit codes of this project: 0 for --help, 2 for a wrong command line, told in one line."""

import sys
from collections.abc import Sequence

from absl import app, flags


def parse_flags(argv: Sequence[str]) -> list[str]:
    """A `flags_parser` for `app.run`: flags alone, no arguments beside them."""
    if "--help" in argv:  # absl would end with exit code 1
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.exit(0)
    try:
        rest: list[str] = flags.FLAGS(list(argv))
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}; options begin with --")
    except flags.Error as error:
        print(f"usage error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    return rest
