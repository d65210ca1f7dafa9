"""ONE seed's training as a pure function of its keys and data. Nothing here knows of other seeds.

`build` makes a `Program`: `init`, `run_epochs`, `predict`. `ensemble.py` maps them over seeds. The features of all
examples stay resident on the device; a seed owns only the positions of the examples in its splits, gathers its own
permutation of them inside the compiled program, and carries the statistics of its own training split. Where the
features are too large for the device, the host gathers the same batches, and the parts of an epoch are called one by
one (`Streamed`).
"""

import dataclasses
import difflib
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, Scalar

from input_pipeline.config import ConfigError
from jaxdep.config import Optimizer, Task, Training
from jaxdep.engine.objectives import batch_loss, example_losses
from jaxdep.engine.resident import Normalizer, Part, Resident, ResidentBucket, SeedData
from jaxdep.models import Masked, ModelConfig, Outputs
from jaxdep.statistics import metrics

Tree = Any  # a pytree of arrays


class Best(NamedTuple):
    """The best epoch so far by the monitored validation metric (`score`: lower is better)."""

    params: Tree
    statistics: Tree
    epoch: Int[Scalar, ""]
    score: Float[Scalar, ""]


class SeedState(NamedTuple):
    """A seed between two epochs.

    Attributes:
        params, statistics: the model's parameters, and what else it owns (batch statistics), as pure dicts.
        waited: epochs since the best one.
        plateau_waited: epochs since the best one or since the learning rate was last lowered.
        stopped: by patience; diverged: a loss was not finite, and the state is that before the epoch.
    """

    params: Tree
    statistics: Tree
    opt_state: Tree
    learning_rate_scale: Float[Scalar, ""]
    best: Best
    waited: Int[Scalar, ""]
    plateau_waited: Int[Scalar, ""]
    stopped: Bool[Scalar, ""]
    diverged: Bool[Scalar, ""]


class Learned(NamedTuple):
    """What one step hands to the next."""

    params: Tree
    statistics: Tree
    opt_state: Tree
    loss_sum: Float[Scalar, ""]
    examples: Float[Scalar, ""]
    learning_rate_scale: Float[Scalar, ""]
    ended: Bool[Scalar, ""]


class Rows(NamedTuple):
    """A batch as rows of one bucket: `place` is its number in the seed's order of that bucket."""

    positions: Int[Array, " batch"]
    valid: Bool[Array, " batch"]
    place: Int[Scalar, ""]


class Order(NamedTuple):
    """The batches of a seed's epoch.

    Attributes:
        plan: [steps, 2], the (bucket, place) of each step, alike for all seeds.
        positions, valid: by bucket, [steps of the bucket, batch].
    """

    plan: Int[Array, "steps 2"]
    positions: tuple[Int[Array, "places batch"], ...]
    valid: tuple[Bool[Array, "places batch"], ...]


class Decisions(NamedTuple):
    """What a seed says of a part, [..., classes] probabilities or [..., 1] scores.

    Attributes:
        examples: of each example, bucket after bucket; meaningless where `Part.valid` is False.
        units: of each decision unit, the mean over its examples.
    """

    examples: Float[Array, "examples outputs"]
    units: Float[Array, "units outputs"]


@dataclasses.dataclass(frozen=True)
class Streamed:
    """The parts of an epoch of one seed, for features that the host hands over batch by batch.

    `Resident` then holds the targets alone. `features` are those of a whole batch, as they lie in their bucket.

    Attributes:
        order: (SeedData, Resident, epoch) -> Order.
        begin: (SeedState) -> Learned.
        learn: (bucket, Learned, SeedData, Resident, Rows, features, epoch, side by side) -> Learned.
        score: (params, statistics, SeedData, features) -> by task, [batch, outputs] logits.
        selected: (SeedState) -> the (params, statistics) that are reported.
        finish: (SeedState, Learned, SeedData, Resident, logits of the validation part or None, epoch) ->
            (SeedState, row of the history, NaN if the seed had ended).
        decide: (logits of a part, SeedData, part's name) -> as `Program.predict`.
    """

    order: Callable[..., Order]
    begin: Callable[[SeedState], Learned]
    learn: Callable[..., Learned]
    score: Callable[..., dict[str, Array]]
    selected: Callable[[SeedState], tuple[Tree, Tree]]
    finish: Callable[..., tuple[SeedState, dict[str, Array]]]
    decide: Callable[..., dict[str, Decisions]]


@dataclasses.dataclass(frozen=True)
class Program:
    """The pure functions of one seed.

    Attributes:
        identity: says in words what is computed, shapes apart: programs that say the same take the same time.
        batch_size: examples a step.
        init: (SeedData) -> SeedState.
        run_epochs: (SeedState, SeedData, Resident, first_epoch, n_epochs, max_steps) -> (SeedState, history), where
            history holds [epochs_per_call] values by "split/metric", NaN where an epoch was not run. n_epochs and
            max_steps (a limit on steps an epoch, for timing) are dynamic: one compilation serves all. A last, static
            argument says whether several seeds are computed side by side, as under vmap.
        predict: (SeedState, SeedData, Resident, part's name) -> by task, the decisions on that part.
        respond: (SeedState, normalizers by feature, features) -> Outputs of the reported epoch without dropout, for features as
            they lie in a bucket, of these examples or of others.
        streamed: the same in parts.
        outputs: by task, the number of logits.
        epochs_per_call: as configured.
        lower_is_better: whether the monitored metric is.
    """

    identity: str
    batch_size: int
    init: Callable[[SeedData], SeedState]
    run_epochs: Callable[..., tuple[SeedState, dict[str, Array]]]
    predict: Callable[[SeedState, SeedData, Resident, str], dict[str, Decisions]]
    respond: Callable[[SeedState, Mapping[str, Normalizer], Mapping[str, Masked]], Outputs]
    streamed: Streamed
    outputs: Mapping[str, int]
    epochs_per_call: int
    lower_is_better: bool


def build(
    model: ModelConfig,
    inputs: Mapping[str, int],
    classes: Mapping[str, tuple[str, ...]],
    tasks: Mapping[str, Task],
    optimizer: Optimizer,
    training: Training,
    *,
    recorded: Collection[str] = (),
    data_axis: str | None = None,
    data_shards: int = 1,
) -> Program:
    """Makes the program of one seed.

    Args:
        inputs: by feature name, its dimension.
        classes: by task with classes, their names.
        recorded: validation metrics that enter the history besides the loss and the monitored one.
        data_axis, data_shards: the mesh axis over which one seed's batches are shared, and its size.

    Raises:
        ConfigError: there is no metric of the name that is monitored, or the batch size does not divide.
    """
    _check_monitor(training.monitor, tasks, classes)
    if training.batch_size % data_shards:
        raise ConfigError(f"training.batch_size: {training.batch_size} does not divide among {data_shards} data shards")
    outputs = {name: len(classes[name]) if name in classes else 1 for name in tasks}
    learner = _Learner(
        make=lambda key: model.build(inputs, outputs, rngs=nnx.Rngs(params=key)),
        classes=classes,
        tasks=tasks,
        transform=make_transform(optimizer),
        training=training,
        recorded=frozenset({"loss", training.monitor, *recorded}),
        data_axis=data_axis if data_shards > 1 else None,
        data_shards=data_shards,
    )
    identity = repr((model, inputs, outputs, tasks, optimizer, training.batch_size, sorted(learner.recorded)))
    return Program(
        identity=identity,
        batch_size=training.batch_size,
        init=learner.init,
        run_epochs=learner.run_epochs,
        predict=learner.predict,
        respond=learner.respond,
        streamed=Streamed(
            order=learner.order,
            begin=learner.begin,
            learn=learner.learn,
            score=learner.score,
            selected=learner.selected,
            finish=learner.finish,
            decide=learner.decide,
        ),
        outputs=outputs,
        epochs_per_call=training.epochs_per_call,
        lower_is_better=learner.direction == 1,
    )


def make_transform(config: Optimizer) -> optax.GradientTransformation:
    """The optimiser of a config; its updates are scaled once more by each seed's learning-rate scale."""
    rate = config.learning_rate
    steps = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay),
        "sgd": lambda: optax.sgd(rate, momentum=config.momentum or None),
        "rmsprop": lambda: optax.rmsprop(rate, momentum=config.momentum or None),
    }
    chain = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if config.weight_decay and config.name != "adamw":
        chain.append(optax.add_decayed_weights(config.weight_decay))
    return optax.chain(*chain, steps[config.name]())


class _Batch(NamedTuple):
    features: Mapping[str, Masked]
    targets: Mapping[str, Num[Array, " batch"]]
    weight: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class _Learner:
    """What `Program` and `Streamed` are made of; its methods without a docstring are described there."""

    make: Callable[[PRNGKeyArray], nnx.Module]
    classes: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, Task]
    transform: optax.GradientTransformation
    training: Training
    recorded: frozenset[str]
    data_axis: str | None
    data_shards: int

    @cached_property
    def graphdef(self) -> nnx.GraphDef[nnx.Module]:
        graphdef, _ = nnx.split(nnx.eval_shape(lambda: self.make(jax.random.key(0))))
        return graphdef

    @property
    def direction(self) -> int:
        """1 where the monitored metric is better the lower, else -1."""
        names = [self.training.monitor, *(self.training.monitor.removeprefix(f"{task}_") for task in self.tasks)]
        return 1 if "loss" in names or metrics.LOWER_IS_BETTER & set(names) else -1

    def init(self, seed: SeedData) -> SeedState:
        _, *states = nnx.split(self.make(seed.keys.init), nnx.Param, ...)
        params, statistics = map(nnx.to_pure_dict, states)
        return SeedState(
            params=params,
            statistics=statistics,
            opt_state=self.transform.init(params),
            learning_rate_scale=jnp.float32(1),
            best=Best(params, statistics, jnp.int32(-1), jnp.float32(jnp.inf)),
            waited=jnp.int32(0),
            plateau_waited=jnp.int32(0),
            stopped=jnp.bool_(False),
            diverged=jnp.bool_(False),
        )

    def run_epochs(
        self,
        state: SeedState,
        seed: SeedData,
        resident: Resident,
        first_epoch: Int[Scalar, ""],
        n_epochs: Int[Scalar, ""],
        max_steps: Int[Scalar, ""],
        side_by_side: bool = False,
    ) -> tuple[SeedState, dict[str, Array]]:
        def run(state: SeedState, epoch: Array) -> tuple[SeedState, dict[str, Array]]:
            return self._epoch(state, seed, resident, epoch, max_steps, side_by_side)

        names = list(jax.eval_shape(run, state, first_epoch)[1])
        nothing = dict.fromkeys(names, jnp.float32(jnp.nan))

        def body(i: Array, carry: tuple[SeedState, dict[str, Array]]) -> tuple[SeedState, dict[str, Array]]:
            state, history = carry
            ended = state.stopped | state.diverged
            state, row = _unless(ended, lambda s: run(s, first_epoch + i), lambda s: (s, nothing), state, side_by_side)
            return state, {name: history[name].at[i].set(row[name]) for name in names}

        empty = {name: jnp.full(self.training.epochs_per_call, jnp.nan, jnp.float32) for name in names}
        return lax.fori_loop(0, n_epochs, body, (state, empty))

    def predict(self, state: SeedState, seed: SeedData, resident: Resident, part: str) -> dict[str, Decisions]:
        return self.decide(self._forward(*self.selected(state), seed, resident, seed.parts[part]), seed, part)

    def respond(
        self, state: SeedState, normalizers: Mapping[str, Normalizer], features: Mapping[str, Masked]
    ) -> Outputs:
        return self._apply(*self.selected(state), _normalized(features, normalizers), None)[0]

    def selected(self, state: SeedState) -> tuple[Tree, Tree]:
        chosen: Any = state.best if self.training.select == "best" else state
        return chosen.params, chosen.statistics

    def order(self, seed: SeedData, resident: Resident, epoch: Array) -> Order:
        key, part = jax.random.fold_in(seed.keys.order, epoch), seed.parts["train"]
        shuffled = [
            _shuffle(jax.random.fold_in(key, bucket), positions, valid, self.training.batch_size)
            for bucket, (positions, valid) in enumerate(zip(part.positions, part.valid, strict=True))
        ]
        plan = _batch_plan(
            jax.random.fold_in(resident.bucket_key, epoch), [len(positions) for positions, _ in shuffled]
        )
        positions, valid = zip(*shuffled, strict=True)
        return Order(plan, positions, valid)

    def begin(self, state: SeedState) -> Learned:
        ended = state.stopped | state.diverged
        zero, scale = jnp.float32(0), state.learning_rate_scale
        return Learned(state.params, state.statistics, state.opt_state, zero, zero, scale, ended)

    def learn(
        self,
        bucket: int,
        learned: Learned,
        seed: SeedData,
        resident: Resident,
        rows: Rows,
        features: Mapping[str, Masked],
        epoch: Array,
        side_by_side: bool = False,
    ) -> Learned:
        shared = {name: Masked(*map(self._share, feature)) for name, feature in features.items()}
        return self._learn(bucket, learned, seed, resident, rows, shared, epoch, side_by_side)

    def _learn(
        self,
        bucket: int,
        learned: Learned,
        seed: SeedData,
        resident: Resident,
        rows: Rows,
        features: Mapping[str, Masked],
        epoch: Array,
        side_by_side: bool,
    ) -> Learned:
        """One step; `features` are those of this device's share of the batch."""

        def step(learned: Learned) -> Learned:
            key = _fold_in(seed.keys.dropout, epoch, jnp.int32(bucket), rows.place)
            if self.data_axis is not None:  # else all devices would drop the same cells of their shares
                key = _fold_in(key, lax.axis_index(self.data_axis))
            positions, valid = self._share(rows.positions), self._share(rows.valid)
            targets = {task: values[positions] for task, values in resident.buckets[bucket].targets.items()}
            batch = _Batch(_normalized(features, seed.normalizers), targets, valid.astype(jnp.float32))
            return self._update(learned, batch, seed, key)

        # A seed's own split may leave a batch without any example, and a seed may have ended: then nothing moves.
        return _unless(~rows.valid.any() | learned.ended, step, lambda learned: learned, learned, side_by_side)

    def score(self, params: Tree, statistics: Tree, seed: SeedData, features: Mapping[str, Masked]) -> dict[str, Array]:
        return dict(self._apply(params, statistics, _normalized(features, seed.normalizers), None)[0].logits)

    def finish(
        self,
        state: SeedState,
        learned: Learned,
        seed: SeedData,
        resident: Resident,
        logits: dict[str, Array] | None,
        epoch: Array,
    ) -> tuple[SeedState, dict[str, Array]]:
        loss = learned.loss_sum / jnp.maximum(learned.examples, 1)
        row = {
            "train/loss": loss,
            "train/learning_rate_scale": state.learning_rate_scale,
        }
        score = worst = loss
        if logits is not None:
            measured = self._evaluate(logits, seed, resident, "validation")
            # The compiler drops the metrics that nobody asked for; some cost seconds of compilation.
            row |= {f"validation/{name}": value for name, value in measured.items() if name in self.recorded}
            score = measured[self.training.monitor] * self.direction
            worst = loss + measured["loss"]
        elif self.training.monitor != "loss":
            raise ConfigError(f"training.monitor: {self.training.monitor!r} needs a validation split; there is none")
        after = state._replace(params=learned.params, statistics=learned.statistics, opt_state=learned.opt_state)
        after = _judge(after, score, epoch, self.training)
        finite = jnp.isfinite(worst) & _all_finite(learned.params)
        goes_on = finite & ~learned.ended
        after = jax.tree.map(lambda new, old: jnp.where(goes_on, new, old), after, state)
        row = {name: jnp.where(learned.ended, jnp.nan, value) for name, value in row.items()}
        return after._replace(diverged=state.diverged | ~(finite | learned.ended)), row

    def _epoch(
        self,
        state: SeedState,
        seed: SeedData,
        resident: Resident,
        epoch: Array,
        max_steps: Array,
        side_by_side: bool,
    ) -> tuple[SeedState, dict[str, Array]]:
        learned, logits = self._train(state, seed, resident, epoch, max_steps, side_by_side), None
        if "validation" in seed.parts:
            logits = self._forward(learned.params, learned.statistics, seed, resident, seed.parts["validation"])
        return self.finish(state, learned, seed, resident, logits, epoch)

    def _train(
        self,
        state: SeedState,
        seed: SeedData,
        resident: Resident,
        epoch: Array,
        max_steps: Array,
        side_by_side: bool,
    ) -> Learned:
        order = self.order(seed, resident, epoch)

        def update(bucket: int, learned: Learned, place: Array) -> Learned:
            rows = Rows(order.positions[bucket][place], order.valid[bucket][place], place)
            features = _gathered(resident.buckets[bucket], self._share(rows.positions))
            return self._learn(bucket, learned, seed, resident, rows, features, epoch, side_by_side)

        branches = [partial(update, bucket) for bucket in range(len(order.positions))]

        def step(i: Array, learned: Learned) -> Learned:
            bucket, place = order.plan[i]
            return lax.switch(bucket, branches, learned, place)

        return lax.fori_loop(0, jnp.minimum(len(order.plan), max_steps), step, self.begin(state))

    def _update(self, learned: Learned, batch: _Batch, seed: SeedData, key: PRNGKeyArray) -> Learned:
        def objective(params: Tree) -> tuple[Array, Tree]:
            outputs, statistics = self._apply(params, learned.statistics, batch.features, key)
            loss = batch_loss(self.tasks, outputs, batch.targets, batch.weight, seed.class_weights, self.data_axis)
            return loss, statistics

        (loss, statistics), gradient = jax.value_and_grad(objective, has_aux=True)(learned.params)
        examples = batch.weight.sum()
        if self.data_axis is not None:
            loss, gradient, examples = lax.psum((loss, gradient, examples), self.data_axis)
        updates, opt_state = self.transform.update(gradient, learned.opt_state, learned.params)
        scale = learned.learning_rate_scale
        return learned._replace(
            params=jax.tree.map(lambda param, move: param + scale * move, learned.params, updates),
            statistics=statistics,
            opt_state=opt_state,
            loss_sum=learned.loss_sum + loss * examples,
            examples=learned.examples + examples,
        )

    def _apply(
        self, params: Tree, statistics: Tree, features: Mapping[str, Masked], key: PRNGKeyArray | None
    ) -> tuple[Outputs, Tree]:
        model: Any = nnx.merge(self.graphdef, params, statistics, copy=True)
        outputs = model(features, key=key)
        outputs = outputs._replace(logits={name: x + self.tasks[name].center for name, x in outputs.logits.items()})
        return outputs, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param)))

    def _share(self, rows: Array) -> Array:
        """This device's part of a batch, where several devices share one seed's batches."""
        if self.data_axis is None:
            return rows
        size = len(rows) // self.data_shards
        return lax.dynamic_slice_in_dim(rows, lax.axis_index(self.data_axis) * size, size)

    def _forward(
        self, params: Tree, statistics: Tree, seed: SeedData, resident: Resident, part: Part
    ) -> dict[str, Array]:
        """The logits of a part's examples, by task, [n, outputs], bucket after bucket."""
        size = self.training.batch_size

        def logits(bucket: ResidentBucket, positions: Array) -> dict[str, Array]:
            return self.score(params, statistics, seed, _gathered(bucket, positions))

        by_bucket = []
        for bucket, positions in zip(resident.buckets, part.positions, strict=True):
            found = lax.map(partial(logits, bucket), _batches(positions, size))  # {task: [n_batches, size, outputs]}
            by_bucket.append({task: x.reshape(-1, x.shape[-1])[: len(positions)] for task, x in found.items()})
        return {task: jnp.concatenate([found[task] for found in by_bucket]) for task in self.tasks}

    def decide(self, logits: Mapping[str, Array], seed: SeedData, name: str) -> dict[str, Decisions]:
        part = seed.parts[name]
        units, weight = jnp.concatenate(part.units), jnp.concatenate(part.valid).astype(jnp.float32)
        decisions = {}
        for task, values in logits.items():
            values = jax.nn.softmax(values) if task in self.classes else values
            n_units = part.targets[task].shape[0]
            total = jax.ops.segment_sum(values * weight[:, None], units, n_units)
            count = jax.ops.segment_sum(weight, units, n_units)
            decisions[task] = Decisions(values, total / jnp.maximum(count, 1)[:, None])
        return decisions

    def _evaluate(
        self, logits: Mapping[str, Array], seed: SeedData, resident: Resident, name_of_part: str
    ) -> dict[str, Array]:
        """The tasks' losses over a part's examples, and the metrics of its units; later tasks' names are prefixed."""
        part = seed.parts[name_of_part]
        decisions, valid = self.decide(logits, seed, name_of_part), jnp.concatenate(part.valid)
        measured = {"loss": jnp.float32(0)}
        for index, (name, task) in enumerate(self.tasks.items()):
            targets = jnp.concatenate(
                [b.targets[name][rows] for b, rows in zip(resident.buckets, part.positions, strict=True)]
            )
            loss, weight = example_losses(task, logits[name], targets, seed.class_weights[name])
            weight = weight * valid
            measured["loss"] += task.weight * (loss * weight).sum() / jnp.maximum(weight.sum(), 1e-12)
            found = _unit_metrics(part.targets[name], decisions[name].units, name in self.classes)
            measured |= {metric if index == 0 else f"{name}_{metric}": value for metric, value in found.items()}
        return measured


def _check_monitor(monitor: str, tasks: Mapping[str, Task], classes: Mapping[str, tuple[str, ...]]) -> None:
    by_task = [metrics.names(["" for _ in classes.get(name, ())]) for name in tasks]
    known = ["loss", *by_task[0]]
    for name, found in zip(list(tasks)[1:], by_task[1:], strict=True):
        known += [f"{name}_{metric}" for metric in found]
    if monitor not in known:
        near = difflib.get_close_matches(monitor, known, n=1, cutoff=0.0)
        raise ConfigError(f"training.monitor: no metric is called {monitor!r}; did you mean {near[0]!r}?")


def _unit_metrics(target: Array, decision: Array, is_class: bool) -> dict[str, Array]:
    if is_class:
        return metrics.classification(target, decision, decision.shape[-1], weight=target >= 0)
    return metrics.regression(target, decision[:, 0], weight=jnp.isfinite(target))


def _all_finite(tree: Tree) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))


def _judge(state: SeedState, score: Array, epoch: Array, training: Training) -> SeedState:
    """Best so far, early stopping and reduce-on-plateau after an epoch with this score (lower is better)."""
    score = jnp.where(jnp.isnan(score), jnp.inf, score)  # a metric that is not defined is no better than any
    better = (score < state.best.score) | (state.best.epoch < 0)
    candidate = Best(state.params, state.statistics, epoch.astype(jnp.int32), score.astype(jnp.float32))
    # Written so that any improvement on an infinite score is enough.
    enough = better & ~(state.best.score - score < training.plateau_threshold * jnp.abs(state.best.score))
    waited = jnp.where(better, 0, state.waited + 1)
    plateau_waited = jnp.where(enough, 0, state.plateau_waited + 1)
    lower = (plateau_waited >= training.plateau_patience) & (training.plateau_patience > 0)
    scale = jnp.maximum(state.learning_rate_scale * training.plateau_factor, training.plateau_floor)
    return state._replace(
        best=jax.tree.map(lambda new, old: jnp.where(better, new, old), candidate, state.best),
        waited=waited,
        plateau_waited=jnp.where(lower, 0, plateau_waited),
        learning_rate_scale=jnp.where(lower, scale, state.learning_rate_scale),
        stopped=(waited >= training.patience) & (training.patience > 0),
    )


def _unless(
    ended: Array, run: Callable[[Tree], Tree], rest: Callable[[Tree], Tree], state: Tree, side_by_side: bool
) -> Tree:
    """`rest(state)` where `ended`, else `run(state)`, which is then really skipped.

    Where seeds are computed side by side nothing can be skipped, and the results are selected. `lax.cond` would do that
    too, but under vmap it first copies whatever its branches read for every seed: all features, S times.
    """
    if side_by_side:
        return jax.tree.map(lambda new, old: jnp.where(ended, old, new), run(state), rest(state))
    return lax.cond(ended, rest, run, state)


def _shuffle(key: PRNGKeyArray, positions: Array, valid: Array, size: int) -> tuple[Array, Array]:
    """A permutation of a bucket's positions, the invalid ones last, as [steps, size] batches with their validity."""
    rank = jnp.where(valid, jax.random.uniform(key, positions.shape), jnp.inf)
    order = jnp.argsort(rank)
    return _batches(positions[order], size), _batches(valid[order], size)


def _batches(rows: Array, size: int) -> Array:
    """[n] -> [ceil(n / size), size], filled up with zeros (row 0; not valid)."""
    return jnp.pad(rows, (0, -len(rows) % size)).reshape(-1, size)


def _batch_plan(key: PRNGKeyArray, steps: list[int]) -> Int[Array, "steps 2"]:
    """The (bucket, batch of that bucket) of each step; buckets alternate at random, alike for all seeds.

    A batch's rank depends on nothing but its bucket and place: seeds with larger splits, which add batches to a bucket,
    leave the order of the others as it was.
    """
    plan = jnp.array([(bucket, place) for bucket, count in enumerate(steps) for place in range(count)], jnp.int32)
    if len(steps) == 1:
        return plan
    rank = jax.vmap(lambda batch: jax.random.uniform(_fold_in(key, batch[0], batch[1])))(plan)
    return plan[jnp.argsort(rank)]


def _fold_in(key: PRNGKeyArray, *numbers: Array) -> PRNGKeyArray:
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def _gathered(bucket: ResidentBucket, positions: Array) -> dict[str, Masked]:
    return {name: Masked(*(array[positions] for array in feature)) for name, feature in bucket.features.items()}


def _normalized(features: Mapping[str, Masked], normalizers: Mapping[str, Normalizer]) -> dict[str, Masked]:
    """Features normalised by the seed's own statistics; padding stays zero."""

    def normalized(name: str) -> Masked:
        values, mask = features[name]
        mean, scale = (x.reshape((1,) * (values.ndim - 1) + x.shape) for x in normalizers[name])
        return Masked(jnp.where(mask[..., None], (values - mean) * scale, 0.0), mask)

    return {name: normalized(name) for name in features}
