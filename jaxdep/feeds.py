"""How the features reach the compiled programs: they lie on the device, or the host hands them over batch by batch.

Either way every seed sees the same batches in the same order, and the result is the same to rounding.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PRNGKeyArray

from input_pipeline.streaming import stream
from jaxdep.mappers import Lift, Lifted
from jaxdep.models import Masked
from jaxdep.resident import Resident, ResidentBucket, SeedData
from jaxdep.training import Learned, Order, Program, Rows, SeedState, as_batches

Tree = Any

_IN_FLIGHT = 2  # steps that the host may be ahead of the device; each holds its batch there


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Compiled training of a number of lanes.

    Attributes:
        run: (states, seeds, first epoch, epochs, steps an epoch at most) -> (states, history); `states` is donated.
        programs: what was compiled for it.
    """

    run: Callable[[SeedState, SeedData, int, int, int], tuple[SeedState, dict[str, jax.Array]]]
    programs: tuple[Lifted, ...]

    @property
    def memory_bytes(self) -> int:
        """Of one device, by the compiler's plan."""
        return max(program.memory_bytes for program in self.programs)


class Feed(ABC):
    """The features of all examples, and the programs of one seed that read them.

    Attributes:
        resident: what lies on every device.
        streams: whether the features come from the host.
    """

    resident: Resident
    streams: bool

    @abstractmethod
    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        """Compiles training for states and seeds of such shapes."""

    @abstractmethod
    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, jax.Array]:
        """By task, [S, U, classes] probabilities or [S, U, 1] scores of each seed's units of that part."""


class ResidentFeed(Feed):
    """All features lie on every device: an epoch is one compiled program."""

    streams = False

    def __init__(self, program: Program, buckets: tuple[ResidentBucket, ...], bucket_key: PRNGKeyArray, mesh: Mesh):
        self._program = program
        self.resident = jax.device_put(Resident(buckets, bucket_key), NamedSharding(mesh, PartitionSpec()))

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        compiled = lift(
            partial(_run, self._program, lift.side_by_side), states, seeds, self._epochs(0, 1, 1), donate=True
        )

        def run(states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int) -> Tree:
            return compiled(states, seeds, self._epochs(first, count, max_steps))

        return Trainer(run, (compiled,))

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, jax.Array]:
        predict = lift(partial(_predict, self._program, part), states, seeds, self.resident)
        return predict(states, seeds, self.resident)

    def _epochs(self, first: int, count: int, max_steps: int) -> Tree:
        return self.resident, np.int32(first), np.int32(count), np.int32(max_steps)


class StreamedFeed(Feed):
    """The features stay on the host: tf.data gathers each step's batch while the device computes the one before.

    Where all seeds read the same examples in the same order, a batch travels once; else each seed's own travels.

    Args:
        one_order: whether the seeds' `order` streams are all alike.
    """

    streams = True

    def __init__(
        self,
        program: Program,
        buckets: tuple[ResidentBucket, ...],
        bucket_key: PRNGKeyArray,
        mesh: Mesh,
        seeds: SeedData,
        one_order: bool,
    ):
        self._program, self._parts = program, program.streamed
        self._features = [bucket.features for bucket in buckets]
        self._names = list(self._features[0])
        self._by_seed, self._everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["seed"], []))
        targets = tuple(ResidentBucket({}, bucket.targets) for bucket in buckets)
        self.resident = jax.device_put(Resident(targets, bucket_key), self._everywhere)
        alike = {part: _are_alike(jax.device_get(rows.positions)) for part, rows in seeds.parts.items()}
        self._alike = alike | {"train": alike["train"] and one_order}

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        n_lanes, epoch, resident = len(jax.tree.leaves(states)[0]), np.int32(0), self.resident
        begun = self._lanes(jax.vmap(self._parts.begin), n_lanes, states)
        order = lift(partial(_order, self._parts), None, seeds, (resident, epoch))
        begin = lift(partial(_begin, self._parts), states, seeds, ())
        learn = [self._learn(lift, bucket, begun, seeds) for bucket in range(len(self._features))]
        score = self._scorer(lift, begun.params, begun.statistics, seeds, "validation")
        logits = self._logit_shapes(n_lanes, seeds, "validation")
        finish = lift(partial(_finish, self._parts), states, (seeds, begun, logits), (resident, epoch), donate=True)

        def run(
            states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int
        ) -> tuple[SeedState, dict[str, jax.Array]]:
            rows = []
            for number in range(first, first + count):
                epoch = np.int32(number)
                planned = jax.device_get(order(None, seeds, (resident, epoch)))
                learned = begin(states, seeds, ())
                learned = self._steps(learn, learned, seeds, planned, epoch, max_steps)
                logits = self._logits(score, learned.params, learned.statistics, seeds, "validation") if score else None
                states, row = finish(states, (seeds, learned, logits), (resident, epoch))
                rows.append(row)
            empty = jnp.full(n_lanes, jnp.nan, jnp.float32)
            missing = [dict.fromkeys(rows[0], empty)] * (self._program.epochs_per_call - count)
            return states, {name: jnp.stack([row[name] for row in rows + missing], axis=1) for name in rows[0]}

        return Trainer(run, (order, begin, *learn, *score, finish))

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, jax.Array]:
        select = lift(partial(_selected, self._parts), states, seeds, ())
        params, statistics = select(states, seeds, ())
        score = self._scorer(lift, params, statistics, seeds, part)
        logits = self._logits(score, params, statistics, seeds, part)
        decide = lift(partial(_decide, self._parts, part), None, (seeds, logits), ())
        return decide(None, (seeds, logits), ())

    def _learn(self, lift: Lift, bucket: int, begun: Learned, seeds: SeedData) -> Lifted:
        n_lanes, size = len(begun.loss_sum), self._program.batch_size
        rows = self._lanes(
            lambda: Rows(jnp.zeros((n_lanes, size), int), jnp.ones((n_lanes, size), bool), jnp.zeros(n_lanes, int)),
            n_lanes,
        )
        own, common = self._batch_shapes(bucket, n_lanes, self._alike["train"])
        shared = (self.resident, np.int32(0), common)
        return lift(
            partial(_learn, self._parts, bucket, lift.side_by_side), begun, (seeds, rows, own), shared, donate=True
        )

    def _steps(
        self, learn: Sequence[Lifted], learned: Learned, seeds: SeedData, order: Order, epoch: np.int32, max_steps: int
    ) -> Learned:
        """The steps of an epoch, the host never more than `_IN_FLIGHT` of them ahead."""
        plan, in_flight = [(int(bucket), int(place)) for bucket, place in order.plan[0][:max_steps]], deque[jax.Array]()
        steps = [(bucket, order.positions[bucket][:, place]) for bucket, place in plan]
        for (bucket, place), (own, common) in zip(plan, self._stream(steps, "train"), strict=True):
            chosen = order.positions[bucket][:, place], order.valid[bucket][:, place]
            places: Any = np.full(len(learned.loss_sum), place, np.int32)
            rows = jax.device_put(Rows(*chosen, places), self._by_seed)
            learned, done = learn[bucket](learned, (seeds, rows, own), (self.resident, epoch, common))
            in_flight.append(done)
            if len(in_flight) > _IN_FLIGHT:
                in_flight.popleft().block_until_ready()
        return learned

    def _scorer(self, lift: Lift, params: Tree, statistics: Tree, seeds: SeedData, part: str) -> list[Lifted]:
        """By bucket, the logits of a batch; nothing where there is no such part."""
        if part not in seeds.parts:
            return []
        states, n_lanes = (params, statistics), len(jax.tree.leaves(params)[0])
        shapes = [self._batch_shapes(bucket, n_lanes, self._alike[part]) for bucket in range(len(self._features))]
        return [lift(partial(_score, self._parts), states, (seeds, own), common) for own, common in shapes]

    def _logits(
        self, score: Sequence[Lifted], params: Tree, statistics: Tree, seeds: SeedData, part: str
    ) -> dict[str, jax.Array]:
        """By task, [S, examples of the part in the order of the buckets, outputs]."""
        positions = jax.device_get(seeds.parts[part].positions)
        size = self._program.batch_size
        batches = [np.asarray(jax.vmap(partial(as_batches, size=size))(rows)) for rows in positions]  # [S, batches, B]
        steps = [(bucket, rows[:, place]) for bucket, rows in enumerate(batches) for place in range(rows.shape[1])]
        found: list[list[dict[str, jax.Array]]] = [[] for _ in positions]
        for (bucket, _), (own, common) in zip(steps, self._stream(steps, part), strict=True):
            found[bucket].append(score[bucket]((params, statistics), (seeds, own), common))
        by_bucket = [
            {task: jnp.concatenate([x[task] for x in parts], axis=1)[:, : rows.shape[1]] for task in parts[0]}
            for parts, rows in zip(found, positions, strict=True)
            if parts
        ]
        joined = {task: jnp.concatenate([x[task] for x in by_bucket], axis=1) for task in by_bucket[0]}
        return jax.device_put(joined, self._by_seed)

    def _stream(self, steps: Sequence[tuple[int, Any]], part: str) -> Iterator[tuple[Tree, Tree]]:
        """The features of each step (bucket, rows [S, B]) on the devices, as (each seed's own, those of all)."""
        alike = self._alike[part]

        def gather(step: int) -> list[Any]:
            bucket, rows = steps[step]
            chosen = rows[0] if alike else rows
            return [array[chosen] for name in self._names for array in self._features[bucket][name]]

        dtypes = ["float32", "bool"] * len(self._names)
        sharding = self._everywhere if alike else self._by_seed
        for arrays in stream(gather, len(steps), dtypes):
            placed = jax.device_put(arrays, sharding)
            features = {name: Masked(*placed[2 * i : 2 * i + 2]) for i, name in enumerate(self._names)}
            yield ((), features) if alike else (features, ())

    def _batch_shapes(self, bucket: int, n_lanes: int, alike: bool) -> tuple[Tree, Tree]:
        lead = (self._program.batch_size,) if alike else (n_lanes, self._program.batch_size)
        sharding = self._everywhere if alike else self._by_seed
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((*lead, *x.shape[1:]), x.dtype, sharding=sharding), self._features[bucket]
        )
        return ((), shapes) if alike else (shapes, ())

    def _logit_shapes(self, n_lanes: int, seeds: SeedData, part: str) -> Tree:
        if part not in seeds.parts:
            return None
        n = sum(rows.shape[1] for rows in seeds.parts[part].positions)
        return self._lanes(
            lambda: {task: jnp.zeros((n_lanes, n, width)) for task, width in self._program.outputs.items()}, n_lanes
        )

    def _lanes(self, make: Callable[..., Tree], n_lanes: int, *args: Tree) -> Tree:
        """The shapes that `make` gives, [S, ...], spread over the devices."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self._by_seed), jax.eval_shape(make, *args)
        )


def nbytes(buckets: Sequence[ResidentBucket]) -> int:
    """What the features take on each device."""
    return sum(array.nbytes for bucket in buckets for feature in bucket.features.values() for array in feature)


def _are_alike(positions: Sequence[np.ndarray]) -> bool:
    return all((rows == rows[:1]).all() for rows in positions)


def _run(program: Program, side_by_side: bool, state: SeedState, seed: SeedData, shared: Tree) -> Tree:
    return program.run_epochs(state, seed, *shared, side_by_side)


def _predict(program: Program, part: str, state: SeedState, seed: SeedData, resident: Resident) -> Tree:
    return program.predict(state, seed, resident, part)


def _order(parts: Any, _: None, seed: SeedData, shared: Tree) -> Order:
    return parts.order(seed, *shared)


def _begin(parts: Any, state: SeedState, seed: SeedData, _: Tree) -> Learned:
    return parts.begin(state)


def _learn(
    parts: Any, bucket: int, side_by_side: bool, learned: Learned, data: Tree, shared: Tree
) -> tuple[Learned, jax.Array]:
    """The step, and a number that is there when it is done and that no later step takes over."""
    (seed, rows, own), (resident, epoch, common) = data, shared
    learned = parts.learn(bucket, learned, seed, resident, rows, own or common, epoch, side_by_side)
    return learned, learned.examples + 0


def _score(parts: Any, states: Tree, data: Tree, common: Mapping[str, Masked]) -> dict[str, jax.Array]:
    seed, own = data
    return parts.score(*states, seed, own or common)


def _finish(parts: Any, state: SeedState, data: Tree, shared: Tree) -> Tree:
    (seed, learned, logits), (resident, epoch) = data, shared
    return parts.finish(state, learned, seed, resident, logits, epoch)


def _selected(parts: Any, state: SeedState, seed: SeedData, _: Tree) -> tuple[Tree, Tree]:
    return parts.selected(state)


def _decide(parts: Any, part: str, _: None, data: Tree, __: Tree) -> dict[str, jax.Array]:
    seed, logits = data
    return parts.decide(logits, seed, part)
