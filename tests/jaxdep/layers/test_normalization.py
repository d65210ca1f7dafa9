"""Batch normalisation over the valid cells of a batch, by numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdep.models import Step
from jaxdep.models.layers.normalization import BatchNorm

BATCH, FRAMES, CHANNELS = 6, 5, 3
MASK = np.arange(FRAMES) < np.array([5, 3, 1, 4, 0, 2])[:, None]


def step():
    return Step(jax.random.key(0), jnp.ones(BATCH, bool))


@pytest.fixture
def cells():
    return np.random.default_rng(0).normal(2.0, 3.0, (BATCH, FRAMES, CHANNELS)).astype(np.float32)


def test_a_batch_is_normalised_by_its_valid_cells_and_remembered(cells):
    layer = BatchNorm(CHANNELS)
    layer.scale[...], layer.bias[...] = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 1.0, -1.0])
    found = layer(jnp.asarray(cells), step(), jnp.asarray(MASK))
    valid = cells[MASK].astype(np.float64)
    expected = (cells - valid.mean(0)) / np.sqrt(valid.var(0) + 1e-5) * [1, 2, 3] + [0, 1, -1]
    np.testing.assert_allclose(found, np.where(MASK[..., None], expected, 0), atol=1e-5)
    np.testing.assert_allclose(layer.mean[...], 0.1 * valid.mean(0), atol=1e-6)
    np.testing.assert_allclose(layer.variance[...], 0.9 + 0.1 * valid.var(0, ddof=1), atol=1e-5)
    evaluated = layer(jnp.asarray(cells), None, jnp.asarray(MASK))
    running = (cells - 0.1 * valid.mean(0)) / np.sqrt(0.9 + 0.1 * valid.var(0, ddof=1) + 1e-5) * [1, 2, 3] + [0, 1, -1]
    np.testing.assert_allclose(evaluated, np.where(MASK[..., None], running, 0), atol=1e-5)


def test_what_is_masked_reaches_neither_outputs_nor_statistics_nor_gradients(cells):
    def loss(x):
        layer = BatchNorm(CHANNELS)
        return jnp.sin(layer(x, step(), jnp.asarray(MASK))).sum(), (layer.mean[...], layer.variance[...])

    take = jax.value_and_grad(loss, has_aux=True)
    found = take(jnp.asarray(np.where(MASK[..., None], cells, 1e6)))
    expected = take(jnp.asarray(cells))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert (np.asarray(found[1])[~MASK] == 0).all()


def test_a_batch_without_a_valid_cell_leaves_the_statistics_alone(cells):
    layer = BatchNorm(CHANNELS)
    found = layer(jnp.asarray(cells), step(), jnp.zeros_like(MASK))
    assert (found == 0).all()
    np.testing.assert_array_equal(layer.mean[...], np.zeros(CHANNELS))
    np.testing.assert_array_equal(layer.variance[...], np.ones(CHANNELS))


def test_parameters_are_parameters_and_the_rest_batch_statistics():
    _, params, statistics, rest = nnx.split(BatchNorm(CHANNELS), nnx.Param, nnx.BatchStat, ...)
    assert {len(jax.tree.leaves(params)), len(jax.tree.leaves(statistics))} == {2}
    assert not jax.tree.leaves(rest)
