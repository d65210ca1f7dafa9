"""The word for what is known of a participant ("male", "female"), as a vector beside those of what is said."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import numpy as np

from input_pipeline.config import ConfigError
from input_pipeline.features.base import Encoders, RecordingFeature
from input_pipeline.features.metadata import check_known, known_text
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.features.text import embed, encoder_of
from input_pipeline.features.windows import whole
from input_pipeline.features.words import Words
from input_pipeline.left_out import LeftOut
from input_pipeline.recording import Recording, Segment


@dataclasses.dataclass
class MetadataWord(Words):
    """The words of one entry of `Recording.metadata`, by the encoders of `Words`, for the arrangement "vector".

    Zhang et al., "Multi-Task Learning for Jointly Detecting Depression and Emotion", BIBM 2021, section III.C: the gender's
    word. A recording without the entry, or with an empty one, is masked. As of `Metadata`, an entry is no label.

    Attributes:
        field: the entry's name.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "metadata_word"

    field: str = "gender"

    def check(self) -> None:
        super().check()
        if self.segmentation != Segmentation():
            raise ConfigError("segmentation: metadata are of the whole recording; leave the segmentation out")

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The same: what is known of a participant holds for copies too."""
        return self

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        check_known(self.field, recordings)
        self.check_vectors()

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        """Nothing: it is of the whole recording."""
        return ()

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """One, the whole recording."""
        return whole(recording.segments or (Segment(0.0, 0.0),))

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        """As of every feature; each word is encoded once."""
        texts = [known_text(self.field, recording) for recording in recordings]
        known = list(dict.fromkeys(filter(None, texts)))
        vectors = dict(zip(known, embed(known, encoder_of(self, known, encoders), self.dim), strict=True))
        nothing = np.zeros((0, self.dim), np.float32)
        for text in texts:
            values = vectors.get(text, nothing)
            yield RecordingFeature(values, np.array([len(values)], np.int32))
