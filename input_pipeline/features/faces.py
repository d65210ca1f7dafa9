"""The face in the frames of a recording's clip, cropped and upright."""

import contextlib
import dataclasses
import functools
import math
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Float64, Int

from input_pipeline import video
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.images import OfPictures, RgbSquares, frame_files, read_picture
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.pictures import Picture
from input_pipeline.recording import Recording

_EARLY = (
    0.25  # of a slot: time stamps that are rounded to milliseconds may come too soon, and none of a frame's own slot
)
_LEAST, _MOST = 40, 4  # pixels of a picture's shorter side, and how often it may go into the longer, for MTCNN


class Face(NamedTuple):
    """Where a face lies in a picture, in pixels from its upper left corner.

    Attributes:
        left, top, width, height: of its box.
        eyes: x and y of the eye that is to the left in the picture, and of the other.
    """

    left: float
    top: float
    width: float
    height: float
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether a point lies in the box."""
        return 0 <= point[0] - self.left <= self.width and 0 <= point[1] - self.top <= self.height


@dataclasses.dataclass
class FaceCrops(RgbSquares, OfPictures, PerRecording):
    """The face of one person in frames of a clip, [size, size, 3] each (Kumari and Tiwari, "A Deep Learning Approach to
    Detect Depression from Facial Expressions and Speech Patterns", NeuroQuantology 2021, section 3.2.1).

    The clip is the file `Recording.tracks["video"]`, turned upright as it says, or a folder of its frames
    (`images.frame_files`). Of each 1 / `rate_hz` seconds by the file's time stamps the first frame is taken; a slower clip
    gives each of its frames once. Faces are found by MTCNN (Zhang et al., "Joint Face Detection and Alignment Using
    Multitask Cascaded Convolutional Networks", IEEE Signal Processing Letters 2016; the package `mtcnn`, whose weights are
    in it), on a CPU. Of several, the one is followed whose centre lies in the last frame's box, the nearest of these; else
    the largest is taken. The crop is a square about its box, turned so that the eyes are level; black where it reaches
    over the frame's edge. A frame without a face is skipped and counted. A recording without a clip is masked.

    A crop of 224 x 224 takes 150,528 bytes in memory, and 271 MB do 1,800. They are stored as JPEG, and what is read, and so
    what a network sees, is what that decodes to; without compression (`jpeg_quality=0`) it is the crops themselves.

    Attributes:
        rate_hz: frames a second.
        max_frames: of more, so many are looked at, evenly spaced from first to last (0: all).
        size: of both sides, in pixels.
        detector: "none": a clip shows nothing but the face, as a stand-in's does; the crop is the largest square in the
            middle of the frame, and what is told of faces, margins and eyes has no meaning.
        margin: so much of the box's longer side is added to each side of it.
        min_confidence: of MTCNN's, 0 ... 1, from which on it is a face.
        search_px: faces are looked for in a copy of the frame whose shorter side has so many pixels; those of 20 of these or
            more are found. The crop is of the frame itself.
        without_face: of a clip without any face in these frames: it ends the run ("refuse"), or is masked ("mask").
        folder_hz: of a folder of frames, how many were a second.
        jpeg_quality: as of `Computed`.
    """

    version: ClassVar[int] = 2
    kind: ClassVar[str] = "face_crops"
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
    jpeg_quality: int = 95

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
            raise DataError("face_crops: the package mtcnn is not installed; run `python3 -m pip install mtcnn`")
        return (Path(found.origin).parent / "assets" / "weights",)

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The same: sound has no part in it."""
        return self

    def check(self) -> None:
        super().check()
        for name, least in (("size", 1), ("max_frames", 0), ("search_px", _LEAST)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected {least} or more, found {getattr(self, name)!r}")
        for name in ("rate_hz", "folder_hz"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)!r}")
        if not 0 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality: expected 0 (not as JPEG) to 100, found {self.jpeg_quality!r}")
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

    def extract(self, recording: Recording) -> RecordingFeature:
        found = [crop for _, crop in self.crops(recording)]
        faces = [crop for crop in found if crop is not None]
        if found and not faces and self.without_face == "refuse":
            raise DataError(
                f"recording {recording.id}: {recording.tracks['video']} shows no face in any of {len(found)} frames; leave "
                "it out, or mask it (without_face='mask')"
            )
        values = np.array(faces, np.uint8).reshape(-1, *self.shape)
        return RecordingFeature(values, np.array([len(faces)], np.int32), len(found) - len(faces))

    def crops(self, recording: Recording) -> Iterator[tuple[float, Picture | None]]:
        """The time in seconds and the face of each frame that is taken, in order; None where it has no face.

        Raises:
            DataError: the clip cannot be used.
        """
        last = None
        for time_s, picture in self.frames(recording):
            if self.detector == "none":
                yield time_s, _middle(picture, self.size)
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
        return first[np.linspace(0, len(first) - 1, self.max_frames).round().astype(int)]


def detect(picture: Picture, search_px: int, min_confidence: float) -> list[Face]:
    """The faces in a picture; none in a strip of which the copy would be less than 40 pixels wide.

    Args:
        search_px, min_confidence: as of `FaceCrops`.
    """
    height, width = picture.shape[:2]
    scale = min(search_px / min(height, width), _MOST * search_px / max(height, width))
    if scale * min(height, width) < _LEAST:
        return []
    # MTCNN's own `min_face_size` fails at sizes far above its 20: it counts its steps as if there were none.
    found = _detector().detect_faces(_resized(picture, scale))
    return [_face(one, scale) for one in found if one["confidence"] >= min_confidence and min(one["box"][2:]) > 0]


def followed(faces: Sequence[Face], last: Face | None) -> Face | None:
    """The face that goes on from the last frame's, or the largest; None where there is none."""
    near = [face for face in faces if last is not None and last.holds(face.centre)]
    if last is not None and near:
        centre = last.centre
        return min(near, key=lambda face: math.dist(face.centre, centre))
    return max(faces, key=lambda face: face.width * face.height, default=None)


def aligned(picture: Picture, face: Face, size: int, margin: float) -> Picture:
    """The square about a face, its eyes level, [size, size, 3].

    Args:
        margin: as of `FaceCrops`.
    """
    cv2 = video.load_opencv()
    side = max(1, round(max(face.width, face.height) * (1 + 2 * margin)))
    (left_x, left_y), (right_x, right_y) = face.eyes
    turn = cv2.getRotationMatrix2D(face.centre, math.degrees(math.atan2(right_y - left_y, right_x - left_x)), 1.0)
    turn[:, 2] += side / 2 - np.array(face.centre)
    return _resized(cv2.warpAffine(picture, turn, (side, side), flags=cv2.INTER_LINEAR), size / side)


def _middle(picture: Picture, size: int) -> Picture:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(picture[top : top + side, left : left + side], size / side)


def _resized(picture: Picture, scale: float) -> Picture:
    """A picture of another size; by areas where it shrinks, so that pixels between those that a line looks at count too."""
    cv2, (height, width) = video.load_opencv(), picture.shape[:2]
    sides = max(1, round(scale * width)), max(1, round(scale * height))
    return cv2.resize(picture, sides, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _face(found: dict[str, Any], scale: float) -> Face:
    left, top, width, height = (float(number) / scale for number in found["box"])
    points = (found["keypoints"][name] for name in ("left_eye", "right_eye"))
    first, second = sorted((float(x) / scale, float(y) / scale) for x, y in points)
    return Face(left, top, width, height, (first, second))


@functools.cache
def _detector() -> Any:
    """MTCNN, in this process; in a worker on one core, as there are others of it."""
    from input_pipeline.tensorflow import load_tensorflow

    tensorflow = load_tensorflow()
    if multiprocessing.parent_process() is not None:
        with contextlib.suppress(RuntimeError):  # it runs already
            tensorflow.config.threading.set_intra_op_parallelism_threads(1)
            tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        video.load_opencv().setNumThreads(1)
    from mtcnn import MTCNN

    return MTCNN(device="CPU:0")


@contextlib.contextmanager
def _naming(recording: Recording) -> Iterator[None]:
    """Puts the recording before what is wrong with its file."""
    try:
        yield
    except DataError as error:
        raise DataError(f"recording {recording.id}: {error}") from None
