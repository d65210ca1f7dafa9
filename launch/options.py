"""The flags that all launchers have, beside those of `jaxdep.main`, which they hand on to each chunk."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from absl import app, flags

from input_pipeline.config import ConfigError
from jaxdep.config import Experiment
from jaxdep.experiment import command_line
from launch.plan import Plan

SEEDS = flags.DEFINE_integer("seeds", None, "How many seeds, from 0 on; by default those of the config.", 1)
PARALLEL = flags.DEFINE_integer("parallel", 0, "Chunks at a time at most; 0: what the engine has room for.", 0)
GPUS = flags.DEFINE_integer("gpus", 0, "GPUs of each chunk.", 0)
CPUS = flags.DEFINE_integer("cpus", 0, "Cores of each chunk; 0: as the engine has it.", 0)
MEMORY_GB = flags.DEFINE_float("memory_gb", 0.0, "Memory of each chunk; 0: as the engine has it.", 0.0)
RETRIES = flags.DEFINE_integer("retries", 10, "How often a chunk that was sent away or killed is started again.", 0)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print what would be done, and do nothing.")
flags.set_default(command_line.CHUNK, 100)

_OF_MAIN = [flag.name for flag in flags.FLAGS.get_flags_for_module(command_line.__name__)]
_OWN = ("config.seeds.first", "config.seeds.of", "config.seeds.missing")  # each chunk has its own
_GIVEN = ("chunk", "config.seeds.count")  # as --chunk and --seeds


def start(launch: Callable[[Plan], None], *, shares_cache: bool = False) -> None:
    """Runs a launcher on its plan. A wrong command line is one line and exit code 2, a wrong config too.

    Args:
        shares_cache: all chunks run where the user's cache folder is. Elsewhere the features are kept in the workdir
            unless --features_dir says where.
    """
    flags.mark_flag_as_required("config")

    def main(_: list[str]) -> None:
        try:
            launch(_plan(shares_cache))
        except ConfigError as error:
            sys.exit(f"error: {error}")

    app.run(main, flags_parser=lambda argv: command_line.parse_flags(argv, _prepare))


def check_shared(mount: str) -> None:
    """Raises ConfigError where a folder that all chunks need is not in the one that all machines mount."""
    for flag in (command_line.WORKDIR, command_line.DATA_DIR, command_line.FEATURES_DIR):
        if flag.value is not None and not Path(flag.value).is_relative_to(mount):
            raise ConfigError(f"--{flag.name}={flag.value}: is not in --mount={mount}, which all machines share")


def _prepare(experiment: Experiment) -> None:
    """Gives the experiment its seeds before it is checked, and refuses what chunks cannot be told."""
    for name in _OWN:
        if name in flags.FLAGS and flags.FLAGS[name].present:
            raise ConfigError(f"--{name}: each chunk is given its own; use --seeds and --chunk")
    if experiment.seeds.first:
        raise ConfigError(f"config.seeds.first: a sweep has the seeds from 0 on, found {experiment.seeds.first}")
    if command_line.OVERWRITE.value:
        raise ConfigError("--overwrite: chunks share their workdir; choose another --workdir for another config")
    if SEEDS.value is not None:
        experiment.seeds.count = SEEDS.value


def _plan(shares_cache: bool) -> Plan:
    experiment, workdir = command_line.CONFIG.value, Path(command_line.WORKDIR.value)
    told = list(_told())
    if not shares_cache and command_line.FEATURES_DIR.value is None:
        told.append(f"--features_dir={workdir / 'features'}")
    return Plan(
        name=experiment.name,
        workdir=workdir,
        told=tuple(told),
        seeds=experiment.seeds.count,
        chunk=max(command_line.CHUNK.value, 1),
        waves=experiment.waves,
        parallel=PARALLEL.value,
    )


def _told() -> Iterator[str]:
    """The flags of `jaxdep.main` that stand on the command line, as it reads them."""
    for name in flags.FLAGS:
        is_chunks = name not in _GIVEN and (name in _OF_MAIN or name.startswith("config."))
        flag = flags.FLAGS[name]
        if is_chunks and flag.present:
            several = isinstance(flag, flags.MultiFlag)
            yield from flag.serialize().split("\n") if several else [flag.serialize()]
