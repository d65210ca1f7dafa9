"""The training steps that are timed: a model at its paper's sizes, its batch, and the PyTorch network beside it."""

import dataclasses

import numpy as np

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep import config
from jaxdep.models import ModelConfig
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio

STEPS = 2  # in an epoch of the benchmark
TASK = "label"


@dataclasses.dataclass(frozen=True)
class System:
    """One training step.

    Attributes:
        model: takes one feature.
        shape: of one example, without padding: [T, D], or [U, T, D].
        batch_size, classes: of the step.
        peer: the network of `torch_models` that is the same model.
    """

    model: ModelConfig
    shape: tuple[int, ...]
    batch_size: int
    classes: int
    peer: str

    @property
    def feature(self) -> str:
        """The name of the model's only feature."""
        return next(iter(self.model.axes()))

    def examples(self) -> Examples:
        """Random examples for `STEPS` steps, all of them in the training split."""
        n = STEPS * self.batch_size
        rng = np.random.default_rng(0)
        values = rng.normal(size=(n, *self.shape)).astype(np.float32)
        names = np.array([f"r{index}" for index in range(n)])
        padded = Padded(values, np.ones(values.shape[:-1], bool))
        return Examples(
            buckets=(Bucket({self.feature: padded}, np.arange(n, dtype=np.int32)),),
            ids=names,
            participants=names,
            splits=np.full(n, "train"),
            groups=np.arange(n, dtype=np.int32),
            group_ids=names,
            labels={TASK: (np.arange(n) % self.classes).astype(np.int32)},
            classes={TASK: tuple(f"c{index}" for index in range(self.classes))},
            metadata={},
            synthetic=True,
            fingerprints={self.feature: ""},
            padding_waste=0.0,
        )


OPTIMIZER = config.Optimizer(name="adam", learning_rate=1e-3)
SPLITS = config.Splits(train=("train",), validation=(), test=())

SYSTEMS: dict[str, System] = {
    "bilstm": System(DirectText(hidden=128), (128, 448), 32, 2, "BiLSTM"),
    "bigru": System(DirectAudio(frame_hidden=128, segment_hidden=128), (1, 500, 80), 32, 2, "TwoLevelBiGRU"),
    "emotion": System(EmotionAudio(), (118, 80), 32, 4, "EmotionAudio"),
}
