"""Losses by task, one value an example, and their weighted mean over a batch."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Num

from jaxdep.config import Task
from jaxdep.models import Outputs

MISSING = {"i": -1, "f": jnp.nan}  # the target of nobody, by the kind of its type: a class's index, or a score


def example_losses(
    task: Task,
    logits: Float[Array, "*batch outputs"],
    target: Num[Array, "*batch"],
    class_weights: Float[Array, " classes"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Each example's loss and weight; an example without a target (class -1, score NaN) has weight 0.

    A class's weight multiplies its examples and the mean divides by the sum of weights, as PyTorch's
    `CrossEntropyLoss(weight=...)` does.
    """
    if task.loss == "cross_entropy":
        known = target >= 0
        index = jnp.where(known, target, 0)
        return optax.softmax_cross_entropy_with_integer_labels(logits, index), class_weights[index] * known
    known = jnp.isfinite(target)
    error = logits[..., 0] - jnp.where(known, target, 0.0)
    if task.loss == "huber":
        loss = jnp.where(
            jnp.abs(error) <= task.huber_delta,
            0.5 * error**2,
            task.huber_delta * (jnp.abs(error) - 0.5 * task.huber_delta),
        )
    else:
        loss = error**2
    return loss, known.astype(loss.dtype)


def batch_loss(
    tasks: Mapping[str, Task],
    outputs: Outputs,
    targets: Mapping[str, Num[Array, " batch"]],
    weight: Float[Array, " batch"],
    class_weights: Mapping[str, Float[Array, " classes"]],
    *,
    penalty_weight: float = 1.0,
    data_axis: str | None = None,
) -> Float[Array, ""]:
    """The objective: tasks' weighted means, summed by task weight, plus the mean of the model's weighted penalty.

    Where a batch is shared by the devices of `data_axis` the value is this device's part of the sum: the parts, and
    their gradients, add up to the whole.

    Args:
        weight: [B], 0 for the examples that only fill up the last batch.
    """
    total = penalty_weight * _mean(outputs.penalty, weight, data_axis)
    for name, task in tasks.items():
        loss, label_weight = example_losses(task, outputs.logits[name], targets[name], class_weights[name])
        total = total + task.weight * _mean(loss, weight * label_weight, data_axis)
    return total


def _mean(values: Array, weights: Array, data_axis: str | None) -> Array:
    total = weights.sum()
    if data_axis is not None:
        total = jax.lax.psum(total, data_axis)
    # The weights depend on no parameter; a batch in which nothing counts has loss 0, not NaN.
    return (values * weights).sum() / jnp.where(total > 0, total, 1.0)
