"""How far a score moves with other participants: whole participants are drawn again, and the seeds stay as they are.

A draw weighs each participant by how often it came, so that a score needs no examples, only what it is a function of,
summed over each participant's: confusion counts, or a sum of losses. B draws, P participants, S seeds.
"""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxdep.statistics import metrics
from jaxdep.statistics.stability import CONFIDENCE

LEAST = 10  # participants: of fewer, draws say little of others
RESAMPLES = 1_000
MEANS = {"log_loss": 1, "rmse_one_hot": 2, "mae": 1, "rmse": 2}  # metrics that are a mean of such a power of an error
_SEED = 0  # fixed, so that a report made again is the same to the byte

Interval = tuple[float, float]


def of_confusion(
    counts: Float[np.ndarray, "P S C C"], positive: int | None, classes: tuple[str, ...], names: tuple[str, ...]
) -> dict[str, Interval]:
    """The intervals of those of the metrics `names` that are functions of the confusion counts."""
    found = _of_confusion(_drawn(counts), positive, classes, names)
    return {name: interval(np.asarray(values)) for name, values in found.items()}


@functools.partial(jax.jit, static_argnames=("positive", "classes", "names"))
def _of_confusion(
    counts: Float[Array, "B S C C"], positive: int | None, classes: tuple[str, ...], names: tuple[str, ...]
) -> dict[str, Float[Array, "B S"]]:
    found = metrics.of_confusion(counts, positive, classes)
    return {name: found[name] for name in names if name in found}


def of_mean(values: Float[np.ndarray, "P S"], weight: Float[np.ndarray, "P S"], power: int = 1) -> Interval:
    """The interval of a mean over examples, or of the root of a mean square.

    Args:
        values: the metric of each participant's own examples, of any value where there are none.
        weight: of these examples.
        power: 2 of a root mean square.
    """
    sums = np.where(weight > 0, values, 0) ** power * weight
    total = _drawn(weight)
    scores = np.divide(_drawn(sums), total, out=np.full_like(total, np.nan), where=total > 0)
    return interval(scores ** (1 / power))


def of_bins(bins: metrics.ConfidenceBins) -> Interval:
    """The interval of the expected calibration error; bins [P, S, bins]."""
    drawn = metrics.ConfidenceBins(*(jnp.asarray(_drawn(np.asarray(sums))) for sums in bins))
    return interval(np.asarray(metrics.expected_calibration_error(drawn)))


def interval(scores: Float[np.ndarray, "B S"]) -> Interval:
    """The percentile interval of the mean over the seeds; a seed counts in a draw where it has a score there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw in which no seed has a score
        means = np.nanmean(scores, axis=1)
        low, high = np.nanquantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _drawn(sums: Float[np.ndarray, "P S *rest"]) -> Float[np.ndarray, "B S *rest"]:
    """The sums over the participants of each draw; the same draws for everything of as many participants."""
    count = len(sums)
    times = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    return np.asarray(np.tensordot(times, sums, axes=1))
