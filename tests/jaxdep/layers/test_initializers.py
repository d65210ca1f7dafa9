"""Initialisers by name draw from the ranges that their names promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models.layers import initializers
from jaxdep.models.layers.convolution import Convolution, Convolution2D
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.draws import shared_over
from jaxdep.models.layers.recurrent import BiGRU, BiLSTM


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("uniform_0.1", 0.1),
        ("pytorch", 200**-0.5),
        ("xavier_uniform", (6 / 300) ** 0.5),
        ("keras", (6 / 300) ** 0.5),
        ("lecun_uniform", (3 / 200) ** 0.5),
        ("he_uniform", (6 / 200) ** 0.5),
    ],
)
def test_uniform_kernels_fill_their_range(name, limit):
    kernel = initializers.get(name)(jax.random.key(0), (200, 100), jnp.float32)
    assert limit * 0.999 < kernel.max() < limit * 1.00001
    assert -limit * 1.00001 < kernel.min() < -limit * 0.999
    np.testing.assert_allclose(kernel.std(), limit / 3**0.5, rtol=0.02)


def test_orthogonal_kernel_has_orthonormal_rows():
    kernel = initializers.get("orthogonal")(jax.random.key(0), (20, 50), jnp.float32)
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(20), atol=1e-5)


@pytest.mark.parametrize("name", ["glorot", "uniform_", "uniform_wide", "uniform_-1", "uniform_nan", ""])
def test_unknown_name_is_refused_in_one_line(name):
    with pytest.raises(ConfigError) as caught:
        initializers.get(name)
    assert repr(name) in str(caught.value)
    assert "uniform_0.1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bias_is_zero_but_for_pytorch():
    assert not linear(9, 4, initializer="uniform_0.1", rngs=nnx.Rngs(0)).bias[...].any()
    bias = linear(9, 4000, initializer="pytorch", rngs=nnx.Rngs(0)).bias[...]
    assert 0.33 < jnp.abs(bias).max() <= 1 / 3


@pytest.mark.parametrize(("layer", "taps"), [(Convolution, 5), (Convolution2D, 25)])
def test_keras_counts_every_tap_of_a_convolution(layer, taps):
    """As `keras.initializers.GlorotUniform` does of a kernel [*taps, in, out]."""
    kernel = layer(20, 30, 5, initializer="keras", rngs=nnx.Rngs(0)).joined.kernel[...]
    limit = (6 / (taps * (20 + 30))) ** 0.5
    assert limit * 0.99 < jnp.abs(kernel).max() <= limit


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_recurrent_parameters_are_drawn_by_hidden_size_as_in_pytorch(layer):
    cell = layer(3, 64, rngs=nnx.Rngs(0)).layers[0]
    assert jnp.abs(cell.input_kernel[...]).max() <= 1 / 8
    assert jnp.abs(cell.recurrent_kernel[...]).max() <= 1 / 8
    assert 1 / 8 < jnp.abs(cell.bias[...]).max() <= 1 / 4  # the sum of PyTorch's two
    assert not np.array_equal(cell.recurrent_kernel[0], cell.recurrent_kernel[1])


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.3])  # whose elements take 1, 2 and 16 bits
@pytest.mark.parametrize("shape", [(8, 64), (12, 3, 7), (4, 1)])  # whose shares begin with a pair of words, and do not
def test_shares_of_a_batch_drop_what_the_whole_one_drops(shape, rate):
    x, key = jnp.ones(shape), jax.random.key(2)

    def of_share(x):
        with shared_over("data"):
            return dropout(x, rate, key)

    shares = jax.vmap(of_share, axis_name="data")(x.reshape(4, -1, *shape[1:]))
    np.testing.assert_array_equal(shares.reshape(shape), dropout(x, rate, key))


def test_dropout_keeps_the_mean_and_needs_a_key():
    x = jnp.ones((100, 100))
    np.testing.assert_array_equal(dropout(x, 0.3, None), x)
    dropped = dropout(x, 0.3, jax.random.key(0))
    np.testing.assert_allclose((dropped == 0).mean(), 0.3, atol=0.02)
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=1e-6)
