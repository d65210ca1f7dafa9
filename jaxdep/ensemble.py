"""MANY seeds: their keys, how they are laid on the devices, and their state. The only place where the seed axis exists.

A program of one seed (training.py) is lifted over [S, ...] by a mapper (config.Mapping) and sharded over the `seed`
axis of a ('seed', 'data') mesh of all devices. A seed's result does not depend on the mapper, the number of devices,
or which other seeds it trains with: its keys are folded from its global id, and nothing crosses the seed axis.
"""

import time
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PRNGKeyArray

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.mappers import COMPILERS, Compiled, OneSeed
from jaxdep.resident import Part, Resident, SeedData, SeedKeys, View, Viewer
from jaxdep.training import Program, SeedState

Tree = Any

AUTO_CANDIDATES = ("vmap", "map", "loop")  # pmap is `map` with another wrapper
_PROBE_STEPS = 3


class Timing(NamedTuple):
    """Seconds of a mapper: compiling, and an epoch of all seeds as estimated from a few steps."""

    compile_s: float
    epoch_s: float


def seed_keys(seeds: config.Seeds) -> SeedKeys:
    """The four streams of each seed, [S]; a stream that does not vary is seed 0's for all."""
    root = jax.random.key(seeds.root, impl="threefry2x32")
    ids = jnp.arange(seeds.first, seeds.first + seeds.count)

    def stream(index: int, name: str) -> PRNGKeyArray:
        of_ids = ids if name in seeds.vary else jnp.zeros_like(ids)
        return jax.vmap(lambda seed: jax.random.fold_in(jax.random.fold_in(root, seed), index))(of_ids)

    return SeedKeys(*(stream(index, name) for index, name in enumerate(config.STREAMS)))


def make_mesh(data_shards: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The ('seed', 'data') mesh over the devices (all, unless given). Raises ConfigError where they do not divide."""
    devices = jax.devices() if devices is None else devices
    if len(devices) % data_shards:
        raise ConfigError(f"config.mapping.data_shards: {data_shards} does not divide the {len(devices)} devices")
    grid = np.asarray(devices).reshape(-1, data_shards)
    return Mesh(grid, ("seed", "data"), axis_types=(AxisType.Auto, AxisType.Auto))


class Ensemble:
    """All seeds of one program over one set of examples.

    Attributes:
        ids: [S], the global ids.
        units: by seed, by part, what the seed's predictions stand for.
        mapper: the mapper in use.
        timings: of each mapper that `auto` tried.
        compile_s: seconds spent compiling the programs in use.
    """

    def __init__(
        self,
        program: Program,
        viewer: Viewer,
        seeds: config.Seeds,
        mapping: config.Mapping,
        *,
        devices: Sequence[jax.Device] | None = None,
        remembered: str | None = None,
    ):
        """Places the data on the devices and compiles.

        Args:
            devices: all of them, unless given.
            remembered: the mapper that `auto` chose for this run before; it is then not measured again.
        """
        self.ids = np.arange(seeds.first, seeds.first + seeds.count)
        self.compile_s = 0.0
        self.timings: dict[str, Timing] = {}
        self._program, self._mapping = program, mapping
        self._mesh = make_mesh(mapping.data_shards, devices)
        n_shards = self._mesh.shape["seed"]
        self._n_padded = -(-len(self.ids) // n_shards) * n_shards
        keys = seed_keys(seeds)
        views = [viewer.view(int(seed)) for seed in np.asarray(jax.vmap(jax.random.bits)(keys.split))]
        self.units = [view.units for view in views]
        self._seeds = self._put(SeedData(keys, *_stack_views(views)))
        # The order in which buckets alternate belongs to no seed: -1 is nobody's id.
        bucket_key = jax.random.fold_in(jax.random.key(seeds.root, impl="threefry2x32"), np.uint32(2**32 - 1))
        replicated = NamedSharding(self._mesh, PartitionSpec())
        self._resident = jax.device_put(Resident(viewer.resident(), bucket_key), replicated)
        self.mapper = mapping.mapper if mapping.mapper != "auto" else remembered or self._measure()
        self._init, self._run = self._compile_training(self.mapper)

    def init(self) -> SeedState:
        """The states of all seeds before the first epoch."""
        return self._end_padding(self._init(None, self._seeds, ()))

    def run(self, states: SeedState, first_epoch: int, n_epochs: int) -> tuple[SeedState, dict[str, np.ndarray]]:
        """Trains `n_epochs` epochs, at most the `epochs_per_call` of the program; `states` is donated.

        Returns:
            The new states, and by "split/metric" [S, n_epochs] values, NaN where a seed had ended before.
        """
        states, history = self._run(states, self._seeds, self._epochs(first_epoch, n_epochs))
        return states, {name: values[:, :n_epochs] for name, values in self._fetch(history).items()}

    def predict(self, states: SeedState, part: str) -> dict[str, np.ndarray]:
        """By task, [S, U, classes] probabilities or [S, U, 1] scores of each seed's units of that part."""
        shared = (self._resident,)
        predict = self._compile(self.mapper, partial(_predict, self._program, part), states, shared)
        return self._fetch(predict(states, self._seeds, shared))

    def fetch(self, states: SeedState) -> SeedState:
        """The states as numpy arrays of their own, [S, ...], whatever the devices: what a checkpoint holds."""
        return self._fetch(states)

    def restore(self, states: SeedState) -> SeedState:
        """What `fetch` gave, back on this ensemble's devices."""
        chex.assert_tree_shape_prefix(states, (len(self.ids),))
        return self._end_padding(self._put(states))

    def all_ended(self, states: SeedState) -> bool:
        """Whether no seed would train any more."""
        return bool(np.all(np.asarray(states.stopped) | np.asarray(states.diverged)))

    @cached_property
    def history_names(self) -> list[str]:
        """The "split/metric" names of what `run` returns."""
        one = jax.tree.map(lambda x: x[0], self._seeds)
        run = partial(_run, self._program)
        return list(jax.eval_shape(run, self._program.init(one), one, self._epochs(0, 1))[1])

    @cached_property
    def abstract_states(self) -> SeedState:
        """Shapes and types of what `fetch` gives."""
        shapes = jax.eval_shape(jax.vmap(self._program.init), self._seeds)
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(self.ids), *x.shape[1:]), x.dtype), shapes)

    def _compile_training(self, mapper: str) -> tuple[Compiled, Compiled]:
        init = self._compile(mapper, partial(_init, self._program), None, ())
        states = init(None, self._seeds, ())
        return init, self._compile(mapper, partial(_run, self._program), states, self._epochs(0, 1), donate=True)

    def _compile(self, mapper: str, fn: OneSeed, states: Tree, shared: Tree, donate: bool = False) -> Compiled:
        started = time.perf_counter()
        compiled = COMPILERS[mapper](fn, (states, self._seeds, shared), self._mesh, self._mapping.group, donate)
        self.compile_s += time.perf_counter() - started
        return compiled

    def _measure(self) -> str:
        """Times all seeds under each candidate and returns the one with the shortest epoch.

        An epoch's time is that of one step and the evaluation, and what each further step adds: from two lengths, the
        quicker of two runs each. A candidate that does not fit the device's memory counts as endless.
        """
        for mapper in AUTO_CANDIDATES:
            try:
                self.timings[mapper] = self._time(mapper)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                self.timings[mapper] = Timing(self.compile_s, float("inf"))
        self.compile_s = 0.0
        return min(self.timings, key=lambda mapper: self.timings[mapper].epoch_s)

    def _time(self, mapper: str) -> Timing:
        self.compile_s = 0.0
        init, run = self._compile_training(mapper)
        states = init(None, self._seeds, ())
        positions = self._seeds.parts["train"].positions
        steps = sum(-(-rows.shape[1] // self._program.batch_size) for rows in positions)
        few, more = 1, min(1 + _PROBE_STEPS, steps)
        quickest: dict[int, float] = {}
        for count in (few, more, few, more):
            started = time.perf_counter()
            states, _ = jax.block_until_ready(run(states, self._seeds, self._epochs(0, 1, count)))
            seconds = time.perf_counter() - started
            quickest[count] = min(seconds, quickest.get(count, seconds))
        a_step = (quickest[more] - quickest[few]) / max(more - few, 1)
        return Timing(self.compile_s, quickest[few] + max(a_step, 0.0) * (steps - few))

    def _epochs(self, first: int, count: int, max_steps: int = np.iinfo(np.int32).max) -> Tree:
        return self._resident, np.int32(first), np.int32(count), np.int32(max_steps)

    def _put(self, tree: Tree) -> Tree:
        """[S, ...] arrays onto the mesh, the last seed repeated until the seeds divide among the devices."""
        index = np.minimum(np.arange(self._n_padded), len(self.ids) - 1)
        sharding = NamedSharding(self._mesh, PartitionSpec("seed"))
        return jax.tree.map(lambda x: jax.device_put(x[index], sharding), tree)

    def _end_padding(self, states: SeedState) -> SeedState:
        """Marks the repeated seeds as ended, so that they cost as little as the mapper allows."""
        is_padding = np.arange(self._n_padded) >= len(self.ids)
        stopped = jax.device_put(np.asarray(states.stopped) | is_padding, states.stopped.sharding)
        return states._replace(stopped=stopped)

    def _fetch(self, tree: Tree) -> Tree:
        # On a CPU the host's view of an array is the device's buffer, which a later donation would overwrite: copy.
        return jax.tree.map(lambda x: np.array(x[: len(self.ids)]), jax.device_get(tree))


def _init(program: Program, _: Tree, seed: SeedData, __: Tree) -> SeedState:
    return program.init(seed)


def _run(program: Program, state: SeedState, seed: SeedData, shared: Tree) -> Tree:
    return program.run_epochs(state, seed, *shared)


def _predict(program: Program, part: str, state: SeedState, seed: SeedData, shared: Tree) -> Tree:
    (resident,) = shared
    return program.predict(state, seed, resident, part)


def _stack_views(views: Sequence[View]) -> tuple[Tree, Tree, Tree]:
    """Parts, normalizers and class weights as [S, ...]; parts that differ in length are filled up as not valid."""
    first = views[0]
    parts = {}
    for name in first.parts:
        of_seeds = [view.parts[name] for view in views]
        buckets = range(len(first.parts[name].positions))
        parts[name] = Part(
            positions=tuple(_stack([part.positions[b] for part in of_seeds], 0) for b in buckets),
            valid=tuple(_stack([part.valid[b] for part in of_seeds], False) for b in buckets),
            units=tuple(_stack([part.units[b] for part in of_seeds], 0) for b in buckets),
            targets={
                task: _stack([part.targets[task] for part in of_seeds], -1 if target.dtype.kind == "i" else np.nan)
                for task, target in first.parts[name].targets.items()
            },
        )
    alike = jax.tree.map(lambda *x: np.stack(x), *((view.normalizers, view.class_weights) for view in views))
    return parts, *alike


def _stack(arrays: Sequence[Any], fill: float) -> Any:
    longest = max(map(len, arrays))
    return np.stack([np.pad(array, (0, longest - len(array)), constant_values=fill) for array in arrays])
