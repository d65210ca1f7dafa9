"""A training program, compiled for an accelerator that is not here, and what follows from it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxdep import config
from jaxdep.benchmark.accelerators import Accelerator, hlo
from jaxdep.benchmark.engine import make_program, make_viewer
from jaxdep.benchmark.systems import System
from jaxdep.engine.choosing import is_out_of_memory
from jaxdep.engine.ensemble import Ensemble, shapes_at
from jaxdep.engine.mappers import Lifted

_NEEDED = re.compile(r"Used ([\d.]+)([GM]) of [\d.]+[GM] hbm")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Seconds that one step of all seeds takes at least, each by itself.

    Attributes:
        compute: the matrix products at the device's peak.
        memory: the bytes that its kernels move, at the memory's bandwidth.
        launch: its kernels, one started after the other; 0 where the host starts none: on a TPU, or with all in one graph.
        roofline: kernel by kernel the longer of its compute and memory.
        compiler: by the compiler's own estimate of each kernel, as far as it makes one; 0 where it makes none at all.
    """

    compute: float
    memory: float
    launch: float
    roofline: float
    compiler: float

    @property
    def predicted(self) -> float:
        """The longest of them."""
        return max(self.roofline, self.launch, self.compiler)

    @property
    def binds(self) -> str:
        """Which of them that is."""
        if self.predicted == self.launch:
            return "launches"
        if self.predicted == self.compiler:
            return "compiler's estimate"
        return "memory" if self.memory > self.compute else "arithmetic"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A program on a device.

    Attributes:
        what: `training` or `evaluation`.
        compile_s: seconds.
        memory_gb: that it needs on one device, 1e9 bytes; NaN where the compiler tells none.
        fits: whether the device has that much.
        flops, nbytes: of one step of all seeds: of its matrix products, and moved to and from the device's memory.
        bounds: None where it does not compile, for lack of memory.
        kernels_a_step: of each scan over time, in the order of the program, the kernels that a time step starts.
        found: what should not be there, in words, by kind.
    """

    accelerator: str
    system: str
    what: str
    seeds: int
    mapper: str
    precision: str
    compile_s: float
    memory_gb: float
    fits: bool
    flops: float = np.nan
    nbytes: float = np.nan
    bounds: Bounds | None = None
    kernels_a_step: tuple[int, ...] = ()
    found: Mapping[str, int] = dataclasses.field(default_factory=dict)


def make_plans(
    name: str,
    system: System,
    accelerator: Accelerator,
    devices: Sequence[jax.Device],
    seeds: int,
    mapping: config.Mapping,
    precision: str,
) -> list[Plan]:
    """Compiles the training and the evaluation of all seeds, by the seed engine's own path, of shapes alone."""
    if mapping.recurrence == "graph":  # whose kernels no host starts
        accelerator = dataclasses.replace(accelerator, launch_us=0.0)
    ensemble = Ensemble(
        # What an experiment needs at its defaults: a seed also holds its best epoch's parameters.
        make_program(system, mapping.data_shards or 1, select="best"),
        make_viewer(system),
        config.Seeds(count=seeds),
        dataclasses.replace(mapping, memory_gb=accelerator.memory_gb),
        devices=devices,
        place=shapes_at,
    )

    def compiled(what: str) -> Plan:
        """Where the device's memory is too small, the compiler says how much it needs."""
        needed, before = np.nan, 0.0 if what == "training" else ensemble.compile_s
        lifted: Lifted | None = None
        try:
            if what == "training":
                (trainer,) = ensemble.trainers.values()
                (lifted,) = trainer.programs
            else:
                lifted = ensemble.predictor("train")
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if said := _NEEDED.search(str(error)):
                needed = float(said[1]) * (1.0 if said[2] == "G" else 1e-3) * 1.073741824
        compile_s = ensemble.compile_s - before
        plan = Plan(accelerator.name, name, what, seeds, ensemble.mapper, precision, compile_s, needed, fits=False)
        return _read(plan, lifted, accelerator) if lifted else plan

    return [compiled("training"), compiled("evaluation")]


def _read(plan: Plan, lifted: Lifted, accelerator: Accelerator) -> Plan:
    program = hlo.read(lifted.executable.as_text())
    kernels = program.kernels
    memory_gb = np.nan if lifted.memory_bytes is None else lifted.memory_bytes / 1e9
    return dataclasses.replace(
        plan,
        memory_gb=memory_gb,
        fits=not memory_gb > accelerator.memory_gb,
        flops=hlo.total(kernels, "flops"),
        nbytes=hlo.total(kernels, "nbytes"),
        bounds=bounds(kernels, accelerator, plan.precision),
        kernels_a_step=tuple(loop.kernels for loop in program.loops),
        found=_found(program),
    )


def bounds(kernels: Sequence[hlo.Kernel], accelerator: Accelerator, precision: str) -> Bounds:
    """Of kernels that run one after the other, by the device's peaks at that precision, in seconds."""
    peak, bandwidth = accelerator.tflops[precision] * 1e12, accelerator.bandwidth_gb_s * 1e9
    times = np.array([kernel.times for kernel in kernels])
    compute = np.array([kernel.flops for kernel in kernels]) / peak
    memory = np.array([kernel.nbytes for kernel in kernels]) / bandwidth
    cycles, longer = np.array([kernel.cycles for kernel in kernels]), np.maximum(compute, memory)
    # Of a kernel of our own the compiler estimates nothing.
    estimated = (
        np.where(cycles > 0, cycles / (accelerator.clock_ghz * 1e9), longer) if accelerator.clock_ghz else 0 * times
    )
    return Bounds(
        compute=float(times @ compute),
        memory=float(times @ memory),
        launch=float(times.sum()) * accelerator.launch_us * 1e-6,
        roofline=float(times @ longer),
        compiler=float(times @ estimated),
    )


def _found(program: hlo.Program) -> dict[str, int]:
    counts = {
        "grouped convolutions": program.grouped_convolutions(),
        "collectives": program.collectives(),
        "host transfers": program.host_transfers(),
        "float64": program.float64(),
    }
    return {kind: len(instructions) for kind, instructions in counts.items() if instructions}


def seeds_that_fit(plans: Sequence[Plan], accelerator: Accelerator) -> int | None:
    """By a line through what the plans of one program need at two numbers of seeds or more; None where there are fewer."""
    known = sorted((plan.seeds, plan.memory_gb) for plan in plans if not np.isnan(plan.memory_gb))
    if len(known) < 2:
        return None
    (few, at_few), (many, at_many) = known[-2:]
    each = (at_many - at_few) / (many - few)
    return int(many + (accelerator.memory_gb - at_many) / each) if each > 0 else None
