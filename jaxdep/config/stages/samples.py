"""Samples: some of the pictures that a network is given, so that a person sees what it sees."""

import dataclasses
from typing import ClassVar, Literal

from input_pipeline.config import ConfigError
from input_pipeline.features import Computed
from jaxdep.config.labels import Labels
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.base import Finished, StageConfig

# A line a recording that is shown. `picture` is the name of its strip in the stage's folder, or empty.
SAMPLES = CsvFile("samples.csv", ("feature", "task", "label", "recording", "split", "frames", "picture"))
STRIP = "sample_{:03d}.jpg"


@dataclasses.dataclass
class SamplesStage(StageConfig):
    """Frames of some recordings as they are in the feature set: cut, turned and scaled, before standardisation.

    Attributes:
        feature: a key of `data.features`, of images.
        task: a label with classes; of each class are shown
        count: recordings of the split, evenly spaced in the corpus's order, each with
        frames: frames, evenly spaced.
        split: whose.
        pictures: whether they are shown. Licences of real corpora forbid to pass faces on, and pages are.
    """

    runner: ClassVar[str] = "jaxdep.stages.samples:run"

    feature: str = ""
    task: str = ""
    count: int = 3
    frames: int = 6
    split: Literal["train", "validation", "test"] = "train"
    pictures: bool = False

    def check(self) -> None:
        if self.feature not in self.data.features:
            raise ConfigError(f"feature: there is no {self.feature!r}; there are {', '.join(self.data.features)}")
        found = self.data.features[self.feature]
        if not isinstance(found, Computed) or len(found.shape) != 3 or found.dim != 3:
            raise ConfigError(f"feature: {self.feature!r} holds no pictures in red, green and blue")
        for name in ("count", "frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")

    def check_labels(self, labels: Labels) -> None:
        labels.check_label("task", self.task, with_classes=True)

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("samples", finished)]
