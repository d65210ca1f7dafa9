"""System 3 against the same networks in PyTorch: forward, and training; the layer of images against `Conv2d`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models import Masked, Step
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN
from jaxdep.models.layers.convolution import Convolution2D
from jaxdep.models.layers.pooling import max_pool_2d

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")

B, SIZE, COLOURS, DIM = 6, 11, 3, 11  # neither size is a multiple of the pool
TARGET = np.array([0, 1, 2, 0, 2, 1])
IMAGE = SpectrogramCNN(channels=6, pool=2, dropout=0.0, image_size=SIZE)
VECTOR = MfccCNN(channels=5, pool=2, dropout=0.0)
CONFIGS = {"spectrogram": IMAGE, "mfcc": VECTOR, "both": EmoAudioNet(IMAGE, VECTOR)}
INPUTS = {"image": COLOURS, "mfcc": DIM}


class Single(torch.nn.Module):
    """One branch of the benchmark's network with a decision of its own."""

    def __init__(self, joint, name):
        super().__init__()
        self.name, self.branch = name, getattr(joint, name)
        first = joint.head.in_features - DIM // 2 * 5
        self.head = torch.nn.Linear(first if name == "spectrogram" else DIM // 2 * 5, 3)

    def forward(self, x):
        return self.head(self.branch(x.permute(0, 3, 1, 2) if self.name == "spectrogram" else x[:, None])), 0


def in_torch(name):
    joint = torch_models.EmoAudioNet(CONFIGS["both"], COLOURS, DIM, 3)
    return joint if name == "both" else Single(joint, name)


def convolutions(branch):
    """The branch's layers, [out, in, *places], as ours lie: [places x in, out]."""
    layers = [layer for layer in branch if isinstance(layer, torch.nn.Conv1d | torch.nn.Conv2d)]
    return {
        index: {
            "joined": {
                "kernel": np.moveaxis(layer.weight.detach().numpy(), (0, 1), (-1, -2)).reshape(-1, layer.out_channels),
                "bias": layer.bias.detach().numpy().copy(),
            }
        }
        for index, layer in enumerate(layers)
    }


def head(layer, shapes):
    """A decision whose inputs are channels first in PyTorch: of each shape [places, channels], one after another."""
    rows, start, parts = layer.weight.detach().numpy().T, 0, []
    for places, channels in shapes:
        part = rows[start : start + places * channels].reshape(channels, places, -1)
        parts.append(part.swapaxes(0, 1).reshape(places * channels, -1))
        start += places * channels
    return {"t": {"kernel": np.concatenate(parts), "bias": layer.bias.detach().numpy().copy()}}


def as_ours(network, name):
    left, places = (SIZE // 2 // 2) ** 2, DIM // 2
    shapes = {"spectrogram": [(left, 6)], "mfcc": [(places, 5)], "both": [(left, 6), (places, 5)]}[name]
    branches = (
        {part: {"convolutions": convolutions(getattr(network, part))} for part in ("spectrogram", "mfcc")}
        if name == "both"
        else {"encoder": {"convolutions": convolutions(network.branch)}}
    )
    return {**branches, "heads": head(network.head, shapes)}


def values_of(name, rng):
    values = {"image": rng.normal(size=(B, SIZE, SIZE, COLOURS)), "mfcc": rng.normal(size=(B, DIM))}
    return {feature: values[feature].astype(np.float32) for feature in CONFIGS[name].takes()}


def logits(graphdef, params, values, step=None):
    features = {feature: Masked(jnp.asarray(x), jnp.ones(len(x), bool)) for feature, x in values.items()}
    return nnx.merge(graphdef, params, copy=True)(features, step=step).logits["t"]


@pytest.mark.parametrize("name", CONFIGS)
def test_forward_and_three_steps_of_rmsprop(name):
    torch.manual_seed(0)
    theirs, config = in_torch(name), CONFIGS[name]
    graphdef, state = nnx.split(nnx.eval_shape(lambda: config.build(INPUTS, {"t": 3}, rngs=nnx.Rngs(params=0))))
    params = jax.tree.map(jnp.asarray, as_ours(theirs, name))
    assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, params)
    start, rmsprop = params, optax.rmsprop(1e-2, decay=0.9, eps=1e-3, eps_in_sqrt=False)
    moments = rmsprop.init(params)
    step = Step(jax.random.key(0), jnp.ones(B, bool))

    @jax.jit
    def gradient(params, values):
        def objective(params):
            found = logits(graphdef, params, values, step)
            return optax.softmax_cross_entropy_with_integer_labels(found, TARGET).mean(), found

        return jax.grad(objective, has_aux=True)(params)

    torch_rmsprop = torch.optim.RMSprop(theirs.parameters(), lr=1e-2, alpha=0.9, eps=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        values = values_of(name, rng)
        of_params, found = gradient(params, values)
        expected, _ = theirs(*map(torch.from_numpy, values.values()))
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
        torch_rmsprop.zero_grad()
        torch.nn.functional.cross_entropy(expected, torch.from_numpy(TARGET)).backward()
        torch_rmsprop.step()
        updates, moments = rmsprop.update(of_params, moments)
        params = optax.apply_updates(params, updates)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), params, as_ours(theirs, name))
    moved = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), params, start)
    assert min(jax.tree.leaves(moved)) > 1e-3  # each tensor has gone farther than the tolerance


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize(("dim", "channels"), [(1, 32), (6, 4)])  # all neighbours joined in one product, and row by row
def test_the_convolution_of_images_and_its_gradients_are_those_of_conv2d(size, dim, channels):
    layer = Convolution2D(dim, channels, size, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(size)
    x = rng.normal(size=(3, 7, 5, dim)).astype(np.float32)
    weights = rng.normal(size=(3, 7, 5, channels)).astype(np.float32)
    theirs = torch.nn.Conv2d(dim, channels, size, padding="same")
    kernel = np.asarray(layer.joined.kernel[...]).reshape(size, size, dim, channels)
    theirs.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    theirs.bias.data = torch.from_numpy(np.array(layer.joined.bias[...]))
    given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = theirs(given)
    (expected * torch.from_numpy(weights.transpose(0, 3, 1, 2).copy())).sum().backward()
    graphdef, state = nnx.split(layer)

    def objective(state, x):
        y = nnx.merge(graphdef, state, copy=True)(x)
        return jnp.sum(y * weights), y

    (_, y), (of_state, of_x) = jax.jit(jax.value_and_grad(objective, (0, 1), has_aux=True))(state, x)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    close(y, expected.detach().numpy().transpose(0, 2, 3, 1))
    close(of_x, given.grad.numpy().transpose(0, 2, 3, 1))
    of_kernel = theirs.weight.grad.numpy().transpose(2, 3, 1, 0).reshape(-1, channels)
    close(of_state["joined"]["kernel"][...], of_kernel)
    close(of_state["joined"]["bias"][...], theirs.bias.grad.numpy())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_maximum_of_images_and_its_gradient_are_those_of_max_pool2d(size):
    x = np.random.default_rng(0).normal(size=(2, 7, 5, 3)).astype(np.float32)
    given = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    expected = torch.nn.functional.max_pool2d(given, size)
    expected.sin().sum().backward()
    found, backwards = jax.vjp(lambda x: max_pool_2d(x, size), x)
    np.testing.assert_array_equal(found, expected.detach().numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(backwards(jnp.cos(found))[0], given.grad.numpy().transpose(0, 2, 3, 1), atol=1e-6)
