"""DirectText and the emotion model against independent PyTorch networks with the same weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdep.benchmark.systems import SYSTEMS
from jaxdep.config import Optimizer, Task
from jaxdep.engine.objectives import batch_loss
from jaxdep.engine.schedule import make_transform
from jaxdep.losses import Huber
from jaxdep.models import Masked
from jaxdep.models.emotion_transfer import DirectText, EmotionAudio, EmotionAudioText, EmotionText

pytestmark = pytest.mark.parity
torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("jaxdep.benchmark.torch_models")

DIM, HIDDEN, LENGTHS, SEGMENTS = 5, 6, (9, 6, 4, 1), 11
TARGET, CLASS_WEIGHTS = np.array([0, 1, 1, 0]), np.array([0.7, 1.9], np.float32)


class TorchText(torch.nn.Module):
    """Bi-LSTM with one bias, the mean over the session's segments, a linear decision."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm = torch.nn.LSTM(DIM, HIDDEN, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(2 * HIDDEN, 2)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_hh"):
                parameter.data.zero_()
                parameter.requires_grad_(False)

    def forward(self, x):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True)
        states, _ = torch.nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(states.sum(1) / torch.tensor(LENGTHS)[:, None])

    def as_ours(self):
        """The weights as our model names and lays them."""
        weight = {name: value.detach().numpy() for name, value in self.named_parameters()}
        ends = ("_l0", "_l0_reverse")
        cell = {
            "input_kernel": np.stack([weight["lstm.weight_ih" + end].T for end in ends], axis=1),
            "recurrent_kernel": np.stack([weight["lstm.weight_hh" + end].T for end in ends]),
            "bias": np.stack([weight["lstm.bias_ih" + end] for end in ends]),
        }
        head = {"kernel": weight["head.weight"].T, "bias": weight["head.bias"]}
        return {"recurrent": {"layers": {0: cell}}, "heads": {"t": head}}


@pytest.fixture
def sessions():
    x = np.random.default_rng(0).normal(size=(len(LENGTHS), SEGMENTS, DIM)).astype(np.float32)
    return x, np.arange(SEGMENTS) < np.array(LENGTHS)[:, None]


@pytest.fixture
def text():
    """PyTorch's network, and our graph with its weights."""
    theirs = TorchText()
    model = DirectText(feature="text", hidden=HIDDEN).build({"text": DIM}, {"t": 2}, rngs=nnx.Rngs(params=0))
    graphdef, state = nnx.split(model)
    assert_like(nnx.to_pure_dict(state), theirs.as_ours())
    return theirs, graphdef, jax.tree.map(jnp.asarray, theirs.as_ours())


def assert_like(found, expected):
    assert jax.tree.map(np.shape, found) == jax.tree.map(np.shape, expected)


def logits(graphdef, params, sessions):
    model = nnx.merge(graphdef, params, copy=True)
    return model({"text": Masked(*map(jnp.asarray, sessions))})


def test_text_forward_pass_and_number_of_parameters(text, sessions):
    theirs, graphdef, params = text
    expected = theirs(torch.from_numpy(sessions[0])).detach().numpy()
    np.testing.assert_allclose(logits(graphdef, params, sessions).logits["t"], expected, atol=1e-5)
    n_trained = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == n_trained


def test_three_steps_of_training_text(text, sessions):
    theirs, graphdef, params = text
    start = params

    def objective(params):
        outputs = logits(graphdef, params, sessions)
        weights = {"t": jnp.asarray(CLASS_WEIGHTS)}
        return batch_loss({"t": Task()}, outputs, {"t": jnp.asarray(TARGET)}, jnp.ones(len(TARGET)), weights)

    adam = make_transform(Optimizer(name="adam", learning_rate=1e-3))
    moments, gradient = adam.init(params), jax.jit(jax.value_and_grad(objective))
    torch_adam = torch.optim.Adam([p for p in theirs.parameters() if p.requires_grad], lr=1e-3)
    criterion = torch.nn.CrossEntropyLoss(weight=torch.from_numpy(CLASS_WEIGHTS))
    for _ in range(3):
        loss, of_params = gradient(params)
        updates, moments = adam.update(of_params, moments, params)
        params = jax.tree.map(jnp.add, params, updates)
        torch_adam.zero_grad()
        expected_loss = criterion(theirs(torch.from_numpy(sessions[0])), torch.from_numpy(TARGET))
        expected_loss.backward()
        torch_adam.step()
        np.testing.assert_allclose(loss, expected_loss.item(), atol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), params, theirs.as_ours())
    moved = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), params, start)
    assert min(jax.tree.leaves(moved)) > 1e-3  # three steps of 1e-3: each tensor has gone farther than the tolerance


WIDTH, FRAME, UNITS, SHARPNESS, CLASSES = 7, 6, 5, (1.0, 0.2, 0.0), 4
TAPS = ((-1, 2), (-3, 3), (-7, 2))
WINDOW = 24


class TorchEmotion(torch_models.EmotionAudio):
    """Both branches on one utterance: what is padding, and a neighbour that is not there, is never seen."""

    def __init__(self, config):
        torch.manual_seed(0)
        super().__init__(config.audio, DIM, CLASSES)
        self.text, text_dim, heads = config.text, config.text.text_dim, len(config.text.head_sharpness)
        self.shared = torch.nn.Linear(TEXT_DIM, text_dim)
        self.V1 = torch.nn.Linear(text_dim, config.text.attention_units, bias=False)
        self.V2 = torch.nn.Linear(config.text.attention_units, heads, bias=False)
        by_position = config.text.position == "bias"
        self.position = torch.nn.Embedding(2 * config.text.reach + 1, heads) if by_position else None
        self.fusion = torch.nn.Linear(FRAME + heads * text_dim, config.fusion_dim)
        self.head = torch.nn.ModuleDict(
            {task: torch.nn.Linear(config.fusion_dim, outputs) for task, outputs in OUTPUTS.items()}
        )

    def forward(self, frames, utterances):
        """Frames [T, D] and an odd number of utterances [C, D]: the logits by task, the emotion feature, the penalty."""
        audio, (audio_attention,) = self.features(frames[None])
        there = torch.tensor([bool(utterance.any()) for utterance in utterances])
        vectors = self.shared(utterances[there]).relu()
        scores = self.V2(torch.tanh(self.V1(vectors)))
        if self.position is not None:
            reach, middle = self.text.reach, len(utterances) // 2
            places = (torch.arange(len(utterances)) - middle).clamp(-reach, reach) + reach
            scores = scores + self.position(places[there])
        text_attention = scores.softmax(0).T
        emotion = torch.cat([audio[0], (text_attention @ vectors).flatten()])
        penalty = 0
        for config, A in ((self.config, audio_attention), (self.text, text_attention)):
            wanted = [sharpness or 1 / A.shape[1] for sharpness in config.head_sharpness]
            off = A @ A.T - torch.diag(torch.tensor(wanted))
            penalty = penalty + config.penalty_weight * torch.linalg.matrix_norm(off) ** 2
        fused = self.fusion(emotion).relu()
        return {task: head(fused) for task, head in self.head.items()}, emotion, penalty


def copy(ours, other):
    ours.kernel[...] = jnp.asarray(other.weight.detach().numpy().T)
    if other.bias is not None:
        ours.bias[...] = jnp.asarray(other.bias.detach().numpy())


def copied(model, theirs):
    """Our model with the weights of theirs, whose decisions are by task or, a single one, that of "t"."""
    audio, text = model.audio, model.text
    for index, (layer, block) in enumerate(zip(audio.encoder.layers, audio.encoder.blocks, strict=True)):
        kernel = theirs.layers[index].weight.detach().numpy()  # [out, in, taps]
        layer.kernel[...] = jnp.asarray(kernel.transpose(2, 1, 0).reshape(-1, WIDTH))
        layer.bias[...] = jnp.asarray(theirs.layers[index].bias.detach().numpy())
        copy(block.inner, theirs.inner[index])
        copy(block.outer, theirs.outer[index])
        block.bias[...] = jnp.asarray(theirs.biases[index].detach().numpy())
    for ours, name in ((audio.frame, "frame"), (audio.emotion, "emotion"), (model.fusion, "fusion")):
        copy(ours, getattr(theirs, name))
    copy(audio.attention.hidden, theirs.W1)
    copy(audio.attention.scores, theirs.W2)
    if text is not None:
        copy(text.utterance, theirs.shared)
        copy(text.attention.hidden, theirs.V1)
        copy(text.attention.scores, theirs.V2)
        if text.position is not None:
            text.position.numbers[...] = jnp.asarray(theirs.position.weight.detach().numpy())
    for task, head in model.heads.items():
        copy(head, theirs.head if task == "t" else theirs.head[task])
    return model


def n_parameters(model):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.split(model)[1]))


def test_emotion_audio_forward_pass_and_number_of_parameters():
    config = EmotionAudio(
        width=WIDTH, taps=TAPS, frame_dim=FRAME, attention_units=UNITS, head_sharpness=SHARPNESS, penalty_weight=0.5
    )
    torch.manual_seed(0)
    theirs = torch_models.EmotionAudio(config, DIM, CLASSES).eval()
    model = copied(config.build({"audio": DIM}, {"t": CLASSES}, rngs=nnx.Rngs(params=0)), theirs)
    x = np.random.default_rng(1).normal(size=(3, WINDOW, DIM)).astype(np.float32)
    padded = np.pad(x, [(0, 0), (0, 4), (0, 0)])
    mask = np.broadcast_to(np.arange(WINDOW + 4) < WINDOW, (3, WINDOW + 4))
    found = model({"audio": Masked(jnp.asarray(padded), jnp.asarray(mask))})
    expected, penalty = (value.detach().numpy() for value in theirs(torch.from_numpy(x)))
    emotion = theirs.features(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(found.logits["t"], expected, atol=1e-5)
    np.testing.assert_allclose(found.penalty.mean(), penalty, atol=1e-5)
    np.testing.assert_allclose(found.intermediates["emotion"], emotion, atol=1e-5)
    assert n_parameters(model) == sum(parameter.numel() for parameter in theirs.parameters())


TEXT_DIM, OUTPUTS = 8, {"emotion": CLASSES, "valence": 1, "activation": 1, "dominance": 1}
TASKS = {task: Task() if outputs > 1 else Task(loss=Huber(delta=0.7)) for task, outputs in OUTPUTS.items()}
FRAMES, CONTEXTS = (24, 19, 30, 21), (7, 7, 5, 7)  # 19 frames are the fewest that give one
ABSENT = {0: [0, 1, 2], 1: [5, 6], 3: [0, 1, 2, 4, 5, 6]}  # dialogues that begin, end or are a single utterance


@pytest.fixture
def utterances():
    """By feature the vectors, zeros where a neighbour is absent, and the targets, of which a score is missing."""
    rng = np.random.default_rng(2)
    frames = [rng.normal(size=(n, DIM)).astype(np.float32) for n in FRAMES]
    texts = [rng.normal(size=(n, TEXT_DIM)).astype(np.float32) for n in CONTEXTS]
    for row, positions in ABSENT.items():
        texts[row][positions] = 0
    scores = {task: rng.normal(size=len(FRAMES)).astype(np.float32) for task in OUTPUTS if task != "emotion"}
    scores["valence"][1] = np.nan
    return {"audio": frames, "text": texts}, {"emotion": np.array([2, 0, 3, 1]), **scores}


def padded_batch(features):
    longest = {"audio": 33, "text": 9}
    return {
        name: Masked(
            jnp.stack([jnp.pad(row, [(0, longest[name] - len(row)), (0, 0)]) for row in rows]),
            jnp.stack([jnp.arange(longest[name]) < len(row) for row in rows]),
        )
        for name, rows in features.items()
    }


def torch_loss(logits, penalties, targets):
    loss = penalties.mean() + torch.nn.CrossEntropyLoss()(logits["emotion"], torch.from_numpy(targets["emotion"]))
    for task in ("valence", "activation", "dominance"):
        known = ~np.isnan(targets[task])
        loss = loss + torch.nn.HuberLoss(delta=0.7)(logits[task][known, 0], torch.from_numpy(targets[task][known]))
    return loss


@pytest.mark.parametrize("position", ["none", "bias"])
def test_emotion_audio_text_forward_pass_number_of_parameters_and_three_steps(position, utterances):
    config = EmotionAudioText(
        EmotionAudio("audio", WIDTH, taps=TAPS, frame_dim=FRAME, attention_units=UNITS, head_sharpness=SHARPNESS),
        EmotionText("text", 4, 3, position, reach=2, head_sharpness=(1.0, 0.0), penalty_weight=0.2),
        fusion_dim=9,
    )
    features, targets = utterances
    theirs = TorchEmotion(config).eval()

    def ours():
        return copied(config.build({"audio": DIM, "text": TEXT_DIM}, OUTPUTS, rngs=nnx.Rngs(params=0)), theirs)

    graphdef, start = nnx.split(ours())
    assert n_parameters(ours()) == sum(parameter.numel() for parameter in theirs.parameters())

    def objective(params):
        outputs = nnx.merge(graphdef, params, copy=True)(padded_batch(features))
        weights = {task: jnp.ones(n) for task, n in OUTPUTS.items()}
        return batch_loss(TASKS, outputs, targets, jnp.ones(len(FRAMES)), weights), outputs

    adam, torch_adam = make_transform(Optimizer(name="adam", learning_rate=1e-3)), torch.optim.Adam(theirs.parameters())
    params, moments, gradient = start, adam.init(start), jax.jit(jax.value_and_grad(objective, has_aux=True))
    for _ in range(3):
        (loss, found), of_params = gradient(params)
        updates, moments = adam.update(of_params, moments, params)
        params = jax.tree.map(jnp.add, params, updates)
        alone = [theirs(*map(torch.from_numpy, example)) for example in zip(*features.values(), strict=True)]
        logits = {task: torch.stack([row[0][task] for row in alone]) for task in OUTPUTS}
        emotion, penalties = (torch.stack([row[index] for row in alone]) for index in (1, 2))
        for task, expected in logits.items():
            np.testing.assert_allclose(found.logits[task], expected.detach().numpy(), atol=1e-5)
        np.testing.assert_allclose(found.intermediates["emotion"], emotion.detach().numpy(), atol=1e-5)
        np.testing.assert_allclose(found.penalty, penalties.detach().numpy(), atol=1e-5)
        expected_loss = torch_loss(logits, penalties, targets)
        np.testing.assert_allclose(loss, expected_loss.item(), atol=1e-5)
        torch_adam.zero_grad()
        expected_loss.backward()
        torch_adam.step()
    expected = nnx.split(ours())[1]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), params, expected)
    moved = jax.tree.map(lambda x, y: float(jnp.abs(x - y).max()), params, start)
    assert min(jax.tree.leaves(moved)) > 1e-3  # each tensor has gone farther than the tolerance


def bidirectional(layer, gates):
    """A layer of PyTorch's as our names and axes have it; its two biases are one, but for the last gate of a GRU."""
    weight = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    ends = ("_l0", "_l0_reverse")
    bias = np.stack([weight["bias_ih" + end] for end in ends])
    recurrent = np.stack([weight["bias_hh" + end] for end in ends])
    cell = {
        "input_kernel": np.stack([weight["weight_ih" + end].T for end in ends], axis=1),
        "recurrent_kernel": np.stack([weight["weight_hh" + end].T for end in ends]),
        "bias": bias + recurrent,
    }
    if gates == 3:
        hidden = recurrent.shape[1] // 3
        cell["recurrent_bias"] = recurrent[:, 2 * hidden :]
        cell["bias"][:, 2 * hidden :] = bias[:, 2 * hidden :]
    return {"layers": {0: cell}}


@pytest.mark.parametrize("name", ["bilstm", "bigru"])
def test_the_benchmark_times_the_same_network_in_pytorch(name):
    """At the sizes that are timed: the recurrent networks without padding (the emotion model: above)."""
    system = SYSTEMS[name]
    torch.manual_seed(0)
    theirs = getattr(torch_models, system.peer)(system.model, *system.inputs.values(), *system.classes.values())
    ours = system.model.build(system.inputs, system.classes, rngs=nnx.Rngs(params=0))
    graphdef, state = nnx.split(ours)
    (task,) = system.classes
    head = {task: {"kernel": theirs.head.weight.detach().numpy().T, "bias": theirs.head.bias.detach().numpy()}}
    layers = {"bilstm": {"recurrent": "lstm"}, "bigru": {"frames": "frames", "segments": "segments"}}[name]
    params = {
        ours: bidirectional(getattr(theirs, other), 4 if name == "bilstm" else 3) for ours, other in layers.items()
    }
    params["heads"] = head
    assert_like(nnx.to_pure_dict(state), params)
    ((feature, padded),) = system.examples().buckets[0].features.items()
    x = padded.values[:3]
    features = {feature: Masked(jnp.asarray(x), jnp.ones(x.shape[:-1], bool))}
    found = nnx.merge(graphdef, jax.tree.map(jnp.asarray, params), copy=True)(features)
    expected, penalty = theirs(torch.from_numpy(x))
    np.testing.assert_allclose(found.logits[task], expected.detach().numpy(), atol=1e-5)
    assert penalty == 0


def test_the_peers_train_every_seed():
    peers = pytest.importorskip("jaxdep.benchmark.torch_peer")
    system = dataclasses.replace(
        SYSTEMS["emotion"], model=EmotionAudio(width=8), shapes={"audio": (20, 6)}, batch_size=4
    )
    seeds = peers.Seeds(system, 3, "float32")  # the same for all ways, as in the benchmark
    for way, make in peers.peers().items():
        before = [net.head.weight.detach().clone() for net in seeds.networks]
        assert not torch.equal(before[0], before[1]), way
        make(seeds).epoch()
        for net, start in zip(seeds.networks, before, strict=True):
            assert not torch.equal(net.head.weight, start), way
