"""What is known of a recording's participant besides (gender, age, ...), as a feature."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, Literal, Self

import numpy as np

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.base import Computed, Dtype, Encoders, RecordingFeature
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.left_out import LeftOut
from input_pipeline.recording import Recording, Segment


@dataclasses.dataclass
class Metadata(Computed):
    """One entry of `Recording.metadata` as a category: one vector a recording, for the arrangement "vector".

    A recording without the entry, or with an empty one, is masked. Each corpus reader says which entries it gives; of a
    manifest they are the columns that are no labels. An entry is no label: whoever takes the label's own column for a
    feature gives the label away.

    Attributes:
        field: the entry's name.
        values: the categories in the order of their indices, each as it stands in the metadata.
        edges: of an entry that is a number, instead of `values`: where the bands meet, ascending. An edge belongs to the
            band above it: edges 30 and 50 part the numbers into those below 30, from 30 to below 50, and from 50 on.
        encoding: "one_hot": float32, 1 at the category and 0 elsewhere, which is standardised as all features are unless
            `Data.unnormalized` names it. "index": the category's index, one int32, into a model's table of vectors.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "metadata"
    reads_audio: ClassVar[bool] = False

    field: str = "gender"
    values: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    encoding: Literal["one_hot", "index"] = "one_hot"

    @property
    def categories(self) -> int:
        """How many there are."""
        return len(self.values) or len(self.edges) + 1

    @property
    def dim(self) -> int:
        return self.categories if self.encoding == "one_hot" else 1

    @property
    def dtype(self) -> Dtype:
        return "float32" if self.encoding == "one_hot" else "int32"

    def check(self) -> None:
        if bool(self.values) == bool(self.edges):
            raise ConfigError(f"values: give the categories of {self.field!r}, or the edges of its bands, and not both")
        if len(self.values) == 1 or len(set(self.values)) < len(self.values) or "" in self.values:
            raise ConfigError(f"values: expected two categories or more, each once, found {', '.join(self.values)!r}")
        if not all(map(math.isfinite, self.edges)) or any(low >= high for low, high in pairwise(self.edges)):
            raise ConfigError(f"edges: expected ascending numbers, found {self.edges!r}")
        if self.segmentation != Segmentation():
            raise ConfigError("segmentation: metadata are of the whole recording; leave the segmentation out")

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The same: what is known of a participant holds for copies too."""
        return self

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        check_known(self.field, recordings)
        for recording in recordings:
            if text := known_text(self.field, recording):
                self._category(text, recording)

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        """Nothing: it is of the whole recording."""
        return ()

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """One, the whole recording."""
        start_s = min((one.start_s for one in recording.segments), default=0.0)
        return (Segment(start_s, max((one.stop_s for one in recording.segments), default=0.0)),)

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        for recording in recordings:
            text = known_text(self.field, recording)
            index = np.array([self._category(text, recording)] if text else [], np.int32)
            values = np.eye(self.categories, dtype=np.float32)[index] if self.encoding == "one_hot" else index[:, None]
            yield RecordingFeature(values, np.array([len(index)], np.int32))

    def _category(self, text: str, recording: Recording) -> int:
        if not self.edges:
            if text not in self.values:
                raise DataError(
                    f"recording {recording.id}: its {self.field} {text!r} is none of {', '.join(self.values)}; correct it, "
                    "or add it to the feature's values"
                )
            return self.values.index(text)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(f"recording {recording.id}: its {self.field} {text!r} is no number; correct it")
        return int(np.searchsorted(self.edges, number, side="right"))


def known_text(field: str, recording: Recording) -> str:
    """An entry of a recording's metadata; "" where it has none."""
    return recording.metadata.get(field, "").strip()


def check_known(field: str, recordings: Sequence[Recording]) -> None:
    """Raises ConfigError where no recording has the entry."""
    if not any(known_text(field, recording) for recording in recordings):
        there = sorted({name for one in recordings for name in one.metadata})
        raise ConfigError(
            f"field: no recording of the corpus tells its {field!r}; there are {', '.join(there) or 'none'}"
        )
