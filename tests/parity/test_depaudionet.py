"""System 6 against the same network in PyTorch: training with batch statistics, Adam, and evaluation with running ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models import Masked, Step
from jaxdep.models.depaudionet import DepAudioNet

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")

B, T, DIM = 6, 14, 5  # 14 frames are no multiple of the pool
TARGET = np.array([0, 1, 1, 0, 1, 0])
CONFIG = DepAudioNet(channels=7, hidden=4, dropout=0.0)


def in_torch():
    """The network of the benchmark, without the second bias of an LSTM, which adds to the first."""
    network = torch_models.DepAudioNet(CONFIG, DIM, 2)
    for name, parameter in network.lstm.named_parameters():
        if name.startswith("bias_hh"):
            parameter.data.zero_()
            parameter.requires_grad_(False)
    return network


def as_ours(network):
    """The network's parameters and statistics as our module names and lays them."""
    weight = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
    kernel = weight["convolution.weight"].transpose(2, 1, 0)  # [out, in, frames] -> [frames, in, out]
    cells = {
        layer: {
            "input_kernel": weight[f"lstm.weight_ih_l{layer}"].T[:, None],
            "recurrent_kernel": weight[f"lstm.weight_hh_l{layer}"].T[None],
            "bias": weight[f"lstm.bias_ih_l{layer}"][None] + weight[f"lstm.bias_hh_l{layer}"],
        }
        for layer in range(network.lstm.num_layers)
    }
    params = {
        "convolution": {"joined": {"kernel": kernel.reshape(-1, kernel.shape[-1]), "bias": weight["convolution.bias"]}},
        "norm": {"scale": weight["norm.weight"], "bias": weight["norm.bias"]},
        "recurrent": {"layers": cells},
        "heads": {"t": {"kernel": weight["head.weight"].T, "bias": weight["head.bias"]}},
    }
    return params, {"norm": {"mean": weight["norm.running_mean"], "variance": weight["norm.running_var"]}}


def features(values):
    return {"audio": Masked(jnp.asarray(values), jnp.ones(values.shape[:2], bool))}


def test_three_steps_of_adam_and_the_evaluation_behind_them():
    torch.manual_seed(0)
    theirs = in_torch()
    (params, statistics), adam = jax.tree.map(jnp.asarray, as_ours(theirs)), optax.adam(1e-2)
    graphdef, *states = nnx.split(
        nnx.eval_shape(lambda: CONFIG.build({"audio": DIM}, {"t": 2}, rngs=nnx.Rngs(params=0))), nnx.Param, ...
    )
    for state, given in zip(states, (params, statistics), strict=True):
        assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, given)
    start, moments = params, adam.init(params)
    step = Step(jax.random.key(0), jnp.ones(B, bool))

    @jax.jit
    def gradient(params, statistics, values):
        def objective(params):
            model = nnx.merge(graphdef, params, statistics, copy=True)
            logits = model(features(values), step=step).logits["t"]
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, TARGET).mean()
            return loss, (logits, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param))))

        return jax.grad(objective, has_aux=True)(params)

    trained = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    torch_adam = torch.optim.Adam(trained, lr=1e-2)
    rng = np.random.default_rng(0)
    for _ in range(3):
        values = rng.normal(size=(B, T, DIM)).astype(np.float32)
        of_params, (logits, statistics) = gradient(params, statistics, values)
        expected, _ = theirs(torch.from_numpy(values))
        np.testing.assert_allclose(logits, expected.detach().numpy(), atol=1e-5)
        torch_adam.zero_grad()
        torch.nn.functional.cross_entropy(expected, torch.from_numpy(TARGET)).backward()
        torch_adam.step()
        updates, moments = adam.update(of_params, moments)
        params = optax.apply_updates(params, updates)
    # A convolution's bias has no gradient behind a batch norm, but rounding, which Adam makes a step of.
    found = jax.tree.map(np.asarray, (params, statistics))
    expected = as_ours(theirs)
    for tree in (found[0], expected[0]):
        del tree["convolution"]["joined"]["bias"]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), found[0], expected[0])
    np.testing.assert_allclose(found[1]["norm"]["variance"], expected[1]["norm"]["variance"], atol=1e-5)
    del start["convolution"]["joined"]["bias"]
    moved = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), found[0], start)
    assert min(jax.tree.leaves(moved)) > 1e-2  # each tensor has gone farther than the tolerance


def test_evaluation_takes_the_running_statistics():
    torch.manual_seed(1)
    theirs, values = in_torch(), np.random.default_rng(1).normal(size=(B, T, DIM)).astype(np.float32)
    theirs(torch.from_numpy(values) * 3 + 1)
    graphdef, _ = nnx.split(nnx.eval_shape(lambda: CONFIG.build({"audio": DIM}, {"t": 2}, rngs=nnx.Rngs(params=0))))
    ours = nnx.merge(graphdef, *jax.tree.map(jnp.asarray, as_ours(theirs)), copy=True)
    expected = theirs.eval()(torch.from_numpy(values))[0].detach().numpy()
    np.testing.assert_allclose(ours(features(values)).logits["t"], expected, atol=1e-5)
