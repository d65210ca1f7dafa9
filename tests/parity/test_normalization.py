"""Batch normalisation against PyTorch's, by gradient and over three batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.models import Step
from jaxdep.models.layers.normalization import BatchNorm

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("shape", [(16,), (8, 10), (4, 6, 5)])
def test_outputs_gradients_and_running_statistics_are_pytorchs(shape):
    channels, rng = 7, np.random.default_rng(0)
    ours, theirs = BatchNorm(channels), torch.nn.BatchNorm1d(channels)
    step, mask = Step(jax.random.key(0), jnp.ones(shape[0], bool)), jnp.ones(shape, bool)
    for _ in range(3):
        x = rng.normal(1.0, 2.0, (*shape, channels)).astype(np.float32)
        rows = torch.tensor(x.reshape(-1, channels), requires_grad=True)
        expected = theirs(rows)
        torch.sin(expected).sum().backward()
        gradient = jax.grad(lambda x: jnp.sin(BatchNorm(channels)(x, step, mask)).sum())(jnp.asarray(x))
        np.testing.assert_allclose(ours(jnp.asarray(x), step, mask).reshape(-1, channels), expected.detach(), atol=1e-5)
        np.testing.assert_allclose(gradient.reshape(-1, channels), rows.grad, atol=1e-5)
    np.testing.assert_allclose(ours.mean[...], theirs.running_mean, atol=1e-6)
    np.testing.assert_allclose(ours.variance[...], theirs.running_var, atol=1e-5)
    x = rng.normal(size=(*shape, channels)).astype(np.float32)
    expected = theirs.eval()(torch.tensor(x.reshape(-1, channels)))
    np.testing.assert_allclose(ours(jnp.asarray(x), None, mask).reshape(-1, channels), expected.detach(), atol=1e-5)
