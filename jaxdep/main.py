"""Runs an experiment: `python -m jaxdep.main --config=FILE --workdir=DIR [--data_dir=DIR] [--config.seeds.count=100 ...]`.

Exit codes: 0 done, 1 failed (one line says why), 2 the command line is wrong, or a field of the config by itself; 130 after
Ctrl-C, 143 after SIGTERM, which makes a checkpoint first. After any of them the same command goes on.

The processes that extract features import this module again: what takes seconds is imported inside functions.
"""

import shlex
import signal
import sys
from pathlib import Path

from absl import app, flags
from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError, advice
from jaxdep import interruption
from jaxdep.engine.devices import cache_folder, hush_compiler, hush_libraries, use_compilation_cache, use_every_core
from jaxdep.experiment.command_line import CONFIG, DATA_DIR, FEATURES_DIR, OVERWRITE, WORKDIR, parse_flags


def main(argv: list[str]) -> None:
    """Runs the experiment that the flags describe."""
    del argv  # parse_flags has refused what is no flag
    hush_libraries()
    use_every_core(CONFIG.value.most_lanes, CONFIG.value.mapping.data_shards)
    from jaxdep.engine.choices import Choices  # after the devices are chosen
    from jaxdep.experiment.run import run
    from jaxdep.models import encoders
    from jaxdep.stages.sources import Sources

    use_compilation_cache()
    sources = Sources(
        data_dir=Path(DATA_DIR.value),
        features_dir=Path(FEATURES_DIR.value or cache_folder() / "features"),
        encoders=encoders.ENCODERS,
        console=Console(highlight=False, markup=False, soft_wrap=True),
    )
    command = shlex.join(["python", "-m", "jaxdep.main", *sys.argv[1:]])
    try:
        run(
            CONFIG.value,
            Path(WORKDIR.value),
            sources,
            command=command,
            overwrite=OVERWRITE.value,
            choices=Choices(cache_folder() / "mappers"),
        )
    except interruption.TerminatedError as error:
        interruption.end(signal.SIGTERM, error.folder)
    except (ConfigError, DataError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:  # not the operating system's word on a file or a disk
            raise
        place = error.filename or WORKDIR.value
        sys.exit(f"error: {place}: {error.strerror}; {advice(error.errno)}")


if __name__ == "__main__":
    hush_compiler()
    interruption.listen()
    flags.mark_flag_as_required("config")
    with interruption.one_line():
        app.run(main, flags_parser=parse_flags)
