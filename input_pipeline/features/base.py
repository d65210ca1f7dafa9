"""What every feature is: a typed config; and, of those that are computed here, what their shards depend on and hold."""

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Int32, Num

from input_pipeline.config import Config, ConfigError
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.left_out import LeftOut
from input_pipeline.recording import Recording, Segment
from input_pipeline.workers import map_in_workers

# By name, what makes an encoder from the feature that names it, of those encoders that this package does not have.
Encoders = Mapping[str, Callable[[Any], Any]]

# Of a feature's numbers: "uint8" are those of images, which mean 0 ... 1 in steps of 1/255; "int32" are indices.
Dtype = Literal["float32", "uint8", "int32"]


class RecordingFeature(NamedTuple):
    """A feature of one recording.

    Attributes:
        values: the frames of all segments, one segment after another, each of the feature's `shape`.
        lengths: how many of the frames each segment has; at least one. They are all 0 where the recording lacks the
            feature: it is masked there.
        skipped: so many further frames were looked at and left out, for the reason that the feature's `skips` tells.
    """

    values: Num[np.ndarray, " frames *shape"]
    lengths: Int32[np.ndarray, " segments"]
    skipped: int = 0


@dataclasses.dataclass
class Feature(Config):
    """Base of all features: `Computed` ones, of a corpus alone, and `Extracted` ones, of a stage of the experiment.

    Attributes:
        version: of the arithmetic; another one makes other shards.
        kind: the name in lines of progress and errors, and of the folders of shards; in snake_case.
    """

    version: ClassVar[int]
    kind: ClassVar[str]

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The feature of copies of the recordings whose speech is perturbed, with as many frames of each segment.

        A feature in which sound has no part, and which fits any copy, gives itself.

        Raises:
            ConfigError: it cannot be made of perturbed speech.
        """
        raise ConfigError(f"{self.kind} cannot be made of perturbed speech; leave it out, or the copies")


@dataclasses.dataclass
class Computed(Feature, abc.ABC):
    """Base of the features that are computed from a corpus. Subclass `PerRecording` or `TextFeature` where one will do.

    The shards of a feature are computed anew when its config or version, a field of a recording, or the content of a
    file that it reads is another: the recordings' files by `reads_audio` and `reads_tracks`, all others by `files`.

    Attributes:
        reads_audio: whether it depends on the recordings' waveforms.
        skips: why frames are `RecordingFeature.skipped`, the sentence's verb first ("have no face and are skipped").
        segmentation: which stretches of a recording are its segments.
    """

    reads_audio: ClassVar[bool] = True
    skips: ClassVar[str] = ""

    segmentation: Segmentation = dataclasses.field(default_factory=Segmentation)

    @property
    def reads_tracks(self) -> tuple[str, ...]:
        """The kinds of the recordings' other files on which it depends ("video", ...)."""
        return ()

    @property
    @abc.abstractmethod
    def dim(self) -> int:
        """The length of one frame's last axis: of a vector its dimension, of an image its channels."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one frame: (dim,), or an image's (H, W, dim)."""
        return (self.dim,)

    @property
    def dtype(self) -> Dtype:
        """The type of its numbers."""
        return "float32"

    @property
    def jpeg_quality(self) -> int:
        """Of frames that are pictures, [H, W, 3] of uint8: the quality, 1 to 100, of the JPEG as which they are stored.

        What is read from the store, and so what a model sees, is what was decoded, the same in both file formats. 0, as of
        all other features: they are stored as they are.
        """
        return 0

    def located(self, folder: Path) -> Self:
        """The feature with those of its files by their whole path that lie in a folder and not in the working folder."""
        return self

    @property
    def remark(self) -> str:
        """What must be known of a result on real data that is made of it, in a sentence; mostly nothing."""
        return ""

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """The stretches of a recording whose frames `RecordingFeature.lengths` counts: the kept segments.

        A feature of the recording as a whole gives one stretch.

        Raises:
            DataError: no segment is kept.
        """
        return self.segmentation.apply(recording)

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        """Tells what the config asks for and the recordings cannot give, before anything is computed; opens no waveform.

        Raises:
            ConfigError: no recording has it; the line begins with the field.
            DataError: a single recording lacks it.
        """
        try:
            self.segmentation.check_recordings(recordings)
        except ConfigError as error:
            raise ConfigError(f"segmentation.{error}") from None
        for recording in recordings:
            self.segments(recording)

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        """What of the recordings it is not computed of; here, what the segmentation drops."""
        return self.segmentation.left_out(recordings)

    @abc.abstractmethod
    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        """The feature of each recording, in the recordings' order and one after another, as far as memory goes.

        Args:
            encoders: those that the caller has.
            workers: processes that may be used, 1 or more.

        Raises:
            DataError: a recording or one of the feature's files cannot be used.
            ConfigError: what the feature needs was not handed in, or does not fit it.
        """

    def files(self) -> tuple[Path, ...]:
        """The files beside the recordings on which the result depends: weights, word vectors.

        A folder stands for the files that lie in it, not for its folders. The name of something on a hub is no file: it
        stands for itself, in the config.
        """
        return ()


@dataclasses.dataclass
class PerRecording(Computed):
    """Base of the features of which each recording's depends on that recording alone: computed in worker processes.

    A worker imports the feature's module, and needs neither JAX nor TensorFlow unless that module does.
    """

    @abc.abstractmethod
    def extract(self, recording: Recording) -> RecordingFeature:
        """The feature of one recording, whose segments are `self.segments(recording)`.

        Raises:
            DataError: the recording cannot be used.
        """

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        return map_in_workers(self.extract, recordings, workers, f"extracting {self.kind}")


@dataclasses.dataclass
class Learnt(Computed):
    """Base of the features whose vectors an encoder makes that has learnt.

    Attributes:
        checkpoint: the file, the folder or the hub's name of what the encoder has learnt. A path is absolute, or relative
            to the working folder or, in an experiment, to `--data_dir`.
    """

    checkpoint: str = ""

    def located(self, folder: Path) -> Self:
        path = Path(self.checkpoint).expanduser()
        if not self.checkpoint or path.exists() or not (folder / path).exists():
            return self
        return dataclasses.replace(self, checkpoint=str(folder / path))

    def files(self) -> tuple[Path, ...]:
        path = Path(self.checkpoint).expanduser()
        return (path,) if self.checkpoint and path.exists() else ()
