"""Features of a recording's pictures: its image, cut into zones, or the frames of its clip, a vector for each."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.base import Computed, Dtype, Encoders, Learnt, PerRecording, RecordingFeature
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.features.windows import whole
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.pictures import Picture
from input_pipeline.recording import Recording, Segment

# From pictures of any size to their vectors, in their order; not all of them are in memory at once.
ImageEncoder = Callable[[Iterable[Picture]], Iterator[Float[np.ndarray, " dim"]]]

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # whose colours Pillow makes RGB without clipping


@dataclasses.dataclass
class OfPictures(Computed):
    """Base of the features of pictures, of the recording as a whole; a recording without them is masked."""

    reads_audio: ClassVar[bool] = False

    def check(self) -> None:
        if self.segmentation != Segmentation():
            raise ConfigError("segmentation: pictures are of the whole recording; leave the segmentation out")

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        """The recordings without pictures."""
        (kind,) = self.reads_tracks
        missing = ((int(kind not in recording.tracks), 1) for recording in recordings)
        return counted("recordings", f"have no {kind} and are masked", missing)

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """One, the whole recording."""
        return whole(recording.segments or (Segment(0.0, 0.0),))

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        (kind,) = self.reads_tracks
        if not any(kind in recording.tracks for recording in recordings):
            there = sorted({name for recording in recordings for name in recording.tracks})
            raise ConfigError(
                f"{self._asked}: no recording has a file {kind!r}; there are {', '.join(there) or 'none'}"
            )

    @property
    def _asked(self) -> str:
        """What of the config asks for the file."""
        return "kind"


class RgbSquares(Computed):
    """Base of the features whose frames are squares of red, green and blue, [size, size, 3] of uint8, each of `size` pixels."""

    size: int

    @property
    def dim(self) -> int:
        return 3

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    @property
    def dtype(self) -> Dtype:
        return "uint8"


@dataclasses.dataclass
class ImageFeature(OfPictures):
    """Base of the features of pictures that have one vector for each.

    Pictures are RGB, turned as their EXIF data say; transparency is not regarded. A recording without them is masked.

    Attributes:
        of: "image": the file `Recording.tracks["image"]`. "video": the frames of a clip, the images in the folder
            `Recording.tracks["video"]` by their suffixes, in the order of their names, where numbers count by their value.
        zones: an image is divided into so many pictures from top to bottom, of equal heights or, where they do not divide,
            the upper ones a row higher. A frame is one picture.
    """

    of: Literal["image", "video"] = "image"
    zones: int = 1

    @property
    def reads_tracks(self) -> tuple[str, ...]:
        return (self.of,)

    def check(self) -> None:
        if self.zones < 1:
            raise ConfigError(f"zones: expected 1 or more, found {self.zones!r}")
        if self.of == "video" and self.zones != 1:
            raise ConfigError(f"zones: has a meaning for of='image' alone, found {self.zones!r} of='video'")
        super().check()

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        for recording in recordings:
            self._files(recording)

    def count(self, recording: Recording) -> int:
        """How many pictures there are; nothing is opened."""
        return len(self._files(recording)) * self.zones

    def pictures(self, recording: Recording) -> Iterator[Picture]:
        """The recording's pictures, in order, each read when it is asked for.

        Raises:
            DataError: a file cannot be read, or is too low for so many zones.
        """
        for path in self._files(recording):
            picture = read_picture(path, recording)
            if len(picture) < self.zones:
                raise DataError(
                    f"recording {recording.id}: {path} is {len(picture)} pixels high, and zones={self.zones} are asked "
                    "for; take fewer, or another image"
                )
            yield from np.array_split(picture, self.zones)

    def _files(self, recording: Recording) -> list[Path]:
        if self.of not in recording.tracks:
            return []
        path = recording.tracks[self.of]
        if self.of == "image":
            return [path]
        if not path.is_dir():
            raise DataError(
                f"recording {recording.id}: {path} is no folder; a clip is read from a folder of its frames, as "
                "`ffmpeg -i clip.mp4 frames/%06d.png` writes them"
            )
        return frame_files(path, recording)

    @property
    def _asked(self) -> str:
        return "of"


@dataclasses.dataclass
class ImageStates(ImageFeature, Learnt):
    """One vector a picture from a published image encoder, which the caller hands in (Zhang et al., "Multi-Task Learning
    for Jointly Detecting Depression and Emotion", BIBM 2021, section III.B.2: of a video its clips, of an image its zones).

    Attributes:
        encoder: its name.
        checkpoint: the folder or the hub's name of what it has learnt. A path is absolute, or relative to the working
            folder or, in an experiment, to `--data_dir`.
        dim: the length of the encoder's vectors: 1280 of EfficientNet's B0 and B1, 2560 of its B7.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "image_states"

    encoder: Literal["efficientnet"] = "efficientnet"
    dim: int = 1280

    def check(self) -> None:
        super().check()
        if self.dim < 1:
            raise ConfigError(f"dim: expected 1 or more, found {self.dim!r}")
        if not self.checkpoint:
            raise ConfigError(f"checkpoint: encoder {self.encoder!r} needs the path or the name of one, found ''")

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        """As of every feature; in this process, because the encoder may be on a device."""
        if self.encoder not in encoders:
            known = ", ".join(sorted(encoders)) or "none"
            raise ConfigError(f"encoder: {self.encoder!r} was not handed in; there are {known}")
        encoder: ImageEncoder = encoders[self.encoder](self)
        vectors = encoder(picture for recording in recordings for picture in self.pictures(recording))
        for recording in recordings:
            count = self.count(recording)
            values = np.zeros((count, self.dim), np.float32)
            for row, vector in enumerate(itertools.islice(vectors, count)):
                if vector.shape != (self.dim,):
                    raise ConfigError(f"dim: {self.dim}, but the encoder made an array of {vector.shape} for a picture")
                values[row] = vector
            yield RecordingFeature(values, np.array([count], np.int32))


@dataclasses.dataclass
class HsvHistogram(ImageFeature, PerRecording):
    """The joint histogram of hue, saturation and value of each picture: of its pixels, the share in each cell.

    Zhang et al. (see `ImageStates`), section III.C; the numbers of bins are a choice, which the paper does not tell. Each
    of the three runs from 0 to 1 (Smith, "Color Gamut Transform Pairs", SIGGRAPH 1978) and is divided evenly; a gray pixel
    has hue 0. The value runs fastest along a vector, the hue slowest.

    Attributes:
        bins: of hue, saturation and value.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "hsv_histogram"

    bins: tuple[int, int, int] = (8, 4, 4)

    @property
    def dim(self) -> int:
        hue, saturation, value = self.bins
        return hue * saturation * value

    def check(self) -> None:
        super().check()
        if min(self.bins) < 1:
            raise ConfigError(f"bins: expected 1 or more of each, found {self.bins!r}")

    def extract(self, recording: Recording) -> RecordingFeature:
        values = [self.histogram(picture) for picture in self.pictures(recording)]
        return RecordingFeature(np.array(values, np.float32).reshape(-1, self.dim), np.array([len(values)], np.int32))

    def histogram(self, picture: Picture) -> Float32[np.ndarray, " dim"]:
        """The shares of one picture, whose sum is 1."""
        from matplotlib.colors import rgb_to_hsv  # as Pillow, needed in an extraction alone

        pixels = rgb_to_hsv(picture / 255).reshape(-1, 3)
        counts, _ = np.histogramdd(pixels, bins=self.bins, range=[(0, 1)] * 3)
        return (counts / len(pixels)).astype(np.float32).ravel()


def frame_files(folder: Path, recording: Recording) -> list[Path]:
    """The images in a folder by their suffixes, in the order of their names, where numbers count by their value.

    Raises:
        DataError: there is none.
    """
    visible = (file for file in folder.iterdir() if not file.name.startswith("."))
    frames = [file for file in visible if file.suffix.lower() in _SUFFIXES]
    if not frames:
        raise DataError(f"recording {recording.id}: {folder} has no frame; files of {', '.join(_SUFFIXES)} are frames")
    return sorted(frames, key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """A key that has frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def read_picture(path: Path, recording: Recording) -> Picture:
    """One picture, turned as its EXIF data say; transparency is not regarded.

    Raises:
        DataError: the file cannot be read.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            if image.mode not in _MODES:
                raise ValueError(f"its mode is {image.mode}; store it with 8 bits a channel")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:  # Pillow's readers raise all of these
        reason = " ".join(str(error).split())
        raise DataError(
            f"recording {recording.id}: {path} cannot be read as an image ({reason}); replace it, or take it out"
        ) from None
