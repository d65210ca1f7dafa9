"""Every rule of decision-level fusion by hand-worked cases, and the temperature against what made the confidences."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from sklearn.linear_model import LogisticRegression

from input_pipeline.errors import DataError
from jaxdep.statistics import fusion, metrics

NAN = [np.nan, np.nan]
# Three recordings: both members decide the first, one alone the second, none the third.
MEMBERS = np.array([[[0.2, 0.8], NAN, NAN], [[0.6, 0.4], [0.3, 0.7], NAN]])
VALIDATION = fusion.Validation(MEMBERS[:, :1], np.array([1]), np.array([0.9, 0.6]))


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("mean", [0.4, 0.6]),
        ("product", [0.12 / 0.44, 0.32 / 0.44]),
        ("max", [0.6 / 1.4, 0.8 / 1.4]),
        ("weighted", [(0.9 * 0.2 + 0.6 * 0.6) / 1.5, (0.9 * 0.8 + 0.6 * 0.4) / 1.5]),
    ],
)
def test_a_rule_by_hand_and_who_is_there_decides(rule, first):
    found = fusion.combine(rule, MEMBERS, VALIDATION)
    np.testing.assert_allclose(found, [first, [0.3, 0.7], NAN], rtol=1e-12)


def test_a_majority_wins_whatever_the_confidence_and_a_tie_goes_to_the_surer_side():
    sure, unsure, nobody = [0.01, 0.99], [0.6, 0.4], [np.nan, np.nan]
    members = np.array(
        [
            # a majority of unsure ones; a tie, the surer for class 1, then for class 0; one alone; nobody
            [sure, sure, [0.95, 0.05], unsure, nobody],
            [unsure, unsure, [0.45, 0.55], nobody, nobody],
            [unsure, nobody, nobody, nobody, nobody],
        ]
    )
    found = fusion.combine("vote", members, VALIDATION)
    mean = (0.99 + 0.4 + 0.4) / 3
    np.testing.assert_allclose(found[0], [(2 + 1 - mean) / 4, (1 + mean) / 4], rtol=1e-12)  # three votes and their mean
    assert found[:4].argmax(1).tolist() == [0, 1, 0, 0]
    assert np.isnan(found[4]).all()


def test_of_two_equal_probabilities_the_second_is_voted_for_as_the_metrics_decide():
    half = np.array([[[0.5, 0.5]]])
    decided = metrics.predicted_class(jnp.asarray(half[0]))
    assert fusion.decided(half[0]).argmax(-1).tolist() == np.asarray(decided).tolist() == [1]


def test_members_that_all_score_zero_weigh_the_same():
    useless = VALIDATION._replace(scores=np.zeros(2))
    np.testing.assert_allclose(
        fusion.combine("weighted", MEMBERS, useless), fusion.combine("mean", MEMBERS, useless), rtol=1e-12
    )


def test_a_member_that_scores_zero_decides_where_it_is_alone():
    first_alone = np.array([[[0.2, 0.8]], [NAN]])
    found = fusion.combine("weighted", first_alone, VALIDATION._replace(scores=np.array([0.0, 0.6])))
    np.testing.assert_allclose(found, [[0.2, 0.8]], rtol=1e-12)


def test_a_validation_split_of_one_class_is_nothing_to_stack_on():
    with pytest.raises(DataError, match="rule 'stacked': 1 validation decisions of one class"):
        fusion.combine("stacked", MEMBERS, VALIDATION)


def test_the_stacked_regression_is_fitted_to_the_members_that_are_there():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 60)
    odds = rng.normal(size=(2, 60)) + 2 * target - 1
    known = np.stack([1 - scipy.special.expit(odds), scipy.special.expit(odds)], axis=-1)
    validation = fusion.Validation(known, target, np.ones(2))
    found = fusion.combine("stacked", MEMBERS, validation)
    both, second = (LogisticRegression(class_weight="balanced").fit(x, target) for x in (odds.T, odds[1:].T))
    np.testing.assert_allclose(found[0], both.predict_proba([[np.log(4), np.log(2 / 3)]])[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], second.predict_proba([[np.log(7 / 3)]])[0], rtol=1e-6)
    assert np.isnan(found[2]).all()


def test_a_class_that_the_validation_lacks_gets_no_probability_when_stacked():
    known = np.array([[[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]]])
    found = fusion.combine("stacked", known, fusion.Validation(known, np.array([0, 1]), np.ones(1)))
    assert found.shape == (2, 3)
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_confidences_is_found_and_calibrates(true):
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=1.5, size=(20_000, 3))
    target = np.array([rng.choice(3, p=p) for p in scipy.special.softmax(logits, axis=1)])
    claimed = scipy.special.softmax(logits * true, axis=1)
    found = fusion.temperature(claimed, target)
    assert found == pytest.approx(true, rel=0.05)
    right = fusion.calibrated(claimed, found)
    np.testing.assert_array_equal(right.argmax(1), claimed.argmax(1))
    before, after = (_calibration_error(target, p) for p in (claimed, right))
    assert after < 0.02
    assert after <= before + 1e-3


def _calibration_error(target, probabilities):
    bins = metrics.confidence_bins(jnp.asarray(target), jnp.asarray(probabilities))
    return float(metrics.expected_calibration_error(bins))


def test_certain_and_missing_decisions_break_no_temperature():
    certain = np.array([[0.0, 1.0], [1.0, 0.0], NAN])
    found = fusion.temperature(certain, np.array([1, 1, 0]))
    assert np.isfinite(found)
    assert np.isfinite(fusion.calibrated(certain[:2], found)).all()
    assert fusion.temperature(np.array([NAN]), np.array([0])) == 1.0
