"""The objective of a batch: the weighted means of the tasks' losses."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxdep.config import Task
from jaxdep.models import Outputs

MISSING = {"i": -1, "f": jnp.nan}  # the target of nobody, by the kind of its type: a class's index, or a score


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
        loss, label_weight = task.loss.of_examples(outputs.logits[name], targets[name], class_weights[name])
        total = total + task.weight * _mean(loss, weight * label_weight, data_axis)
    return total


def _mean(values: Array, weights: Array, data_axis: str | None) -> Array:
    total = weights.sum()
    if data_axis is not None:
        total = jax.lax.psum(total, data_axis)
    # The weights depend on no parameter; a batch in which nothing counts has loss 0, not NaN.
    return (values * weights).sum() / jnp.where(total > 0, total, 1.0)
