"""The step as jaxdep trains it: all seeds by the seed engine, and what the compiler says of one seed's step."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

from jaxdep import config
from jaxdep.benchmark.systems import OPTIMIZER, SPLITS, System
from jaxdep.engine import training
from jaxdep.engine.choices import Choices
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.lanes import seed_keys
from jaxdep.engine.program import Program, SeedState
from jaxdep.engine.resident import Resident, SeedData, Viewer
from jaxdep.engine.sharing import quickest


class Engine:
    """All seeds of a system on all devices, as an experiment trains them.

    Attributes:
        ensemble: compiled.
    """

    def __init__(
        self,
        system: System,
        seeds: int,
        mapping: config.Mapping,
        choices: Choices | None = None,
        devices: Sequence[jax.Device] | None = None,
    ):
        viewer = make_viewer(system)

        def make(mapping: config.Mapping, devices: Sequence[jax.Device], remembered: str | None) -> Ensemble:
            return Ensemble(
                make_program(system, mapping.data_shards),
                viewer,
                config.Seeds(count=seeds),
                mapping,
                devices=devices,
                remembered=remembered,
                choices=choices,
            )

        self.ensemble = quickest(make, mapping, devices or jax.devices(), lanes=seeds, batch_size=system.batch_size)
        self._states, self._epochs = jax.block_until_ready(self.ensemble.init()), 0

    def epoch(self) -> None:
        """An epoch of every seed; returns when they are done."""
        self._states, _ = self.ensemble.run(self._states, self._epochs, 1)
        self._epochs += 1


class Bare:
    """One seed's step, compiled by itself on one device, without an ensemble."""

    def __init__(self, system: System):
        self._program = make_program(system)
        self._data, self._resident = one_seed(system)
        self._state = jax.jit(lambda seed: self._program.init(seed=seed))(self._data)
        self._run = jax.jit(self._program.run_epochs, donate_argnums=0)

    def epochs(self, count: int) -> None:
        """So many epochs; returns when they are done."""
        for _ in range(count):
            self._state, _ = self._run(self._state, seed=self._data, resident=self._resident, **_one_epoch(1 << 30))
        jax.block_until_ready(self._state)


def make_program(system: System, data_shards: int = 1, select: Literal["best", "last"] = "last") -> Program:
    """One seed's program: an epoch a call, no evaluation; its batches are shared by so many devices.

    What is timed reports the last epoch: the peer keeps no copy of the best one's parameters either.
    """
    return training.build(
        system.model,
        system.inputs,
        system.class_names,
        system.tasks,
        OPTIMIZER,
        config.Training(batch_size=system.batch_size, epochs_per_call=1, select=select),
        data_axis="data",
        data_shards=data_shards,
    )


def one_seed(system: System) -> tuple[SeedData, Resident]:
    """What the program of one seed reads."""
    viewer = make_viewer(system)
    view = viewer.view(0)
    keys = jax.tree.map(lambda key: key[0], seed_keys(config.Seeds(count=1)))
    data = SeedData(keys, *jax.tree.map(jnp.asarray, (view.parts, view.normalizers, view.class_weights, {})))
    return data, Resident(jax.tree.map(jnp.asarray, viewer.resident()), jax.random.key(0))


def step_flops(system: System) -> float:
    """Floating-point operations of one step of one seed, by XLA's cost analysis.

    That analysis counts the body of every loop once. So the loop over steps is one step, as wanted; for a scan over
    time, whose length the jaxpr knows, the missing repetitions are added.
    """
    program = make_program(system)
    data, resident = one_seed(system)
    state = jax.eval_shape(lambda: program.init(seed=data))

    def step(state: SeedState, data: SeedData, resident: Resident) -> Any:
        return program.run_epochs(state, seed=data, resident=resident, **_one_epoch(1))

    return _flops(jax.make_jaxpr(step)(state, data, resident))


def _one_epoch(max_steps: int) -> dict[str, Any]:
    return {"first_epoch": 0, "n_epochs": 1, "max_steps": max_steps}


def _flops(jaxpr: ClosedJaxpr) -> float:
    shapes = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in jaxpr.in_avals]
    costs: Any = jax.jit(jaxpr_as_fun(jaxpr)).lower(*shapes).cost_analysis()
    return float(costs["flops"]) + _repetitions(jaxpr.jaxpr)


def _repetitions(jaxpr: Jaxpr) -> float:
    """What the scans of a program do after their first time round, and the scans inside them during it."""
    return sum((length - 1) * _flops(body) + _repetitions(body.jaxpr) for length, body in _scans(jaxpr))


def _scans(jaxpr: Jaxpr) -> Iterator[tuple[int, ClosedJaxpr]]:
    """The outermost scans of a program and their lengths."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            yield equation.params["length"], equation.params["jaxpr"]
            continue
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                yield from _scans(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)


def _is_jaxpr(value: object) -> bool:
    return isinstance(value, (ClosedJaxpr, Jaxpr))


def matmul_ceiling(size: int, dtype: str) -> float:
    """Floating-point operations a second of one [size, size] matrix product on every device at once."""
    devices = jax.devices()
    operands = [jax.device_put(jnp.ones((size, size), dtype), device) for device in devices]
    product = jax.jit(jnp.matmul)
    seconds = []
    for _ in range(6):  # the first compiles
        started = time.perf_counter()
        jax.block_until_ready([product(x, x) for x in operands])
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 * len(devices) / min(seconds)


def make_viewer(system: System) -> Viewer:
    return Viewer(system.examples(), system.tasks, SPLITS)
