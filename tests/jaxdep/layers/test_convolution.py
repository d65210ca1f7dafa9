"""The convolutions over time and over images equal SciPy's of each alone, and padding changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import signal

from jaxdep.models.layers.convolution import Convolution, Convolution2D, correlate, splice

FRAMES, DIM, CHANNELS, LENGTHS = 7, 3, 4, (7, 4, 1, 0)
MASK = jnp.arange(FRAMES)[None, :] < jnp.array(LENGTHS)[:, None]


@pytest.fixture
def x():
    values = jax.random.normal(jax.random.key(0), (len(LENGTHS), FRAMES, DIM))
    return jnp.where(MASK[:, :, None], values, jnp.nan)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_each_sequence_is_convolved_as_if_it_stood_alone_among_zeros(kernel, x):
    layer = Convolution(DIM, CHANNELS, kernel, rngs=nnx.Rngs(0))
    weights = np.asarray(layer.joined.kernel[...]).reshape(kernel, DIM, CHANNELS)
    found = layer(x, MASK)
    for row, length in enumerate(LENGTHS[:-1]):
        padded = np.pad(np.asarray(x[row, :length]), [(kernel // 2, kernel // 2), (0, 0)])
        expected = np.stack(
            [signal.correlate(padded, weights[:, :, c], "valid")[:, 0] for c in range(CHANNELS)], axis=-1
        )
        np.testing.assert_allclose(found[row, :length], expected + layer.joined.bias[...][None], atol=1e-6)


def test_more_padding_changes_neither_output_nor_gradient(x):
    graphdef, state = nnx.split(Convolution(DIM, CHANNELS, rngs=nnx.Rngs(0)))

    @jax.jit
    @jax.grad
    def gradient(arguments, mask):
        state, x = arguments
        y = nnx.merge(graphdef, state, copy=True)(x, mask)
        return jnp.sum(jnp.where(mask[:, :, None], jnp.sin(y), 0))

    extra = [(0, 0), (0, 3)]
    longer = jnp.pad(x, [*extra, (0, 0)], constant_values=jnp.nan)
    of_state, of_x = gradient((state, x), MASK)
    of_state_longer, of_x_longer = gradient((state, longer), jnp.pad(MASK, extra))
    np.testing.assert_allclose(of_x_longer[:, :FRAMES], of_x, atol=1e-6)
    assert not jnp.where(MASK[:, :, None], 0, of_x).any()
    for found, expected in zip(jax.tree.leaves(of_state_longer), jax.tree.leaves(of_state), strict=True):
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_splice_puts_zeros_beyond_the_ends_and_at_masked_frames():
    joined, mask = splice(jnp.arange(1.0, 6.0)[None, :, None], jnp.arange(5)[None] < 4, (-1, 0, 2), "zeros")
    np.testing.assert_array_equal(joined[0], [[0, 1, 3], [1, 2, 4], [2, 3, 0], [3, 4, 0], [4, 0, 0]])
    assert mask.sum() == 4


def test_a_seed_is_the_same_alone_and_among_others(x):
    graphdef, _ = nnx.split(Convolution(DIM, CHANNELS, rngs=nnx.Rngs(0)))
    keys = jax.random.split(jax.random.key(3), 2)
    states = jax.vmap(lambda key: nnx.split(Convolution(DIM, CHANNELS, rngs=nnx.Rngs(key)))[1])(keys)

    def outputs(state):
        return nnx.merge(graphdef, state, copy=True)(x, MASK)

    alone = outputs(jax.tree.map(lambda leaf: leaf[1], states))
    np.testing.assert_allclose(jax.vmap(outputs)(states)[1], alone, atol=1e-6)
    np.testing.assert_allclose(jax.lax.map(outputs, states)[1], alone, atol=1e-6)


@pytest.mark.parametrize("channels", [4, 27, 80])  # row by row; joined in one product, being few; more than places
def test_an_image_is_convolved_among_zeros_and_a_seed_is_the_same_among_others(channels):
    images = jax.random.normal(jax.random.key(0), (2, 5, 6, DIM))
    graphdef, _ = nnx.split(Convolution2D(DIM, channels, rngs=nnx.Rngs(0)))
    keys = jax.random.split(jax.random.key(3), 2)
    states = jax.vmap(lambda key: nnx.split(Convolution2D(DIM, channels, rngs=nnx.Rngs(key)))[1])(keys)

    def outputs(state):
        return nnx.merge(graphdef, state, copy=True)(images)

    def gradient(state):
        return jax.grad(lambda state: jnp.sum(jnp.sin(outputs(state))))(state)

    second = jax.tree.map(lambda leaf: leaf[1], states)
    kernel, bias = (np.asarray(second["joined"][name][...]) for name in ("kernel", "bias"))
    found = outputs(second)
    for image, convolved in zip(np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)]), found, strict=True):
        weights = kernel.reshape(3, 3, DIM, channels)
        expected = [signal.correlate(image, weights[..., channel], "valid")[..., 0] for channel in range(channels)]
        np.testing.assert_allclose(convolved, np.stack(expected, axis=-1) + bias, atol=1e-5)
    for function in (outputs, gradient):
        alone = function(second)
        for mapped in (jax.vmap(function)(states), jax.lax.map(function, states)):
            jax.tree.map(lambda x, y: np.testing.assert_allclose(x[1], y, atol=1e-5), mapped, alone)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [4, 16, 27, 80])  # of few; wide with a stride; wide; more than places
def test_gradients_are_those_of_the_compilers_convolution_of_one_seed_and_of_many(channels, stride):
    keys = jax.random.split(jax.random.key(0), 2)
    images, kernels = (
        jax.random.normal(keys[0], (2, 2, 5, 6, DIM)),
        jax.random.normal(keys[1], (2, 3, 3, DIM, channels)),
    )

    def own(x, kernel):
        return jnp.sum(jnp.sin(correlate(x, kernel, stride)))

    def compilers(x, kernel):
        reach, names = [(1, 1), (1, 1)], ("NHWC", "HWIO", "NHWC")
        return jnp.sum(
            jnp.sin(jax.lax.conv_general_dilated(x, kernel, (stride, stride), reach, dimension_numbers=names))
        )

    expected = jax.vmap(jax.grad(compilers, (0, 1)))(images, kernels)
    of_many = jax.vmap(jax.grad(own, (0, 1)))(images, kernels)
    of_one = jax.lax.map(lambda both: jax.grad(own, (0, 1))(*both), (images, kernels))
    for found in (of_many, of_one):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), found, expected)
