"""The objective by hand: weights, missing targets, filled-up batches, several tasks. The losses are in test_losses.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.config import Task
from jaxdep.engine.objectives import batch_loss
from jaxdep.losses import BinaryCrossEntropy, CrossEntropy, Huber, Squared
from jaxdep.models import Outputs


def total(tasks, logits, targets, weight, class_weights, penalty=None):
    size = len(weight)
    outputs = Outputs(logits, jnp.zeros(size) if penalty is None else penalty, {})
    return float(batch_loss(tasks, outputs, targets, jnp.asarray(weight), class_weights))


@pytest.mark.parametrize(
    "loss",
    [CrossEntropy(), CrossEntropy(label_smoothing=0.2), BinaryCrossEntropy(), Huber(), Squared(center=1.0)],
    ids=repr,
)
def test_an_example_without_its_target_counts_nothing_and_has_no_gradient(loss):
    target = jnp.array([-1, 1]) if loss.of_classes else jnp.array([jnp.nan, 1.0])
    n_outputs, class_weights = loss.outputs(2 if loss.of_classes else 0), jnp.array([0.3, 1.7])
    tasks = {"t": Task(loss=loss)}

    def objective(logits):
        outputs = Outputs({"t": logits}, jnp.zeros(2), {})
        return batch_loss(tasks, outputs, {"t": target}, jnp.ones(2), {"t": class_weights})

    value, gradient = jax.value_and_grad(objective)(jnp.arange(2 * n_outputs).reshape(2, -1) + 3.0)
    alone, _ = loss.of_examples(jnp.arange(n_outputs, 2 * n_outputs)[None] + 3.0, target[1:], class_weights)
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
    tasks = {"a": Task(), "b": Task(loss=Squared(), weight=0.25)}
    found = total(tasks, logits, targets, [1.0, 1.0], weights, jnp.array([0.2, 0.4]))
    assert found == pytest.approx(np.log(2) + 0.25 * 2.0 + 0.3, rel=1e-6)


def test_a_tasks_weight_may_differ_by_seed():
    outputs, weights = Outputs({"t": jnp.array([[2.0], [0.0]])}, jnp.zeros(2), {}), {"t": jnp.ones(1)}

    def of_weight(weight):
        tasks = {"t": Task(loss=Squared(), weight=weight)}
        return batch_loss(tasks, outputs, {"t": jnp.zeros(2)}, jnp.ones(2), weights)

    assert jax.vmap(of_weight)(jnp.array([0.0, 0.5, 1.0])).tolist() == [0.0, 1.0, 2.0]


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
