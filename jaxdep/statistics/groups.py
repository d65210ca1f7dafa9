"""How far a score differs between groups of participants, and how far it would among groups drawn at random.

P participants, S seeds, G groups, R draws. A group's score is the metric of its members' confusion counts, mean over the
seeds; the gap is the highest of these less the lowest.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from jaxdep.statistics import metrics
from jaxdep.statistics.stability import CONFIDENCE

RESAMPLES = 1_000
LEAST = 2  # participants of a group, from which on there is something to draw
_SEED = 0  # fixed, so that a report made again is the same to the byte


class Gap(NamedTuple):
    """The gap of one metric between groups.

    Attributes:
        highest, lowest: the groups, as indices.
        scores: of all groups, mean over the seeds.
        ci_low, ci_high: 95 % percentile interval of the difference of these two groups, were other participants (drawn
            again within each group) scored with other seeds. That these two were picked for their scores widens the gap
            and not the interval: `p` takes it into account.
        expected: the mean gap of groups of the same sizes, drawn at random of the same participants.
        p: how often such a gap is as large as the one found, the one found counted among them.
    """

    highest: int
    lowest: int
    scores: tuple[float, ...]
    ci_low: float
    ci_high: float
    expected: float
    p: float

    @property
    def gap(self) -> float:
        """The difference of the two."""
        return self.scores[self.highest] - self.scores[self.lowest]


def gaps(
    counts: Float[np.ndarray, "P S C C"],
    groups: Int[np.ndarray, " P"],
    positive: int | None,
    classes: tuple[str, ...],
    names: tuple[str, ...],
) -> dict[str, Gap]:
    """The gaps of those of the metrics `names` that are functions of confusion counts; none of fewer than two groups.

    Args:
        counts: of each participant under each seed.
        groups: of each participant, from 0 on; every one has `LEAST` members or more.
    """
    n_groups = int(groups.max(initial=-1)) + 1
    if n_groups < 2:
        return {}
    rng = np.random.default_rng(_SEED)
    member = np.eye(n_groups)[groups].T  # [G, P]
    found = _scores(_summed(member[None], counts), positive, classes, names)
    drawn = _scores(_summed(_redrawn(groups, rng), counts), positive, classes, names)
    shuffled = np.stack([member[:, rng.permutation(len(groups))] for _ in range(RESAMPLES)])
    at_random = _scores(_summed(shuffled, counts), positive, classes, names)
    n_seeds = counts.shape[1]
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), RESAMPLES) / n_seeds  # [R, S]
    return {
        name: _gap(np.asarray(scores)[0], np.asarray(drawn[name]), np.asarray(at_random[name]), seeds)
        for name, scores in found.items()
    }


def _gap(
    scores: Float[np.ndarray, "G S"],
    drawn: Float[np.ndarray, "R G S"],
    at_random: Float[np.ndarray, "R G S"],
    seeds: Float[np.ndarray, "R S"],
) -> Gap:
    means = scores.mean(axis=1)
    highest, lowest = int(means.argmax()), int(means.argmin())
    differences = ((drawn[:, highest] - drawn[:, lowest]) * seeds).sum(axis=1)
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    widths = np.ptp(at_random.mean(axis=2), axis=1)
    as_large = widths >= means[highest] - means[lowest] - 1e-12  # equal but for rounding
    p = (1 + as_large.sum()) / (1 + len(widths))
    return Gap(highest, lowest, tuple(means.tolist()), float(low), float(high), float(widths.mean()), float(p))


def _redrawn(groups: Int[np.ndarray, " P"], rng: np.random.Generator) -> Float[np.ndarray, "R G P"]:
    """How often each member of each group comes in a draw of as many of the group."""
    times = np.zeros((RESAMPLES, groups.max() + 1, len(groups)))
    for group in range(times.shape[1]):
        members = np.flatnonzero(groups == group)
        times[:, group, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), RESAMPLES)
    return times


def _summed(times: Float[np.ndarray, "R G P"], counts: Float[np.ndarray, "P S C C"]) -> Float[np.ndarray, "R G S C C"]:
    return np.tensordot(times, counts, axes=1)


@functools.partial(jax.jit, static_argnames=("positive", "classes", "names"))
def _scores(
    counts: Float[Array, "R G S C C"], positive: int | None, classes: tuple[str, ...], names: tuple[str, ...]
) -> dict[str, Float[Array, "R G S"]]:
    found = metrics.of_confusion(counts, positive, classes)
    return {name: found[name] for name in names if name in found}
