"""MANY seeds: how they are laid on the devices, and their state. What stands side by side there, lanes.py tells.

A program of one seed (training.py) is lifted over [S, ...] by a mapper (config.Mapping) and sharded over the `seed`
axis of a ('seed', 'data') mesh of all devices. A seed's result does not depend on the mapper, the number of devices,
or which other seeds it trains with: its keys are folded from its global id, and nothing crosses the seed axis.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Int, PRNGKeyArray

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.engine.choices import Choices
from jaxdep.engine.choosing import Chooser, Tried
from jaxdep.engine.feeds import Feed, Place, ResidentFeed, StreamedFeed, Trainer, nbytes
from jaxdep.engine.lanes import Variant, lane_data, lane_views, lanes_of, seed_keys
from jaxdep.engine.mappers import Layout, Lift, Lifted
from jaxdep.engine.processes import fetched, placed, trimmed
from jaxdep.engine.program import Decisions, Program, SeedState, Tree
from jaxdep.engine.resident import Resident, SeedData, Viewer, joined
from jaxdep.models import Masked, Outputs

Responder = Callable[[Mapping[str, Masked]], Outputs]  # a trained model of one seed


class Outcome(NamedTuple):
    """Of each seed, [S]: whether it stopped by patience, whether it diverged, and its best epoch, from 0 on."""

    stopped: Any
    diverged: Any
    best_epoch: Any


def make_mesh(data_shards: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The ('seed', 'data') mesh over the devices (all, unless given). Raises ConfigError where they do not divide."""
    devices = jax.devices() if devices is None else devices
    if len(devices) % data_shards:
        raise ConfigError(f"config.mapping.data_shards: {data_shards} does not divide the {len(devices)} devices")
    grid = np.asarray(devices).reshape(-1, data_shards)
    return Mesh(grid, ("seed", "data"), axis_types=(AxisType.Auto, AxisType.Auto))


def shapes_at(tree: Tree, sharding: NamedSharding) -> Tree:
    """What arrays there would be."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


class Ensemble:
    """All seeds of one program over one set of examples, in all folds and variants: the lanes of the seed axis.

    A seed is spoken of below where a lane is meant, since mostly they are one.

    Seeds that have ended are left out of the calls that follow, as far as the mapper's cost depends on them: under
    `vmap`, and where features are streamed, the others are packed into half of the lanes, a quarter, and so on; where
    ended seeds cost nothing anyway, the others are only dealt out evenly among the devices.

    Attributes:
        lanes: what stands where on the seed axis.
        units: by seed, by part, what the seed's predictions stand for.
        timings: of each layout that `auto` tried, now or when the choice was remembered.
    """

    def __init__(
        self,
        program: Program,
        viewer: Viewer,
        seeds: config.Seeds,
        mapping: config.Mapping,
        *,
        variants: Sequence[Variant] = (),
        devices: Sequence[jax.Device] | None = None,
        remembered: str | None = None,
        choices: Choices | None = None,
        place: Place = placed,
    ):
        """Places the data on the devices, and chooses the mapper. What is used is compiled at its first use.

        Args:
            variants: of the hyperparameters; without any there is one, of the viewer's tasks.
            devices: all of them, unless given.
            remembered: the layout that `auto` chose for this run before; it is then not measured again.
            choices: where `auto` looks up and keeps what it chose for such a program on such devices.
            place: puts arrays where a sharding says. With `shapes_at`, `devices` may be descriptions of such as are not
                here: what `trainers` compiles is then all that this ensemble can do, and the mapper must be named.
        """
        variants = variants or (Variant(viewer.tasks, {}),)
        self.lanes = lanes_of(seeds, viewer.folds, len(variants))
        self._program, self._viewer, self._mapping = program, viewer, mapping
        self._place = place
        self._mesh = make_mesh(mapping.data_shards or 1, devices)
        self._by_seed = NamedSharding(self._mesh, PartitionSpec("seed"))
        n_shards = self._mesh.shape["seed"]
        self._n_padded = -(-len(self.lanes) // n_shards) * n_shards
        keys = seed_keys(seeds, [lane.seed for lane in self.lanes])
        views = lane_views(self.lanes, keys, viewer, variants)
        self.units = [view.units for view in views]
        own, self._common = lane_data(self.lanes, keys, views, variants, one_order="order" not in seeds.vary)
        self._seeds = self._put(own)
        different = {id(view): view for view in views}.values()
        self._places = np.max([program.places(view.parts["train"]) for view in different], axis=0)  # by bucket
        self._steps = int(self._places.sum())  # in an epoch
        # The order in which buckets alternate belongs to no seed: -1 is nobody's id.
        bucket_key = jax.random.fold_in(jax.random.key(seeds.root, impl="threefry2x32"), np.uint32(2**32 - 1))
        self._buckets = viewer.resident()
        self._feed = self._make_feed(bucket_key)
        self._packed: tuple[np.ndarray, SeedData] | None = None
        self._trainers: dict[tuple[int, tuple[str, ...]], Trainer] = {}  # by the number of lanes and what is frozen
        self._inits: dict[Layout, Lifted] = {}
        chooser = Chooser(
            mapping, self._mesh, self._n_padded // n_shards, self._memory, self._identity, self._compile_trainer
        )
        layout = chooser.choose(remembered, choices, self._run_some, self._steps)
        self.timings = chooser.timings
        if layout in chooser.tried:
            self._lift, self._trainers[self._n_padded, ()] = chooser.tried[layout]
        else:
            self._lift = Lift(layout, self._mesh)
        self._inits = {kept: init for kept, init in self._inits.items() if kept == layout}

    def init(self) -> SeedState:
        """The states of all seeds before the first epoch."""
        return self._end_padding(self._first_states(self._lift))

    def run(
        self, states: SeedState, first_epoch: int, n_epochs: int, frozen: tuple[str, ...] = ()
    ) -> tuple[SeedState, dict[str, np.ndarray]]:
        """Trains `n_epochs` epochs, at most the `epochs_per_call` of the program; `states` is donated.

        Args:
            frozen: the parts of the model that stand still; other parts are another phase, which is compiled anew.

        Returns:
            The new states, and by "split/metric" [S, n_epochs] values, NaN where a seed had ended before.
        """
        epochs = (first_epoch, n_epochs, self._steps)
        lanes = self._lanes(states)
        if lanes is None:
            states, history = self._trainer_of(self._n_padded, frozen).run(states, self._seeds, *epochs)
            return states, {name: values[:, :n_epochs] for name, values in self._fetch(history).items()}
        if self._packed is None or not np.array_equal(self._packed[0], lanes):
            self._packed = lanes, _take(self._by_seed, self._seeds, lanes)
        trainer, is_all = self._trainer_of(len(lanes), frozen), len(lanes) == self._n_padded
        taken = (_reorder if is_all else _take)(self._by_seed, states, lanes)
        trained, history = trainer.run(taken, self._packed[1], *epochs)
        rows = {name: np.full((self._n_padded, n_epochs), np.nan, np.float32) for name in history}
        for name, values in fetched(history).items():
            rows[name][lanes] = values[:, :n_epochs]
        if is_all:
            states = _reorder(self._by_seed, trained, np.argsort(lanes))
        else:
            states = _give_back(self._by_seed, states, lanes, trained)
        return states, {name: values[: len(self.lanes)] for name, values in rows.items()}

    def predict(self, states: SeedState, part: str) -> dict[str, Decisions]:
        """By task, the decisions on that part, [S, ...]: of the units in the order of `units`, of examples in `rows`'."""
        return self._fetch(self._feed.predict(self._lift, states, self._seeds, part))

    def predictor(self, part: str) -> Lifted:
        """What `predict` would run for all seeds, compiled.

        Raises:
            ConfigError: the features are streamed, so that there are several programs.
        """
        if not isinstance(self._feed, ResidentFeed):
            raise ConfigError("config.mapping.resident_gb: streamed features are not decided on by one program")
        return self._feed.predictor(self._lift, self._shapes(self.abstract_states, self._n_padded), self._seeds, part)

    def responder(self, states: SeedState, lane: int) -> Responder:
        """The trained model of a lane, by its place, for features of whatever examples, [B, ...]."""
        state, own = jax.tree.map(lambda x: x[lane], (self.fetch(states), self._seeds))
        normalizers = fetched(joined(own, self._common).normalizers)
        return jax.jit(partial(self._program.respond, state, normalizers))

    def rows(self, part: str) -> Int[np.ndarray, "S examples"]:
        """Which example of the corpus each seed's decisions on a part's examples are of; -1 where of none."""
        found = joined(self._seeds, self._common).parts[part]
        by_bucket = [
            np.where(valid, bucket.rows[positions], -1)
            for bucket, positions, valid in zip(
                self._viewer.examples.buckets, *fetched((found.positions, found.valid)), strict=True
            )
        ]
        rows = np.atleast_2d(np.concatenate(by_bucket, axis=-1))
        return np.broadcast_to(rows[: len(self.lanes)], (len(self.lanes), rows.shape[1]))

    def fetch(self, states: SeedState) -> SeedState:
        """The states as numpy arrays of their own, [S, ...], whatever the devices."""
        return self._fetch(states)

    def snapshot(self, states: SeedState) -> SeedState:
        """The states as a checkpoint takes them, [S, ...]: as `fetch` gives them, unless several processes have them."""
        return trimmed(states, len(self.lanes))

    def restore(self, states: SeedState) -> SeedState:
        """What `fetch` gave, or a checkpoint, back on this ensemble's devices."""
        chex.assert_tree_shape_prefix(states, (len(self.lanes),))
        return self._end_padding(self._put(states))

    def outcome(self, states: SeedState) -> Outcome:
        """What became of each seed."""
        return self._fetch(Outcome(states.stopped, states.diverged, states.best.epoch))

    def weights(self, states: SeedState) -> tuple[Tree, Tree]:
        """The (params, statistics) of the reported epoch of each seed, as numpy arrays, [S, ...]."""
        return self._fetch(jax.vmap(self._program.selected)(states))

    def all_ended(self, states: SeedState) -> bool:
        """Whether no seed would train any more."""
        return bool(np.all(_ended(states)))

    @property
    def lower_is_better(self) -> bool:
        """Whether the monitored metric is better the lower."""
        return self._program.lower_is_better

    @cached_property
    def history_names(self) -> list[str]:
        """The "split/metric" names of what `run` returns."""
        one = joined(jax.tree.map(lambda x: x[0], self._seeds), self._common)
        resident = jax.eval_shape(lambda: self._feed.resident._replace(buckets=self._buckets))
        state = jax.eval_shape(lambda: self._program.init(seed=one))
        numbers = dict.fromkeys(("first_epoch", "n_epochs", "max_steps"), np.int32(0))

        def run(state: SeedState, seed: SeedData, resident: Resident, numbers: dict[str, Any]) -> Tree:
            return self._program.run_epochs(state, seed=seed, resident=resident, **numbers)

        # Devices that share batches ask which of them they are.
        shared = jax.vmap(run, None, axis_name="data", axis_size=self._mesh.shape["data"])
        return list(jax.eval_shape(shared, state, one, resident, numbers)[1])

    @cached_property
    def abstract_states(self) -> SeedState:
        """Shapes and types of what `fetch` gives."""
        init = jax.vmap(lambda own, common: self._program.init(seed=joined(own, common)), in_axes=(0, None))
        shapes = jax.eval_shape(init, self._seeds, self._common)
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(self.lanes), *x.shape[1:]), x.dtype), shapes)

    @property
    def trainers(self) -> Mapping[tuple[int, tuple[str, ...]], Trainer]:
        """What is compiled to train, by the number of lanes (all seeds', and those that were left) and what is frozen."""
        if not self._trainers:
            self._trainer_of(self._n_padded)
        return self._trainers

    def memory_bytes(self, frozen: tuple[str, ...] = ()) -> int | None:
        """What training needs on one device, by the compiler's plan: features, states, and what a step keeps.

        Args:
            frozen: in the phase in which these parts of the model stand still.
        """
        return self._trainer_of(self._n_padded, frozen).memory_bytes

    @property
    def streams(self) -> bool:
        """Whether the features stay on the host, since they are too many for the device."""
        return self._feed.streams

    @property
    def mapper(self) -> str:
        """The mapper in use, and the seeds of a device that it takes at a time, if not one: `vmap`, `map:64`."""
        return str(self._lift.layout)

    @property
    def epoch_s(self) -> float:
        """Seconds of an epoch of all seeds, as they were estimated when `auto` chose; endless where it did not."""
        timing = self.timings.get(self.mapper)
        return np.inf if timing is None else timing.epoch_s

    @property
    def compile_s(self) -> float:
        """Seconds spent compiling the programs in use."""
        return self._lift.compile_s

    def _make_feed(self, bucket_key: PRNGKeyArray) -> Feed:
        limit = self._mapping.resident_gb * 1e9 or self._memory / 2
        kind = ResidentFeed if nbytes(self._buckets) <= limit else StreamedFeed
        return kind(self._program, self._common, self._mesh, self._buckets, bucket_key, self._places, self._place)

    def _first_states(self, lift: Lift) -> SeedState:
        own, common = {"seed": self._seeds}, {"seed": self._common}
        if lift.layout not in self._inits:
            self._inits[lift.layout] = lift(self._program.init, None, own, common)
        return self._inits[lift.layout](None, own, common)

    def _compile_trainer(self, lift: Lift, lanes: int = 0, frozen: tuple[str, ...] = ()) -> Trainer:
        """Of so many lanes; of all of them, unless given."""
        lanes = lanes or self._n_padded
        states, seeds = self._shapes(self.abstract_states, lanes), self._shapes(self._seeds, lanes)
        return self._feed.trainer(lift, states, seeds, frozen)

    def _shapes(self, tree: Tree, lanes: int) -> Tree:
        """Of so many lanes, spread over the devices."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((lanes, *x.shape[1:]), x.dtype, sharding=self._by_seed), tree
        )

    def _trainer_of(self, lanes: int, frozen: tuple[str, ...] = ()) -> Trainer:
        if (lanes, frozen) not in self._trainers:
            self._trainers[lanes, frozen] = self._compile_trainer(self._lift, lanes, frozen)
        return self._trainers[lanes, frozen]

    def _lanes(self, states: SeedState) -> np.ndarray | None:
        """Which seeds the next call trains, in the order of the devices; None for all of them where they lie.

        It follows from the states alone, so that a run that was resumed goes the same way.
        """
        ended = _ended(states)
        active, n_shards = np.flatnonzero(~ended), self._mesh.shape["seed"]
        needed, each = -(-len(active) // n_shards), self._n_padded // n_shards  # a device
        if not (self._lift.layout.side_by_side or self._feed.streams):  # ended seeds cost nothing
            if (~ended).reshape(n_shards, each).sum(1).max() <= needed:
                return None
        else:
            while each > 1 and needed <= (each + 1) // 2:
                each = (each + 1) // 2
            if each * n_shards == self._n_padded:
                return None
        order = np.concatenate([active, np.flatnonzero(ended)])[: each * n_shards]
        return np.concatenate([order[shard::n_shards] for shard in range(n_shards)])

    @property
    def _memory(self) -> float:
        """Bytes of a device."""
        return self._mapping.memory_gb * 1e9 or _memory_limit(self._mesh)

    @property
    def _identity(self) -> str:
        """The program, its shapes, and where the features are, in words."""
        shapes = jax.tree.map(lambda x: (x.shape, str(x.dtype)), (self._seeds, self._common, self._buckets))
        return repr((self._program.identity, shapes, self._feed.streams))

    def _run_some(self, tried: Tried, steps: int) -> float:
        """Seconds of an epoch of at most so many steps. Ever from the start: after some epochs seeds may have ended, which not
        every mapper can skip."""
        states = jax.block_until_ready(self._first_states(tried.lift))
        started = time.perf_counter()
        jax.block_until_ready(tried.trainer.run(states, self._seeds, 0, 1, steps))
        return time.perf_counter() - started

    def _put(self, tree: Tree) -> Tree:
        """[S, ...] arrays onto the mesh, the last seed repeated until the seeds divide among the devices."""
        index = np.minimum(np.arange(self._n_padded), len(self.lanes) - 1)
        return jax.tree.map(lambda x: self._place(x[index], self._by_seed), tree)

    def _end_padding(self, states: SeedState) -> SeedState:
        """Marks the repeated seeds as ended, so that they cost as little as the mapper allows."""
        is_padding = np.arange(self._n_padded) >= len(self.lanes)
        stopped = placed(fetched(states.stopped) | is_padding, self._by_seed)
        return states._replace(stopped=stopped)

    def _fetch(self, tree: Tree) -> Tree:
        # On a CPU the host's view of an array is the device's buffer, which a later donation would overwrite: copy.
        return jax.tree.map(lambda x: np.array(x[: len(self.lanes)]), fetched(tree))


def _ended(states: SeedState) -> Bool[np.ndarray, " S"]:
    """Which seeds train no more."""
    stopped, diverged = fetched((states.stopped, states.diverged))
    return stopped | diverged


def _taken(sharding: NamedSharding, tree: Tree, lanes: np.ndarray) -> Tree:
    """The seeds at `lanes`, in that order."""
    return lax.with_sharding_constraint(jax.tree.map(lambda x: x[lanes], tree), sharding)


_take = jax.jit(_taken, static_argnums=0)
_reorder = jax.jit(_taken, static_argnums=0, donate_argnums=1)  # of all seeds: what they were is not kept beside them


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _give_back(sharding: NamedSharding, tree: Tree, lanes: np.ndarray, taken: Tree) -> Tree:
    """What `_take` took, changed, in its old place."""
    return lax.with_sharding_constraint(jax.tree.map(lambda x, y: x.at[lanes].set(y), tree, taken), sharding)


def _memory_limit(mesh: Mesh) -> float:
    """Bytes that a device says it has; of a CPU, whose devices share the machine's memory, its share."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu" and hasattr(os, "sysconf"):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / mesh.size
    return float((device.memory_stats() or {}).get("bytes_limit", np.inf))
