"""The fixtures of the command line's tests."""

from tests.jaxdep.command_line.conftest import cache, call, jaxdep_main

__all__ = ["cache", "call", "jaxdep_main"]
