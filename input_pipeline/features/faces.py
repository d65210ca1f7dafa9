"""The face in the frames of a recording's clip, cropped and upright: as a picture, and as gradients of its patches."""

import abc
import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from jaxtyping import Float32, Float64, Int, Num

from input_pipeline import video
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.face_detection import LEAST_PX, aligned, detect, followed, middle
from input_pipeline.features.images import OfPictures, RgbSquares, frame_files, read_picture
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.pixels import GradientPatches
from input_pipeline.pictures import Picture
from input_pipeline.recording import Recording

_EARLY = (
    0.25  # of a slot: time stamps that are rounded to milliseconds may come too soon, and none of a frame's own slot
)


@dataclasses.dataclass
class OfFaces(OfPictures, PerRecording):
    """Base of the features of one person's face in frames of a clip (Kumari and Tiwari, "A Deep Learning Approach to
    Detect Depression from Facial Expressions and Speech Patterns", NeuroQuantology 2021, section 3.2.1).

    The clip is the file `Recording.tracks["video"]`, turned upright as it says, or a folder of its frames
    (`images.frame_files`). Of each 1 / `rate_hz` seconds by the file's time stamps the first frame is taken; a slower clip
    gives each of its frames once. Faces are found by MTCNN (Zhang et al., "Joint Face Detection and Alignment Using
    Multitask Cascaded Convolutional Networks", IEEE Signal Processing Letters 2016; the package `mtcnn`, whose weights are
    in it), on a CPU. Of several, the one is followed whose centre lies in the last frame's box, the nearest of these; else
    the largest is taken. The crop is a square about its box, turned so that the eyes are level; black where it reaches
    over the frame's edge. A frame without a face is skipped and counted. A recording without a clip is masked.

    Attributes:
        rate_hz: frames a second.
        max_frames: of more, so many are looked at, evenly spaced from first to last, or one in the middle (0: all).
        size: of both sides, in pixels.
        detector: "none": a clip shows nothing but the face, as a stand-in's does; the crop is the largest square in the
            middle of the frame, and what is told of faces, margins and eyes has no meaning.
        margin: so much of the box's longer side is added to each side of it.
        min_confidence: of MTCNN's, 0 ... 1, from which on it is a face.
        search_px: faces are looked for in a copy of the frame whose shorter side has so many pixels; those of 20 of these or
            more are found. The crop is of the frame itself.
        without_face: of a clip without any face in these frames: it ends the run ("refuse"), or is masked ("mask").
        folder_hz: of a folder of frames, how many were a second.
    """

    skips: ClassVar[str] = "have no face and are skipped"

    rate_hz: float = 30.0
    max_frames: int = 0
    size: int = 224
    detector: Literal["mtcnn", "none"] = "mtcnn"
    margin: float = 0.1
    min_confidence: float = 0.9
    search_px: int = 360
    without_face: Literal["refuse", "mask"] = "refuse"
    folder_hz: float = 30.0

    @property
    def reads_tracks(self) -> tuple[str, ...]:
        return ("video",)

    def files(self) -> tuple[Path, ...]:
        """MTCNN's weights."""
        if self.detector == "none":
            return ()
        from importlib.util import find_spec  # the package itself takes TensorFlow's seconds

        found = find_spec("mtcnn")
        if found is None or found.origin is None:
            raise DataError(f"{self.kind}: the package mtcnn is not installed; run `python3 -m pip install mtcnn`")
        return (Path(found.origin).parent / "assets" / "weights",)

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The same: sound has no part in it."""
        return self

    def check(self) -> None:
        super().check()
        for name, least in (("size", 1), ("max_frames", 0), ("search_px", LEAST_PX)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected {least} or more, found {getattr(self, name)!r}")
        for name in ("rate_hz", "folder_hz"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)!r}")
        for name in ("margin", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}: expected 0 to 1, found {getattr(self, name)!r}")

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        for recording in recordings:
            clip = recording.tracks.get("video")
            if clip is not None and clip.is_dir():
                frame_files(clip, recording)
            elif clip is not None:
                with _naming(recording):
                    video.check_header(clip)

    @abc.abstractmethod
    def of_crop(self, crop: Picture) -> Num[np.ndarray, " *shape"]:
        """What a frame of the feature is, of its crop, [size, size, 3]."""

    def extract(self, recording: Recording) -> RecordingFeature:
        found = [crop for _, crop in self.crops(recording)]
        faces = [self.of_crop(crop) for crop in found if crop is not None]
        if found and not faces and self.without_face == "refuse":
            raise DataError(
                f"recording {recording.id}: {recording.tracks['video']} shows no face in any of {len(found)} frames; leave "
                "it out, or mask it (without_face='mask')"
            )
        values = np.array(faces, self.dtype).reshape(-1, *self.shape)
        return RecordingFeature(values, np.array([len(faces)], np.int32), len(found) - len(faces))

    def crops(self, recording: Recording) -> Iterator[tuple[float, Picture | None]]:
        """The time in seconds and the face of each frame that is taken, in order; None where it has no face.

        Raises:
            DataError: the clip cannot be used.
        """
        last = None
        for time_s, picture in self.frames(recording):
            if self.detector == "none":
                yield time_s, middle(picture, self.size)
                continue
            face = followed(detect(picture, self.search_px, self.min_confidence), last)
            last = face or last
            yield time_s, None if face is None else aligned(picture, face, self.size, self.margin)

    def frames(self, recording: Recording) -> Iterator[tuple[float, Picture]]:
        """The time in seconds and the picture of each frame that is taken, in order; nothing where there is no clip.

        Raises:
            DataError: the clip cannot be used.
        """
        clip = recording.tracks.get("video")
        if clip is None:
            return
        if clip.is_dir():
            files = frame_files(clip, recording)
            times_s = np.arange(len(files)) / self.folder_hz
            for index in self.taken(times_s):
                yield float(times_s[index]), read_picture(files[index], recording)
            return
        with _naming(recording):
            times_s = video.times_s(clip)
            taken = self.taken(times_s)
            yield from zip(times_s[taken].tolist(), video.pictures(clip, taken.tolist()), strict=True)

    def taken(self, times_s: Float64[np.ndarray, " frames"]) -> Int[np.ndarray, " taken"]:
        """Which frames of a clip are taken, given when each is shown."""
        slots = np.floor((times_s - times_s[0]) * self.rate_hz + _EARLY)
        first = np.flatnonzero(np.diff(slots, prepend=-1.0) > 0)
        if not 0 < self.max_frames < len(first):
            return first
        last = len(first) - 1
        evenly = np.linspace(0, last, self.max_frames) if self.max_frames > 1 else np.array([last / 2])
        return first[evenly.round().astype(int)]


@dataclasses.dataclass
class FaceCrops(RgbSquares, OfFaces):
    """The crops themselves.

    One of 224 x 224 takes 150,528 bytes in memory, and 271 MB do 1,800. They are stored as JPEG, and what is read, and so what
    a network sees, is what that decodes to; without compression (`jpeg_quality=0`) it is the crops themselves.

    Attributes:
        jpeg_quality: as of `Computed`.
    """

    version: ClassVar[int] = 2
    kind: ClassVar[str] = "face_crops"

    jpeg_quality: int = 95

    def check(self) -> None:
        super().check()
        if not 0 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality: expected 0 (not as JPEG) to 100, found {self.jpeg_quality!r}")

    def of_crop(self, crop: Picture) -> Picture:
        return crop


@dataclasses.dataclass
class FaceGradients(OfFaces):
    """Of small crops the descriptors of `GradientPatches`, those of all patches one after another as one vector.

    Each number is of one place of the upright face, so that its mean over the frames tells how the face looks there, and its
    deviation how it moves.

    Attributes:
        patch, step: as of `GradientPatches`; of 64 pixels they make 3 x 3 patches.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "face_gradients"

    size: int = 64
    patch: int = 32
    step: int = 16

    @property
    def patches(self) -> GradientPatches:
        """What describes a crop."""
        return GradientPatches(size=self.size, patch=self.patch, step=self.step)

    @property
    def dim(self) -> int:
        return self.patches.per_side**2 * self.patches.dim

    def check(self) -> None:
        super().check()
        self.patches.check()

    def of_crop(self, crop: Picture) -> Float32[np.ndarray, " dim"]:
        return self.patches.descriptors(crop).ravel()


@contextlib.contextmanager
def _naming(recording: Recording) -> Iterator[None]:
    """Puts the recording before what is wrong with its file."""
    try:
        yield
    except DataError as error:
        raise DataError(f"recording {recording.id}: {error}") from None
