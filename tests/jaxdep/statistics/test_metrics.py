"""The metrics against scikit-learn and scipy, for one seed and for many, with and without weights."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxdep.statistics import metrics

N = 24  # one length, so that the metrics compile once for all drawn examples
classify = jax.jit(metrics.classification, static_argnames=("n_classes", "positive", "classes"))
regress = jax.jit(metrics.regression)
few = settings(max_examples=40, deadline=None)


def labels(n_classes: int, length: int = N) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.integers(0, n_classes - 1), min_size=length, max_size=length).map(
        lambda x: np.array(x, np.int32)
    )


weights = (
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=N, max_size=N).map(np.array).filter(lambda w: w.any())
)
scores = st.lists(st.integers(-96, 96), min_size=N, max_size=N).map(lambda x: np.array(x, np.float32) / 4)


@few
@given(target=labels(4), prediction=labels(4), weight=weights)
def test_multiclass_metrics_are_scikit_learns(target: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> None:
    found = classify(target, prediction, 4, weight)
    options = {"sample_weight": weight, "labels": range(4), "zero_division": 0}
    for average in ("macro", "micro", "weighted"):
        expected = sklearn.metrics.f1_score(target, prediction, average=average, **options)
        np.testing.assert_allclose(found[f"f1_{average}"], expected, rtol=1e-5, atol=1e-6)
    for name in ("precision", "recall"):
        score = getattr(sklearn.metrics, f"{name}_score")(target, prediction, average="macro", **options)
        np.testing.assert_allclose(found[f"{name}_macro"], score, rtol=1e-5, atol=1e-6)
    accuracy = sklearn.metrics.accuracy_score(target, prediction, sample_weight=weight)
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-5)
    kept = weight > 0  # scikit-learn counts a class whose examples all have weight 0, and divides by 0 there
    expected = sklearn.metrics.recall_score(
        target, prediction, average="macro", labels=np.unique(target[kept]), sample_weight=weight
    )
    np.testing.assert_allclose(found["unweighted_accuracy"], expected, rtol=1e-5, atol=1e-6)
    matthews = sklearn.metrics.matthews_corrcoef(target, prediction, sample_weight=weight)
    np.testing.assert_allclose(found["mcc"], matthews, rtol=1e-5, atol=1e-5)


@few
@given(target=labels(2), prediction=labels(2), positive=st.integers(0, 1))
def test_binary_metrics_are_scikit_learns(target: np.ndarray, prediction: np.ndarray, positive: int) -> None:
    found = classify(target, prediction, 2, positive=positive)
    for name in ("precision", "recall", "f1"):
        score = getattr(sklearn.metrics, f"{name}_score")
        expected = score(target, prediction, pos_label=positive, average="binary", zero_division=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6)
    matrix = sklearn.metrics.confusion_matrix(target, prediction, labels=[1 - positive, positive])
    assert [float(found[name]) for name in ("tn", "fp", "fn", "tp")] == matrix.ravel().tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predictions of classes that the target lacks
        balanced = sklearn.metrics.balanced_accuracy_score(target, prediction)
    np.testing.assert_allclose(found["balanced_accuracy"], balanced, rtol=1e-5)


@few
@given(target=labels(2).filter(lambda y: 0 < y.sum() < N), score=scores, weight=weights)
def test_roc_auc_is_scikit_learns_with_ties_and_weights(
    target: np.ndarray, score: np.ndarray, weight: np.ndarray
) -> None:
    found = jax.jit(metrics.roc_auc)(target, score, weight)
    if len(np.unique(target[weight > 0])) < 2:
        assert np.isnan(found)
    else:
        np.testing.assert_allclose(
            found, sklearn.metrics.roc_auc_score(target, score, sample_weight=weight), rtol=1e-5, atol=1e-6
        )


@few
@given(target=scores, prediction=scores, weight=weights)
def test_errors_are_scikit_learns(target: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> None:
    found = regress(target, prediction, weight)
    mae = sklearn.metrics.mean_absolute_error(target, prediction, sample_weight=weight)
    rmse = sklearn.metrics.root_mean_squared_error(target, prediction, sample_weight=weight)
    np.testing.assert_allclose([found["mae"], found["rmse"]], [mae, rmse], rtol=1e-5)


@few
@given(target=scores, prediction=scores)
def test_pearson_is_scipys_and_ccc_follows_its_definition(target: np.ndarray, prediction: np.ndarray) -> None:
    found = regress(target, prediction)
    if np.ptp(target) == 0 or np.ptp(prediction) == 0:
        assert float(found["pearson"]) == float(found["ccc"]) == 0
        return
    np.testing.assert_allclose(found["pearson"], scipy.stats.pearsonr(target, prediction).statistic, atol=2e-5)
    x, y = target.astype(float), prediction.astype(float)
    expected = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    np.testing.assert_allclose(found["ccc"], expected, atol=2e-5)


def test_log_loss_is_scikit_learns_and_the_calibration_error_follows_its_definition() -> None:
    rng = np.random.default_rng(0)
    probabilities, target = rng.dirichlet([1, 1, 1], 200).astype(np.float32), rng.integers(0, 3, 200)
    weight = rng.integers(0, 3, 200)
    found = metrics.of_probabilities(jnp.asarray(target), jnp.asarray(probabilities), jnp.asarray(weight))
    np.testing.assert_allclose(
        found["log_loss"], sklearn.metrics.log_loss(target, probabilities, sample_weight=weight), rtol=1e-5
    )
    confidence, right = probabilities.max(1), probabilities.argmax(1) == target
    error = 0.0
    for low in np.arange(10) / 10:
        here = (confidence > low) & (confidence <= low + 0.1)
        if weight[here].sum():
            gap = np.average(right[here], weights=weight[here]) - np.average(confidence[here], weights=weight[here])
            error += weight[here].sum() / weight.sum() * abs(gap)
    np.testing.assert_allclose(found["ece"], error, atol=1e-6)


def test_the_printed_formulas_of_bi_lstm_cnn_are_precisions() -> None:
    target, prediction = jnp.array([0, 0, 0, 1, 1, 0]), jnp.array([0, 0, 1, 1, 0, 0])
    found = metrics.classification(target, prediction, 2)
    # TP / (TP + FP): class 0 has 3 of 4, class 1 has 1 of 2; WA sums over the classes, UA is their mean.
    assert float(found["precision_micro"]) == pytest.approx((3 + 1) / (4 + 2)) == float(found["accuracy"])
    assert float(found["precision_macro"]) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_the_all_positive_baseline_of_the_avec_2017_dev_set_scores_0_511() -> None:
    target = jnp.array([1] * 12 + [0] * 23)
    found = metrics.classification(target, jnp.ones(35, jnp.int32), 2)
    assert float(found["f1"]) == pytest.approx(24 / 47)
    assert float(found["unweighted_accuracy"]) == 0.5


def test_a_constant_in_float32_has_no_correlation_whatever_its_mean_rounds_to() -> None:
    found = metrics.regression(jnp.arange(7.0), jnp.full(7, 0.1))
    assert float(found["pearson"]) == float(found["ccc"]) == 0


def test_correlation_survives_an_offset_far_from_zero() -> None:
    x = jnp.arange(10.0)
    np.testing.assert_allclose(metrics.pearson(x + 10_000, x), 1, rtol=1e-5)


def test_unweighted_accuracy_leaves_out_classes_without_target_but_macro_f1_does_not() -> None:
    found = metrics.classification(jnp.array([0, 0, 1, 1]), jnp.array([0, 0, 1, 1]), 4)
    assert float(found["unweighted_accuracy"]) == 1
    assert float(found["f1_macro"]) == 0.5


@pytest.mark.slow
def test_many_seeds_are_each_seed_alone_and_weight_zero_hides_nan() -> None:
    rng = np.random.default_rng(0)
    target, weight = rng.integers(0, 2, 9), np.array([1.0] * 7 + [0, 0])
    probabilities = rng.dirichlet([1, 1], (5, 9)).astype(np.float32)
    spoilt = probabilities.copy()
    spoilt[:, 7:] = np.nan
    with jax.numpy_rank_promotion("raise"):
        together = metrics.classification(jnp.asarray(target), jnp.asarray(spoilt), 2, jnp.asarray(weight))
        regressed = metrics.regression(jnp.asarray(target), jnp.asarray(spoilt[..., 1]), jnp.asarray(weight))
    for seed in range(5):
        alone = metrics.classification(jnp.asarray(target[:7]), jnp.asarray(probabilities[seed, :7]), 2)
        assert together.keys() == alone.keys()
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][seed], value, rtol=1e-5, err_msg=name)
        for name, value in metrics.regression(jnp.asarray(target[:7]), jnp.asarray(probabilities[seed, :7, 1])).items():
            np.testing.assert_allclose(regressed[name][seed], value, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_vmap_over_seeds_equals_broadcasting() -> None:
    rng = np.random.default_rng(1)
    target, prediction = jnp.asarray(rng.integers(0, 3, 20)), jnp.asarray(rng.integers(0, 3, (4, 20)))
    mapped = jax.vmap(lambda one: metrics.classification(target, one, 3))(prediction)
    for name, value in metrics.classification(target, prediction, 3).items():
        np.testing.assert_allclose(mapped[name], value, rtol=1e-6)


def test_a_label_that_is_no_class_is_not_counted() -> None:
    counts = metrics.confusion(jnp.array([0, -1, 1, 1]), jnp.array([0, 0, 1, 5]), 2)
    assert counts.tolist() == [[1, 0], [0, 1]]


def test_binary_decisions_go_to_class_one_from_one_half_on() -> None:
    assert metrics.predicted_class(jnp.array([[0.5, 0.5], [0.51, 0.49], [0.2, 0.8]])).tolist() == [1, 0, 1]
    assert metrics.predicted_class(jnp.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])).tolist() == [0, 2]


def test_a_uniform_guess_of_24_classes_has_the_rmse_that_emoaudionet_would_print() -> None:
    found = metrics.rmse_one_hot(jnp.arange(24), jnp.full((24, 24), 1 / 24))
    assert float(found) == pytest.approx(0.1998, abs=5e-5)


def test_the_correlation_with_one_hot_targets_is_numpys_over_examples_and_classes() -> None:
    rng = np.random.default_rng(0)
    probabilities, target = rng.dirichlet([1, 1, 1], (2, 40)).astype(np.float32), rng.integers(0, 3, 40)
    kept = rng.integers(0, 2, 40) > 0
    found = metrics.pearson_one_hot(jnp.asarray(target), jnp.asarray(probabilities), jnp.asarray(kept))
    expected = [np.corrcoef(np.eye(3)[target[kept]].ravel(), one[kept].ravel())[0, 1] for one in probabilities]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_hard_decisions_correlate_with_one_hot_targets_as_their_accuracy_says() -> None:
    target = jnp.arange(100) % 10
    decided = jnp.where(jnp.arange(100) < 30, (target + 1) % 10, target)
    found = metrics.pearson_one_hot(target, jax.nn.one_hot(decided, 10))
    assert float(found) == pytest.approx((10 * 0.7 - 1) / 9, abs=1e-6)
    assert float(metrics.pearson_one_hot(target, jnp.full((100, 10), 0.1))) == 0


def test_metrics_of_each_class_carry_its_name() -> None:
    found = metrics.classification(jnp.array([0, 1, 1]), jnp.array([0, 1, 0]), 2, classes=("healthy", "depressed"))
    assert float(found["recall_of_depressed"]) == 0.5
    assert float(found["f1_of_depressed"]) == float(found["f1"])


def test_no_examples_give_nan_where_there_is_nothing_to_average() -> None:
    found = metrics.classification(jnp.array([0, 1]), jnp.array([0, 1]), 2, jnp.zeros(2))
    assert np.isnan(found["accuracy"])
    assert np.isnan(found["unweighted_accuracy"])
    assert float(found["f1"]) == 0
    assert all(np.isnan(value) for value in metrics.regression(jnp.ones(2), jnp.ones(2), jnp.zeros(2)).values())
