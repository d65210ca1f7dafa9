"""System 4's networks against PyTorch's, which reads each example alone and so without padding."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.benchmark.systems import SYSTEMS
from jaxdep.models import Masked
from jaxdep.models.bilstm_cnn import JointNetwork, SpeechNetwork, TextNetwork

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")
functional = torch.nn.functional

DIM = {"text": 5, "audio": 4}
LENGTHS = {"text": (8, 5, 1, 3), "audio": (20, 9, 13, 2)}  # no multiples of the pool, and fewer than a kernel spans
FRAMES = {"text": 9, "audio": 23}
TARGET = np.array([0, 1, 1, 0])
TEXT = {"hidden": 4, "channels": 6, "units": 5, "dropout": 0.0}
SPEECH = {"channels": (6, 5), "hidden": 4, "units": 7, "dropout": 0.0}
NETWORKS = {
    "Bi-LSTM(text), mean": TextNetwork(**TEXT | {"channels": 0}),
    "Bi-LSTM(text), final": TextNetwork(**TEXT | {"channels": 0, "pooling": "final"}),
    "LSTM-CNN(text)": TextNetwork(**TEXT, bidirectional=False),
    "Bi-LSTM-CNN(text)": TextNetwork(**TEXT, kernel=5),
    "LSTM(speech), max": SpeechNetwork(**SPEECH | {"channels": (), "pooling": "max"}),
    "CNN(speech)": SpeechNetwork(**SPEECH | {"hidden": 0}),
    "LSTM-CNN(speech)": SpeechNetwork(**SPEECH),
    "Bi-LSTM-CNN(text+speech)": JointNetwork(TextNetwork(**TEXT), SpeechNetwork(**SPEECH), 6, 0.0),
}
CASES = pytest.mark.parametrize("name", NETWORKS)


def lstm(dim, hidden, bidirectional):
    """With the recurrent bias, which adds to the input's, fixed at zero."""
    layer = torch.nn.LSTM(dim, hidden, bidirectional=bidirectional)
    for name, parameter in layer.named_parameters():
        if name.startswith("bias_hh"):
            parameter.data.zero_()
            parameter.requires_grad_(False)
    return layer


def pooled(config, layer, x):
    """The states of one sequence [T, D] as one vector."""
    states, (final, _) = layer(x)
    return {"final": final.flatten(), "mean": states.mean(0), "max": states.amax(0)}[config.pooling]


class TorchText(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, width = config, config.hidden * (1 + config.bidirectional)
        self.recurrent = lstm(DIM["text"], config.hidden, config.bidirectional)
        if config.channels:
            self.convolution = torch.nn.Conv1d(width, config.channels, config.kernel, padding="same")
        self.dense = torch.nn.Linear(config.channels or width, config.units)

    def forward(self, x):
        if not self.config.channels:
            return self.dense(pooled(self.config, self.recurrent, x)).relu()
        return self.dense(self.convolution(self.recurrent(x)[0].T).relu().amax(1)).relu()


class TorchSpeech(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, widths = config, (DIM["audio"], *config.channels)
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv1d(width, channels, config.kernel, padding="same") for width, channels in pairwise(widths)
        )
        if config.hidden:
            self.recurrent = lstm(widths[-1], config.hidden, False)
        self.dense = torch.nn.Linear(config.hidden or widths[-1], config.units)

    def forward(self, x):
        for convolution in self.convolutions:
            x = functional.elu(convolution(x.T))
            x = functional.max_pool1d(x, self.config.pool, ceil_mode=True).T
        x = pooled(self.config, self.recurrent, x) if self.config.hidden else x.amax(0)
        return functional.elu(self.dense(x))


class TorchNetwork(torch.nn.Module):
    """Any of them: one encoder and a decision, or two, another layer and a decision."""

    def __init__(self, config):
        super().__init__()
        torch.manual_seed(1)  # under which no ReLU layer is dead for all four examples
        if isinstance(config, JointNetwork):
            self.text, self.speech = TorchText(config.text), TorchSpeech(config.speech)
            self.dense = torch.nn.Linear(config.text.units + config.speech.units, config.units)
        else:
            self.encoder = TorchText(config) if isinstance(config, TextNetwork) else TorchSpeech(config)
        self.heads = torch.nn.ModuleDict({"t": torch.nn.Linear(config.units, 2)})

    def forward(self, *features):
        """[T, D] of one example."""
        if hasattr(self, "encoder"):
            return self.heads["t"](self.encoder(*features))
        joined = torch.cat([self.text(features[0]), self.speech(features[1])])
        return self.heads["t"](self.dense(joined).relu())


def as_ours(module):
    """A module's weights as our models name and lay them."""
    if isinstance(module, torch.nn.LSTM):
        weight = {name: value.detach().numpy() for name, value in module.named_parameters()}
        ends = ("_l0", "_l0_reverse")[: 1 + module.bidirectional]
        cell = {
            "input_kernel": np.stack([weight["weight_ih" + end].T for end in ends], axis=1),
            "recurrent_kernel": np.stack([weight["weight_hh" + end].T for end in ends]),
            "bias": np.stack([weight["bias_ih" + end] + weight["bias_hh" + end] for end in ends]),
        }
        return {"layers": {0: cell}}
    if isinstance(module, torch.nn.Linear):
        return {"kernel": module.weight.detach().numpy().T, "bias": module.bias.detach().numpy()}
    if isinstance(module, torch.nn.Conv1d):
        kernel = module.weight.detach().numpy().transpose(2, 1, 0)  # [out, in, frames] -> [frames, in, out]
        return {"joined": {"kernel": kernel.reshape(-1, kernel.shape[-1]), "bias": module.bias.detach().numpy()}}
    named = {(int(name) if name.isdigit() else name): as_ours(child) for name, child in module.named_children()}
    return {name: child for name, child in named.items() if child}


def example_features(config):
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=(len(LENGTHS[name]), FRAMES[name], DIM[name])).astype(np.float32)
        for name in config.takes()
    }


def padded(values):
    masks = {name: np.arange(FRAMES[name]) < np.array(LENGTHS[name])[:, None] for name in values}
    return {name: Masked(jnp.asarray(values[name]), jnp.asarray(masks[name])) for name in values}


def of_torch(network, values):
    """The logits of all examples, each read alone."""
    alone = [
        [torch.from_numpy(values[name][row, : LENGTHS[name][row]]) for name in values] for row in range(len(TARGET))
    ]
    return torch.stack([network(*features) for features in alone])


def without_empty(tree):
    """Our tree without modules that own nothing."""
    if not isinstance(tree, dict):
        return tree
    kept = {name: without_empty(child) for name, child in tree.items()}
    return {name: child for name, child in kept.items() if not (isinstance(child, dict) and not child)}


def ours(config, network, dims=DIM):
    """Our graph, and the network's weights as its parameters."""
    graphdef, state = nnx.split(nnx.eval_shape(lambda: config.build(dims, {"t": 2}, rngs=nnx.Rngs(params=0))))
    params = jax.tree.map(jnp.asarray, as_ours(network))
    assert jax.tree.map(np.shape, without_empty(nnx.to_pure_dict(state))) == jax.tree.map(np.shape, params)
    return graphdef, params


def logits(graphdef, params, features):
    return nnx.merge(graphdef, params, copy=True)(features).logits["t"]


@CASES
def test_forward_pass_number_of_parameters_and_three_steps_of_adam(name):
    config = NETWORKS[name]
    theirs, values = TorchNetwork(config), example_features(config)
    graphdef, params = ours(config, theirs)
    start, features = params, padded(values)
    trained = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == sum(parameter.numel() for parameter in trained)

    def objective(params):
        found = logits(graphdef, params, features)
        return optax.softmax_cross_entropy_with_integer_labels(found, TARGET).mean(), found

    adam, torch_adam = optax.adam(1e-3), torch.optim.Adam(trained, lr=1e-3)
    moments, gradient = adam.init(params), jax.jit(jax.grad(objective, has_aux=True))
    for _ in range(3):
        of_params, found = gradient(params)
        updates, moments = adam.update(of_params, moments)
        params = optax.apply_updates(params, updates)
        expected = of_torch(theirs, values)
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
        torch_adam.zero_grad()
        functional.cross_entropy(expected, torch.from_numpy(TARGET)).backward()
        torch_adam.step()
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), params, as_ours(theirs))
    moved = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), params, start)
    assert min(jax.tree.leaves(moved)) > 1e-3  # each tensor has gone farther than the tolerance


def test_the_benchmark_times_the_same_network_in_pytorch():
    """At the sizes that are timed, without padding."""
    system = SYSTEMS["bilstm_cnn"]
    torch.manual_seed(0)
    theirs = torch_models.JointNetwork(system.model, *system.inputs.values(), *system.classes.values()).eval()
    modules = dict(theirs.named_children())
    nested = torch.nn.ModuleDict({
        "text": torch.nn.ModuleDict({
            "recurrent": modules["words"], "convolution": modules["convolution"], "dense": modules["text"]
        }),
        "speech": torch.nn.ModuleDict({
            "recurrent": modules["frames"], "convolutions": modules["convolutions"], "dense": modules["speech"]
        }),
        "dense": modules["joint"],
        "heads": torch.nn.ModuleDict({"t": modules["head"]}),
    })  # fmt: skip
    graphdef, params = ours(system.model, nested, system.inputs)
    features = system.examples().buckets[0].features
    values = {name: features[name].values[:3] for name in system.inputs}
    expected, penalty = theirs(*map(torch.from_numpy, values.values()))
    unpadded = {name: Masked(jnp.asarray(x), jnp.ones(x.shape[:-1], bool)) for name, x in values.items()}
    found = jax.jit(partial(logits, graphdef))(params, unpadded)
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
    assert penalty == 0
