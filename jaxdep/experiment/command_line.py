"""What stands on the command line: the config file with its overrides, and the line that says what is wrong with them.

A config is frozen as soon as the flags are parsed, so that a wrong field ends the program before anything has run.
"""

import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from absl import app, flags
from ml_collections import config_flags

from input_pipeline.config import Config, ConfigError, field_names

if TYPE_CHECKING:
    from jaxdep.config import Experiment

# A choice is read as text; the config's freeze() checks it against what can be chosen.
config_flags.register_flag_parser_for_type(Literal, flags.ArgumentParser())
CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment's config file; its fields are flags too.")
WORKDIR = flags.DEFINE_string("workdir", None, "Where everything that the experiment makes is written.", required=True)
DATA_DIR = flags.DEFINE_string("data_dir", "data", "Holds one folder a corpus, by name.")
FEATURES_DIR = flags.DEFINE_string(
    "features_dir", None, "Holds the prepared features; by default a folder of the user's cache."
)
SWEEP = flags.DEFINE_multi_string(
    "sweep",
    [],
    "Values to try, all with each other where it is given several times: config.stages.NAME.FIELD=VALUE,VALUE,... . Those "
    "of the optimiser and the weights in the loss train as one program, and the best by validation is reported; "
    "of any other field each value becomes a stage of its own.",
)
CHUNK = flags.DEFINE_integer(
    "chunk",
    0,
    "Trains the seeds so many at a time, as chunks of a sweep that other processes take part in: those that nobody holds "
    "and nobody has finished.",
    lower_bound=0,
)
COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "Several processes, mostly one a host, train each model together: HOST:PORT of the first one, given to all of them. "
    "`auto` on a TPU, under Slurm or MPI, which tell this and the next two.",
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many they are.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.", lower_bound=0)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Take a workdir that holds another config.")

_OF_CHUNKS = ("chunk", *(f"config.seeds.{name}" for name in ("count", "first", "missing", "of")))


def parse_flags(argv: list[str], prepare: Callable[["Experiment"], None] | None = None) -> list[str]:
    """Parses the command line and freezes the config; what is wrong with them is one line and exit code 2.

    Args:
        prepare: is given the config before it is frozen, and may raise ConfigError.
    """
    file = _config_file(argv)
    if "--help" in argv:  # absl would end with exit code 1
        app.usage(shorthelp=True, writeto_stdout=True)
        print(flags.FLAGS.module_help(sys.modules[__name__]))  # those that absl counts as the main module's are none
        sys.exit(0)
    try:
        if file is not None and not Path(file.partition(":")[0]).is_file():
            raise flags.Error(f"--config={file}: no such file")
        _let_configs_import_each_other(file)
        rest: list[str] = flags.FLAGS(argv)
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}; options begin with --")
        if COORDINATOR.value and is_chunk():  # told before the processes meet: where one ends, the others are ended
            raise flags.Error("--coordinator_address: chunks of a sweep are trained by single processes")
        _freeze(CONFIG.value, file, prepare)
        return rest
    except KeyError as error:  # config_flags on a path that the config does not have
        message = _wrong_path(argv, file) or str(error)
    except ImportError as error:
        message = f"--config={file}: {error}"
    except (flags.Error, ConfigError, OSError, ValueError, TypeError, AttributeError) as error:
        # Of a fault in the config file, config_flags tells the whole traceback, whose last line is the fault.
        lines = str(error).splitlines() or [type(error).__name__]
        message = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"
    print(f"usage error: {message}", file=sys.stderr)
    sys.exit(2)


def is_chunk() -> bool:
    """Whether the command line asks for chunks of a sweep, and not for a run of its own."""
    return CHUNK.value > 0 or "config.seeds.first" in flags.FLAGS


def sweep_arguments(argv: list[str]) -> list[str]:
    """The arguments without those that differ between the chunks of a sweep."""
    kept, skip = [], False
    for argument in argv:
        name, equals, _ = argument.lstrip("-").partition("=")
        if skip or name in ("overwrite", "nooverwrite"):
            skip = False
        elif argument.startswith("-") and name in _OF_CHUNKS:
            skip = not equals  # its value is the next argument
        else:
            kept.append(argument)
    return kept


def _config_file(argv: list[str]) -> str | None:
    """The value of --config, "FILE" or "FILE:VARIANT", written as one argument or as two."""
    for arg, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = arg.partition("=")
        if name in ("--config", "-config"):
            return value if equals else following
    return None


def _let_configs_import_each_other(file: str | None) -> None:
    """Makes `import configs...` mean the folder `configs` that the file lies in, wherever the command is given."""
    for folder in Path((file or "").partition(":")[0]).resolve().parents:
        if folder.name == "configs":
            sys.path.insert(0, str(folder.parent))


def _freeze(config: object, file: str | None, prepare: Callable[["Experiment"], None] | None) -> None:
    from jaxdep.config import Experiment

    if not isinstance(config, Experiment):
        found = type(config).__name__
        raise ConfigError(f"--config={file}: its get_config() gives {found}, an Experiment is expected")
    for sweep in SWEEP.value:
        config.sweep(*_field_and_values(sweep))
    if prepare is not None:
        prepare(config)
    config.freeze()


def _field_and_values(sweep: str) -> tuple[str, str, tuple[str, ...]]:
    """The stage, the path below it and the values of "config.stages.NAME.PATH=VALUE,VALUE"."""
    path, equals, values = sweep.partition("=")
    config, stages, name, field, *_ = [*path.split(".", 3), "", "", "", ""]
    if (config, stages) != ("config", "stages") or not (name and field and equals and values):
        raise ConfigError(f"--sweep={sweep}: expected config.stages.NAME.FIELD=VALUE,VALUE,...")
    return name, field, tuple(value.strip() for value in values.split(","))


def _wrong_path(argv: list[str], file: str | None) -> str | None:
    """The line for the first `--config.path=` of the command line that is no path of its config."""
    if file is None:
        return None
    root = config_flags.config_flags.ConfigFileFlagParser("config", lock_config=False).parse(file)
    for arg in argv:
        if not arg.startswith("--config."):
            continue
        at, walked = root, "config"
        for name in arg.removeprefix("--config.").partition("=")[0].split("."):
            known = [*at] if isinstance(at, Mapping) else field_names(at) if isinstance(at, Config) else []
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
                return f"{walked}.{name}: there is no such field" + (f"; did you mean {near[0]!r}?" if near else "")
            at, walked = at[name] if isinstance(at, Mapping) else getattr(at, name), f"{walked}.{name}"
    return None
