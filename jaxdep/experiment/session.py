"""What a command line that runs experiments does around them: devices, sources, and one line for what goes wrong."""

import contextlib
import faulthandler
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError, advice
from jaxdep import interruption
from jaxdep.engine.devices import cache_folder, hush_libraries, use_compilation_cache, use_every_core, use_precision
from jaxdep.experiment.command_line import COORDINATOR, DATA_DIR, FEATURES_DIR, NUM_PROCESSES, PROCESS_ID

if TYPE_CHECKING:  # they take seconds to import, also in the processes that extract features
    from jaxdep.config import Experiment
    from jaxdep.engine.choices import Choices
    from jaxdep.stages.sources import Sources


class Session(NamedTuple):
    """What runs of a process share: where examples come from, and what `auto` remembers."""

    sources: "Sources"
    choices: "Choices"


def begin(experiment: "Experiment", seeds: int) -> Session:
    """Settles the devices, by how many seeds train at once, and by the flags where the data are."""
    hush_libraries()
    mapping, processes = experiment.mapping, NUM_PROCESSES.value or 1
    shards = 0 if mapping.chooses_shards and processes == 1 else -(-(mapping.data_shards or 1) // processes)
    use_every_core(experiment.most_lanes(seeds), shards)
    if COORDINATOR.value:
        _join_processes()
    from jaxdep.engine.choices import Choices  # after the devices are chosen
    from jaxdep.models import encoders
    from jaxdep.stages.sources import Sources

    use_compilation_cache()
    use_precision(experiment.mapping.precision)
    sources = Sources(
        data_dir=Path(DATA_DIR.value),
        features_dir=Path(FEATURES_DIR.value or cache_folder() / "features"),
        encoders=encoders.ENCODERS,
        console=Console(highlight=False, markup=False, soft_wrap=True),
    )
    return Session(sources, Choices(cache_folder() / "mappers"))


def _join_processes() -> None:
    """Meets the other processes. Raises SystemExit where they cannot be found."""
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is ours (interruption.py)
    faulthandler.disable()  # a process that loses another is ended by XLA, whose line says so; stacks would bury it
    told = (COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    try:
        jax.distributed.initialize(*(() if COORDINATOR.value == "auto" else told))
    except (ValueError, RuntimeError) as error:
        sys.exit(f"error: --coordinator_address={COORDINATOR.value}: {str(error).splitlines()[0]}")


@contextlib.contextmanager
def ending_in_one_line(workdir: Path) -> Iterator[None]:
    """Ends the process with a line and an exit code where the user, the data or the disk are at fault."""
    try:
        yield
    except interruption.TerminatedError as error:
        interruption.end(signal.SIGTERM, error.folder)
    except (ConfigError, DataError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:  # not the operating system's word on a file or a disk
            raise
        sys.exit(f"error: {error.filename or workdir}: {error.strerror}; {advice(error.errno)}")
