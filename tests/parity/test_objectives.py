"""Losses against torch.nn.CrossEntropyLoss, HuberLoss and MSELoss, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.config import Task
from jaxdep.engine.objectives import batch_loss
from jaxdep.models import Outputs

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")


def ours(task, logits, target, class_weights):
    def objective(logits):
        outputs = Outputs({"t": logits}, jnp.zeros(len(logits)), {})
        return batch_loss({"t": task}, outputs, {"t": target}, jnp.ones(len(logits)), {"t": class_weights})

    return jax.value_and_grad(objective)(jnp.asarray(logits))


def compare(found, logits, loss):
    logits = torch.tensor(logits, requires_grad=True)
    value = loss(logits)
    value.backward()
    np.testing.assert_allclose(found[0], value.item(), rtol=1e-5)
    np.testing.assert_allclose(found[1], logits.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_weighted_cross_entropy_with_missing_labels(classes):
    rng = np.random.default_rng(classes)
    logits = (5 * rng.normal(size=(12, classes))).astype(np.float32)
    target, weights = rng.integers(-1, classes, 12), rng.uniform(0.2, 3, classes).astype(np.float32)
    assert (target == -1).any()
    expected = torch.nn.CrossEntropyLoss(weight=torch.from_numpy(weights), ignore_index=-1)
    compare(
        ours(Task(), logits, jnp.asarray(target), jnp.asarray(weights)),
        logits,
        lambda x: expected(x, torch.from_numpy(target)),
    )


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Task(loss="huber"), "HuberLoss(delta=1.0)"),
        (Task(loss="huber", huber_delta=0.3), "HuberLoss(delta=0.3)"),
        (Task(loss="squared"), "MSELoss()"),
    ],
)
def test_losses_of_scores(task, expected):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 1)).astype(np.float32)
    target = (2 * rng.normal(size=20)).astype(np.float32)
    loss = {
        "HuberLoss(delta=1.0)": torch.nn.HuberLoss(delta=1.0),
        "HuberLoss(delta=0.3)": torch.nn.HuberLoss(delta=0.3),
        "MSELoss()": torch.nn.MSELoss(),
    }[expected]
    found = ours(task, logits, jnp.asarray(target), jnp.ones(1))
    compare(found, logits, lambda x: loss(x[:, 0], torch.from_numpy(target)))
