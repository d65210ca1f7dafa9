"""Res-TDNN against a PyTorch network of dilated convolutions, one unpadded sequence at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models.layers.tdnn import ResTDNN

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

FEATURES, WIDTH, FRAMES = 4, 6, 30
LENGTHS = np.array([30, 22, 19])  # 19 frames are the fewest that give one
TAPS = ((-1, 2), (-3, 3), (-7, 2))


class TorchResTDNN(torch.nn.Module):
    """The same network from convolutions: a two-tap layer is a kernel of 2 with dilation; edges by replication padding."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        first = torch.nn.Conv1d(FEATURES, WIDTH, 5, padding=2, padding_mode="replicate")
        dilated = [torch.nn.Conv1d(WIDTH, WIDTH, 2, dilation=after - before) for before, after in TAPS]
        self.layers = torch.nn.ModuleList([first, *dilated])
        self.inner = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in self.layers])
        self.outer = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in self.layers])
        self.biases = torch.nn.ParameterList([torch.ones(WIDTH) for _ in self.layers])

    def forward(self, x):
        for layer, inner, outer, bias in zip(self.layers, self.inner, self.outer, self.biases, strict=True):
            x = layer(x.T).relu().T
            x = (outer(inner(x).relu()) + x + bias).relu()
        return x


def _copied(theirs):
    model = ResTDNN(FEATURES, WIDTH, taps=TAPS, rngs=nnx.Rngs(0))
    for index, block in enumerate(model.blocks):
        kernel = theirs.layers[index].weight.detach().numpy()  # [out, in, taps]
        model.layers[index].kernel[...] = jnp.asarray(kernel.transpose(2, 1, 0).reshape(-1, WIDTH))
        model.layers[index].bias[...] = jnp.asarray(theirs.layers[index].bias.detach().numpy())
        for ours, other in ((block.inner, theirs.inner[index]), (block.outer, theirs.outer[index])):
            ours.kernel[...] = jnp.asarray(other.weight.detach().numpy().T)
            ours.bias[...] = jnp.asarray(other.bias.detach().numpy())
        block.bias[...] = jnp.asarray(theirs.biases[index].detach().numpy())
    return model


@pytest.fixture
def batch():
    x = np.random.default_rng(0).normal(size=(len(LENGTHS), FRAMES, FEATURES)).astype(np.float32)
    sequences = [torch.from_numpy(frames[:length]) for frames, length in zip(x, LENGTHS, strict=True)]
    return x, np.arange(FRAMES)[None, :] < LENGTHS[:, None], sequences


def test_number_of_parameters():
    theirs = TorchResTDNN()
    found = sum(leaf.size for leaf in jax.tree.leaves(nnx.split(_copied(theirs))[1]))
    assert found == sum(parameter.numel() for parameter in theirs.parameters())


def test_forward_pass(batch):
    x, mask, sequences = batch
    theirs = TorchResTDNN()
    encoded, valid = _copied(theirs)(x, mask)
    for row, frames in enumerate(sequences):
        np.testing.assert_allclose(encoded[row][valid[row]], theirs(frames).detach().numpy(), atol=1e-5)


def test_three_steps_of_adam(batch):
    x, mask, sequences = batch
    theirs = TorchResTDNN()
    graphdef, state = nnx.split(_copied(theirs))

    def loss(state):
        encoded, valid = nnx.merge(graphdef, state, copy=True)(x, mask)
        return jnp.sum(jnp.where(valid[:, :, None], jnp.sin(encoded), 0))

    adam, torch_adam = optax.adam(1e-2), torch.optim.Adam(theirs.parameters(), lr=1e-2)
    moments, gradient = adam.init(state), jax.jit(jax.grad(loss))
    for _ in range(3):
        updates, moments = adam.update(gradient(state), moments)
        state = optax.apply_updates(state, updates)
        torch_adam.zero_grad()
        sum(torch.sin(theirs(frames)).sum() for frames in sequences).backward()
        torch_adam.step()
    expected = nnx.split(_copied(theirs))[1]
    for found, right in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)
