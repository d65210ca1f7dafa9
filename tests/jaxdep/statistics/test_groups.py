"""The gap between groups: its value, what chance makes of groups drawn at random, and its interval."""

import numpy as np
import pytest
from scipy.stats import permutation_test
from sklearn.metrics import accuracy_score, f1_score, recall_score

from jaxdep.statistics import groups

CLASSES = ("healthy", "depressed")
NAMES = ("accuracy", "f1", "recall")


def decisions(people=40, seeds=5, right=(0.6, 0.6, 0.6), seed=0):
    """Participants of three groups, of whom each seed is right as often as `right` says."""
    rng = np.random.default_rng(seed)
    of = np.arange(people) % 3
    target = rng.integers(0, 2, people)
    is_right = rng.random((people, seeds)) < np.array(right)[of][:, None]
    said = np.where(is_right, target[:, None], 1 - target[:, None])
    counts = np.zeros((people, seeds, 2, 2))
    np.add.at(counts, (np.arange(people)[:, None], np.arange(seeds)[None], target[:, None], said), 1)
    return counts, of, target, said


def test_scores_are_sklearns_mean_over_the_seeds():
    counts, of, target, said = decisions()
    found = groups.gaps(counts, of, 1, CLASSES, NAMES)
    for name, score in {"accuracy": accuracy_score, "f1": f1_score, "recall": recall_score}.items():
        expected = [np.mean([score(target[of == g], said[of == g, s]) for s in range(said.shape[1])]) for g in range(3)]
        np.testing.assert_allclose(found[name].scores, expected, atol=1e-6)
        assert found[name].gap == pytest.approx(max(expected) - min(expected), abs=1e-6)
        assert (found[name].highest, found[name].lowest) == (int(np.argmax(expected)), int(np.argmin(expected)))


def test_p_is_that_of_scipys_permutation_test():
    counts, of, target, said = decisions(right=(0.9, 0.6, 0.6), seed=3)
    share = (said == target[:, None]).mean(axis=1)

    def width(labels):
        means = [share[labels == g].mean() for g in range(3)]
        return max(means) - min(means)

    reference = permutation_test((of,), width, permutation_type="pairings", n_resamples=4000, alternative="greater")
    found = groups.gaps(counts, of, 1, CLASSES, ("accuracy",))["accuracy"]
    assert found.p == pytest.approx(reference.pvalue, abs=0.03)
    assert found.expected == pytest.approx(np.mean(reference.null_distribution), abs=0.01)


def test_a_large_difference_is_no_chance_and_none_is():
    apart = groups.gaps(*decisions(right=(1.0, 0.5, 0.5), people=90)[:2], 1, CLASSES, ("accuracy",))["accuracy"]
    assert apart.highest == 0
    assert apart.p < 0.01
    assert 0 < apart.ci_low < apart.gap < apart.ci_high
    ps = [groups.gaps(*decisions(seed=seed)[:2], 1, CLASSES, ("accuracy",))["accuracy"].p for seed in range(20)]
    assert np.mean(np.array(ps) < 0.05) <= 0.2
    assert 0.3 < np.mean(ps) < 0.7


def test_of_one_group_there_is_no_gap():
    counts, of, *_ = decisions()
    assert groups.gaps(counts, 0 * of, 1, CLASSES, NAMES) == {}
