"""Self-attentive pooling and its penalty against an independent PyTorch implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models.layers.attention import SelfAttentivePooling, penalty

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

BATCH, FRAMES, FEATURES, UNITS, HEADS = 3, 8, 6, 7, 5
LENGTHS = np.array([8, 5, 1])
DIAGONAL = np.array([1, 1, 1, 0.2, 0.2], np.float32)


class TorchPooling(torch.nn.Module):
    """Lin et al. 2017, written for one sequence at a time, so that nothing is ever padded."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(FEATURES, UNITS, bias=False)
        self.second = torch.nn.Linear(UNITS, HEADS, bias=False)

    def forward(self, sequences):
        pooled, penalties = [], []
        for frames in sequences:
            A = self.second(torch.tanh(self.first(frames))).softmax(dim=0).T
            pooled.append((A @ frames).flatten())
            penalties.append(torch.linalg.matrix_norm(A @ A.T - torch.diag(torch.from_numpy(DIAGONAL))) ** 2)
        return torch.stack(pooled), torch.stack(penalties)


def _copied(theirs):
    model = SelfAttentivePooling(FEATURES, UNITS, HEADS, rngs=nnx.Rngs(0))
    model.hidden.kernel[...] = jnp.asarray(theirs.first.weight.detach().numpy().T)
    model.scores.kernel[...] = jnp.asarray(theirs.second.weight.detach().numpy().T)
    return model


@pytest.fixture
def batch():
    x = np.random.default_rng(0).normal(size=(BATCH, FRAMES, FEATURES)).astype(np.float32)
    sequences = [torch.from_numpy(frames[:length]) for frames, length in zip(x, LENGTHS, strict=True)]
    return x, np.arange(FRAMES)[None, :] < LENGTHS[:, None], sequences


def test_number_of_parameters():
    theirs = TorchPooling()
    found = sum(leaf.size for leaf in jax.tree.leaves(nnx.split(_copied(theirs))[1]))
    assert found == sum(parameter.numel() for parameter in theirs.parameters())


def test_forward_pass_and_penalty(batch):
    x, mask, sequences = batch
    theirs = TorchPooling()
    pooled, A = _copied(theirs)(x, mask)
    expected, penalties = theirs(sequences)
    np.testing.assert_allclose(pooled, expected.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(penalty(A, DIAGONAL[None]), penalties.detach().numpy(), atol=1e-5)


def test_three_steps_of_adam(batch):
    x, mask, sequences = batch
    theirs = TorchPooling()
    graphdef, state = nnx.split(_copied(theirs))

    def loss(state):
        pooled, A = nnx.merge(graphdef, state, copy=True)(x, mask)
        return jnp.sum(jnp.sin(pooled)) + jnp.mean(penalty(A, DIAGONAL[None]))

    adam, torch_adam = optax.adam(1e-2), torch.optim.Adam(theirs.parameters(), lr=1e-2)
    moments, gradient = adam.init(state), jax.jit(jax.grad(loss))
    for _ in range(3):
        updates, moments = adam.update(gradient(state), moments)
        state = optax.apply_updates(state, updates)
        torch_adam.zero_grad()
        pooled, penalties = theirs(sequences)
        (torch.sin(pooled).sum() + penalties.mean()).backward()
        torch_adam.step()
    expected = nnx.split(_copied(theirs))[1]
    for found, right in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)
