"""Which examples of a seed's training part an epoch has (`config.Sampling`).

How many there are follows from the part alone, not from what is drawn: the host knows it before anything is computed.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from input_pipeline.errors import DataError
from jaxdep.config import Sampling
from jaxdep.engine.resident import Part

_DRAWS = np.uint32(2**32 - 1)  # folded into an epoch's key, beside the numbers of the buckets that order it
_Counts = TypeVar("_Counts", np.ndarray, Array)


def drawn(part: Part, sampling: Sampling, task: str, n_classes: int, key: PRNGKeyArray) -> Part:
    """The part with the examples of one epoch alone valid; the same examples whatever fills up the part.

    Where examples are repeated every bucket is as long as all of them together, since any may have so many.

    Args:
        task: whose classes are balanced, n_classes of them.
        key: of the seed and epoch.
    """
    if not sampling.draws:
        return part
    lengths = list(map(len, part.positions))
    positions, valid, units = map(jnp.concatenate, part[:3])
    key = jax.random.fold_in(key, _DRAWS)
    # A bucket's own draws, which do not depend on how much the one before it is filled up.
    of_recording, of_class = jnp.concatenate(
        [jax.random.uniform(jax.random.fold_in(key, bucket), (n, 2)) for bucket, n in enumerate(lengths)]
    ).T
    classes = part.targets[task][units]
    left = valid if sampling.balance == "none" else valid & (classes >= 0)
    if sampling.per_recording:
        n_units = len(part.targets[task])
        left &= _ranks(jnp.where(left, units, n_units), of_recording) < sampling.per_recording
    if sampling.balance == "none":
        return part._replace(valid=_divided(left, lengths))
    classes = jnp.where(left, classes, n_classes)
    times = jnp.where(left, _times(classes, n_classes, sampling, of_class), 0)
    if sampling.balance == "undersample":
        return part._replace(valid=_divided(times > 0, lengths))
    total = sum(lengths)
    row = jnp.repeat(jnp.arange(total), times, total_repeat_length=total)
    bucket = jnp.repeat(jnp.arange(len(lengths)), np.array(lengths), total_repeat_length=total)[row]
    there = jnp.arange(total) < times.sum()
    inside = tuple(there & (bucket == index) for index in range(len(lengths)))
    return part._replace(
        positions=tuple(jnp.where(here, positions[row], 0) for here in inside),
        valid=inside,
        units=tuple(jnp.where(here, units[row], 0) for here in inside),
    )


def most(part: Part, sampling: Sampling, task: str, classes: tuple[str, ...]) -> Int[np.ndarray, " buckets"]:
    """By bucket, the most examples that `drawn` can leave valid; of a single bucket the very number.

    Raises:
        DataError: a class that is to be balanced has no example.
    """
    targets = np.asarray(part.targets[task])
    known = targets >= 0 if sampling.balance != "none" else np.ones(len(targets), bool)
    in_part = [
        np.bincount(units[valid], minlength=len(targets))[known]
        for units, valid in zip(part.units, part.valid, strict=True)
    ]
    of_units = np.stack(in_part)  # [buckets, units]
    limit = sampling.per_recording or of_units.sum()
    at_most, left = np.minimum(of_units, limit), np.minimum(of_units.sum(0), limit)
    if sampling.balance == "none":
        return at_most.sum(1)
    by_class = np.eye(len(classes), dtype=int)[targets[known]]  # [units, classes]
    at_most, left = at_most @ by_class, left @ by_class
    if (left == 0).any():
        missing = classes[int(left.argmin())]
        raise DataError(
            f"tasks.{task}: the training split has no example of class {missing!r}; set training.sampling.balance='none'"
        )
    wanted = _wanted(left, sampling)
    return np.minimum(at_most * -(-wanted // left), wanted).sum(1)


def _times(classes: Int[Array, " N"], n_classes: int, sampling: Sampling, draws: Float[Array, " N"]) -> Array:
    """How often each example comes, [N]; `classes` is n_classes where it is left out."""
    left = jnp.bincount(classes, length=n_classes + 1)[:n_classes]
    wanted = _wanted(left, sampling)
    left = jnp.maximum(left, 1)
    # Of each class the examples in a random order: all come as often as goes into `wanted`, the first once more.
    return (wanted // left)[classes] + (_ranks(classes, draws) < (wanted % left)[classes])


def _wanted(left: _Counts, sampling: Sampling) -> _Counts:
    """By class, the examples of an epoch, where so many are left to draw from."""
    if sampling.balance == "undersample":
        return left * 0 + left.min()
    share, rest = divmod(left.sum(), len(left))
    return share + (np.arange(len(left)) < rest)


def _ranks(groups: Int[Array, " N"], draws: Float[Array, " N"]) -> Int[Array, " N"]:
    """The place of each among those of its group, in the order of the draws."""
    order = jnp.lexsort((draws, groups))
    ordered = groups[order]
    rank = jnp.arange(len(groups)) - jnp.searchsorted(ordered, ordered)
    return rank[jnp.argsort(order)]


def _divided(values: Array, lengths: list[int]) -> tuple[Array, ...]:
    """What was joined, by bucket."""
    return tuple(jnp.split(values, np.cumsum(lengths)[:-1]))
