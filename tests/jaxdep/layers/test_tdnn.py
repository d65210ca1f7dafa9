"""The Res-TDNN keeps the frames that the paper's context leaves, and padding changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models.layers.tdnn import ResTDNN, splice

pytestmark = pytest.mark.usefixtures("quick_compilation")

TSB_TAB_TAPS = ((-2, 1), (-3, 3), (-7, 2))


def _mask(frames, lengths):
    return jnp.arange(frames)[None, :] < jnp.array(lengths)[:, None]


@pytest.mark.parametrize("taps", [pytest.param(((-1, 2), (-3, 3), (-7, 2)), marks=pytest.mark.slow), TSB_TAB_TAPS])
@pytest.mark.parametrize(
    ("splice_edges", "tap_edges", "frames"),
    [("replicate", "valid", 100), ("valid", "valid", 96), ("replicate", "replicate", 118)],
)
def test_118_frames_leave(taps, splice_edges, tap_edges, frames):
    model = ResTDNN(3, 8, taps=taps, splice_edges=splice_edges, tap_edges=tap_edges, rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(model)
    y, mask = jax.jit(lambda x, mask: nnx.merge(graphdef, state, copy=True)(x, mask))(
        jnp.ones((2, 118, 3)), _mask(118, [118, 50])
    )
    assert y.shape == (2, frames, 8)
    assert mask.sum(1).tolist() == [frames, frames - 68]


@pytest.mark.parametrize("edges", ["valid", "replicate"])
def test_splice_joins_each_frame_with_its_neighbours(edges):
    x = jnp.arange(1.0, 7.0)[None, :, None]
    joined, mask = splice(x, _mask(6, [5]), (-1, 0, 2), edges)  # the sixth frame is padding
    expected = {
        "valid": [[1, 2, 4], [2, 3, 5]],
        "replicate": [[1, 1, 3], [1, 2, 4], [2, 3, 5], [3, 4, 5], [4, 5, 5]],
    }[edges]
    np.testing.assert_array_equal(joined[mask], expected)


@pytest.mark.parametrize("edges", ["valid", "replicate"])
def test_padding_changes_neither_output_nor_gradient(edges):
    options = {"splice_edges": edges, "tap_edges": edges}
    graphdef, state = nnx.split(ResTDNN(3, 8, taps=((-1, 2), (-3, 1)), rngs=nnx.Rngs(0), **options))
    x, mask = jax.random.normal(jax.random.key(1), (3, 20, 3)), _mask(20, [20, 14, 0])

    def loss(state, x, mask):
        y, valid = nnx.merge(graphdef, state, copy=True)(x, mask)
        y = jnp.where(valid[:, :, None], y, 0)
        return jnp.sum(jnp.sin(y)), y

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (value, y), gradient = run(state, x, mask)
    longer = jnp.concatenate([x, jnp.full((3, 6, 3), jnp.nan)], axis=1)
    (_, y_longer), gradient_longer = run(state, longer, jnp.concatenate([mask, jnp.zeros((3, 6), bool)], axis=1))
    assert jnp.isfinite(value)
    np.testing.assert_allclose(y_longer[:, : y.shape[1]], y, atol=1e-6)
    assert not y_longer[:, y.shape[1] :].any()
    for found, expected in zip(jax.tree.leaves(gradient_longer), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_residual_bias_starts_at_ones_and_dropout_needs_a_key():
    model = ResTDNN(3, 8, taps=((-1, 2),), rngs=nnx.Rngs(0))
    assert all((block.bias[...] == 1).all() for block in model.blocks)
    x, mask = jax.random.normal(jax.random.key(1), (2, 30, 3)), _mask(30, [30, 25])
    np.testing.assert_array_equal(model(x, mask)[0], model(x, mask)[0])
    dropped = [model(x, mask, jax.random.key(seed))[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(dropped[0], dropped[1])
    assert not np.array_equal(dropped[0], dropped[2])


def test_seeds_are_the_same_alone_and_mapped():
    x, mask = jax.random.normal(jax.random.key(1), (2, 12, 3)), _mask(12, [12, 9])

    def model(key):
        return nnx.split(ResTDNN(3, 8, taps=((-1, 2),), rngs=nnx.Rngs(key)))

    keys = jax.random.split(jax.random.key(3), 2)
    graphdef, first = model(keys[0])
    states = jax.vmap(lambda key: model(key)[1])(keys)

    def outputs(state, key):
        return nnx.merge(graphdef, state, copy=True)(x, mask, key)[0]

    alone = jax.jit(outputs)(first, keys[0])
    vmapped = jax.jit(jax.vmap(outputs))(states, keys)
    np.testing.assert_allclose(vmapped[0], alone, atol=1e-5)
    np.testing.assert_allclose(
        jax.jit(lambda *seeds: jax.lax.map(lambda s: outputs(*s), seeds))(states, keys)[0], alone, atol=1e-5
    )
    assert not np.allclose(vmapped[1], alone)


def test_too_few_frames_are_refused_with_the_number_needed():
    with pytest.raises(ConfigError, match=r"needs 10 frames, found 9"):
        splice(jnp.ones((1, 9, 3)), jnp.ones((1, 9), bool), (-7, 2))


def test_an_unknown_treatment_of_edges_is_refused():
    with pytest.raises(ConfigError, match="'reflect'; choose one of valid, replicate"):
        ResTDNN(3, 8, tap_edges="reflect", rngs=nnx.Rngs(0))
