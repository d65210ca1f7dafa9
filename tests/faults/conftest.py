"""The fixtures of the command line's tests."""

from tests.jaxdep.command_line.conftest import cache, jaxdep_main

__all__ = ["cache", "jaxdep_main"]
