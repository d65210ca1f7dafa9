"""Intervals over participants, against scipy's bootstrap of scikit-learn's scores."""

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import f1_score

from jaxdep.statistics import metrics, participants

SEEDS, PEOPLE = 3, 40


@pytest.fixture(scope="module")
def decisions() -> tuple[np.ndarray, np.ndarray]:
    """Target [P] and prediction [S, P]; three seeds that are right three times of four."""
    rng = np.random.default_rng(4)
    target = (np.arange(PEOPLE) < 14).astype(int)
    return target, np.where(rng.random((SEEDS, PEOPLE)) < 0.75, target, 1 - target)


def plain(statistic) -> tuple[float, float]:
    """The percentile interval of a statistic of drawn participants, one draw after the other."""
    options = {"vectorized": False, "method": "percentile", "n_resamples": 400}
    found = scipy.stats.bootstrap((np.arange(PEOPLE),), statistic, rng=np.random.default_rng(1), **options)
    return found.confidence_interval.low, found.confidence_interval.high


def test_the_interval_is_that_of_a_plain_bootstrap_of_participants(decisions) -> None:
    target, prediction = decisions
    counts = metrics.confusion(target[:, None, None], prediction.T[..., None], 2)
    found = participants.of_confusion(np.asarray(counts), 1, (), tuple(metrics.of_confusion(counts)))
    each = np.repeat(target[:, None], SEEDS, axis=1)

    def mean_f1(drawn) -> float:
        return f1_score(each[drawn], prediction.T[drawn], average="macro", zero_division=0)  # of columns, the seeds

    np.testing.assert_allclose(found["f1"], plain(mean_f1), atol=0.03)
    right = (each == prediction.T).mean(1)
    np.testing.assert_allclose(found["accuracy"], plain(lambda drawn: right[drawn].mean()), atol=0.02)


def test_participants_are_drawn_as_wholes() -> None:
    """Of a participant whose four windows are decided alike, the windows are worth one."""
    rng = np.random.default_rng(0)
    error, weight = rng.random((PEOPLE, 1)), np.ones((PEOPLE, 1))
    alone, windows = participants.of_mean(error, weight), participants.of_mean(error, 4 * weight)
    assert windows == pytest.approx(alone)
    np.testing.assert_allclose(alone, plain(lambda drawn: error[drawn].mean()), atol=0.02)


def test_a_root_mean_square_is_drawn_as_one() -> None:
    rng = np.random.default_rng(2)
    error, weight = rng.random((PEOPLE, 2)), rng.integers(1, 4, (PEOPLE, 2))
    error[3], weight[3] = np.nan, 0  # who has no examples has no say

    def root(drawn) -> float:
        squares = np.nansum(error[drawn] ** 2 * weight[drawn], axis=0)
        return np.sqrt(squares / weight[drawn].sum(0)).mean()

    np.testing.assert_allclose(participants.of_mean(error, weight, 2), plain(root), atol=0.02)


def test_the_calibration_error_of_a_draw_is_that_of_its_bins(decisions) -> None:
    target, _ = decisions
    probabilities = np.random.default_rng(3).dirichlet((1, 1), (PEOPLE, 1, 1))
    found = participants.of_bins(metrics.confidence_bins(target[:, None, None], probabilities))

    confidence = probabilities.max(-1)[:, 0, 0]
    right = probabilities[:, 0, 0].argmax(-1) == target
    of_bin = np.ceil(confidence * 10) == np.arange(1, 11)[:, None]

    def error(drawn) -> float:
        return float(np.abs((of_bin * (right - confidence))[:, drawn].sum(1)).sum() / PEOPLE)

    np.testing.assert_allclose(found, plain(error), atol=0.025)


def test_a_draw_without_a_score_is_left_out() -> None:
    scores = np.array([[0.4, 0.6], [np.nan, 0.5], [np.nan, np.nan]])
    assert participants.interval(scores) == (0.5, 0.5)
