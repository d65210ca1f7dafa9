"""ONE seed's training as a pure function of its keys and data. Nothing here knows of other seeds.

`build` makes a `Program`, which `ensemble.py` maps over seeds. The features of all examples stay resident on the
device; a seed owns only the positions of the examples in its splits, gathers its own permutation of them inside the
compiled program, and carries the statistics of its own training split. Where the features are too large for the device,
the host gathers the same batches, and the parts of an epoch are called one by one.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, Scalar

from input_pipeline.config import ConfigError
from jaxdep.config import Optimizer, Sampling, Task, Training
from jaxdep.engine import evaluation, phases, sampling
from jaxdep.engine.epochs import Order, Rows, batches, filled, fold_in, shuffled
from jaxdep.engine.lanes import tuned
from jaxdep.engine.objectives import MISSING, batch_loss
from jaxdep.engine.program import Best, Decisions, Learned, Program, SeedState, Tree
from jaxdep.engine.resident import Normalizer, Part, Resident, ResidentBucket, SeedData
from jaxdep.engine.schedule import advanced, best_weights, current, judged, kept, make_transform
from jaxdep.models import Masked, ModelConfig, Outputs, Step
from jaxdep.models.layers.draws import shared_over
from jaxdep.statistics import metrics


def build(
    model: ModelConfig,
    inputs: Mapping[str, int],
    classes: Mapping[str, tuple[str, ...]],
    tasks: Mapping[str, Task],
    optimizer: Optimizer,
    training: Training,
    *,
    recorded: Collection[str] = (),
    varied: Collection[str] = (),
    data_axis: str | None = None,
    data_shards: int = 1,
) -> Program:
    """Makes the program of one seed.

    Args:
        inputs: by feature name, the length of its last axis: a vector's dimension, an image's channels.
        classes: by task with classes, their names.
        training: what it monitors is a metric; `TrainStage.check_labels` sees to that.
        recorded: validation metrics that enter the history besides the loss and the monitored one.
        varied: the paths of the hyperparameters that are read from `SeedData.settings`.
        data_axis, data_shards: the mesh axis over which one seed's batches are shared, and its size.

    Raises:
        ConfigError: the batch size does not divide among the shards.
    """
    if training.batch_size % data_shards:
        raise ConfigError(f"training.batch_size: {training.batch_size} does not divide among {data_shards} data shards")
    outputs = {name: task.loss.outputs(len(classes.get(name, ()))) for name, task in tasks.items()}
    recorded = frozenset({"loss", training.monitor, *recorded})
    return _Learner(
        identity=repr(
            (
                *(model, inputs, outputs, tasks, optimizer, training.batch_size, training.sampling, training.frozen),
                *map(sorted, (recorded, varied)),
            )
        ),
        outputs=outputs,
        make=lambda key: model.build(inputs, outputs, rngs=nnx.Rngs(params=key)),
        classes=classes,
        tasks=tasks,
        optimizer=optimizer,
        training=training,
        recorded=recorded,
        data_axis=data_axis if data_shards > 1 else None,
        data_shards=data_shards,
    )


class _Batch(NamedTuple):
    """A step's examples, or this device's share of them.

    Those that only fill it up (`valid` is False) have masked features and unknown targets: they are rows of anybody.

    Attributes:
        is_empty: whether no device has an example of it.
        key: of this step's dropout.
    """

    features: Mapping[str, Masked]
    targets: Mapping[str, Num[Array, " batch"]]
    valid: Bool[Array, " batch"]
    is_empty: Bool[Array, ""]
    key: PRNGKeyArray


@dataclasses.dataclass(frozen=True)
class _Learner:
    """The `Program` of a Flax module; its methods without a docstring are described there."""

    identity: str
    outputs: Mapping[str, int]
    make: Callable[[PRNGKeyArray], nnx.Module]
    classes: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, Task]
    optimizer: Optimizer
    training: Training
    recorded: frozenset[str]
    data_axis: str | None
    data_shards: int

    @property
    def batch_size(self) -> int:
        return self.training.batch_size

    @property
    def epochs_per_call(self) -> int:
        return self.training.epochs_per_call

    @property
    def lower_is_better(self) -> bool:
        names = [self.training.monitor, *(self.training.monitor.removeprefix(f"{task}_") for task in self.tasks)]
        return "loss" in names or bool(metrics.LOWER_IS_BETTER & set(names))

    @property
    def _sampled(self) -> tuple[Sampling, str, int]:
        """How an epoch's examples are drawn, and by the classes of which task, with their number."""
        first = next(iter(self.tasks))
        return self.training.sampling, first, len(self.classes.get(first, ()))

    @cached_property
    def graphdef(self) -> nnx.GraphDef[nnx.Module]:
        graphdef, _ = nnx.split(nnx.eval_shape(lambda: self.make(jax.random.key(0))))
        return graphdef

    def init(self, *, seed: SeedData) -> SeedState:
        _, *states = nnx.split(self.make(seed.keys.init), nnx.Param, ...)
        params, statistics = map(nnx.to_pure_dict, states)
        phases.check_parts([one.part for one in self.training.frozen], params, statistics)
        return SeedState(
            params=params,
            statistics=statistics,
            opt_state=kept(self._transform(seed).init(params), self.training),
            learning_rate_scale=jnp.float32(1),
            best=Best(*best_weights(params, statistics, self.training), jnp.int32(-1), jnp.float32(jnp.inf)),
            waited=jnp.int32(0),
            plateau_waited=jnp.int32(0),
            stopped=jnp.bool_(False),
            diverged=jnp.bool_(False),
        )

    def run_epochs(
        self,
        state: SeedState,
        *,
        seed: SeedData,
        resident: Resident,
        first_epoch: Int[Scalar, ""],
        n_epochs: Int[Scalar, ""],
        max_steps: Int[Scalar, ""],
        frozen: tuple[str, ...] = (),
        side_by_side: bool = False,
    ) -> tuple[SeedState, dict[str, Array]]:
        def run(state: SeedState, epoch: Array) -> tuple[SeedState, dict[str, Array]]:
            return self._epoch(state, seed, resident, epoch, max_steps, frozen, side_by_side)

        names = list(jax.eval_shape(run, state, first_epoch)[1])

        def goes_on(carry: tuple[Array, SeedState, dict[str, Array]]) -> Array:
            i, state, _ = carry
            if side_by_side:  # who has ended runs along with the others; `finish` leaves it as it is
                return i < n_epochs
            return (i < n_epochs) & ~(state.stopped | state.diverged)

        def body(carry: tuple[Array, SeedState, dict[str, Array]]) -> tuple[Array, SeedState, dict[str, Array]]:
            i, state, history = carry
            state, row = run(state, first_epoch + i)
            return i + 1, state, {name: history[name].at[i].set(row[name]) for name in names}

        empty = {name: jnp.full(self.training.epochs_per_call, jnp.nan, jnp.float32) for name in names}
        _, state, history = lax.while_loop(goes_on, body, (jnp.int32(0), state, empty))
        return state, history

    def predict(self, state: SeedState, *, seed: SeedData, resident: Resident, part: str) -> dict[str, Decisions]:
        logits = self._logits(self.selected(state), seed, resident, seed.parts[part])
        return self.decisions(logits=logits, seed=seed, part=part)

    def respond(
        self, state: SeedState, normalizers: Mapping[str, Normalizer], features: Mapping[str, Masked]
    ) -> Outputs:
        return self._apply(*self.selected(state), _normalized(features, normalizers), None)[0]

    def selected(self, state: SeedState) -> tuple[Tree, Tree]:
        chosen: Any = state.best if self.training.select == "best" else state
        return chosen.params, chosen.statistics

    def order(self, *, seed: SeedData, resident: Resident, epoch: Int[Scalar, ""]) -> Order:
        order_key, bucket_key = (jax.random.fold_in(key, epoch) for key in (seed.keys.order, resident.bucket_key))
        part = sampling.drawn(seed.parts["train"], *self._sampled, order_key)
        return shuffled(part, self.training.batch_size, order_key, bucket_key, resident.places)

    def places(self, part: Part) -> Int[np.ndarray, " buckets"]:
        sampled, task, _ = self._sampled
        examples = sampling.most(part, sampled, task, self.classes.get(task, ()))
        return -(-examples // self.training.batch_size)

    def begin(self, state: SeedState, *, epoch: Int[Scalar, ""]) -> Learned:
        ended = state.stopped | state.diverged
        scale = state.learning_rate_scale * self.training.schedule.scale(epoch, self.training.epochs)
        zero = jnp.float32(0)
        return Learned(state.params, state.statistics, current(state.opt_state), zero, zero, scale, ended)

    def learn(
        self,
        learned: Learned,
        *,
        bucket: int,
        seed: SeedData,
        resident: Resident,
        rows: Rows,
        features: Mapping[str, Masked],
        epoch: Int[Scalar, ""],
        frozen: tuple[str, ...] = (),
        side_by_side: bool = False,
    ) -> Learned:
        shared = {name: Masked(*map(self._share, feature)) for name, feature in features.items()}
        batch = self._batch(bucket, seed, resident, rows, shared, epoch)
        return self._learn(learned, batch, seed, frozen, side_by_side)

    def score(
        self, weights: tuple[Tree, Tree], *, seed: SeedData, features: Mapping[str, Masked]
    ) -> dict[str, Float[Array, "batch outputs"]]:
        return dict(self._apply(*weights, _normalized(features, seed.normalizers), None)[0].logits)

    def finish(
        self,
        state: SeedState,
        *,
        learned: Learned,
        seed: SeedData,
        resident: Resident,
        logits: dict[str, Array] | None,
        epoch: Int[Scalar, ""],
    ) -> tuple[SeedState, dict[str, Array]]:
        loss = learned.loss_sum / jnp.maximum(learned.examples, 1)
        row = {
            "train/loss": loss,
            "train/learning_rate_scale": learned.learning_rate_scale,
        }
        score = worst = loss
        if logits is not None:
            part = seed.parts["validation"]
            found = evaluation.measured(self._tasks(seed), logits, part, resident, seed.class_weights)
            # The compiler drops the metrics that nobody asked for; some cost seconds of compilation.
            row |= {f"validation/{name}": value for name, value in found.items() if name in self.recorded}
            score = found[self.training.monitor] * (1 if self.lower_is_better else -1)
            worst = loss + found["loss"]
        elif self.training.monitor != "loss":
            raise ConfigError(f"training.monitor: {self.training.monitor!r} needs a validation split; there is none")
        opt_state = advanced(state.opt_state, learned.opt_state)
        after = state._replace(params=learned.params, statistics=learned.statistics, opt_state=opt_state)
        after = judged(after, score, epoch, self.training)
        finite = jnp.isfinite(worst) & _all_finite((learned.params, learned.statistics))
        goes_on = finite & ~learned.ended
        after = jax.tree.map(lambda new, old: jnp.where(goes_on, new, old), after, state)
        row = {name: jnp.where(learned.ended, jnp.nan, value) for name, value in row.items()}
        return after._replace(diverged=state.diverged | ~(finite | learned.ended)), row

    def decisions(self, *, logits: Mapping[str, Array], seed: SeedData, part: str) -> dict[str, Decisions]:
        return evaluation.decisions(self.tasks, logits, seed.parts[part])

    def _epoch(
        self,
        state: SeedState,
        seed: SeedData,
        resident: Resident,
        epoch: Array,
        max_steps: Array,
        frozen: tuple[str, ...],
        side_by_side: bool,
    ) -> tuple[SeedState, dict[str, Array]]:
        learned, logits = self._train(state, seed, resident, epoch, max_steps, frozen, side_by_side), None
        if "validation" in seed.parts:
            logits = self._logits((learned.params, learned.statistics), seed, resident, seed.parts["validation"])
        return self.finish(state, learned=learned, seed=seed, resident=resident, logits=logits, epoch=epoch)

    def _train(
        self,
        state: SeedState,
        seed: SeedData,
        resident: Resident,
        epoch: Array,
        max_steps: Array,
        frozen: tuple[str, ...],
        side_by_side: bool,
    ) -> Learned:
        order, learned = self.order(seed=seed, resident=resident, epoch=epoch), self.begin(state, epoch=epoch)
        learn: Callable[..., Learned] = partial(self._learn, side_by_side=True)
        if side_by_side:
            plan, steps = order.plan, jnp.minimum(len(order.plan), max_steps)
        else:  # what would move nothing is left out: a condition on each step would copy the whole state, twice
            learn, (plan, steps) = self._step, filled(order, max_steps)

        def update(bucket: int, learned: Learned, place: Array) -> Learned:
            rows = Rows(order.positions[bucket][place], order.valid[bucket][place], place)
            features = _gathered(resident.buckets[bucket], self._share(rows.positions))
            return learn(learned, self._batch(bucket, seed, resident, rows, features, epoch), seed, frozen)

        branches = [partial(update, bucket) for bucket in range(len(order.positions))]

        def step(i: Array, learned: Learned) -> Learned:
            bucket, place = plan[i]
            return lax.switch(bucket, branches, learned, place)

        return lax.fori_loop(0, steps, step, learned)

    def _batch(
        self,
        bucket: int,
        seed: SeedData,
        resident: Resident,
        rows: Rows,
        features: Mapping[str, Masked],
        epoch: Array,
    ) -> _Batch:
        """The rows of a bucket as a step takes them; `features` are those of this device's share."""
        key = fold_in(seed.keys.dropout, epoch, jnp.int32(bucket), rows.place)
        positions, valid = self._share(rows.positions), self._share(rows.valid)
        targets = {
            task: jnp.where(valid, values[positions], MISSING[values.dtype.kind])
            for task, values in resident.buckets[bucket].targets.items()
        }
        return _Batch(_normalized(features, seed.normalizers, valid), targets, valid, ~rows.valid.any(), key)

    def _learn(
        self, learned: Learned, batch: _Batch, seed: SeedData, frozen: tuple[str, ...], side_by_side: bool
    ) -> Learned:
        """One step, unless nothing is to move: a seed's own split may leave a batch without any example, and a seed may have
        ended."""
        step = partial(self._step, batch=batch, seed=seed, frozen=frozen)
        return _unless(batch.is_empty | learned.ended, step, learned, side_by_side)

    def _step(self, learned: Learned, batch: _Batch, seed: SeedData, frozen: tuple[str, ...]) -> Learned:
        """The gradient of a batch, and the optimizer's step against it."""
        weight = batch.valid.astype(jnp.float32)
        moving, still = phases.apart(learned.params, frozen)

        def objective(moving: Tree) -> tuple[Array, Tree]:
            step = Step(batch.key, batch.valid, self.data_axis)
            params = phases.together(moving, still)
            outputs, statistics = self._apply(params, learned.statistics, batch.features, step)
            loss = batch_loss(
                self._tasks(seed),
                outputs,
                batch.targets,
                weight,
                seed.class_weights,
                penalty_weight=tuned(self.training, seed.settings, "training").penalty_weight,
                data_axis=self.data_axis,
            )
            return loss, statistics

        (loss, statistics), gradient = jax.value_and_grad(objective, has_aux=True)(moving)
        examples = weight.sum()
        if self.data_axis is not None:
            loss, gradient, examples = lax.psum((loss, gradient, examples), self.data_axis)
        gradient = phases.together(gradient, jax.tree.map(jnp.zeros_like, still))
        updates, opt_state = self._transform(seed).update(gradient, learned.opt_state, learned.params)
        scale = learned.learning_rate_scale
        params = jax.tree.map(lambda param, move: param + scale * move, learned.params, updates)
        return learned._replace(
            params=phases.held(params, learned.params, frozen),
            statistics=phases.held(statistics, learned.statistics, frozen),
            opt_state=phases.held(opt_state, learned.opt_state, frozen),
            loss_sum=learned.loss_sum + loss * examples,
            examples=learned.examples + examples,
        )

    def _transform(self, seed: SeedData) -> optax.GradientTransformation:
        parts = tuple(dict.fromkeys(one.part for one in self.training.frozen))
        return make_transform(tuned(self.optimizer, seed.settings, "optimizer"), parts)

    def _tasks(self, seed: SeedData) -> dict[str, Task]:
        return {name: tuned(task, seed.settings, f"tasks.{name}") for name, task in self.tasks.items()}

    def _apply(
        self, params: Tree, statistics: Tree, features: Mapping[str, Masked], step: Step | None
    ) -> tuple[Outputs, Tree]:
        model: Any = nnx.merge(self.graphdef, params, statistics, copy=True)
        with shared_over(step.axis if step else None):
            outputs = model(features, step=step)
        return outputs, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param)))

    def _share(self, rows: Array) -> Array:
        """This device's part of a batch, where several devices share one seed's batches."""
        if self.data_axis is None:
            return rows
        size = len(rows) // self.data_shards
        return lax.dynamic_slice_in_dim(rows, lax.axis_index(self.data_axis) * size, size)

    def _logits(
        self, weights: tuple[Tree, Tree], seed: SeedData, resident: Resident, part: Part
    ) -> dict[str, Float[Array, "examples outputs"]]:
        """Of a part's examples, by task, bucket after bucket."""

        def of_batch(bucket: ResidentBucket, positions: Array) -> dict[str, Array]:
            return self.score(weights, seed=seed, features=_gathered(bucket, positions))

        by_bucket = []
        for bucket, positions in zip(resident.buckets, part.positions, strict=True):
            found = lax.map(partial(of_batch, bucket), batches(positions, self.training.batch_size))
            by_bucket.append({task: x.reshape(-1, x.shape[-1])[: len(positions)] for task, x in found.items()})
        return {task: jnp.concatenate([found[task] for found in by_bucket]) for task in self.tasks}


def _all_finite(tree: Tree) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _unless(ended: Array, run: Callable[[Tree], Tree], state: Tree, side_by_side: bool) -> Tree:
    """`state` where `ended`, else `run(state)`, which is then really skipped.

    Where seeds are computed side by side nothing can be skipped, and the results are selected. `lax.cond` would do that
    too, but under vmap it first copies whatever its branches read for every seed: all features, S times.
    """
    if side_by_side:
        return jax.tree.map(lambda new, old: jnp.where(ended, old, new), run(state), state)
    return lax.cond(ended, lambda state: state, run, state)


def _gathered(bucket: ResidentBucket, positions: Array) -> dict[str, Masked]:
    return {name: Masked(*(array[positions] for array in feature)) for name, feature in bucket.features.items()}


def _normalized(
    features: Mapping[str, Masked], normalizers: Mapping[str, Normalizer], valid: Bool[Array, " batch"] | None = None
) -> dict[str, Masked]:
    """Features normalised by the seed's own statistics; padding stays zero, and examples that are not `valid` become it.

    What is stored as uint8 is scaled to 0 ... 1 first; indices stay as they are.
    """

    def normalized(name: str) -> Masked:
        values, mask = features[name]
        if valid is not None:
            mask = mask & valid.reshape(-1, *(1,) * (mask.ndim - 1))
        is_there = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
        if values.dtype == jnp.int32:
            return Masked(jnp.where(is_there, values, 0), mask)
        if values.dtype == jnp.uint8:
            values = values.astype(jnp.float32) / 255
        mean, scale = (x.reshape((1,) * (values.ndim - 1) + x.shape) for x in normalizers[name])
        return Masked(jnp.where(is_there, (values - mean) * scale, 0.0), mask)

    return {name: normalized(name) for name in features}
