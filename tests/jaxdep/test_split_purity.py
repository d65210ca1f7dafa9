"""Nothing of another split enters a training step, for every model: its parameters and statistics stay the same bits.

A batch is filled up with rows of anybody, here of a tested recording; a normaliser or a class weight could count them.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep import config
from jaxdep.losses import Squared
from jaxdep.models.amm_baselines import HAN, MultimodalDCNN, PictureCNN
from jaxdep.models.bilstm_cnn import JointNetwork, SpeechNetwork, TextNetwork
from jaxdep.models.depaudionet import DepAudioNet
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio, EmotionAudioText, EmotionText
from jaxdep.models.face_speech import AudioNetwork, FaceSpeechNetwork, VisualNetwork
from jaxdep.models.multimodal_transformer import MultimodalTransformer

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, FRAMES, DIM = 20, 6, 3
TASKS = {"depressed": config.Task(), "score": config.Task(loss=Squared(), weight=0.1)}
# Ten recordings train in batches of eight: six rows of the second one only fill it up.
SCHEDULE = config.Training(epochs=2, batch_size=8, epochs_per_call=2, select="last")
EMOTION = EmotionAudio(
    width=6, splice=(0, 1), taps=((0, 1),), frame_dim=4, attention_units=3, head_sharpness=(1.0, 0.2)
)
UTTERANCES = EmotionText(text_dim=3, attention_units=3, head_sharpness=(1.0, 0.2), fusion_dim=4)
TEXT = TextNetwork("text", hidden=3, channels=4, units=3, dropout=0.0)
SPEECH = SpeechNetwork(channels=(4,), hidden=3, units=4, pool=2, dropout=0.0)
IMAGE = SpectrogramCNN("face", channels=3, pool=2, dropout=0.0, image_size=4)
PICTURE = PictureCNN("face", channels=(3, 3), image_size=4, units=3)
VECTOR = MfccCNN("gender", channels=3, pool=2, dropout=0.0)
MODELS = {
    "direct text": DirectText("text", 3),
    "direct audio": DirectAudio("frames", 3, 3),
    "emotion, audio": EMOTION,
    "emotion, text": UTTERANCES,
    "emotion, both": EmotionAudioText(EMOTION, UTTERANCES, fusion_dim=4),
    "text": TEXT,
    "speech": SPEECH,
    "joint": JointNetwork(TEXT, SPEECH, units=4),
    "DepAudioNet": DepAudioNet("frames", channels=4, hidden=3, pool=2, dropout=0.0),
    "spectrogram CNN": IMAGE,
    "MFCC CNN": VECTOR,
    "EmoAudioNet": EmoAudioNet(IMAGE, VECTOR),
    "DCNN": MultimodalDCNN(picture=PICTURE, channels=(3,), units=3, dropout=0.0),
    "HAN": HAN("frames", hidden=3, attention_units=3, dropout=0.0),
    "faces and speech": FaceSpeechNetwork(
        VisualNetwork(backbone="resnet18", stem=2, widths=(3, 3), dropout=0.0), AudioNetwork("frames", 3, 1, units=3)
    ),
    "transformer": MultimodalTransformer(image="audio", width=4, heads=2, layers=1, memory_layers=1, dropout=0.0),
}
QUICK = ("direct text",)  # the others compile for long
MOVED = ("audio", "text", "frames", "face", "gender", "depressed", "score")
SHIFTED = [(part, what) for part in ("dev", "test") for what in MOVED]


def make(layouts):
    """Recordings of which the first, whose row fills up batches, is tested."""
    rng = np.random.default_rng(0)
    shapes = {"sequence": (FRAMES,), "sequences": (2, FRAMES)}
    features = {}
    for name, layout in layouts.items():
        if layout == "images":
            frames = rng.integers(0, 100, (N, 2, 8, 8, 2)).astype(np.uint8)
            mask = np.arange(2) < rng.integers(1, 3, (N, 1))
            features[name] = Padded(np.where(mask[..., None, None, None], frames, 0), mask)
            continue
        if layout not in shapes:
            face = rng.integers(0, 100, (N, 4, 4, 2)).astype(np.uint8)
            values = face if layout == "image" else np.eye(2, dtype=np.float32)[np.arange(N) % 2]
            features[name] = Padded(values, np.ones(N, bool))
            continue
        mask = np.arange(FRAMES) < rng.integers(3, FRAMES + 1, (N, *shapes[layout][:-1], 1))
        values = rng.normal(size=(*mask.shape, DIM)).astype(np.float32)
        features[name] = Padded(np.where(mask[..., None], values, 0), mask)
    names, label = np.array([f"r{i}" for i in range(N)]), (np.arange(N) % 2).astype(np.int32)
    return Examples(
        buckets=(Bucket(features, np.arange(N, dtype=np.int32)),),
        ids=names,
        participants=names,
        splits=np.repeat(["test", "dev", "train"], [5, 5, 10]),
        groups=np.arange(N, dtype=np.int32),
        group_ids=names,
        labels={"depressed": label, "score": label + rng.normal(size=N).astype(np.float32)},
        classes={"depressed": ("healthy", "depressed")},
        metadata={},
        synthetic=True,
        fingerprints=dict.fromkeys(layouts, ""),
        padding_waste=0.0,
    )


def shifted(examples, part, what):
    """One part of the data moved by 100, or its labels turned round."""
    rows = examples.splits == part
    if what in examples.labels:
        labels = examples.labels[what].copy()
        labels[rows] = 1 - labels[rows] if what == "depressed" else labels[rows] + 100
        return dataclasses.replace(examples, labels=examples.labels | {what: labels})
    (bucket,) = examples.buckets
    values, mask = bucket.features[what]
    there = rows.reshape(-1, *(1,) * (mask.ndim - 1)) & mask
    moved = np.where(there.reshape(*there.shape, *(1,) * (values.ndim - mask.ndim)), values + 100, values)
    features = bucket.features | {what: Padded(moved.astype(values.dtype), mask)}
    return dataclasses.replace(examples, buckets=(Bucket(features, bucket.rows),))


@pytest.mark.parametrize(
    "name",
    [
        "batch norm",
        "image and metadata",
        *(pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in MODELS),
    ],
)
def test_nothing_of_another_split_enters_training(name, make_program, one_seed, norm_model, image_model):
    model = MODELS.get(name) or {"batch norm": norm_model, "image and metadata": image_model}[name]()
    layouts = model.takes()
    examples = make(layouts)
    program = make_program(examples, model, tasks=TASKS, schedule=SCHEDULE)
    run = jax.jit(functools.partial(program.run_epochs, first_epoch=0, n_epochs=2, max_steps=99))

    def trained(examples):
        seed, resident, _ = one_seed(examples, tasks=TASKS)
        state, history = run(program.init(seed=seed), seed=seed, resident=resident)
        return jax.device_get((state.params, state.statistics)), jax.device_get(history)

    expected, history = trained(examples)
    assert bool(expected[1]) == (name in ("batch norm", "DepAudioNet", "faces and speech"))
    assert np.isfinite(history["train/loss"]).all()
    for part, what in SHIFTED:
        if what in layouts or what in TASKS:
            found, told = trained(shifted(examples, part, what))
            jax.tree.map(np.testing.assert_array_equal, found, expected)
            np.testing.assert_array_equal(told["train/loss"], history["train/loss"])
    changed, _ = trained(shifted(examples, "train", "score"))  # else nothing has been shown
    assert not all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.array_equal(x, y)), changed, expected)))
