"""Which F1 a paper prints, where it does not say: told by its accuracy, its UA and the share of the positive class. And
whether any confusion counts have the figures that it prints."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxdep.statistics import metrics

ROUNDING = 1e-3  # how far beyond 0 ... 1 the last printed digit of accuracy and UA may carry a recall


class NearestCounts(NamedTuple):
    """The confusion counts that come nearest to some figures.

    Attributes:
        tn, fp, fn, tp: true negatives, false positives, false negatives, true positives.
        figures: what they score, by metric.
        off: how far the worst of these lies from what is printed.
    """

    tn: int
    fp: int
    fn: int
    tp: int
    figures: dict[str, float]
    off: float


def nearest_counts(printed: Mapping[str, float], positives: int, negatives: int) -> NearestCounts:
    """Of all confusion counts of so many positives and negatives those whose worst figure is nearest to what is printed.

    Args:
        printed: by metric, of those that are functions of the counts.
    """
    tp, tn = (one.ravel() for one in np.meshgrid(np.arange(positives + 1), np.arange(negatives + 1)))
    counts = np.stack([tn, negatives - tn, positives - tp, tp], axis=-1).reshape(-1, 2, 2).astype(np.float64)
    found = metrics.of_confusion(jnp.asarray(counts))
    figures = {name: np.asarray(found[name], np.float64) for name in printed}
    off = np.max([np.abs(values - printed[name]) for name, values in figures.items()], axis=0)
    best = int(off.argmin())
    (true_negative, false_positive), (false_negative, true_positive) = counts[best].astype(int).tolist()
    of_best = true_negative, false_positive, false_negative, true_positive
    return NearestCounts(*of_best, {name: float(values[best]) for name, values in figures.items()}, float(off[best]))


def recalls(accuracy: float, unweighted_accuracy: float, prevalence: float) -> tuple[float, float]:
    """Recall of the positive and of the negative class; NaN where no confusion counts score so.

    Accuracy is their mean weighted by the classes' shares, UA their plain mean: two equations for two unknowns.

    Args:
        prevalence: the share of the positive class, other than 1/2, where the two equations are one.
    """
    both = 2 * unweighted_accuracy
    positive = (accuracy - (1 - prevalence) * both) / (2 * prevalence - 1)
    found = np.array([positive, both - positive])
    if (np.abs(found - 0.5) > 0.5 + ROUNDING).any():
        return math.nan, math.nan
    of_positive, of_negative = found.clip(0, 1).tolist()
    return of_positive, of_negative


def f1_readings(accuracy: float, unweighted_accuracy: float, prevalence: float) -> dict[str, float]:
    """What each F1 of a binary task is at that accuracy and UA: f1 of the positive class, f1_macro and f1_weighted.

    NaN where no confusion counts score so.
    """
    counts = jnp.asarray(_confusion(accuracy, unweighted_accuracy, prevalence))
    each, weighted = metrics.f1(counts), metrics.f1_weighted(counts)
    found = {"f1": float(each[1]), "f1_macro": float(each.mean()), "f1_weighted": float(weighted)}
    return {name: math.nan if jnp.isnan(counts).any() else value for name, value in found.items()}


def _confusion(accuracy: float, unweighted_accuracy: float, prevalence: float) -> Float[np.ndarray, "2 2"]:
    """As shares of all: target (rows) by prediction (columns), the positive class second."""
    positive, negative = recalls(accuracy, unweighted_accuracy, prevalence)
    of_negative, of_positive = 1 - prevalence, prevalence
    return np.array(
        [
            [of_negative * negative, of_negative * (1 - negative)],
            [of_positive * (1 - positive), of_positive * positive],
        ]
    )
