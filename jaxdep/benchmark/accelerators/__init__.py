"""Accelerators that are not here: what is known of them (accelerators.toml), and devices to compile for.

Shown is what a compiler says and what follows from published peaks. Nothing of it was run on such hardware.
"""

import dataclasses
import importlib.util
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jax
from jax.experimental import rnn, topologies

from input_pipeline.config import ConfigError

_CUDA = "13.0.0"  # of a device that is not here; of an unknown one XLA records no loops and no products as graphs


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One kind of device.

    Attributes:
        platform: `cuda` or `tpu`.
        topology: that a compiler is asked for; of its devices as many are used as asked for.
        memory_gb, bandwidth_gb_s: of its memory, 1e9 bytes.
        tflops: 1e12 operations a second of matrix products, by precision.
        launch_us: microseconds to start a kernel; 0 where the host starts none.
        clock_ghz: of the compiler's own estimates in cycles; 0 where that is not known.
        source: of the figures.
        target: what the compiler for a GPU asks of the device.
    """

    name: str
    title: str
    platform: str
    topology: str
    memory_gb: float
    bandwidth_gb_s: float
    tflops: Mapping[str, float]
    source: str
    launch_us: float = 0.0
    clock_ghz: float = 0.0
    target: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def devices(self, topology: str = "") -> list[jax.Device]:
        """Devices to compile for.

        Args:
            topology: instead of the one in the file, without the accelerator's name: 2x4.

        Raises:
            ConfigError: the compiler is not installed, or knows no such topology.
        """
        named = f"{self.name}:{topology}" if topology and self.platform == "tpu" else topology or self.topology
        _prepare(self)
        options = {"target_config": _target(self), "topology": named} if self.platform == "cuda" else {}
        try:
            found = topologies.get_topology_desc(named, self.platform, **options)
        except (jax.errors.JaxRuntimeError, NotImplementedError, ValueError) as error:
            raise ConfigError(f"--compile_for={self.name}: topology {named!r}: {str(error).splitlines()[0]}") from None
        return list(found.devices)


@cache
def accelerators() -> Mapping[str, Accelerator]:
    """All of the file, by name."""
    known = tomllib.loads(files(__name__).joinpath("accelerators.toml").read_text())
    return {name: Accelerator(name=name, **fields) for name, fields in known.items()}


def _prepare(accelerator: Accelerator) -> None:
    """Lets the compiler be loaded without its hardware."""
    if accelerator.platform == "tpu":
        if importlib.util.find_spec("libtpu") is None:
            raise ConfigError(f"--compile_for={accelerator.name}: libtpu is not installed; install jaxdep[tpu]")
        # What libtpu would ask a cloud machine for, and its complaints that this is none. Nothing is held that a second process
        # could not have too.
        for name, value in {
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_WORKER_HOSTNAMES": "localhost",
            "TPU_ACCELERATOR_TYPE": "v5litepod-4",
            "TPU_STDERR_LOG_LEVEL": "3",
            "TPU_MIN_LOG_LEVEL": "3",
        }.items():
            os.environ.setdefault(name, value)
        return
    if not any(importlib.util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13)):
        raise ConfigError(
            f"--compile_for={accelerator.name}: JAX's CUDA compiler is not installed; install jaxdep[cuda]"
        )
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    # Candidates cannot be timed here, and for some products Triton finds no tiles that it did not time.
    untimed = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {untimed}".strip()
    # Of its memory cuDNN tells nothing without a GPU. This process runs nothing on one.
    rnn.gpu_rnn.compute_rnn_workspace_reserve_space_sizes = _cudnn_lstm_memory


def _cudnn_lstm_memory(
    width: int, hidden: int, layers: int, batch: int, frames: int, dropout: float, bidirectional: bool, tf32: bool
) -> tuple[int, int]:
    """An assumption of how many numbers an LSTM of cuDNN's works in, and keeps for its gradient: what our own scan does."""
    cells = (2 if bidirectional else 1) * layers * batch * frames * hidden
    return 4 * cells, 6 * cells  # the input's product; four gates and two states


def _target(accelerator: Accelerator) -> str:
    """The text proto that XLA describes a GPU by."""
    fields = {name: value for name, value in accelerator.target.items() if name != "capability"}
    major, minor = accelerator.target["capability"]
    lines = [f"  {name}: {value}" for name, value in fields.items()]
    lines += [f'  {name}: "{_CUDA}"' for name in ("driver_version", "runtime_version", "compile_time_toolkit_version")]
    lines.append(f"  cuda_compute_capability {{ major: {major} minor: {minor} }}")
    return "\n".join(
        [
            "gpu_device_info {",
            *lines,
            "}",
            'platform_name: "CUDA"',
            "dnn_version_info { major: 9 minor: 10 }",
            f'device_description_str: "{accelerator.title}"',
        ]
    )
