"""How the frames of one recording become its examples: the config, and its arithmetic.

Recordings are joined and padded in `batching`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int32, Num

from input_pipeline.config import Config, ConfigError
from input_pipeline.errors import DataError
from input_pipeline.reading import Stored

# What an example of each level is to a model: a `Layout` of jaxdep.models.
_LAYOUTS: Mapping[str, Literal["vector", "sequence", "sequences", "image", "images"]] = {
    "segments": "sequence",
    "frames": "sequence",
    "segments_frames": "sequences",
    "windows": "sequence",
    "vector": "vector",
    "image": "image",
    "images": "images",
    "frame": "vector",
}
EACH = ("image", "frame")  # the levels at which every frame is an example of its own


@dataclasses.dataclass
class Arrangement(Config):
    """How a recording's frames become an example. N examples, U segments, T frames, W frames a window, D dimensions.

    A recording that lacks the feature is masked throughout.

    Attributes:
        level: "segments": [N, U, D], one vector a segment, the mean over its frames. "frames": [N, T, D], all frames of
            a recording one after another. "segments_frames": [N, U, T, D]. "windows": [N', W, D], every window of the
            frames one after another is an example of its own, and the examples of a recording are one group. Windows
            are of equally many frames (`window_frames`), or of whole segments (`window_s`); only the latter fit together
            between features. "vector": [N, D], one vector a recording, the mean over its frames; it stands beside each
            of the recording's examples where other features cut it into several. "images": [N, F, H, W, C], all images
            of a recording. "image": [N', H, W, C], every image is an example of its own, and the examples of a recording
            are one group; beside features that do not cut recordings up, a recording has one image, and beside those of
            another "image" as many, of the same segments. "frame": [N', D], the same of vectors: every frame is an example
            of its own, and stands beside the image of its number.
        max_segments: of a recording with more segments, so many are kept, evenly spaced from first to last (0: all).
            This comes first, at every level.
        max_frames: of more frames, the first so many are kept (0: all): of the recording ("frames", or windows of
            frames), of each segment ("segments_frames"), of each window of segments. Of more images, so many, evenly
            spaced from first to last, and so of frames that are examples of their own.
        window_frames: W. The last window is moved back so that it ends with the recording; a recording shorter than one
            window gives one, padded.
        hop_frames: frames from the start of one window to that of the next (0: W).
        window_s: seconds of speech. The recording is divided between segments into windows of about equally much speech,
            as near to this as that allows; a segment belongs where its middle lies, and none is divided.
        buckets: in how many groups of about equal size and of like length the examples are padded, each to its own
            longest; equal lengths share a bucket, so there may be fewer.
    """

    level: Literal["segments", "frames", "segments_frames", "windows", "vector", "image", "images", "frame"] = (
        "segments"
    )
    max_segments: int = 0
    max_frames: int = 0
    window_frames: int = 0
    hop_frames: int = 0
    window_s: float = 0.0
    buckets: int = 1

    @property
    def layout(self) -> Literal["vector", "sequence", "sequences", "image", "images"]:
        """What an example is to a model."""
        return _LAYOUTS[self.level]

    def check(self) -> None:
        for name in ("max_segments", "max_frames", "window_frames", "hop_frames"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected 0 or more, found {getattr(self, name)!r}")
        if self.buckets < 1:
            raise ConfigError(f"buckets: expected 1 or more, found {self.buckets!r}")
        if self.level in ("segments", "vector") and self.max_frames:
            raise ConfigError(f"max_frames: {self.max_frames!r} has no meaning at level {self.level!r}")
        if self.level in ("vector", *EACH) and self.buckets > 1:
            raise ConfigError(f"buckets: examples of level {self.level!r} are all of one size, found {self.buckets!r}")
        if not 0 <= self.window_s < math.inf:
            raise ConfigError(f"window_s: expected a number of seconds, 0 or more, found {self.window_s!r}")
        if self.level != "windows" and (self.window_frames or self.hop_frames or self.window_s):
            raise ConfigError(f"window_frames, window_s: windows need level 'windows', found {self.level!r}")
        if self.window_s and (self.window_frames or self.hop_frames):
            raise ConfigError(f"window_s: windows are of segments or of frames, found {self.window_s!r} and frames too")
        if self.level == "windows" and not self.window_s and not 0 < self.window_frames >= self.hop_frames:
            raise ConfigError(
                f"window_frames: expected 1 or more, and at least hop_frames so that no frame is lost, "
                f"found {self.window_frames!r} and {self.hop_frames!r}"
            )
        if self.window_frames and self.buckets > 1:
            raise ConfigError(f"buckets: windows of frames are all of one length, found {self.buckets!r} buckets")

    def check_frames(self, shape: tuple[int, ...]) -> None:
        """Raises ConfigError where frames of that shape cannot be arranged so."""
        wanted, names = (3, "images") if self.level in ("image", "images") else (1, "vectors")
        if len(shape) != wanted:
            found = "x".join(map(str, shape))
            raise ConfigError(f"level: {self.level!r} is of {names}, and a frame of the feature is of shape {found}")


class Example(NamedTuple):
    """Frames one after another, and how many: `counts` is one number, or one a segment."""

    values: Num[np.ndarray, " frames *shape"]
    counts: Int32[np.ndarray, "*segments"]

    @property
    def length(self) -> int:
        return len(self.counts) if self.counts.ndim else int(self.counts)


class Arranged(NamedTuple):
    """One recording's examples, and so many of its segments and of the frames of the others that are in none of them."""

    examples: list[Example]
    segments_cut: int
    frames_cut: int


def arranged(recording: Stored, arrangement: Arrangement) -> Arranged:
    """The examples of one recording."""
    kept = _with_segments(recording, arrangement.max_segments)
    examples, frames_cut = _examples(kept, arrangement)
    return Arranged(examples, len(recording.lengths) - len(kept.lengths), frames_cut)


def _examples(recording: Stored, arrangement: Arrangement) -> tuple[list[Example], int]:
    """The examples, and how many frames `max_frames` cuts."""
    values, lengths, limit = recording.values, recording.lengths, arrangement.max_frames
    if arrangement.level == "segments":
        return [_flat(_means(recording, lengths))], 0
    if arrangement.level == "vector":
        return [_flat(_means(recording, lengths.sum(keepdims=True)))], 0
    if arrangement.level in (*EACH, "images"):
        kept = values[_evenly(len(values), limit)] if 0 < limit < len(values) else values
        together = arrangement.level == "images" or len(kept) == 0
        of_examples = [kept] if together else [kept[index : index + 1] for index in range(len(kept))]
        return [_flat(found) for found in of_examples], len(values) - len(kept)
    if arrangement.level == "segments_frames":
        counts = np.minimum(lengths, limit or lengths)
        within = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return [Example(values[within < np.repeat(counts, lengths)], counts.astype(np.int32))], int(
            (lengths - counts).sum()
        )
    if arrangement.window_s:
        windows = _segment_windows(recording, arrangement.window_s)
        return [_flat(window[: limit or None]) for window in windows], sum(len(one[limit:]) for one in windows if limit)
    kept = values[: limit or None]
    frames_cut = len(values) - len(kept)
    if arrangement.level == "frames":
        return [_flat(kept)], frames_cut
    return [_flat(window) for window in _windows(kept, arrangement)], frames_cut


def _flat(values: Num[np.ndarray, " frames *shape"]) -> Example:
    return Example(values, np.array(len(values), np.int32))


def _with_segments(recording: Stored, limit: int) -> Stored:
    lengths = recording.lengths
    if not 0 < limit < len(lengths):
        return recording
    kept = np.zeros(len(lengths), bool)
    kept[_evenly(len(lengths), limit)] = True
    of_segments = {name: getattr(recording, name)[kept] for name in ("lengths", "starts_s", "stops_s")}
    return recording._replace(values=recording.values[np.repeat(kept, lengths)], **of_segments)


def _evenly(count: int, limit: int) -> Int32[np.ndarray, " limit"]:
    """Which of `count` are kept of more than `limit`, evenly spaced from first to last."""
    return np.linspace(0, count - 1, limit).round().astype(np.int32)


def _means(recording: Stored, lengths: np.ndarray) -> np.ndarray:
    """Of each of so many frames one after another the mean; of no frame nothing."""
    values = recording.values
    if len(values) in (0, len(lengths)):
        return values
    if values.dtype != np.float32:
        raise DataError(f"recording {recording.id}: its {len(values)} frames of {values.dtype} have no mean; use one")
    sums = np.add.reduceat(values, np.cumsum(lengths) - lengths, axis=0, dtype=np.float64)
    return (sums / lengths[:, None]).astype(np.float32)


def _windows(values: np.ndarray, arrangement: Arrangement) -> list[np.ndarray]:
    size, last = arrangement.window_frames, len(values) - arrangement.window_frames
    if last <= 0:
        return [values]
    starts = [*range(0, last, arrangement.hop_frames or size), last]
    return [values[start : start + size] for start in starts]


def _segment_windows(recording: Stored, window_s: float) -> list[np.ndarray]:
    """The frames of whole segments, divided into windows of about equally much speech."""
    durations_s = recording.stops_s - recording.starts_s
    middles_s, total_s = np.cumsum(durations_s) - durations_s / 2, durations_s.sum()
    count = max(1, round(total_s / window_s))
    window = np.minimum(middles_s / total_s * count, count - 1).astype(int)
    of_frame = np.repeat(window, recording.lengths)
    return [recording.values[of_frame == index] for index in np.unique(window)]
