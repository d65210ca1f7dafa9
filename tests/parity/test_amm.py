"""System 2's network against the same in PyTorch, which reads each example alone and so without padding."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.benchmark.systems import SYSTEMS
from jaxdep.models import Masked
from jaxdep.models.amm import AMM

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")
functional = torch.nn.functional

INPUTS = {"text": 7, "image": 5, "gender": 3, "colour": 4}
LENGTHS = {"text": (6, 2, 1, 4), "image": (3, 5, 2, 1)}
CLASSES = {"emotion": 3, "depressed": 2}
TARGETS = {"emotion": np.array([0, 2, 1, 1]), "depressed": np.array([1, 0, 0, 1])}
WHOLE = AMM(
    gender="gender",
    colour="colour",
    hidden=4,
    image_hidden=6,
    attention_units=5,
    heads=2,
    head_dim=3,
    task_hidden=4,
    dropout=0.0,
    initializer="uniform_0.5",  # under which each tensor moves visibly in three steps
)
NETWORKS = {
    "AMM": WHOLE,
    "AMM, literal": dataclasses.replace(WHOLE, form="literal"),
    "no inter-modal attention": dataclasses.replace(WHOLE, inter_modal=False),
    "no inter-task attention": dataclasses.replace(WHOLE, inter_task=False),
    "no attention, literal": dataclasses.replace(WHOLE, form="literal", inter_modal=False, inter_task=False),
    "Text-AMM": dataclasses.replace(WHOLE, image="", colour=""),
    "Image-AMM": dataclasses.replace(WHOLE, text="", gender="", colour=""),
}


class Modality(torch.nn.Module):
    def __init__(self, config, name, knowledge):
        super().__init__()
        text = name == "text"
        self.width = 2 * config.hidden if text else config.image_hidden
        self.recurrent = torch.nn.GRU(INPUTS[name], config.hidden if text else self.width, bidirectional=text)
        for name_of, bias in self.recurrent.named_parameters():
            if name_of.startswith("bias_hh"):  # beside the inner ones they count but for the last gate's
                free = torch.arange(len(bias)) >= 2 * self.width // (1 + text)
                bias.data *= free
                bias.register_hook(lambda gradient, free=free: gradient * free)
        self.hidden = torch.nn.Linear(self.width, config.attention_units)
        self.scores = torch.nn.Linear(config.attention_units, 1, bias=False)
        self.dim = self.width + (INPUTS[knowledge] if knowledge else 0)

    def forward(self, x, knowledge):
        """x [T, D], knowledge [K] or None -> states [T, D], vector [D]."""
        states, _ = self.recurrent(x)
        alpha = self.scores(torch.tanh(self.hidden(states))).squeeze(1).softmax(0)
        vector = alpha @ states
        if knowledge is None:
            return states, vector
        return torch.cat([states, knowledge.expand(len(states), -1)], 1), torch.cat([vector, knowledge])


class Attention(torch.nn.Module):
    def __init__(self, query, keys, heads, head_dim):
        super().__init__()
        self.head_dim = head_dim
        self.query, self.key, self.value = (
            torch.nn.Linear(dim, heads * head_dim, bias=False) for dim in (query, keys, keys)
        )

    def forward(self, query, states, scale):
        """Head by head, as Equation 3 is written."""
        every = [x.split(self.head_dim, -1) for x in (self.query(query), self.key(states), self.value(states))]
        return torch.cat([torch.softmax(K @ Q * scale, 0) @ V for Q, K, V in zip(*every, strict=True)])


class TorchAMM(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        torch.manual_seed(2)
        self.config, c = config, config
        knowledge = {"text": c.gender, "image": c.colour}
        self.encoders = torch.nn.ModuleDict(
            {name: Modality(c, name, knowledge[name]) for name in ("text", "image") if getattr(c, name)}
        )
        dims, width = {name: encoder.dim for name, encoder in self.encoders.items()}, c.heads * c.head_dim
        self.asks = c.inter_modal and len(dims) == 2
        others = {"text": "image", "image": "text"}
        self.fusion = torch.nn.ModuleDict(
            {
                name: Attention(dim, dims[others[name]], c.heads, c.head_dim)
                if self.asks
                else torch.nn.Linear(dim, width)
                for name, dim in dims.items()
            }
        )
        size = width if c.form == "sequence" else width * len(dims)
        self.readers = torch.nn.ModuleDict({task: torch.nn.LSTM(size, c.task_hidden) for task in CLASSES})
        between = CLASSES if c.inter_task else ()
        self.between = torch.nn.ModuleDict(
            {task: Attention(c.task_hidden, c.task_hidden, 1, c.task_hidden) for task in between}
        )
        self.heads = torch.nn.ModuleDict({task: torch.nn.Linear(c.task_hidden, n) for task, n in CLASSES.items()})
        for reader in self.readers.values():
            reader.bias_hh_l0.data.zero_()
            reader.bias_hh_l0.requires_grad_(False)
        for parameter in self.parameters():
            parameter.data *= 2  # so that attention is far from flat

    def forward(self, example):
        c, states, vectors = self.config, {}, {}
        for name, encoder in self.encoders.items():
            knowledge = c.gender if name == "text" else c.colour
            states[name], vectors[name] = encoder(example[name], example[knowledge] if knowledge else None)
        parts = []
        for name, layer in self.fusion.items():
            if not self.asks:
                parts.append(layer(vectors[name]))
                continue
            (other,) = set(vectors) - {name}
            asked = states[other] if c.form == "sequence" else vectors[other][None]
            parts.append(layer(vectors[name], asked, c.head_dim**-0.5))
        fused = torch.stack(parts) if c.form == "sequence" else torch.cat(parts)[None]
        read = {task: reader(fused.relu())[0] for task, reader in self.readers.items()}
        found = {}
        for task, head in self.heads.items():
            decided = read[task][-1]
            if c.inter_task:
                (other,) = set(read) - {task}
                decided = self.between[task](decided, read[other], 1.0)
            found[task] = head(decided)
        return found


def as_ours(module):
    """A module's weights as our models name and lay them."""
    if isinstance(module, torch.nn.Linear):
        bias = {} if module.bias is None else {"bias": module.bias.detach().numpy().copy()}
        return {"kernel": module.weight.detach().numpy().T.copy(), **bias}
    if isinstance(module, torch.nn.RNNBase):
        weight = {name: value.detach().numpy() for name, value in module.named_parameters()}
        ends = ("_l0", "_l0_reverse")[: 1 + module.bidirectional]
        inner, outer = (np.stack([weight[f"bias_{side}{end}"] for end in ends]) for side in ("ih", "hh"))
        cell = {
            "input_kernel": np.stack([weight["weight_ih" + end].T for end in ends], axis=1),
            "recurrent_kernel": np.stack([weight["weight_hh" + end].T for end in ends]),
            "bias": inner + outer,
        }
        if isinstance(module, torch.nn.GRU):
            last = 2 * module.hidden_size
            cell |= {"recurrent_bias": outer[:, last:].copy()}
            cell["bias"][:, last:] = inner[:, last:]
        return {"layers": {0: cell}}
    if isinstance(module, Modality):
        pooling = {"hidden": as_ours(module.hidden), "scores": as_ours(module.scores)}
        return {"recurrent": as_ours(module.recurrent), "pooling": pooling}
    found = {name: as_ours(child) for name, child in module.named_children()}
    return {name: child for name, child in found.items() if child}


def padded(examples, name):
    values = [example[name].numpy() for example in examples]
    if name not in LENGTHS:
        return Masked(jnp.asarray(np.stack(values)), jnp.ones(len(values), bool))
    longest = max(map(len, values)) + 2
    mask = np.arange(longest)[None] < np.array([[len(x)] for x in values])
    filled = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in values])
    return Masked(jnp.asarray(filled), jnp.asarray(mask))


def draw(rng):
    shapes = [{name: (lengths[i],) for name, lengths in LENGTHS.items()} for i in range(4)]
    return [
        {
            name: torch.from_numpy(rng.normal(size=(*shape.get(name, ()), dim)).astype(np.float32))
            for name, dim in INPUTS.items()
        }
        for shape in shapes
    ]


def is_constant(config, at):
    """Whether nothing depends on a tensor: queries and keys where there is one key, what an LSTM does after one step."""
    one_step = config.form == "literal" or not (config.text and config.image)
    asks = "['query']" in at or "['key']" in at
    return (
        ("fusion" in at and asks and config.form == "literal")
        or ("between" in at and asks and one_step)
        or ("readers" in at and "recurrent_kernel" in at and one_step)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_and_three_steps_of_adam(name):
    config, theirs = NETWORKS[name], TorchAMM(NETWORKS[name])
    build = partial(config.build, INPUTS, CLASSES)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: build(rngs=nnx.Rngs(params=0))))
    params = jax.tree.map(jnp.asarray, as_ours(theirs))
    assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, params)
    adam = optax.adam(1e-2, eps=1e-3)  # with less, Adam makes whole steps of rounding
    moments = adam.init(params)
    torch_adam = torch.optim.Adam([p for p in theirs.parameters() if p.requires_grad], lr=1e-2, eps=1e-3)

    @jax.jit
    def gradient(params, features):
        def objective(params):
            found = nnx.merge(graphdef, params, copy=True)(features).logits
            losses = [
                optax.softmax_cross_entropy_with_integer_labels(found[task], target) for task, target in TARGETS.items()
            ]
            return sum(loss.mean() for loss in losses), found

        return jax.grad(objective, has_aux=True)(params)

    rng, sizes = np.random.default_rng(0), {}
    for _ in range(3):
        examples = draw(rng)
        of_params, found = gradient(params, {feature: padded(examples, feature) for feature in config.takes()})
        every = [theirs(example) for example in examples]
        expected = {task: torch.stack([one[task] for one in every]) for task in CLASSES}
        for task in CLASSES:
            np.testing.assert_allclose(found[task], expected[task].detach().numpy(), atol=1e-5)
        torch_adam.zero_grad()
        sum(functional.cross_entropy(expected[task], torch.from_numpy(TARGETS[task])) for task in CLASSES).backward()
        torch_adam.step()
        for at, values in jax.tree_util.tree_leaves_with_path(of_params):
            sizes[jax.tree_util.keystr(at)] = float(jnp.abs(values).max())
        updates, moments = adam.update(of_params, moments)
        params = optax.apply_updates(params, updates)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), params, as_ours(theirs))
    assert {at for at, size in sizes.items() if size < 1e-7} == {at for at in sizes if is_constant(config, at)}


def test_the_benchmark_times_the_same_network_in_pytorch():
    """At the sizes that are timed, without padding."""
    system = SYSTEMS["amm"]
    torch.manual_seed(0)
    theirs = torch_models.AMM(system.model, *system.inputs.values(), *system.classes.values()).eval()
    encoders = {}
    for name, recurrent, pooling in zip(("text", "image"), (theirs.words, theirs.zones), theirs.pooling, strict=True):
        pooled = torch.nn.ModuleDict({"hidden": pooling[0], "scores": pooling[2]})
        encoders[name] = torch.nn.ModuleDict({"recurrent": recurrent, "pooling": pooled})
    by_modality, by_task = ("text", "image"), tuple(system.classes)
    parts = {"fusion": by_modality, "readers": by_task, "between": by_task, "heads": by_task}
    nested = {name: dict(zip(keys, getattr(theirs, name), strict=True)) for name, keys in parts.items()}
    params = as_ours(
        torch.nn.ModuleDict({
            "encoders": torch.nn.ModuleDict(encoders),
            **{name: torch.nn.ModuleDict(modules) for name, modules in nested.items()},
        })
    )  # fmt: skip
    model = nnx.eval_shape(lambda: system.model.build(system.inputs, system.classes, rngs=nnx.Rngs(params=0)))
    graphdef, state = nnx.split(model)
    assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, params)
    features = system.examples().buckets[0].features
    axes = {"vector": 1, "sequence": 2}
    values = {name: features[name].values[:3] for name in system.inputs}
    given = {
        name: Masked(jnp.asarray(x), jnp.ones(x.shape[: axes[system.model.takes()[name]]], bool))
        for name, x in values.items()
    }
    found = nnx.merge(graphdef, jax.tree.map(jnp.asarray, params), copy=True)(given)
    *expected, penalty = theirs(*map(torch.from_numpy, values.values()))
    for task, logits in zip(system.classes, expected, strict=True):
        np.testing.assert_allclose(found.logits[task], logits.detach().numpy(), atol=1e-5)
        assert np.ptp(logits.detach().numpy(), axis=0).min() > 1e-3  # examples differ by more than the tolerance
    assert penalty == 0
