"""Runs an experiment: `python -m jaxdep.main --config=FILE --workdir=DIR [--data_dir=DIR] [--config.seeds.count=100 ...]`.

With --config.seeds.first, or --chunk, it trains some of the seeds of a sweep that many processes share (launch/README.md).
With --coordinator_address, this process trains each model together with others (experiment/together.py).

Exit codes: 0 done, 1 failed (one line says why), 2 the command line is wrong, or a field of the config by itself; 75 a chunk
waits for others, or another process is at work on it; 130 after Ctrl-C, 143 after SIGTERM, which makes a checkpoint first.
After any of them the same command goes on.

The processes that extract features import this module again: what takes seconds is imported inside functions.
"""

import os
import shlex
import sys
from pathlib import Path

from absl import app, flags

from jaxdep import interruption
from jaxdep.engine.devices import hush_compiler
from jaxdep.experiment.command_line import (
    CHUNK,
    CONFIG,
    COORDINATOR,
    OVERWRITE,
    WORKDIR,
    is_chunk,
    parse_flags,
    sweep_arguments,
)
from jaxdep.experiment.session import begin, ending_in_one_line


def main(argv: list[str]) -> None:
    """Runs the experiment that the flags describe."""
    del argv  # parse_flags has refused what is no flag
    experiment, workdir, arguments = CONFIG.value, Path(WORKDIR.value), sys.argv[1:]
    count = len(experiment.seeds.ids)
    sources, choices = begin(experiment, min(CHUNK.value or count, count))
    from jaxdep.experiment import chunk, run, together  # after the devices are chosen

    overwrite = OVERWRITE.value
    with ending_in_one_line(workdir):
        if not is_chunk():
            command = shlex.join(["python", "-m", "jaxdep.main", *arguments])
            make = together.run if COORDINATOR.value else run.run
            make(experiment, workdir, sources, command=command, overwrite=overwrite, choices=choices)
            return
        told = sweep_arguments(arguments)
        try:
            chunk.run(
                experiment,
                workdir,
                sources,
                arguments=told,
                size=CHUNK.value,
                overwrite=overwrite,
                choices=choices,
            )
        except chunk.NotYetError as error:
            print(error, file=sys.stderr)
            sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    hush_compiler()
    interruption.listen()
    flags.mark_flag_as_required("config")
    with interruption.one_line():
        app.run(main, flags_parser=parse_flags)
