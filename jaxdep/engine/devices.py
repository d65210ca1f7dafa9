"""What must be settled before JAX first touches a device: how many a CPU has, and where compiled programs are kept."""

import logging
import os
import sys
from pathlib import Path

import absl.logging
import joblib


def hush_compiler() -> None:
    """Keeps XLA's log off the terminal; to be called before JAX is imported. What fails is an exception all the same.

    XLA of jax 0.10 complains of every program that it takes from the cache, though nothing is wrong with it: of machine
    features that are tuning hints of the compiler's own.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def hush_libraries() -> None:
    """Keeps what libraries log of themselves off the terminal. What fails there is an exception here all the same.

    Of each array that a full disk refuses, Orbax logs a traceback, asyncio another, and tensorstore, which comes back to
    a loop that has ended by then, lets Python print a third.
    """
    absl.logging.set_verbosity(absl.logging.FATAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    sys.unraisablehook = _print_unless_late


def _print_unless_late(found: "sys.UnraisableHookArgs") -> None:
    if not (found.exc_type is RuntimeError and str(found.exc_value) == "Event loop is closed"):
        sys.__unraisablehook__(found)


def cache_folder() -> Path:
    """The folder of the user's cache that is jaxdep's."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxdep"


def use_every_core(lanes: float, data_shards: int = 1) -> None:
    """On a CPU, one JAX device a core, over which the lanes are spread; what the user chose stays.

    Each device holds the features: more of them than lanes, or than lanes times the shards of a batch, would only cost
    memory.

    Args:
        data_shards: devices that share a batch; 0: as many as there are cores for each lane.
    """
    import jax

    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and "JAX_NUM_CPU_DEVICES" not in os.environ:
        cores = joblib.cpu_count()
        groups = int(max(1, min(cores // (data_shards or 1), lanes)))
        jax.config.update("jax_num_cpu_devices", groups * (data_shards or cores // groups))


def use_precision(name: str) -> None:
    """Products of float32 numbers are computed so: "float32", or "tf32" where the device has it; a CPU has float32 alone.

    Left to itself, JAX takes TensorFloat32 on a GPU, and bfloat16 on a TPU.
    """
    import jax

    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if name == "tf32" else "highest")


def use_compilation_cache() -> None:
    """Compiled programs are kept between runs, however quickly they compiled."""
    import jax

    if not jax.config.values["jax_compilation_cache_dir"]:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
