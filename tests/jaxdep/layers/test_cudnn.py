"""Layers by cuDNN, whose place JAX's own reference of it takes here, agree with the scans; what goes to it is what it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxdep.models.layers import cudnn
from jaxdep.models.layers.recurrent import GRU, LSTM, BiLSTM, computed_by

FRAMES, WIDTH = 7, 5
LENGTHS = (7, 3, 1, 0)
HOLES = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 0, 1, 0, 1, 1, 0], [0] * 7, [1] * 7], bool)
MASKS = {"ragged": np.arange(FRAMES) < np.array(LENGTHS)[:, None], "with holes": HOLES}


@pytest.fixture
def asked(monkeypatch):
    """Puts the reference in cuDNN's place; what it was asked for."""
    found = []

    def lstm(x, h_0, c_0, weights, lengths, width, hidden, layers, dropout, bidirectional, precision):
        found.append((lengths, precision))
        apart = cudnn.rnn.unpack_lstm_weights(weights, width, hidden, layers, bidirectional)
        return cudnn.rnn.lstm_ref(x, h_0, c_0, *apart, lengths, width, hidden, layers, dropout, bidirectional)

    monkeypatch.setattr(cudnn.rnn, "lstm", lstm)
    return found


def graded(layer, mask):
    graph, state = nnx.split(layer)

    def loss(state, x):
        states, last = nnx.merge(graph, state)(x, mask)
        return jnp.sum(jnp.cos(states)) + jnp.sum(jnp.sin(last) * jnp.arange(last.size).reshape(last.shape)), (
            states,
            last,
        )

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True), state


@pytest.mark.parametrize(
    "hidden", [8, pytest.param(64, marks=pytest.mark.slow), pytest.param(256, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [LSTM, BiLSTM])
@pytest.mark.parametrize("mask", MASKS)
def test_a_layer_agrees_with_the_scan(kind, layers, hidden, mask, asked):
    layer = kind(WIDTH, hidden, rngs=nnx.Rngs(0), layers=layers)
    mask = jnp.asarray(MASKS[mask])
    x = jax.random.normal(jax.random.key(1), (*mask.shape, WIDTH))
    run, state = graded(layer, mask)
    expected = jax.jit(run)(state, x)
    assert not asked
    with computed_by("cudnn"):
        found = run(state, x)
    assert len(asked) == layers
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(1.0, float(np.abs(theirs).max())))


def test_a_sequence_without_a_frame_is_given_one(asked):
    mask = jnp.asarray(MASKS["ragged"])
    with computed_by("cudnn"):
        states, last = LSTM(WIDTH, 4, rngs=nnx.Rngs(0))(jnp.ones((*mask.shape, WIDTH)), mask)
    assert asked[0][0].tolist() == [7, 3, 1, 1]
    assert not states[3].any()
    assert not last[3].any()


@pytest.mark.parametrize(("configured", "precision"), [("highest", "HIGHEST"), ("tensorfloat32", "HIGH")])
def test_the_precision_is_that_of_the_run(configured, precision, asked):
    with jax.default_matmul_precision(configured), computed_by("cudnn"):
        LSTM(WIDTH, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 3, WIDTH)), jnp.ones((2, 3), bool))
    assert asked[0][1] == (lax.Precision[precision],) * 2


@pytest.mark.parametrize(("layer", "dtype"), [(GRU, "float32"), (LSTM, "bfloat16")])
def test_what_it_has_not_is_made_by_the_scan(layer, dtype, asked):
    layer = layer(WIDTH, 4, rngs=nnx.Rngs(0), dtype=dtype)
    x, mask = jnp.ones((2, 3, WIDTH)), jnp.ones((2, 3), bool)
    expected = layer(x, mask)
    with computed_by("cudnn"):
        found = layer(x, mask)
    assert not asked
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
