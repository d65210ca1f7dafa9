"""Every test runs with eight virtual CPU devices, strict broadcasting, NaN-safe defaults, and XLA's quicker compiler.

Most of the suite's time is XLA's compilation of small programs, and half of that is one of its two ways of emitting a
fusion on a CPU. Where the installed XLA still has both, the other way is taken; what is fused, the memory plan and the
arithmetic stay the same. Tests of parity and of real data run with the default one, and so does everything under
`XLA_FLAGS=--xla_cpu_use_fusion_emitters=true python -m pytest`.
"""

import os
import subprocess
import sys

import jax
import pytest

EMITTERS = "xla_cpu_use_fusion_emitters"


def takes(flags: str) -> bool:
    """Whether the installed XLA takes these flags; it ends the process where one is unknown, hence the child."""
    ask = "from jaxlib import xla_client; xla_client.CompileOptions()"  # the flags are parsed then
    return (
        subprocess.run(
            [sys.executable, "-c", ask], env=os.environ | {"XLA_FLAGS": flags}, stderr=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )


def pytest_configure(config: pytest.Config) -> None:
    """Sets the flag before XLA starts, which reads it once; xdist's workers find it in their environment."""
    if hasattr(config, "workerinput") or config.option.markexpr in ("parity", "realdata"):
        return
    given = os.environ.get("XLA_FLAGS", "")
    flags = f"{given} --{EMITTERS}=false".lstrip()
    if EMITTERS not in given and takes(flags):
        os.environ["XLA_FLAGS"] = flags


jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
