"""The training steps that are timed: a model at its paper's sizes, its batch, and the PyTorch network beside it."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep import config
from jaxdep.models import ModelConfig
from jaxdep.models.amm import AMM
from jaxdep.models.bilstm_cnn import JointNetwork
from jaxdep.models.depaudionet import DepAudioNet
from jaxdep.models.emoaudionet import EmoAudioNet
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio
from jaxdep.models.face_speech import FaceSpeechNetwork, VisualNetwork


@dataclasses.dataclass(frozen=True)
class System:
    """One training step.

    Attributes:
        model: takes the features of `shapes`.
        shapes: by feature, that of one example, without padding: [D], [T, D], [U, T, D], or [H, W, C].
        batch_size: of the step.
        classes: how many, by task; the losses of the tasks are added.
        peer: the network of `torch_models` that is the same model; it takes features and tasks in this order.
        steps: in an epoch of the benchmark.
    """

    model: ModelConfig
    shapes: Mapping[str, tuple[int, ...]]
    batch_size: int
    classes: Mapping[str, int]
    peer: str
    steps: int = 2

    @property
    def inputs(self) -> dict[str, int]:
        """By feature, its dimension."""
        return {name: shape[-1] for name, shape in self.shapes.items()}

    @property
    def tasks(self) -> dict[str, config.Task]:
        """Each counts as much as the others, as each of its classes does."""
        return {task: config.Task(class_weights="equal") for task in self.classes}

    @property
    def class_names(self) -> dict[str, tuple[str, ...]]:
        """By task, as many as there are."""
        return {task: tuple(f"c{index}" for index in range(count)) for task, count in self.classes.items()}

    def examples(self) -> Examples:
        """Random examples for an epoch, all of them in the training split."""
        n = self.steps * self.batch_size
        rng = np.random.default_rng(0)
        values = {name: rng.normal(size=(n, *shape)).astype(np.float32) for name, shape in self.shapes.items()}
        names = np.array([f"r{index}" for index in range(n)])
        cell = {
            name: 3 if layout in ("image", "images") else 1 for name, layout in self.model.takes().items()
        }  # axes of one
        padded = {name: Padded(array, np.ones(array.shape[: -cell[name]], bool)) for name, array in values.items()}
        return Examples(
            buckets=(Bucket(padded, np.arange(n, dtype=np.int32)),),
            ids=names,
            participants=names,
            splits=np.full(n, "train"),
            groups=np.arange(n, dtype=np.int32),
            group_ids=names,
            labels={task: (np.arange(n) % count).astype(np.int32) for task, count in self.classes.items()},
            classes=self.class_names,
            metadata={},
            synthetic=True,
            fingerprints=dict.fromkeys(self.shapes, ""),
            padding_waste=0.0,
        )


OPTIMIZER = config.Optimizer(name="adam", learning_rate=1e-3)
SPLITS = config.Splits(train=("train",), validation=(), test=())

DEPRESSED = {"depressed": 2}

SYSTEMS: dict[str, System] = {
    "bilstm": System(DirectText(hidden=128), {"text": (128, 448)}, 32, DEPRESSED, "BiLSTM"),
    "bigru": System(
        DirectAudio(frame_hidden=128, segment_hidden=128), {"audio": (1, 500, 80)}, 32, DEPRESSED, "TwoLevelBiGRU"
    ),
    "emotion": System(EmotionAudio(), {"audio": (118, 80)}, 32, {"emotion": 4}, "EmotionAudio"),
    "bilstm_cnn": System(JointNetwork(), {"text": (100, 300), "audio": (600, 64)}, 50, DEPRESSED, "JointNetwork"),
    # Its step takes 20 ms, the call of an epoch some; the paper's epoch has hundreds.
    "depaudionet": System(DepAudioNet(), {"audio": (120, 40)}, 20, DEPRESSED, "DepAudioNet", steps=16),
    # The paper's batch of 100 would be half a minute a step on two cores.
    "emoaudionet": System(EmoAudioNet(), {"image": (224, 224, 3), "mfcc": (177,)}, 4, {"level": 10}, "EmoAudioNet"),
    "amm": System(
        AMM(colour="colour", dropout=0.2),
        {"text": (64, 768), "image": (4, 1280), "colour": (128,)},
        64,
        {"emotion": 6, "depressed": 2},
        "AMM",
    ),
    # A frame of each, without augmentation; an optimiser's step of 27 million parameters is part of what is timed. At an
    # epoch's end these are copied; the paper's has some 80 steps, of two it would be a tenth of the time.
    "face_speech": System(
        FaceSpeechNetwork(VisualNetwork(flip=0.0, degrees=0.0, brightness=0.0)),
        {"face": (1, 224, 224, 3), "speech": (300, 13)},
        2,
        DEPRESSED,
        "FaceSpeech",
        steps=8,
    ),
}
