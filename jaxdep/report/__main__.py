"""Joins the chunks of a sweep and writes their report, or tells how far they are: `python -m jaxdep.report WORKDIR
[--progress]`, from the folder in which the chunks were started; other flags of theirs can be given anew.

It may run while they do. What is not there is told, on the terminal and on the page.

Exit codes: as those of jaxdep.main.

The processes that extract features import this module again: what takes seconds is imported inside functions.
"""

import sys
from pathlib import Path

from absl import app, flags
from rich.console import Console

from jaxdep import interruption
from jaxdep.engine.devices import hush_compiler
from jaxdep.experiment.command_line import CONFIG, OVERWRITE, WORKDIR, parse_flags
from jaxdep.experiment.session import begin, ending_in_one_line

PROGRESS = flags.DEFINE_bool("progress", False, "Tell how far the chunks of a sweep are, and join nothing.")


def parse_with_those_of_the_sweep(argv: list[str]) -> list[str]:
    """Parses the flags that the chunks were given, with those of this command line behind them."""
    from jaxdep.experiment.sweep import Sweep

    program, *given = argv
    if not given or given[0].startswith("-"):
        return parse_flags([program, "--help"]) if "--help" in given else _refuse()
    with ending_in_one_line(Path(given[0])):
        arguments = Sweep(Path(given[0])).facts["arguments"]
    sys.argv = [program, *arguments, f"--workdir={given[0]}", *given[1:]]  # config_flags looks there, and nowhere else
    return parse_flags(sys.argv)


def main(argv: list[str]) -> None:
    """Joins the sweep, or tells its progress."""
    del argv
    from jaxdep.experiment import join, progress
    from jaxdep.experiment.sweep import Sweep, seeds_of

    experiment, workdir = CONFIG.value, Path(WORKDIR.value)
    with ending_in_one_line(workdir):
        if PROGRESS.value:
            progress.show(experiment, workdir, Console(highlight=False, markup=False))
            return
        session = begin(experiment, len(seeds_of(Sweep(workdir).chunks())))
        join.run(experiment, workdir, session.sources, overwrite=OVERWRITE.value, choices=session.choices)


def _refuse() -> list[str]:
    print("usage error: python -m jaxdep.report WORKDIR [--progress] [flags of jaxdep.main]", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    hush_compiler()
    interruption.listen()
    with interruption.one_line():
        app.run(main, flags_parser=parse_with_those_of_the_sweep)
