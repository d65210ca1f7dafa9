"""The baselines of system 2 against the same in PyTorch, which reads each example alone and so without padding."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxdep.models import Masked
from jaxdep.models.amm_baselines import HAN, RCNN, BertCNN, BiGRUNetwork, MHABiLSTM, MultimodalDCNN, PictureCNN
from jaxdep.models.multimodal_transformer import MultimodalTransformer

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
functional = torch.nn.functional
test_amm = pytest.importorskip("tests.parity.test_amm")

INPUTS = {"text": 7, "image": 5, "pixels": 3, "sentences": 7}
LENGTHS = {"text": (6, 2, 1, 4), "image": (3, 5, 2, 1)}
SENTENCES = ((3, 1, 4), (2,), (5, 2), (1, 1, 1, 3))  # words each
SIZE = 9  # a multiple of no pooling
CLASSES = {"emotion": 3, "depressed": 2}
TARGETS = {"emotion": np.array([0, 2, 1, 1]), "depressed": np.array([1, 0, 0, 1])}
PICTURE = PictureCNN(channels=(4, 5, 6, 4, 5, 6), image_size=SIZE, units=6)
CLIP = dataclasses.replace(PICTURE, feature="image", layout="sequence")
NETWORKS = {
    "Multi-modal DCNN": MultimodalDCNN(picture=PICTURE, channels=(5, 6), units=4, dropout=0.0),
    "Multi-modal DCNN, clip": MultimodalDCNN(picture=CLIP, channels=(5, 6), units=4, dropout=0.0),
    "BiGRU": BiGRUNetwork(hidden=4, image_hidden=3, dropout=0.0),
    "HAN": HAN("sentences", hidden=3, attention_units=4, dropout=0.0),
    "MHA-BiLSTM": MHABiLSTM(hidden=3, attention_units=4, heads=2, dropout=0.0),
    "BERT": BertCNN("text", picture=PICTURE, dropout=0.0),
    "RCNN-RoBERTa": RCNN("text", hidden=3, units=5, dropout=0.0),
    "Multi-modal Transformer": MultimodalTransformer(width=8, heads=2, layers=2, memory_layers=2, dropout=0.0),
}


def recurrent(kind, dim, hidden):
    """A bidirectional layer whose second biases, which add to the first ones, stand still at zero."""
    layer = kind(dim, hidden, bidirectional=True)
    for name, bias in layer.named_parameters():
        if name.startswith("bias_hh"):
            free = torch.arange(len(bias)) >= (2 * hidden if kind is torch.nn.GRU else len(bias))
            bias.data *= free
            bias.register_hook(lambda gradient, free=free: gradient * free)
    return layer


class SequenceCNN(torch.nn.Module):
    def __init__(self, dim, channels, units, pool=False):
        super().__init__()
        widths = zip((dim, *channels), channels, strict=False)
        self.convolutions = torch.nn.ModuleList(torch.nn.Conv1d(a, b, 3, padding=1) for a, b in widths)
        self.dense, self.dim, self.pool = torch.nn.Linear(channels[-1], units), units, pool

    def forward(self, x):
        x = x.T[None]
        for index, convolution in enumerate(self.convolutions):
            x = convolution(x).relu()
            if self.pool and index % 2:
                x = functional.max_pool1d(x, 2, ceil_mode=True)
        return self.dense(x[0].amax(1)).relu()


class ImageCNN(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = zip((INPUTS["pixels"], *config.channels), config.channels, strict=False)
        self.convolutions = torch.nn.ModuleList(torch.nn.Conv2d(a, b, 3, padding=1) for a, b in widths)
        left = SIZE // 2 // 2 // 2
        self.dense, self.dim = torch.nn.Linear(left**2 * config.channels[-1], config.units), config.units

    def forward(self, x):
        x = x.permute(2, 0, 1)[None]
        for index, convolution in enumerate(self.convolutions):
            x = convolution(x).relu()
            x = functional.max_pool2d(x, 2) if index % 2 else x
        return self.dense(x[0].permute(1, 2, 0).flatten()).relu()


class LastStates(torch.nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.recurrent, self.dim = recurrent(torch.nn.GRU, dim, hidden), 2 * hidden

    def forward(self, x):
        return self.recurrent(x)[1].flatten()


class Pooling(torch.nn.Module):
    def __init__(self, dim, units, heads):
        super().__init__()
        self.hidden, self.scores = torch.nn.Linear(dim, units), torch.nn.Linear(units, heads, bias=False)

    def forward(self, states):
        return (self.scores(self.hidden(states).tanh()).softmax(0).T @ states).flatten()


class AttentiveStates(torch.nn.Module):
    def __init__(self, kind, dim, hidden, units, heads):
        super().__init__()
        self.recurrent, self.pooling = recurrent(kind, dim, hidden), Pooling(2 * hidden, units, heads)
        self.dim = heads * 2 * hidden

    def forward(self, x):
        return self.pooling(self.recurrent(x)[0])


class Hierarchy(torch.nn.Module):
    def __init__(self, dim, hidden, units):
        super().__init__()
        self.words = AttentiveStates(torch.nn.GRU, dim, hidden, units, 1)
        self.sentences = AttentiveStates(torch.nn.GRU, 2 * hidden, hidden, units, 1)
        self.dim = 2 * hidden

    def forward(self, sentences):
        return self.sentences(torch.stack([self.words(words) for words in sentences]))


class MeanState(torch.nn.Module):
    dim = INPUTS["text"]

    def forward(self, x):
        return x.mean(0)


class RecurrentConvolution(torch.nn.Module):
    def __init__(self, dim, hidden, units):
        super().__init__()
        self.recurrent = recurrent(torch.nn.LSTM, dim, hidden)
        self.dense, self.dim = torch.nn.Linear(dim + 2 * hidden, units), units

    def forward(self, x):
        return self.dense(torch.cat([x, self.recurrent(x)[0]], 1)).tanh().amax(0)


def picture(config):
    if config.layout == "image":
        return ImageCNN(config)
    return SequenceCNN(INPUTS["image"], config.channels, config.units, pool=True)


def encoders_of(c):
    if isinstance(c, MultimodalDCNN):
        return {"text": SequenceCNN(INPUTS["text"], c.channels, c.units), "image": picture(c.picture)}
    if isinstance(c, BiGRUNetwork):
        return {"text": LastStates(INPUTS["text"], c.hidden), "image": LastStates(INPUTS["image"], c.image_hidden)}
    if isinstance(c, HAN):
        return {"text": Hierarchy(INPUTS["sentences"], c.hidden, c.attention_units)}
    if isinstance(c, MHABiLSTM):
        return {"text": AttentiveStates(torch.nn.LSTM, INPUTS["text"], c.hidden, c.attention_units, c.heads)}
    if isinstance(c, BertCNN):
        return {"text": MeanState(), "image": picture(c.picture)}
    return {"text": RecurrentConvolution(INPUTS["text"], c.hidden, c.units)}


def heads(dim):
    return torch.nn.ModuleDict({task: torch.nn.Linear(dim, n) for task, n in CLASSES.items()})


class Joined(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.names = [name for name, _ in config.modalities().values()]
        self.encoders = torch.nn.ModuleDict(encoders_of(config))
        self.heads = heads(sum(encoder.dim for encoder in self.encoders.values()))

    def forward(self, example):
        pairs = zip(self.names, self.encoders.values(), strict=True)
        joined = torch.cat([encoder(example[name]) for name, encoder in pairs])
        return {task: head(joined) for task, head in self.heads.items()}


class Asking(torch.nn.Module):
    """A layer in which one sequence asks another, of PyTorch's own parts, called as in `TransformerEncoderLayer`."""

    def __init__(self, width, heads):
        super().__init__()
        self.self_attn = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.linear1, self.linear2 = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x, other):
        asked = self.norm1(other)
        x = x + self.self_attn(self.norm1(x), asked, asked, need_weights=False)[0]
        return x + self.linear2(self.linear1(self.norm2(x)).relu())


class Stack(torch.nn.Module):
    def __init__(self, config, crossmodal):
        super().__init__()
        itself = partial(
            torch.nn.TransformerEncoderLayer,
            dim_feedforward=4 * config.width,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        layer, count = (Asking, config.layers) if crossmodal else (itself, config.memory_layers)
        self.layers = torch.nn.ModuleList(layer(config.width, config.heads) for _ in range(count))
        self.norm = torch.nn.LayerNorm(config.width)

    def forward(self, x, *other):
        x, other = placed(x), [placed(one) for one in other]
        for layer in self.layers:
            x = layer(x, *other)
        return self.norm(x)


def placed(x):
    """Written place by place and number by number."""
    _, frames, width = x.shape
    where = torch.zeros(frames, width)
    for t in range(frames):
        for i in range(width // 2):
            angle = torch.tensor(t / 10000 ** (2 * i / width))
            where[t, i], where[t, width // 2 + i] = torch.sin(angle), torch.cos(angle)
    return x * width**0.5 + where


class Transformer(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        names, width = ("text", "image"), config.width
        self.projections = torch.nn.ModuleDict({m: torch.nn.Linear(INPUTS[m], width, bias=False) for m in names})
        self.crossmodal = torch.nn.ModuleDict({m: Stack(config, crossmodal=True) for m in names})
        self.memory = torch.nn.ModuleDict({m: Stack(config, crossmodal=False) for m in names})
        self.inner, self.outer = torch.nn.Linear(2 * width, 2 * width), torch.nn.Linear(2 * width, 2 * width)
        self.heads = heads(2 * width)

    def forward(self, example):
        states = {name: layer(example[name])[None] for name, layer in self.projections.items()}
        last = []
        for name, other in (("text", "image"), ("image", "text")):
            last.append(self.memory[name](self.crossmodal[name](states[name], states[other]))[0, -1])
        joined = torch.cat(last)
        decided = joined + self.outer(self.inner(joined).relu())
        return {task: head(decided) for task, head in self.heads.items()}


def of_torch(config):
    torch.manual_seed(3)
    return Transformer(config) if isinstance(config, MultimodalTransformer) else Joined(config)


def array(parameter):
    return parameter.detach().numpy().copy()


def as_ours(module):
    """A module's weights as our models name and lay them."""
    if isinstance(module, torch.nn.Linear | torch.nn.RNNBase):
        return test_amm.as_ours(module)
    if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d):
        kernel = np.moveaxis(array(module.weight), (0, 1), (-1, -2)).reshape(-1, module.out_channels)
        return {"joined": {"kernel": kernel, "bias": array(module.bias)}}
    if isinstance(module, torch.nn.LayerNorm):
        return {"scale": array(module.weight), "bias": array(module.bias)}
    if isinstance(module, torch.nn.MultiheadAttention):
        kernels, biases = array(module.in_proj_weight), array(module.in_proj_bias)
        parts = zip(np.split(kernels, 3), np.split(biases, 3), strict=True)
        found = dict(zip(("query", "key", "value"), ({"kernel": w.T, "bias": b} for w, b in parts), strict=True))
        return {**found, "joined": as_ours(module.out_proj)}
    if hasattr(module, "self_attn"):
        names = {"attention": "self_attn", "attention_norm": "norm1", "output_norm": "norm2"}
        names |= {"inner": "linear1", "outer": "linear2"}
        return {ours: as_ours(getattr(module, theirs)) for ours, theirs in names.items()}
    is_list = isinstance(module, torch.nn.ModuleList)
    found = {int(name) if is_list else name: as_ours(child) for name, child in module.named_children()}
    return {name: child for name, child in found.items() if child}


def draw(rng):
    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    return [
        {
            **{name: normal(lengths[i], INPUTS[name]) for name, lengths in LENGTHS.items()},
            "pixels": normal(SIZE, SIZE, INPUTS["pixels"]),
            "sentences": [normal(words, INPUTS["sentences"]) for words in SENTENCES[i]],
        }
        for i in range(4)
    ]


def padded(examples, name):
    values = [example[name] for example in examples]
    if name == "pixels":
        return Masked(jnp.asarray(np.stack([x.numpy() for x in values])), jnp.ones(len(values), bool))
    nested = name == "sentences"
    mask = np.zeros((len(values), 6, 8) if nested else (len(values), 8), bool)
    filled = np.zeros((*mask.shape, INPUTS[name]), np.float32)
    for row, example in enumerate(values):
        for at, x in [((row, place), x) for place, x in enumerate(example)] if nested else [((row,), example)]:
            filled[at][: len(x)], mask[at][: len(x)] = x.numpy(), True
    return Masked(jnp.asarray(filled), jnp.asarray(mask))


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_and_three_steps_of_adam(name):
    config, theirs = NETWORKS[name], of_torch(NETWORKS[name])
    build = partial(config.build, INPUTS, CLASSES)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: build(rngs=nnx.Rngs(params=0))))
    params = jax.tree.map(jnp.asarray, as_ours(theirs))
    assert jax.tree.map(np.shape, nnx.to_pure_dict(state)) == jax.tree.map(np.shape, params)
    adam = optax.adam(1e-2, eps=1e-3)  # with less, Adam makes whole steps of rounding
    moments = adam.init(params)
    torch_adam = torch.optim.Adam(theirs.parameters(), lr=1e-2, eps=1e-3)

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
    # What adds alike to all scores of a query changes nothing.
    assert {at for at, size in sizes.items() if size < 1e-7} == {at for at in sizes if "['key']['bias']" in at}
