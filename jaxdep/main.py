"""The command line: `python -m jaxdep.main --config=FILE --workdir=DIR [--data_dir=DIR] [--config.seeds.count=100 ...]`.

Exit codes: 0 done, 1 failed (one line says why), 2 the command line or the config is wrong.

The processes that extract features import this module again: what takes seconds is imported inside functions.
"""

import difflib
import os
import shlex
import sys
from pathlib import Path
from typing import Literal

import joblib
from absl import app, flags, logging
from ml_collections import config_flags
from rich.console import Console

from input_pipeline.config import Config, ConfigError, field_names
from input_pipeline.errors import DataError

# A choice is read as text; the config's freeze() checks it against what can be chosen.
config_flags.register_flag_parser_for_type(Literal, flags.ArgumentParser())
_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment's config file; its fields are flags too.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where everything that the experiment makes is written.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", "data", "Holds one folder a corpus, by name.")
_FEATURES_DIR = flags.DEFINE_string(
    "features_dir", None, "Holds the prepared features; by default a folder of the user's cache."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Take a workdir that holds another config.")


def main(argv: list[str]) -> None:
    """Runs the experiment that the flags describe."""
    del argv  # parse_flags has refused what is no flag
    logging.set_verbosity(logging.WARNING)  # what libraries tell of themselves is no news to the user
    use_every_core()
    from jaxdep import experiment  # after the devices are chosen
    from jaxdep.models import encoders
    from jaxdep.sources import Sources

    console = Console(highlight=False, soft_wrap=True)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "jaxdep"
    use_compilation_cache(cache / "xla")
    try:
        sources = Sources(
            data_dir=Path(_DATA_DIR.value),
            features_dir=Path(_FEATURES_DIR.value or cache / "features"),
            encoders=encoders.TEXT_ENCODERS,
            console=console,
        )
        command = shlex.join(["python", "-m", "jaxdep.main", *sys.argv[1:]])
        experiment.run(
            _CONFIG.value.freeze(), Path(_WORKDIR.value), sources, command=command, overwrite=_OVERWRITE.value
        )
    except (ConfigError, DataError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:  # not the operating system's word on a file or a disk
            raise
        sys.exit(
            f"error: {error.filename or _WORKDIR.value}: {error.strerror}; choose another folder, or free space there"
        )


def use_every_core() -> None:
    """On a CPU, one JAX device a core, over which the seeds are spread; what the user chose stays."""
    import jax

    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and "JAX_NUM_CPU_DEVICES" not in os.environ:
        jax.config.update("jax_num_cpu_devices", joblib.cpu_count())


def use_compilation_cache(folder: Path) -> None:
    """Compiled programs are kept between runs, however quickly they compiled."""
    import jax

    if not jax.config.values["jax_compilation_cache_dir"]:
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line and freezes the config; what is wrong with them is one line and exit code 2."""
    file = _config_file(argv)
    if "--help" in argv:  # absl would end with exit code 1
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.exit(0)
    try:
        if file is not None and not Path(file.partition(":")[0]).is_file():
            raise flags.Error(f"--config={file}: no such file")
        rest: list[str] = flags.FLAGS(argv)
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}; options begin with --")
        _freeze(_CONFIG.value, file)
        return rest
    except KeyError as error:  # config_flags on a path that the config does not have
        message = _wrong_path(argv, file) or str(error)
    except (flags.Error, ConfigError, OSError, ValueError, TypeError, AttributeError) as error:
        # Of a fault in the config file, config_flags tells the whole traceback, whose last line is the fault.
        lines = str(error).splitlines() or [type(error).__name__]
        message = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"
    print(f"usage error: {message}", file=sys.stderr)
    sys.exit(2)


def _config_file(argv: list[str]) -> str | None:
    """The value of --config, "FILE" or "FILE:VARIANT", written as one argument or as two."""
    for arg, following in zip(argv, [*argv[1:], ""], strict=True):
        name, equals, value = arg.partition("=")
        if name in ("--config", "-config"):
            return value if equals else following
    return None


def _freeze(config: object, file: str | None) -> None:
    from jaxdep.config import Experiment

    if not isinstance(config, Experiment):
        found = type(config).__name__
        raise ConfigError(f"--config={file}: its get_config() gives {found}, an Experiment is expected")
    config.freeze()


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
            known = [*at] if isinstance(at, dict) else field_names(at) if isinstance(at, Config) else []
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
                return f"{walked}.{name}: there is no such field" + (f"; did you mean {near[0]!r}?" if near else "")
            at, walked = at[name] if isinstance(at, dict) else getattr(at, name), f"{walked}.{name}"
    return None


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=parse_flags)
