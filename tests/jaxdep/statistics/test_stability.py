"""The statistics over seeds: worked by hand, and against scipy."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.stats

from jaxdep.statistics import stability


def test_a_summary_worked_by_hand() -> None:
    found = stability.summary(np.array([0.2, 0.4, 0.6, 0.8]))
    assert (found.n_seeds, found.n_diverged, found.max, found.min) == (4, 0, 0.8, 0.2)
    assert found.avg == pytest.approx(0.5)
    assert found.std == pytest.approx(math.sqrt(0.2 / 3))  # divided by n - 1
    assert found.iqm == pytest.approx(0.5)
    assert found.quantiles == pytest.approx((0.26, 0.35, 0.5, 0.65, 0.74))


def test_seeds_that_diverged_are_left_out_but_counted() -> None:
    found = stability.summary(np.array([0.5, math.nan, 0.7, math.inf]), n_diverged=2)
    assert (found.n_seeds, found.n_diverged) == (2, 4)
    assert found.avg == pytest.approx(0.6)
    assert found.max == 0.7


def test_one_seed_has_no_spread_and_no_interval() -> None:
    found = stability.summary(np.array([0.869]))
    assert (found.n_seeds, found.max, found.avg) == (1, 0.869, 0.869)
    assert all(math.isnan(value) for value in (found.std, found.ci_low, found.ci_high))


def test_no_seed_at_all_gives_nan_and_not_an_error() -> None:
    found = stability.summary(np.zeros(0), n_diverged=20)
    assert (found.n_seeds, found.n_diverged) == (0, 20)
    assert math.isnan(found.avg)


def test_equal_scores_have_an_interval_of_no_width() -> None:
    assert stability.mean_interval(np.full(20, 0.3)) == (0.3, 0.3)


def test_the_interval_is_the_same_every_time_and_holds_the_mean() -> None:
    scores = np.random.default_rng(3).normal(0.6, 0.05, 20)
    low, high = stability.mean_interval(scores)
    assert (low, high) == stability.mean_interval(scores)
    assert low < scores.mean() < high
    width = 2 * scipy.stats.norm.ppf(0.975) * scores.std(ddof=1) / math.sqrt(20)
    assert high - low == pytest.approx(width, rel=0.15)


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = [low <= 0.5 <= high for low, high in (stability.mean_interval(rng.uniform(0, 1, 20)) for _ in range(60))]
    assert 0.83 <= np.mean(inside) <= 1.0


def test_the_interquartile_mean_ignores_the_tails() -> None:
    assert stability.interquartile_mean(np.array([-100, 1, 2, 3, 4, 5, 6, 100.0])) == pytest.approx(3.5)


def test_probability_of_improvement_is_mann_whitneys_statistic_by_the_number_of_pairs() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, 20) / 6, rng.integers(0, 5, 15) / 6  # with ties
    found = stability.probability_of_improvement(a, b)
    assert found.probability == pytest.approx(scipy.stats.mannwhitneyu(a, b).statistic / 300)
    assert found.ci_low < found.probability < found.ci_high
    assert stability.probability_of_improvement(b, a).probability == pytest.approx(found.reversed().probability)
    assert found == stability.probability_of_improvement(a, b)


def test_its_interval_is_near_that_of_a_plain_bootstrap_where_scores_overlap() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.62, 0.05, 30), rng.normal(0.6, 0.05, 25)
    found = stability.probability_of_improvement(a, b)
    drawn = [
        np.mean(np.sign(rng.choice(a, 30)[:, None] - rng.choice(b, 25)) / 2 + 0.5)  # one resample after the other
        for _ in range(2000)
    ]
    np.testing.assert_allclose([found.ci_low, found.ci_high], np.quantile(drawn, [0.025, 0.975]), atol=0.04)


def test_its_interval_has_a_width_where_every_seed_beats_every_other() -> None:
    ends = []
    for seeds in (3, 20, 100):
        found = stability.probability_of_improvement(1 + np.arange(seeds), -np.arange(seeds))
        assert (found.probability, found.ci_high) == (1, 1)
        mirrored = stability.probability_of_improvement(-np.arange(seeds), 1 + np.arange(seeds))
        assert (mirrored.probability, mirrored.ci_low) == (0, 0)
        assert mirrored.ci_high == pytest.approx(1 - found.ci_low)
        ends.append(found.ci_low)
    assert 0.3 < ends[0] < ends[1] < ends[2] < 1


@pytest.mark.parametrize("shift", [0.0, 0.8, 1.8, 2.6])
def test_its_interval_covers_the_probability_about_as_often_as_it_says(shift: float) -> None:
    rng, truth = np.random.default_rng(6), scipy.stats.norm.cdf(shift / math.sqrt(2))
    found = [stability.probability_of_improvement(rng.normal(shift, 1, 12), rng.normal(0, 1, 12)) for _ in range(300)]
    assert 0.91 <= np.mean([one.ci_low <= truth <= one.ci_high for one in found]) <= 0.99


@pytest.mark.parametrize("wins", [0, 3, 11, 20])
def test_against_a_single_score_it_is_wilsons_interval_of_a_proportion(wins: int) -> None:
    scores = np.where(np.arange(20) < wins, 0.9, 0.1)
    for found in (
        stability.probability_of_improvement(scores, np.array([0.5])),
        stability.probability_of_improvement(np.array([0.5]), scores).reversed(),
    ):
        wilson = scipy.stats.binomtest(wins, 20).proportion_ci(method="wilson")
        assert (found.ci_low, found.ci_high) == pytest.approx((wilson.low, wilson.high), abs=1e-8)


@pytest.mark.parametrize(("a", "b", "expected"), [([0.7], [0.5], 1.0), ([0.5], [0.5], 0.5), ([0.4], [0.5], 0.0)])
def test_single_seeds_compare_without_an_interval(a: list[float], b: list[float], expected: float) -> None:
    found = stability.probability_of_improvement(np.array(a), np.array(b))
    assert found.probability == expected
    assert math.isnan(found.ci_low)
    assert math.isnan(found.ci_high)


def test_a_system_without_seeds_cannot_be_compared() -> None:
    assert math.isnan(stability.probability_of_improvement(np.zeros(0), np.array([0.5])).probability)


def test_the_ratio_of_two_spreads_and_its_interval() -> None:
    rng = np.random.default_rng(3)
    narrow, wide = rng.normal(0.7, 0.02, 40), rng.normal(0.6, 0.06, 30)
    found = stability.spread_ratio(narrow, wide)
    assert found.ratio == pytest.approx(narrow.std(ddof=1) / wide.std(ddof=1))
    plain = scipy.stats.bootstrap(
        (narrow, wide),
        lambda a, b, axis: a.std(axis, ddof=1) / b.std(axis, ddof=1),
        method="percentile",
        rng=np.random.default_rng(9),
    ).confidence_interval
    np.testing.assert_allclose([found.ci_low, found.ci_high], [plain.low, plain.high], rtol=0.05)
    assert found.ci_high < 1 < stability.spread_ratio(wide, narrow).ci_low
    far = [np.abs(side - np.median(side)) for side in (narrow, wide)]
    assert found.p == pytest.approx(
        scipy.stats.ttest_ind(*far).pvalue
    )  # Levene's F of two groups is Student's t squared


def test_seeds_that_share_a_split_are_drawn_in_pairs() -> None:
    """What both owe to the draw of validation participants widens an interval that takes the seeds apart."""
    rng = np.random.default_rng(3)
    of_draw = rng.normal(0, 0.05, 20)
    a, b = (0.6 + of_draw + rng.normal(0, 0.02, 20) for _ in range(2))
    pairs, apart = stability.spread_ratio(a, b, paired=True), stability.spread_ratio(a, b)
    assert pairs.ratio == apart.ratio
    assert pairs.ci_high - pairs.ci_low < 0.7 * (apart.ci_high - apart.ci_low)
    plain = scipy.stats.bootstrap(
        (a, b),
        lambda a, b, axis: a.std(axis, ddof=1) / b.std(axis, ddof=1),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(9),
    ).confidence_interval
    np.testing.assert_allclose([pairs.ci_low, pairs.ci_high], [plain.low, plain.high], rtol=0.05)
    far = [np.abs(side - np.median(side)) for side in (a, b)]
    assert pairs.p == pytest.approx(scipy.stats.ttest_rel(*far).pvalue)


@pytest.mark.parametrize("paired", [False, True])
def test_equal_spreads_are_seldom_called_different(paired: bool) -> None:
    rng = np.random.default_rng(0)
    found = [stability._spread_p(*rng.normal(size=(2, 20)), paired) for _ in range(400)]
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.07


def test_holms_correction_is_bonferronis_closed_over_all_subsets() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, np.nan, 0.9])
    known = [number for number in range(len(p)) if np.isfinite(p[number])]
    subsets = [set(chosen) for size in range(1, 6) for chosen in itertools.combinations(known, size)]
    closed = [max(min(1, len(one) * min(p[list(one)])) for one in subsets if number in one) for number in known]
    found = stability.holm(p)
    np.testing.assert_allclose(found[known], closed)
    assert np.isnan(found[4])
    assert stability.holm(np.zeros(0)).size == 0


@pytest.mark.parametrize(("a", "b"), [([0.5], [0.4, 0.5]), ([0.4, 0.5], [0.5]), ([0.4, 0.5], [0.5, 0.5])])
def test_no_spread_is_no_ratio(a: list[float], b: list[float]) -> None:
    assert all(math.isnan(value) for value in dataclasses.astuple(stability.spread_ratio(np.array(a), np.array(b))))


def test_two_seeds_have_a_ratio_and_no_test() -> None:
    found = stability.spread_ratio(np.array([0.4, 0.6]), np.array([0.5, 0.6]), paired=True)
    assert found.ratio == pytest.approx(2)
    assert math.isnan(found.p)
