"""BiLSTM and BiGRU against PyTorch's packed sequences: parameters, forward pass, three steps of Adam."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models.layers.recurrent import BiGRU, BiLSTM

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")

FEATURES, HIDDEN, LENGTHS, FRAMES = 6, 5, (9, 4, 1), 11  # two frames of padding even for the longest
CASES = pytest.mark.parametrize(
    ("ours", "theirs", "layers"), [(BiLSTM, "LSTM", 1), (BiLSTM, "LSTM", 2), (BiGRU, "GRU", 1), (BiGRU, "GRU", 2)]
)


def _torch_layer(name, layers):
    """PyTorch's layer with the recurrent bias, which adds to the input's, fixed at zero; the GRU's b_hn is free."""
    torch.manual_seed(0)
    layer = getattr(torch.nn, name)(FEATURES, HIDDEN, num_layers=layers, bidirectional=True, batch_first=True)
    for parameter_name, parameter in layer.named_parameters():
        if parameter_name.startswith("bias_hh"):
            free = torch.zeros_like(parameter)
            if name == "GRU":
                free[2 * HIDDEN :] = 1
            parameter.data *= free
            parameter.register_hook(lambda gradient, free=free: gradient * free)
    return layer


def _copied(layer, theirs):
    """Our state with PyTorch's weights: kernels transposed, directions stacked."""
    graphdef, state = nnx.split(layer)
    values = nnx.to_pure_dict(state)
    weights = {name: parameter.detach().numpy() for name, parameter in theirs.named_parameters()}
    for index, cell in values["layers"].items():
        both = [(f"_l{index}"), (f"_l{index}_reverse")]
        cell["input_kernel"] = jnp.stack([weights["weight_ih" + end].T for end in both], axis=1)
        cell["recurrent_kernel"] = jnp.stack([weights["weight_hh" + end].T for end in both])
        cell["bias"] = jnp.stack([weights["bias_ih" + end] for end in both])
        if "recurrent_bias" in cell:
            cell["recurrent_bias"] = jnp.stack([weights["bias_hh" + end][2 * HIDDEN :] for end in both])
    nnx.replace_by_pure_dict(state, values)
    return graphdef, state


def _batch():
    x = np.random.default_rng(0).normal(size=(len(LENGTHS), FRAMES, FEATURES)).astype(np.float32)
    return x, np.arange(FRAMES)[None, :] < np.array(LENGTHS)[:, None]


def _torch_outputs(layer, x):
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(x), LENGTHS, batch_first=True)
    outputs, final = layer(packed)
    final = final[0] if isinstance(final, tuple) else final
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=FRAMES)
    return outputs, torch.cat([final[-2], final[-1]], dim=-1)


@CASES
def test_number_of_parameters(ours, theirs, layers):
    state = nnx.split(ours(FEATURES, HIDDEN, layers=layers, rngs=nnx.Rngs(0)))[1]
    merged = 2 * layers * HIDDEN * (4 if theirs == "LSTM" else 2)  # biases that PyTorch has twice over
    found = sum(leaf.size for leaf in jax.tree.leaves(state))
    assert found == sum(p.numel() for p in _torch_layer(theirs, layers).parameters()) - merged


@CASES
def test_forward_pass(ours, theirs, layers):
    layer = _torch_layer(theirs, layers)
    model = nnx.merge(*_copied(ours(FEATURES, HIDDEN, layers=layers, rngs=nnx.Rngs(0)), layer))
    x, mask = _batch()
    for found, expected in zip(model(x, mask), _torch_outputs(layer, x), strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)


@CASES
def test_three_steps_of_adam(ours, theirs, layers):
    layer = _torch_layer(theirs, layers)
    graphdef, state = _copied(ours(FEATURES, HIDDEN, layers=layers, rngs=nnx.Rngs(0)), layer)
    x, mask = _batch()

    def loss(state):
        outputs, final = nnx.merge(graphdef, state, copy=True)(x, mask)
        return jnp.sum(jnp.sin(3 * outputs)) + jnp.sum((final - 1) ** 2)

    adam, torch_adam = optax.adam(1e-2), torch.optim.Adam(layer.parameters(), lr=1e-2)
    moments, gradient = adam.init(state), jax.jit(jax.grad(loss))
    for _ in range(3):
        updates, moments = adam.update(gradient(state), moments)
        state = optax.apply_updates(state, updates)
        torch_adam.zero_grad()
        outputs, final = _torch_outputs(layer, x)
        (torch.sin(3 * outputs).sum() + ((final - 1) ** 2).sum()).backward()
        torch_adam.step()
    expected = _copied(ours(FEATURES, HIDDEN, layers=layers, rngs=nnx.Rngs(0)), layer)[1]
    for found, right in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, right, atol=1e-4)
