"""What logits of a part come to: decisions on its units, losses, metrics."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxdep.config import Task
from jaxdep.engine.program import Decisions
from jaxdep.engine.resident import Part, Resident
from jaxdep.statistics import metrics


def decisions(
    tasks: Mapping[str, Task], logits: Mapping[str, Float[Array, "examples outputs"]], part: Part
) -> dict[str, Decisions]:
    """By task, what the logits of a part's examples decide."""
    units, weight = jnp.concatenate(part.units), jnp.concatenate(part.valid).astype(jnp.float32)
    found = {}
    for task in logits:
        values = tasks[task].loss.decision(logits[task])
        n_units = part.targets[task].shape[0]
        total = jax.ops.segment_sum(values * weight[:, None], units, n_units)
        count = jax.ops.segment_sum(weight, units, n_units)
        of_units = total / jnp.maximum(count, 1)[:, None]
        if tasks[task].unit_decision == "vote":
            ballots = jax.nn.one_hot(metrics.predicted_class(values), values.shape[-1]) * weight[:, None]
            of_units = (jax.ops.segment_sum(ballots, units, n_units) + of_units) / (count + 1)[:, None]
        found[task] = Decisions(values, of_units)
    return found


def measured(
    tasks: Mapping[str, Task],
    logits: Mapping[str, Float[Array, "examples outputs"]],
    part: Part,
    resident: Resident,
    class_weights: Mapping[str, Float[Array, " classes"]],
) -> dict[str, Float[Array, ""]]:
    """The tasks' losses over a part's examples, and the metrics of its units; later tasks' names are prefixed."""
    decided, valid = decisions(tasks, logits, part), jnp.concatenate(part.valid)
    found = {"loss": jnp.float32(0)}
    for index, (name, task) in enumerate(tasks.items()):
        targets = jnp.concatenate(
            [bucket.targets[name][rows] for bucket, rows in zip(resident.buckets, part.positions, strict=True)]
        )
        loss, weight = task.loss.of_examples(logits[name], targets, class_weights[name])
        weight = weight * valid
        # Selected, not multiplied: what fills up a part is somebody else's example, whose loss may be infinite.
        total = jnp.where(weight > 0, loss * weight, 0).sum()
        found["loss"] += task.weight * total / jnp.maximum(weight.sum(), 1e-12)
        of_units = _unit_metrics(part.targets[name], decided[name].units, task.loss.of_classes)
        found |= {metric if index == 0 else f"{name}_{metric}": value for metric, value in of_units.items()}
    return found


def _unit_metrics(target: Array, decision: Array, is_class: bool) -> dict[str, Array]:
    if is_class:
        return metrics.classification(target, decision, decision.shape[-1], weight=target >= 0)
    return metrics.regression(target, decision[:, 0], weight=jnp.isfinite(target))
