"""Losses against PyTorch's, values and gradients, as the engine takes their mean over a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.config import Task
from jaxdep.engine.objectives import batch_loss
from jaxdep.losses import BinaryCrossEntropy, CrossEntropy, Huber, Squared
from jaxdep.models import Outputs

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")


def ours(loss, logits, target, class_weights):
    def objective(logits):
        outputs = Outputs({"t": logits}, jnp.zeros(len(logits)), {})
        weight = jnp.ones(len(logits))
        return batch_loss({"t": Task(loss=loss)}, outputs, {"t": target}, weight, {"t": class_weights})

    return jax.value_and_grad(objective)(jnp.asarray(logits))


def compare(found, logits, loss):
    logits = torch.tensor(logits, requires_grad=True)
    value = loss(logits)
    value.backward()
    np.testing.assert_allclose(found[0], value.item(), rtol=1e-5)
    np.testing.assert_allclose(found[1], logits.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.15])
@pytest.mark.parametrize("classes", [2, 4])
def test_weighted_cross_entropy_with_missing_labels(classes, label_smoothing):
    rng = np.random.default_rng(classes)
    logits = (5 * rng.normal(size=(12, classes))).astype(np.float32)
    target, weights = rng.integers(-1, classes, 12), rng.uniform(0.2, 3, classes).astype(np.float32)
    assert (target == -1).any()
    expected = torch.nn.CrossEntropyLoss(
        weight=torch.from_numpy(weights), ignore_index=-1, label_smoothing=label_smoothing
    )
    compare(
        ours(CrossEntropy(label_smoothing=label_smoothing), logits, jnp.asarray(target), jnp.asarray(weights)),
        logits,
        lambda x: expected(x, torch.from_numpy(target)),
    )


def test_weighted_binary_cross_entropy_with_missing_labels():
    """PyTorch divides by the number of examples: their weighted mean is asked for here."""
    rng = np.random.default_rng(0)
    logits = (5 * rng.normal(size=(12, 1))).astype(np.float32)
    target, weights = rng.integers(-1, 2, 12), np.array([0.6, 3.0], np.float32)
    known = target >= 0
    assert not known.all()
    of_known = torch.from_numpy(weights[target[known]])
    expected = torch.nn.BCEWithLogitsLoss(weight=of_known, reduction="sum")
    compare(
        ours(BinaryCrossEntropy(), logits, jnp.asarray(target), jnp.asarray(weights)),
        logits,
        lambda x: expected(x[known, 0], torch.from_numpy(target[known]).float()) / of_known.sum(),
    )


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Huber(), "HuberLoss(delta=1.0)"),
        (Huber(delta=0.3), "HuberLoss(delta=0.3)"),
        (Squared(), "MSELoss()"),
    ],
)
def test_losses_of_scores(loss, expected):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 1)).astype(np.float32)
    target = (2 * rng.normal(size=20)).astype(np.float32)
    theirs = {
        "HuberLoss(delta=1.0)": torch.nn.HuberLoss(delta=1.0),
        "HuberLoss(delta=0.3)": torch.nn.HuberLoss(delta=0.3),
        "MSELoss()": torch.nn.MSELoss(),
    }[expected]
    found = ours(loss, logits, jnp.asarray(target), jnp.ones(1))
    compare(found, logits, lambda x: theirs(x[:, 0], torch.from_numpy(target)))
