"""Pooling over valid frames equals NumPy's on the frames alone; a sequence without frames gives zeros, never NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdep.models.layers.pooling import (
    last_valid,
    masked_max,
    masked_mean,
    masked_mean_std,
    masked_std,
    max_pool,
)

LENGTHS = (6, 3, 1, 0)
MASK = jnp.arange(6)[None, :] < jnp.array(LENGTHS)[:, None]
REFERENCES = {
    masked_mean: lambda frames: frames.mean(0),
    masked_std: lambda frames: frames.std(0),
    masked_mean_std: lambda frames: np.concatenate([frames.mean(0), frames.std(0)]),
    masked_max: lambda frames: frames.max(0),
    last_valid: lambda frames: frames[-1],
}
POOLS = pytest.mark.parametrize("pool", REFERENCES, ids=lambda pool: pool.__name__)


@pytest.fixture
def x():
    values = jax.random.normal(jax.random.key(0), (4, 6, 2)) - 5  # below zero, so that a padded zero would be a maximum
    return jnp.where(MASK[:, :, None], values, jnp.nan)


@POOLS
def test_pools_the_valid_frames_alone(pool, x):
    pooled = pool(x, MASK)
    for row, length in enumerate(LENGTHS[:-1]):
        np.testing.assert_allclose(pooled[row], REFERENCES[pool](np.asarray(x[row, :length])), rtol=1e-5, atol=1e-6)
    assert not pooled[-1].any()


@POOLS
def test_gradient_is_finite_everywhere_and_zero_at_padding(pool, x):
    gradient = jax.grad(lambda x: jnp.sum(pool(x, MASK) ** 2))(x)
    assert jnp.isfinite(gradient).all()
    assert not jnp.where(MASK[:, :, None], 0, gradient).any()
    assert gradient[0].any()


def test_constant_sequence_has_no_deviation_and_a_finite_gradient():
    x, mask = jnp.full((1, 4, 2), 3.0), jnp.ones((1, 4), bool)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(masked_std(x, mask)))(x)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_max_pooling_of_each_sequence_ends_with_what_is_left(size, x):
    pooled, mask = max_pool(x, MASK, size)
    assert pooled.shape[1] == -(-x.shape[1] // size)
    for row, length in enumerate(LENGTHS):
        expected = [np.asarray(x[row, start : min(start + size, length)]).max(0) for start in range(0, length, size)]
        assert mask[row].tolist() == [True] * len(expected) + [False] * (mask.shape[1] - len(expected))
        np.testing.assert_array_equal(pooled[row, : len(expected)], np.array(expected).reshape(-1, x.shape[2]))
        assert not pooled[row, len(expected) :].any()
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x, MASK, size)[0]))(x)
    np.testing.assert_array_equal(gradient.sum((1, 2)), 2 * mask.sum(1))  # one winner in each of the two dimensions
    assert not jnp.where(MASK[:, :, None], 0, gradient).any()
