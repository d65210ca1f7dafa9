"""How gradients become steps, and what an epoch's score changes: the best so far, the learning rate, the end."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxdep.config import Newbob, Optimizer, Training
from jaxdep.engine.phases import by_parts
from jaxdep.engine.program import Best, SeedState, Tree


class Kept(NamedTuple):
    """The optimiser's state now and at the best epoch, where a schedule goes back to that."""

    now: Tree
    best: Tree


def kept(opt_state: Tree, training: Training) -> Tree:
    """The optimiser's first state as `SeedState` has it under the schedule."""
    return Kept(opt_state, opt_state) if _goes_back(training) else opt_state


def _goes_back(training: Training) -> bool:
    return isinstance(training.schedule, Newbob) and training.schedule.goes_back


def best_weights(params: Tree, statistics: Tree, training: Training) -> tuple[Tree, Tree]:
    """What `Best` holds of an epoch's (params, statistics): nothing where no best epoch is reported or gone back to."""
    return (params, statistics) if training.select == "best" or _goes_back(training) else ({}, {})


def current(opt_state: Tree) -> Tree:
    """The optimiser's state with which training goes on."""
    return opt_state.now if isinstance(opt_state, Kept) else opt_state


def advanced(opt_state: Tree, learned: Tree) -> Tree:
    """With the optimiser's state after an epoch in place of that before."""
    return opt_state._replace(now=learned) if isinstance(opt_state, Kept) else learned


def make_transform(config: Optimizer, parts: Sequence[str] = ()) -> optax.GradientTransformation:
    """The optimiser of a config; its updates are scaled once more by each seed's learning-rate scale.

    A number of the config may be a traced scalar, as where lanes differ by it.

    Args:
        parts: of the model, which stand still at times; the gradient's norm is that of all that learns.
    """
    rate, momentum = config.learning_rate, None if _is_off(config.momentum) else config.momentum
    steps = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=config.weight_decay),
        "sgd": lambda: optax.sgd(rate, momentum=momentum),
        "rmsprop": lambda: optax.rmsprop(rate, momentum=momentum),
    }
    clip = [] if _is_off(config.clip_norm) else [optax.clip_by_global_norm(config.clip_norm)]
    decay = []
    if not _is_off(config.weight_decay) and config.name != "adamw":
        decay.append(optax.add_decayed_weights(config.weight_decay))
    chain = [*decay, steps[config.name]()]
    transform = optax.chain(*clip, *([by_parts(optax.chain(*chain), parts)] if parts else chain))
    if config.accumulate == 1:
        return transform
    return optax.MultiSteps(transform, config.accumulate).gradient_transformation()


def _is_off(number: float | Array) -> bool:
    """Whether a number is 0 for certain; what is traced may be anything."""
    return isinstance(number, int | float) and number == 0


def judged(state: SeedState, score: Array, epoch: Array, training: Training) -> SeedState:
    """Best so far, early stopping and what the learning rate owes to an epoch with this score (lower is better)."""
    score = jnp.where(jnp.isnan(score), jnp.inf, score)  # a metric that is not defined is no better than any
    better = (score < state.best.score) | (state.best.epoch < 0)
    weights = best_weights(state.params, state.statistics, training)
    candidate = Best(*weights, epoch.astype(jnp.int32), score.astype(jnp.float32))
    waited = jnp.where(better, 0, state.waited + 1)
    lowered = _newbob if isinstance(training.schedule, Newbob) else _reduced_on_plateau
    return lowered(state, better, score, epoch, training)._replace(
        best=jax.tree.map(lambda new, old: jnp.where(better, new, old), candidate, state.best),
        waited=waited,
        stopped=(waited >= training.patience) & (training.patience > 0),
    )


def _reduced_on_plateau(state: SeedState, better: Array, score: Array, epoch: Array, training: Training) -> SeedState:
    """`Training.plateau_*`."""
    # Written so that any improvement on an infinite score is enough.
    enough = better & ~(state.best.score - score < training.plateau_threshold * jnp.abs(state.best.score))
    plateau_waited = jnp.where(enough, 0, state.plateau_waited + 1)
    lower = (plateau_waited >= training.plateau_patience) & (training.plateau_patience > 0)
    scale = jnp.maximum(state.learning_rate_scale * training.plateau_factor, training.plateau_floor)
    return state._replace(
        plateau_waited=jnp.where(lower, 0, plateau_waited),
        learning_rate_scale=jnp.where(lower, scale, state.learning_rate_scale),
    )


def _newbob(state: SeedState, better: Array, score: Array, epoch: Array, training: Training) -> SeedState:
    """The rate after the epoch, whether the ramp has begun, and the best epoch's state where this one gained nothing."""
    schedule = training.schedule
    assert isinstance(schedule, Newbob)  # judged
    ramps = state.plateau_waited > 0
    enough = better & ~(state.best.score - score < schedule.threshold)
    begins = ~enough & (schedule.ramp_from > 0) & (epoch + 1 >= schedule.ramp_from)
    state = state._replace(
        plateau_waited=(ramps | begins).astype(jnp.int32),
        learning_rate_scale=state.learning_rate_scale * jnp.where(ramps | ~enough, schedule.factor, 1),
    )
    if not schedule.goes_back:
        return state
    now, best = state.opt_state
    params, statistics, now = jax.tree.map(
        lambda new, old: jnp.where(better, new, old),
        (state.params, state.statistics, now),
        (state.best.params, state.best.statistics, best),
    )
    return state._replace(params=params, statistics=statistics, opt_state=Kept(now, now))
