"""Losses and decisions by hand, and against SciPy. PyTorch's are in tests/parity."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxdep.config import Task, Training
from jaxdep.losses import BinaryCrossEntropy, CrossEntropy, Huber, ScoreLoss, Squared

LOSSES = [CrossEntropy(), CrossEntropy(label_smoothing=0.1), BinaryCrossEntropy(), Huber(), Squared(center=3.0)]


def of_one(loss, logit, target):
    found, weight = loss.of_examples(jnp.array([[logit]]), jnp.array([target]), jnp.ones(1))
    assert weight.tolist() == [1]
    return float(found[0])


def test_cross_entropy_of_a_certain_and_an_undecided_example():
    logits = jnp.array([[0.0, 0.0], [np.log(3.0), 0.0]])
    loss, weight = CrossEntropy().of_examples(logits, jnp.array([0, 1]), jnp.array([2.0, 5.0]))
    np.testing.assert_allclose(loss, [np.log(2), np.log(4)], rtol=1e-6)
    assert weight.tolist() == [2.0, 5.0]


def test_label_smoothing_is_the_cross_entropy_with_the_smoothed_target():
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    target = np.array([0, 2, 1, 1, 0])
    smoothed = 0.7 * np.eye(3)[target] + 0.3 / 3
    found, _ = CrossEntropy(label_smoothing=0.3).of_examples(jnp.asarray(logits), jnp.asarray(target), jnp.ones(3))
    np.testing.assert_allclose(found, -(smoothed * scipy.special.log_softmax(logits, -1)).sum(-1), rtol=1e-5)


@pytest.mark.parametrize(("error", "delta", "expected"), [(0.5, 1.0, 0.125), (-3.0, 1.0, 2.5), (3.0, 2.0, 4.0)])
def test_huber_is_quadratic_then_linear(error, delta, expected):
    assert of_one(Huber(delta=delta), error, 0.0) == pytest.approx(expected, rel=1e-6)
    assert of_one(Huber(delta=delta, center=2.0), error, 2.0) == pytest.approx(expected, rel=1e-6)


def test_squared_error():
    assert of_one(Squared(), 3.0, 1.0) == 4.0
    assert of_one(Squared(center=0.5), 3.0, 1.0) == 6.25


def test_one_logit_of_two_classes_is_two_of_which_the_first_is_zero():
    one, target = jnp.array([[-30.0], [-0.4], [0.0], [2.5], [200.0]]), jnp.array([0, 1, 0, 0, 0])
    two, weights = jnp.concatenate([jnp.zeros_like(one), one], axis=1), jnp.array([0.6, 3.0])
    for found, expected in zip(
        BinaryCrossEntropy().of_examples(one, target, weights),
        CrossEntropy().of_examples(two, target, weights),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(BinaryCrossEntropy().decision(one), CrossEntropy().decision(two), atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_decisions_are_probabilities_or_a_score_whatever_the_leading_axes(loss):
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3, loss.outputs(2 if loss.of_classes else 0))))
    found = loss.decision(logits)
    assert found.shape == ((4, 3, 2) if loss.of_classes else (4, 3, 1))
    if loss.of_classes:
        np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[1, 2], loss.decision(logits[1, 2]), rtol=1e-6)


def test_the_middle_of_a_scale_is_what_a_model_that_says_zero_decides():
    assert Squared(center=3.0).decision(jnp.zeros((2, 1))).tolist() == [[3.0], [3.0]]


@pytest.mark.slow
def test_a_new_loss_is_one_class(make_examples, fit):
    """The absolute error: nothing else has to know of it."""

    @dataclasses.dataclass
    class Absolute(ScoreLoss):
        def of_error(self, error):
            return jnp.abs(error)

    tasks = {"score": Task(loss=Absolute(center=1.0)).freeze(), "depressed": Task(loss=BinaryCrossEntropy())}
    schedule = Training(epochs=3, batch_size=8, epochs_per_call=3, monitor="mae")
    run = fit(make_examples(), tasks=tasks, schedule=schedule)
    found = run.ensemble.predict(run.states, "test")
    assert found["score"].units.shape[-1] == 1
    assert found["depressed"].units.shape[-1] == 2
    assert np.isfinite(run.history["validation/mae"]).all()
