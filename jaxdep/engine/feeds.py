"""How the features reach the compiled programs: they lie on the device, or the host hands them over batch by batch.

Either way every seed sees the same batches in the same order, and the result is the same to rounding.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PRNGKeyArray

from input_pipeline.builder import load_tensorflow
from input_pipeline.config import ConfigError
from input_pipeline.streaming import stream
from jaxdep.engine.mappers import Lift, Lifted
from jaxdep.engine.resident import Resident, ResidentBucket, SeedData, joined
from jaxdep.engine.training import Decisions, Learned, Order, Program, Rows, SeedState, Streamed
from jaxdep.models import Masked

Tree = Any

_IN_FLIGHT = 2  # steps that the host may be ahead of the device; each holds its batch there


@dataclasses.dataclass(frozen=True)
class Trainer:
    """Compiled training of a number of lanes.

    Attributes:
        run: (states, seeds, first epoch, epochs, steps an epoch at most) -> (states, history); `states` is donated.
        programs: what was compiled for it.
        held_bytes: what lies on a device beside the arguments of the largest program.
    """

    run: Callable[[SeedState, SeedData, int, int, int], tuple[SeedState, dict[str, jax.Array]]]
    programs: tuple[Lifted, ...]
    held_bytes: int = 0

    @property
    def memory_bytes(self) -> int | None:
        """Of one device, by the compiler's plan; None where it tells none."""
        planned = [program.memory_bytes for program in self.programs]
        return None if None in planned else max(n for n in planned if n is not None) + self.held_bytes


class Feed(ABC):
    """The features of all examples, and the programs of one seed that read them.

    Args:
        common: what of the seeds' data is the same for all; `seeds` is always what is each one's own, [S, ...].
        buckets: all examples, on the host.
        bucket_key: of the order in which batches alternate between the buckets.

    Attributes:
        resident: what lies on every device.
        streams: whether the features come from the host.
    """

    resident: Resident
    streams: bool

    def __init__(
        self,
        program: Program,
        common: SeedData,
        mesh: Mesh,
        buckets: tuple[ResidentBucket, ...],
        bucket_key: PRNGKeyArray,
    ):
        self._program, self._parts = program, program.streamed
        self._by_seed, self._everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["seed"], []))
        self._common = jax.device_put(common, self._everywhere)
        placed = tuple(map(self._placed, buckets))
        self.resident = jax.device_put(Resident(placed, bucket_key), self._everywhere)
        self._features = [bucket.features for bucket in buckets]

    @abstractmethod
    def _placed(self, bucket: ResidentBucket) -> ResidentBucket:
        """What of a bucket lies on the devices."""

    @abstractmethod
    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        """Compiles training for states and seeds of such shapes."""

    @abstractmethod
    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        """By task, each seed's decisions on that part, [S, ...]."""


class ResidentFeed(Feed):
    """All features lie on every device: an epoch is one compiled program."""

    streams = False

    def _placed(self, bucket: ResidentBucket) -> ResidentBucket:
        return bucket

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        compiled = lift(
            partial(_run, self._program, lift.side_by_side), states, seeds, self._epochs(0, 1, 1), donate=True
        )

        def run(states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int) -> Tree:
            return compiled(states, seeds, self._epochs(first, count, max_steps))

        return Trainer(run, (compiled,))

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        shared = (self._common, self.resident)
        predict = lift(partial(_predict, self._program, part), states, seeds, shared)
        return predict(states, seeds, shared)

    def _epochs(self, first: int, count: int, max_steps: int) -> Tree:
        return self._common, self.resident, np.int32(first), np.int32(count), np.int32(max_steps)


class _Queue:
    """Keeps the host at most `_IN_FLIGHT` steps ahead of the device: each step's batch takes memory there."""

    def __init__(self) -> None:
        self._results: deque[jax.Array] = deque()

    def add(self, result: jax.Array) -> None:
        """Notes a result that was asked for, and waits for an older one if there are too many."""
        self._results.append(result)
        if len(self._results) > _IN_FLIGHT:
            self._results.popleft().block_until_ready()


class StreamedFeed(Feed):
    """The features stay on the host: tf.data gathers each step's batch while the device computes the one before.

    Where all seeds read the same examples in the same order, a batch travels once; else each seed's own travels.
    """

    streams = True

    def __init__(self, *args: Any):
        super().__init__(*args)
        try:
            load_tensorflow()  # which would be missing at the first batch
        except ImportError:
            raise ConfigError(
                "config.mapping.resident_gb: features that do not fit on the device are streamed by TensorFlow, which is "
                "not installed; install it, or raise resident_gb"
            ) from None
        self._names = list(self._features[0])

    def _placed(self, bucket: ResidentBucket) -> ResidentBucket:
        return ResidentBucket({}, bucket.targets)

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData) -> Trainer:
        n_lanes, shared = len(jax.tree.leaves(states)[0]), (self._common, self.resident, np.int32(0))
        begun = self._lanes(jax.vmap(self._parts.begin), states)
        order = lift(partial(_order, self._parts), None, seeds, shared)
        begin = lift(partial(_begin, self._parts), states, seeds, ())
        learn = [self._learn(lift, bucket, begun, seeds) for bucket in range(len(self._features))]
        score = self._scorer(lift, begun.params, begun.statistics, seeds, "validation")
        logits = self._logit_shapes(n_lanes, seeds, "validation")
        finish = lift(partial(_finish, self._parts), states, (seeds, begun, logits), shared, donate=True)

        def run(
            states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int
        ) -> tuple[SeedState, dict[str, jax.Array]]:
            rows = []
            ahead = order(None, seeds, (self._common, self.resident, np.int32(first)))
            for number in range(first, first + count):
                shared = (self._common, self.resident, np.int32(number))
                planned = jax.device_get(ahead)
                # Queued before this epoch's steps, so that nobody waits for it when the next one begins.
                ahead = order(None, seeds, (self._common, self.resident, np.int32(number + 1)))
                learned = begin(states, seeds, ())
                learned = self._steps(learn, learned, seeds, planned, shared, max_steps)
                logits = self._logits(score, learned.params, learned.statistics, seeds, "validation") if score else None
                states, row = finish(states, (seeds, learned, logits), shared)
                rows.append(row)
            empty = jnp.full(n_lanes, jnp.nan, jnp.float32)
            missing = [dict.fromkeys(rows[0], empty)] * (self._program.epochs_per_call - count)
            return states, {name: jnp.stack([row[name] for row in rows + missing], axis=1) for name in rows[0]}

        batches = [self._batch_shapes(bucket, n_lanes, self._are_alike("train")) for bucket in range(len(learn))]
        held = _device_bytes(states) + (_IN_FLIGHT + 1) * max(map(_device_bytes, batches))
        return Trainer(run, (order, begin, *learn, *score, finish), held)

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        select = lift(partial(_selected, self._parts), states, seeds, ())
        params, statistics = select(states, seeds, ())
        score = self._scorer(lift, params, statistics, seeds, part)
        logits = self._logits(score, params, statistics, seeds, part)
        decide = lift(partial(_decide, self._parts, part), None, (seeds, logits), self._common)
        return decide(None, (seeds, logits), self._common)

    def _learn(self, lift: Lift, bucket: int, begun: Learned, seeds: SeedData) -> Lifted:
        n_lanes, size = len(begun.loss_sum), self._program.batch_size
        rows = self._lanes(
            lambda: Rows(jnp.zeros((n_lanes, size), int), jnp.ones((n_lanes, size), bool), jnp.zeros(n_lanes, int))
        )
        own, every = self._batch_shapes(bucket, n_lanes, self._are_alike("train"))
        shared = (self._common, self.resident, np.int32(0), every)
        return lift(
            partial(_learn, self._parts, bucket, lift.side_by_side), begun, (seeds, rows, own), shared, donate=True
        )

    def _steps(
        self, learn: Sequence[Lifted], learned: Learned, seeds: SeedData, order: Order, shared: Tree, max_steps: int
    ) -> Learned:
        """The steps of an epoch."""
        plan, queue = [(int(bucket), int(place)) for bucket, place in order.plan[0][:max_steps]], _Queue()
        steps = [(bucket, order.positions[bucket][:, place]) for bucket, place in plan]
        for (bucket, place), (own, every) in zip(plan, self._stream(steps, "train"), strict=True):
            chosen = order.positions[bucket][:, place], order.valid[bucket][:, place]
            places: Any = np.full(len(learned.loss_sum), place, np.int32)
            rows = jax.device_put(Rows(*chosen, places), self._by_seed)
            learned, done = learn[bucket](learned, (seeds, rows, own), (*shared, every))
            queue.add(done)
        return learned

    def _scorer(self, lift: Lift, params: Tree, statistics: Tree, seeds: SeedData, part: str) -> list[Lifted]:
        """By bucket, the logits of a batch; nothing where there is no such part."""
        if part not in joined(seeds, self._common).parts:
            return []
        states, n_lanes = (params, statistics), len(jax.tree.leaves(params)[0])
        shapes = [self._batch_shapes(bucket, n_lanes, self._are_alike(part)) for bucket in range(len(self._features))]
        score = partial(_score, self._parts)
        return [lift(score, states, (seeds, own), (self._common, every)) for own, every in shapes]

    def _logits(
        self, score: Sequence[Lifted], params: Tree, statistics: Tree, seeds: SeedData, part: str
    ) -> dict[str, jax.Array]:
        """By task, [S, examples of the part in the order of the buckets, outputs]."""
        positions = self._positions(seeds, part)
        size = self._program.batch_size
        batches = [
            np.pad(rows, [(0, 0), (0, -rows.shape[1] % size)]).reshape(len(rows), -1, size) for rows in positions
        ]
        steps = [(bucket, rows[:, place]) for bucket, rows in enumerate(batches) for place in range(rows.shape[1])]
        found: list[list[dict[str, jax.Array]]] = [[] for _ in positions]
        queue = _Queue()
        for (bucket, _), (own, every) in zip(steps, self._stream(steps, part), strict=True):
            found[bucket].append(score[bucket]((params, statistics), (seeds, own), (self._common, every)))
            queue.add(next(iter(found[bucket][-1].values())))
        by_bucket = [
            {task: jnp.concatenate([x[task] for x in parts], axis=1)[:, : rows.shape[1]] for task in parts[0]}
            for parts, rows in zip(found, positions, strict=True)
            if parts
        ]
        logits = {task: jnp.concatenate([x[task] for x in by_bucket], axis=1) for task in by_bucket[0]}
        return jax.device_put(logits, self._by_seed)

    def _stream(self, steps: Sequence[tuple[int, Any]], part: str) -> Iterator[tuple[Tree, Tree]]:
        """The features of each step (bucket, rows [S, B]) on the devices, as (each seed's own, those of all)."""
        alike = self._are_alike(part)

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
        parts = joined(seeds, self._common).parts
        if part not in parts:
            return None
        n = sum(rows.shape[-1] for rows in parts[part].positions)
        return self._lanes(
            lambda: {task: jnp.zeros((n_lanes, n, width)) for task, width in self._program.outputs.items()}
        )

    def _are_alike(self, part: str) -> bool:
        """Whether all seeds read the same batches."""
        return self._common.parts is not None and (part != "train" or self._common.keys.order is not None)

    def _positions(self, seeds: SeedData, part: str) -> list[np.ndarray]:
        """By bucket, [S, n], or [1, n] where they are the same for all seeds."""
        positions = jax.device_get(joined(seeds, self._common).parts[part].positions)
        return [np.atleast_2d(rows) for rows in positions]

    def _lanes(self, make: Callable[..., Tree], *args: Tree) -> Tree:
        """The shapes that `make` gives, [S, ...], spread over the devices."""
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self._by_seed), jax.eval_shape(make, *args)
        )


def _device_bytes(shapes: Tree) -> int:
    """Of arrays of such shapes, on each device."""
    leaves = jax.tree.leaves(shapes)
    return sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)


def nbytes(buckets: Sequence[ResidentBucket]) -> int:
    """What the features take on each device."""
    return sum(array.nbytes for bucket in buckets for feature in bucket.features.values() for array in feature)


def _run(program: Program, side_by_side: bool, state: SeedState, own: SeedData, shared: Tree) -> Tree:
    common, *rest = shared
    return program.run_epochs(state, joined(own, common), *rest, side_by_side)


def _predict(program: Program, part: str, state: SeedState, own: SeedData, shared: Tree) -> Tree:
    common, resident = shared
    return program.predict(state, joined(own, common), resident, part)


def _order(parts: Streamed, _: None, own: SeedData, shared: Tree) -> Order:
    common, *rest = shared
    return parts.order(joined(own, common), *rest)


def _begin(parts: Streamed, state: SeedState, own: SeedData, _: Tree) -> Learned:
    return parts.begin(state)


def _learn(
    parts: Streamed, bucket: int, side_by_side: bool, learned: Learned, data: Tree, shared: Tree
) -> tuple[Learned, jax.Array]:
    """The step, and a number that is there when it is done and that no later step takes over."""
    (own, rows, features), (common, resident, epoch, features_of_all) = data, shared
    seed = joined(own, common)
    learned = parts.learn(bucket, learned, seed, resident, rows, features or features_of_all, epoch, side_by_side)
    return learned, learned.examples + 0


def _score(parts: Streamed, states: Tree, data: Tree, shared: Tree) -> dict[str, jax.Array]:
    (own, features), (common, features_of_all) = data, shared
    return parts.score(*states, joined(own, common), features or features_of_all)


def _finish(parts: Streamed, state: SeedState, data: Tree, shared: Tree) -> Tree:
    (own, learned, logits), (common, resident, epoch) = data, shared
    return parts.finish(state, learned, joined(own, common), resident, logits, epoch)


def _selected(parts: Streamed, state: SeedState, own: SeedData, _: Tree) -> tuple[Tree, Tree]:
    return parts.selected(state)


def _decide(parts: Streamed, part: str, _: None, data: Tree, common: SeedData) -> dict[str, Decisions]:
    own, logits = data
    return parts.decide(logits, joined(own, common), part)
