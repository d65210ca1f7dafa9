"""Every test runs with eight virtual CPU devices, strict broadcasting, NaN-safe defaults, and XLA's quicker compiler.

Most of the suite's time is XLA's compilation of small programs. It is made quicker in ways that leave what is fused and
the arithmetic as they are: LLVM's costly passes are left out; where the installed XLA still has two ways of emitting a
fusion on a CPU, the quicker one is taken; a program is not cut up for several threads, of which the other worker would
have to give one; and what one test, worker or process has compiled is there for the others. Tests of parity, of real
data and of compiling for accelerators run without any of it. What the environment sets already stays:
`XLA_FLAGS=--xla_cpu_use_fusion_emitters=true JAX_DISABLE_MOST_OPTIMIZATIONS=0 python -m pytest` compiles as users do.
"""

import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import jax
import pytest

QUICK = {"xla_cpu_use_fusion_emitters": "false", "xla_cpu_parallel_codegen_split_count": "1"}
OTHERS = ("parity", "realdata", "compile")  # marks, and the folders of what has them


def takes(flags: str) -> bool:
    """Whether the installed XLA takes these flags; it ends the process where one is unknown, hence the child."""
    ask = "from jaxlib import xla_client; xla_client.CompileOptions()"  # the flags are parsed then
    child = subprocess.run(
        [sys.executable, "-c", ask], env=os.environ | {"XLA_FLAGS": flags}, stderr=subprocess.DEVNULL, check=False
    )
    return child.returncode == 0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--part", metavar="K/N", help="of the modules with tests the K-th of N parts, K from 0, by their names"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A module stays whole, since its tests share what is dear to make."""
    if config.getoption("--part"):
        part, parts = map(int, config.getoption("--part").split("/"))
        left_out = [item for item in items if zlib.crc32(item.path.name.encode()) % parts != part]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    """Settings in the environment, where xdist's workers and the processes of the tests find them."""
    if hasattr(config, "workerinput") or config.option.markexpr in OTHERS:
        return
    for name, value in QUICK.items():
        given = os.environ.get("XLA_FLAGS", "")
        flags = f"{given} --{name}={value}".lstrip()
        if name not in given and takes(flags):
            os.environ["XLA_FLAGS"] = flags  # before XLA starts, which reads them once
    programs = tempfile.TemporaryDirectory(prefix="jaxdep-programs-")
    config.add_cleanup(programs.cleanup)
    for name, value in {
        "jax_disable_most_optimizations": True,
        "jax_compilation_cache_dir": programs.name,
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }.items():
        if name.upper() not in os.environ:
            os.environ[name.upper()] = str(value)
            jax.config.update(name, value)  # which has read the environment


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules of whose tests none would run are not imported: PyTorch takes seconds."""
    unwanted = [mark for mark in OTHERS if f"not {mark}" in config.option.markexpr]
    return True if collection_path.name in unwanted and collection_path.is_dir() else None


jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
