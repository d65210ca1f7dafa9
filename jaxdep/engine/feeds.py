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
from jaxdep.engine.epochs import Order, Rows
from jaxdep.engine.mappers import Lift, Lifted
from jaxdep.engine.processes import fetched, placed
from jaxdep.engine.program import Decisions, Learned, Program, SeedState, Tree
from jaxdep.engine.resident import Resident, ResidentBucket, SeedData, joined
from jaxdep.models import Masked

Place = Callable[[Tree, NamedSharding], Tree]

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
        places: by bucket, the batches that an epoch has of it for any seed at most.
        place: puts arrays where a sharding says, as `placed` does.

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
        places: np.ndarray,
        place: Place = placed,
    ):
        self._program = program
        self._by_seed, self._everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["seed"], []))
        self._common = place(common, self._everywhere)
        placed = tuple(map(self._placed, buckets))
        self.resident = place(Resident(placed, bucket_key, jnp.asarray(places, jnp.int32)), self._everywhere)
        self._features = [bucket.features for bucket in buckets]

    @abstractmethod
    def _placed(self, bucket: ResidentBucket) -> ResidentBucket:
        """What of a bucket lies on the devices."""

    @abstractmethod
    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData, frozen: tuple[str, ...] = ()) -> Trainer:
        """Compiles training for states and seeds of such shapes, in a phase in which these parts stand still."""

    @abstractmethod
    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        """By task, each seed's decisions on that part, [S, ...]."""


class ResidentFeed(Feed):
    """All features lie on every device: an epoch is one compiled program."""

    streams = False

    def _placed(self, bucket: ResidentBucket) -> ResidentBucket:
        return bucket

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData, frozen: tuple[str, ...] = ()) -> Trainer:
        fn = partial(self._program.run_epochs, frozen=frozen, side_by_side=lift.layout.side_by_side)
        compiled = lift(fn, states, {"seed": seeds}, self._epochs(0, 1, 1), donate=True)

        def run(states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int) -> Tree:
            return compiled(states, {"seed": seeds}, self._epochs(first, count, max_steps))

        return Trainer(run, (compiled,))

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        predictor = self.predictor(lift, states, seeds, part)
        return predictor(states, {"seed": seeds}, {"seed": self._common, "resident": self.resident})

    def predictor(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> Lifted:
        """What `predict` runs."""
        shared = {"seed": self._common, "resident": self.resident}
        return lift(partial(self._program.predict, part=part), states, {"seed": seeds}, shared)

    def _epochs(self, first: int, count: int, max_steps: int) -> dict[str, Tree]:
        numbers = {"first_epoch": first, "n_epochs": count, "max_steps": max_steps}
        dynamic = {name: np.int32(number) for name, number in numbers.items()}
        return {"seed": self._common, "resident": self.resident, **dynamic}


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

    def trainer(self, lift: Lift, states: SeedState, seeds: SeedData, frozen: tuple[str, ...] = ()) -> Trainer:
        n_lanes, own, shared = len(jax.tree.leaves(states)[0]), {"seed": seeds}, self._epoch(0)
        begun = self._lanes(jax.vmap(partial(self._program.begin, epoch=jnp.int32(0))), states)
        order = lift(self._program.order, None, own, shared)
        begin = lift(self._program.begin, states, {}, {"epoch": np.int32(0)})
        learn = [self._learn(lift, bucket, begun, seeds, frozen) for bucket in range(len(self._features))]
        score = self._scorer(lift, (begun.params, begun.statistics), seeds, "validation")
        logits = self._logit_shapes(n_lanes, seeds, "validation")
        finish = lift(self._program.finish, states, {**own, "learned": begun, "logits": logits}, shared, donate=True)

        def run(
            states: SeedState, seeds: SeedData, first: int, count: int, max_steps: int
        ) -> tuple[SeedState, dict[str, jax.Array]]:
            own: dict[str, Tree] = {"seed": seeds}
            rows, ahead = [], order(None, own, self._epoch(first))
            for number in range(first, first + count):
                planned = fetched(ahead)
                # Queued before this epoch's steps, so that nobody waits for it when the next one begins.
                ahead = order(None, own, self._epoch(number + 1))
                learned = begin(states, {}, {"epoch": np.int32(number)})
                learned = self._steps(learn, learned, seeds, planned, number, max_steps)
                weights = learned.params, learned.statistics
                logits = self._logits(score, weights, seeds, "validation") if score else None
                states, row = finish(states, {**own, "learned": learned, "logits": logits}, self._epoch(number))
                rows.append(row)
            empty = jnp.full(n_lanes, jnp.nan, jnp.float32)
            missing = [dict.fromkeys(rows[0], empty)] * (self._program.epochs_per_call - count)
            return states, {name: jnp.stack([row[name] for row in rows + missing], axis=1) for name in rows[0]}

        batches = [self._batch_shapes(bucket, n_lanes, self._are_alike("train")) for bucket in range(len(learn))]
        held = _device_bytes(states) + (_IN_FLIGHT + 1) * max(map(_device_bytes, batches))
        return Trainer(run, (order, begin, *learn, *score, finish), held)

    def predict(self, lift: Lift, states: SeedState, seeds: SeedData, part: str) -> dict[str, Decisions]:
        weights = lift(self._program.selected, states, {}, {})(states, {}, {})
        score = self._scorer(lift, weights, seeds, part)
        own = {"seed": seeds, "logits": self._logits(score, weights, seeds, part)}
        decisions = lift(partial(self._program.decisions, part=part), None, own, {"seed": self._common})
        return decisions(None, own, {"seed": self._common})

    def _epoch(self, number: int) -> dict[str, Tree]:
        return {"seed": self._common, "resident": self.resident, "epoch": np.int32(number)}

    def _learn(self, lift: Lift, bucket: int, begun: Learned, seeds: SeedData, frozen: tuple[str, ...]) -> Lifted:
        n_lanes, size = len(begun.loss_sum), self._program.batch_size
        rows = self._lanes(
            lambda: Rows(jnp.zeros((n_lanes, size), int), jnp.ones((n_lanes, size), bool), jnp.zeros(n_lanes, int))
        )
        own, every = self._batch_shapes(bucket, n_lanes, self._are_alike("train"))

        def step(learned: Learned, **arguments: Tree) -> tuple[Learned, jax.Array]:
            """The step, and a number that is there when it is done and that no later step takes over."""
            static: dict[str, Any] = {"bucket": bucket, "frozen": frozen, "side_by_side": lift.layout.side_by_side}
            learned = self._program.learn(learned, **static, **arguments)
            return learned, learned.examples + 0

        return lift(step, begun, {"seed": seeds, "rows": rows, **own}, {**self._epoch(0), **every}, donate=True)

    def _steps(
        self, learn: Sequence[Lifted], learned: Learned, seeds: SeedData, order: Order, epoch: int, max_steps: int
    ) -> Learned:
        """The steps of an epoch."""
        plan, queue = [(int(bucket), int(place)) for bucket, place in order.plan[0][:max_steps]], _Queue()
        steps = [(bucket, order.positions[bucket][:, place]) for bucket, place in plan]
        for (bucket, place), (own, every) in zip(plan, self._stream(steps, "train"), strict=True):
            chosen = order.positions[bucket][:, place], order.valid[bucket][:, place]
            places: Any = np.full(len(learned.loss_sum), place, np.int32)
            rows = placed(Rows(*chosen, places), self._by_seed)
            own_arguments = {"seed": seeds, "rows": rows, **own}
            learned, done = learn[bucket](learned, own_arguments, {**self._epoch(epoch), **every})
            queue.add(done)
        return learned

    def _scorer(self, lift: Lift, weights: tuple[Tree, Tree], seeds: SeedData, part: str) -> list[Lifted]:
        """By bucket, the logits of a batch; nothing where there is no such part."""
        if part not in joined(seeds, self._common).parts:
            return []
        n_lanes = len(jax.tree.leaves(weights)[0])
        shapes = [self._batch_shapes(bucket, n_lanes, self._are_alike(part)) for bucket in range(len(self._features))]
        return [
            lift(self._program.score, weights, {"seed": seeds, **own}, {"seed": self._common, **every})
            for own, every in shapes
        ]

    def _logits(
        self, score: Sequence[Lifted], weights: tuple[Tree, Tree], seeds: SeedData, part: str
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
            logits_of_batch = score[bucket](weights, {"seed": seeds, **own}, {"seed": self._common, **every})
            found[bucket].append(logits_of_batch)
            queue.add(next(iter(found[bucket][-1].values())))
        by_bucket = [
            {task: jnp.concatenate([x[task] for x in parts], axis=1)[:, : rows.shape[1]] for task in parts[0]}
            for parts, rows in zip(found, positions, strict=True)
            if parts
        ]
        logits = {task: jnp.concatenate([x[task] for x in by_bucket], axis=1) for task in by_bucket[0]}
        return jax.device_put(logits, self._by_seed)  # on the devices they lie on

    def _stream(self, steps: Sequence[tuple[int, Any]], part: str) -> Iterator[tuple[dict[str, Tree], dict[str, Tree]]]:
        """The `features` of each step (bucket, rows [S, B]) on the devices: each seed's own, or those of all."""
        alike = self._are_alike(part)

        def gather(step: int) -> list[Any]:
            bucket, rows = steps[step]
            chosen = rows[0] if alike else rows
            return [array[chosen] for name in self._names for array in self._features[bucket][name]]

        dtypes = [str(array.dtype) for name in self._names for array in self._features[0][name]]
        sharding = self._everywhere if alike else self._by_seed
        for arrays in stream(gather, len(steps), dtypes):
            on_devices = placed(arrays, sharding)
            features = {name: Masked(*on_devices[2 * i : 2 * i + 2]) for i, name in enumerate(self._names)}
            yield ({}, {"features": features}) if alike else ({"features": features}, {})

    def _batch_shapes(self, bucket: int, n_lanes: int, alike: bool) -> tuple[dict[str, Tree], dict[str, Tree]]:
        lead = (self._program.batch_size,) if alike else (n_lanes, self._program.batch_size)
        sharding = self._everywhere if alike else self._by_seed
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((*lead, *x.shape[1:]), x.dtype, sharding=sharding), self._features[bucket]
        )
        return ({}, {"features": shapes}) if alike else ({"features": shapes}, {})

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
        positions = fetched(joined(seeds, self._common).parts[part].positions)
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
