"""Every test runs with eight virtual CPU devices, strict broadcasting, NaN-safe defaults, and XLA's quicker compiler.

Most of the suite's time is XLA's compilation of small programs, and half of that is one of its two ways of emitting a
fusion on a CPU. Here the other way is taken; what is fused, the memory plan and the arithmetic stay the same. Tests of
parity and of real data run with the default one, and so does everything under
`XLA_FLAGS=--xla_cpu_use_fusion_emitters=true python -m pytest`.
"""

import importlib.util
import mmap
import os
from pathlib import Path

import jax
import pytest

EMITTERS = "xla_cpu_use_fusion_emitters"


def knows(flag: str) -> bool:
    """Whether the installed XLA has a flag; it ends the process where one is unknown."""
    for path in Path(importlib.util.find_spec("jaxlib").origin).parent.glob("*.so"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(flag.encode()) >= 0:
                return True
    return False


def pytest_configure(config: pytest.Config) -> None:
    """Sets the flag before XLA starts, which reads it once."""
    default = config.getini("addopts")[config.getini("addopts").index("-m") + 1]
    if config.option.markexpr == default and EMITTERS not in os.environ.get("XLA_FLAGS", "") and knows(EMITTERS):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --{EMITTERS}=false".lstrip()


jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
