"""Losses by hand: weights, missing targets, filled-up batches, several tasks. PyTorch's are in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.config import Task
from jaxdep.engine.objectives import batch_loss, example_losses
from jaxdep.models import Outputs


def total(tasks, logits, targets, weight, class_weights, penalty=None):
    size = len(weight)
    outputs = Outputs(logits, jnp.zeros(size) if penalty is None else penalty, {})
    return float(batch_loss(tasks, outputs, targets, jnp.asarray(weight), class_weights))


def test_cross_entropy_of_a_certain_and_an_undecided_example():
    logits = jnp.array([[0.0, 0.0], [np.log(3.0), 0.0]])
    loss, weight = example_losses(Task(), logits, jnp.array([0, 1]), jnp.array([2.0, 5.0]))
    np.testing.assert_allclose(loss, [np.log(2), np.log(4)], rtol=1e-6)
    assert weight.tolist() == [2.0, 5.0]


@pytest.mark.parametrize(("error", "delta", "expected"), [(0.5, 1.0, 0.125), (-3.0, 1.0, 2.5), (3.0, 2.0, 4.0)])
def test_huber_is_quadratic_then_linear(error, delta, expected):
    loss, _ = example_losses(Task(loss="huber", huber_delta=delta), jnp.array([[error]]), jnp.array([0.0]), jnp.ones(1))
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_squared_error():
    loss, weight = example_losses(Task(loss="squared"), jnp.array([[3.0]]), jnp.array([1.0]), jnp.ones(1))
    assert (loss.tolist(), weight.tolist()) == ([4.0], [1.0])


@pytest.mark.parametrize("loss", ["cross_entropy", "huber", "squared"])
def test_an_example_without_its_target_counts_nothing_and_has_no_gradient(loss):
    target = jnp.array([-1, 1]) if loss == "cross_entropy" else jnp.array([jnp.nan, 1.0])
    n_outputs = 2 if loss == "cross_entropy" else 1
    tasks = {"t": Task(loss=loss)}

    def objective(logits):
        return batch_loss(
            tasks, Outputs({"t": logits}, jnp.zeros(2), {}), {"t": target}, jnp.ones(2), {"t": jnp.ones(2)}
        )

    value, gradient = jax.value_and_grad(objective)(jnp.full((2, n_outputs), 3.0))
    alone, _ = example_losses(tasks["t"], jnp.full((1, n_outputs), 3.0), target[1:], jnp.ones(2))
    np.testing.assert_allclose(value, alone[0], rtol=1e-6)
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).any()


def test_examples_that_only_fill_up_the_batch_change_nothing():
    rng = np.random.default_rng(0)
    logits, target = jnp.asarray(rng.normal(size=(5, 2)), jnp.float32), jnp.array([0, 1, 1, 0, 1])
    weights = {"t": jnp.array([0.6, 1.7])}
    whole = total({"t": Task()}, {"t": logits[:3]}, {"t": target[:3]}, [1.0] * 3, weights, jnp.arange(3.0))
    filled = total({"t": Task()}, {"t": logits}, {"t": target}, [1.0, 1, 1, 0, 0], weights, jnp.arange(5.0))
    assert filled == pytest.approx(whole, rel=1e-6)


def test_a_batch_in_which_nothing_counts_has_loss_and_gradient_zero():
    def objective(logits):
        outputs = Outputs({"t": logits}, jnp.ones(2), {})
        return batch_loss({"t": Task()}, outputs, {"t": jnp.array([0, 1])}, jnp.zeros(2), {"t": jnp.ones(2)})

    value, gradient = jax.value_and_grad(objective)(jnp.ones((2, 2)))
    assert value == 0
    assert (gradient == 0).all()


def test_tasks_add_up_by_their_weights_with_the_penaltys_mean():
    logits = {"a": jnp.array([[0.0, 0.0], [0.0, 0.0]]), "b": jnp.array([[2.0], [0.0]])}
    targets = {"a": jnp.array([0, 1]), "b": jnp.array([0.0, 0.0])}
    weights = {"a": jnp.array([1.0, 1.0]), "b": jnp.ones(1)}
    tasks = {"a": Task(), "b": Task(loss="squared", weight=0.25)}
    found = total(tasks, logits, targets, [1.0, 1.0], weights, jnp.array([0.2, 0.4]))
    assert found == pytest.approx(np.log(2) + 0.25 * 2.0 + 0.3, rel=1e-6)


def test_the_parts_of_a_shared_batch_add_up_to_the_whole():
    """One half holds more weight than the other: a mean of the halves' means would be another number."""
    rng = np.random.default_rng(1)
    logits, target = jnp.asarray(rng.normal(size=(6, 2)), jnp.float32), jnp.array([0, 1, 1, 1, 0, 1])
    weight, class_weights = jnp.array([1.0, 1, 1, 1, 0, 0]), {"t": jnp.array([0.5, 3.0])}
    whole = total({"t": Task()}, {"t": logits}, {"t": target}, weight, class_weights)

    def part(logits, target, weight):
        outputs = Outputs({"t": logits}, jnp.zeros(3), {})
        return batch_loss({"t": Task()}, outputs, {"t": target}, weight, class_weights, data_axis="data")

    halves = (logits.reshape(2, 3, 2), target.reshape(2, 3), weight.reshape(2, 3))
    parts = jax.vmap(part, axis_name="data")(*halves)
    assert float(parts.sum()) == pytest.approx(whole, rel=1e-6)
    assert float(parts[0]) != pytest.approx(float(parts[1]))
