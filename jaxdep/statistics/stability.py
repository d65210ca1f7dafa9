"""What a score does over the seeds: highest, mean, spread, an interval of the mean, and whether A beats B."""

import dataclasses
import math

import numpy as np
import scipy.optimize
import scipy.stats
from jaxtyping import Float

RESAMPLES = 10_000
CONFIDENCE = 0.95
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BOOTSTRAP_SEED = 0  # fixed, so that a report made again is the same to the byte


@dataclasses.dataclass(frozen=True)
class Summary:
    """One metric over the seeds. NaN stands where there are too few seeds to say.

    Attributes:
        n_seeds: seeds that count; n_diverged: seeds left out of everything here.
        max, min, avg: of the seeds' scores. `max` is the highest figure, for an error therefore the worst seed.
        std: with n - 1 (the papers do not say which); NaN for one seed.
        iqm: mean of the scores between the quartiles.
        ci_low, ci_high: bootstrap interval of `avg`; NaN for one seed.
        quantiles: at `QUANTILES`, interpolated linearly.
    """

    n_seeds: int
    n_diverged: int
    max: float
    min: float
    avg: float
    std: float
    iqm: float
    ci_low: float
    ci_high: float
    quantiles: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The probability that a random seed of A scores above a random seed of B, with its score interval."""

    probability: float
    ci_low: float
    ci_high: float

    def reversed(self) -> "Comparison":
        """B against A."""
        return Comparison(1 - self.probability, 1 - self.ci_high, 1 - self.ci_low)


@dataclasses.dataclass(frozen=True)
class SpreadRatio:
    """STD over the seeds of A over that of B; NaN where a side has fewer than two seeds, or B's do not differ.

    Attributes:
        ci_low, ci_high: percentile bootstrap interval. Of 20 seeds it is too narrow: where both spread alike it leaves 1
            out 8 times in a hundred, not 5 (normal scores, simulated), so that `p` decides.
        p: of the Brown-Forsythe test that both spread alike, by the distances from the median; for pairs by their
            differences. In the same simulation it is below .05 3 to 4 times in a hundred. NaN of fewer than three seeds.
    """

    ratio: float
    ci_low: float
    ci_high: float
    p: float


def summary(scores: Float[np.ndarray, " S"], n_diverged: int = 0) -> Summary:
    """The statistics of one score a seed; scores that are not finite count as diverged seeds."""
    scores = np.asarray(scores, np.float64)
    kept = scores[np.isfinite(scores)]
    n_diverged += scores.size - kept.size
    if kept.size == 0:
        nan = math.nan
        return Summary(0, n_diverged, nan, nan, nan, nan, nan, nan, nan, (nan,) * len(QUANTILES))
    low, high = mean_interval(kept)
    return Summary(
        n_seeds=kept.size,
        n_diverged=n_diverged,
        max=float(kept.max()),
        min=float(kept.min()),
        avg=float(kept.mean()),
        std=float(kept.std(ddof=1)) if kept.size > 1 else math.nan,
        iqm=interquartile_mean(kept),
        ci_low=low,
        ci_high=high,
        quantiles=tuple(float(value) for value in np.quantile(kept, QUANTILES)),
    )


def spread_ratio(a: Float[np.ndarray, " S"], b: Float[np.ndarray, " T"], *, paired: bool = False) -> SpreadRatio:
    """STD of A's seeds over that of B's, with its bootstrap interval and a test.

    Args:
        a, b: scores of the seeds, where `paired` of the same seeds in one order.
        paired: whether seed k of both shares more than its number, such as who validates: seeds are then drawn in pairs.
            Drawn apart, the interval would be too wide, and the test too shy.
    """
    if min(len(a), len(b)) < 2 or np.ptp(b) == 0:
        return SpreadRatio(math.nan, math.nan, math.nan, math.nan)

    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    first = rng.integers(len(a), size=(RESAMPLES, len(a)))
    second = first if paired else rng.integers(len(b), size=(RESAMPLES, len(b)))
    drawn = [np.std(side[rows], axis=1, ddof=1) for side, rows in ((a, first), (b, second))]
    # A draw of one score again and again has no spread: what is divided by it tells nothing.
    ratios = drawn[0][drawn[1] > 0] / drawn[1][drawn[1] > 0]
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return SpreadRatio(float(np.std(a, ddof=1) / np.std(b, ddof=1)), float(low), float(high), _spread_p(a, b, paired))


def holm(p: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """P-values corrected for their number, so that a false one among them is as rare as `p` says of each (Holm 1979).

    Each is multiplied by the number of those that are not smaller, and none gets below one that was smaller. It finds all
    that Bonferroni's correction does, and more. NaN stays NaN and does not count.
    """
    corrected = np.full(len(p), math.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return corrected


def pooled_mean(sums: Float[np.ndarray, " P"], counts: Float[np.ndarray, " P"]) -> tuple[float, float, float]:
    """The mean over all segments of several participants, with the percentile bootstrap interval over participants.

    Args:
        sums, counts: of each participant's segments.

    Returns:
        The mean and the interval's ends, NaN of a single participant.
    """
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return mean, math.nan, math.nan
    found = scipy.stats.bootstrap(
        (sums, counts),
        lambda total, n, axis: total.sum(axis) / n.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(_BOOTSTRAP_SEED),
    )
    return mean, float(found.confidence_interval.low), float(found.confidence_interval.high)


def mean_interval(scores: Float[np.ndarray, " S"]) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean; NaN for one seed.

    The percentile form, as rliable (Agarwal et al. 2021) uses it, is defined for equal scores too, where BCa is not.
    With few seeds it is somewhat too narrow.
    """
    if len(scores) < 2:
        return math.nan, math.nan
    if np.ptp(scores) == 0:
        return float(scores[0]), float(scores[0])
    interval = scipy.stats.bootstrap(
        (scores,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=1000,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_BOOTSTRAP_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _spread_p(a: Float[np.ndarray, " S"], b: Float[np.ndarray, " T"], paired: bool) -> float:
    if min(len(a), len(b)) < 3:  # both of two seeds lie equally far from their median, whatever they score
        return math.nan
    if not paired:
        return float(scipy.stats.levene(a, b, center="median").pvalue)
    difference = np.abs(a - np.median(a)) - np.abs(b - np.median(b))
    return float(scipy.stats.ttest_1samp(difference, 0).pvalue) if np.ptp(difference) else math.nan


def interquartile_mean(scores: Float[np.ndarray, " S"]) -> float:
    """The mean without the lowest and the highest quarter of the seeds (each rounded down); Agarwal et al. 2021."""
    return float(scipy.stats.trim_mean(scores, 0.25))


def probability_of_improvement(a: Float[np.ndarray, " S"], b: Float[np.ndarray, " T"]) -> Comparison:
    """P(A > B) + P(A = B) / 2 over all pairs of a seed of A and a seed of B; Agarwal et al. 2021.

    It is the Mann-Whitney statistic by the number of pairs. The scores are better the higher: give errors negated.
    Seeds that are not finite are left out. The interval is NaN where both have one seed; all is NaN where one has none.

    The interval is a score interval, which is one also where all seeds of A beat all of B, and a bootstrap's ends would
    both be 1: Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
    Statistics in Medicine 25, 2006, method 5. Against a single score it is Wilson's interval of a proportion.
    """
    a, b = (values[np.isfinite(values)] for values in (np.asarray(a, np.float64), np.asarray(b, np.float64)))
    if min(a.size, b.size) == 0:
        return Comparison(math.nan, math.nan, math.nan)
    rank_sum = scipy.stats.rankdata(np.concatenate([a, b]))[: a.size].sum()
    probability = float((rank_sum - a.size * (a.size + 1) / 2) / (a.size * b.size))
    if a.size == b.size == 1:
        return Comparison(probability, math.nan, math.nan)
    return Comparison(probability, *_score_interval(probability, a.size, b.size))


def _score_interval(probability: float, n_a: int, n_b: int) -> tuple[float, float]:
    """The probabilities that lie as far from the one that was found as their own standard error allows."""
    z = scipy.stats.norm.ppf((1 + CONFIDENCE) / 2)
    # Of Hanley and McNeil's variance (Radiology 1982), with the mean number of seeds for each side's, so that B against A
    # has the mirrored interval; a single score has no spread of its own.
    others = (n_a + n_b) / 2 - 1 if min(n_a, n_b) > 1 else 0

    def excess(p: float) -> float:
        variance = p * (1 - p) * (1 + others * ((1 - p) / (2 - p) + p / (1 + p))) / (n_a * n_b)
        return float((probability - p) ** 2 - z**2 * variance)

    # Where the found one is 0 or 1 it is an end itself, and a root of its own.
    inner = 1e-9
    low = scipy.optimize.brentq(excess, 0, min(probability, 1 - inner)) if probability > 0 else 0.0
    high = scipy.optimize.brentq(excess, max(probability, inner), 1) if probability < 1 else 1.0
    return float(low), float(high)
