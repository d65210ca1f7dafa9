"""The features that a corpus was published with, as frames of a common rate."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.base import Encoders, PerRecording, RecordingFeature
from input_pipeline.features.track_files import FORMATS, Track, read_track
from input_pipeline.recording import Recording, Segment
from input_pipeline.workers import map_in_workers

_ROUNDING_S = 1e-6  # far below the period of any track; times that differ by less are the same time


@dataclasses.dataclass
class Tracks(PerRecording):
    """Precomputed features of DAIC-WOZ (COVAREP, FORMANT, CLNF) and E-DAIC (openSMILE, OpenFace, bags, deep features).

    A segment is divided into as many frames of 1 / `rate_hz` seconds as lie within it, from its start; a shorter one gives
    one. Each dimension of a frame is the mean over those rows of the file that begin in it and are valid there, or,
    of a file of a lower rate, the row that still lasts. A cell is invalid where it is infinite or NaN; COVAREP's F0 to Rd
    where VUV is 0; all of the face where the tracker had no success or a confidence below `min_confidence`. Where no row
    is valid, behind a file's end too, the dimension is its mean over the recording's other frames, or 0 if there are none.

    A recording that lacks one of the files is masked. Files that consecutive recordings share, as utterances share those of
    their interview, are read once for all of them.

    Attributes:
        of: kinds of files (`Recording.tracks`), whose dimensions stand side by side in this order.
        rate_hz: frames a second, of all kinds alike.
        min_confidence: of the face tracker, from 0 to 1.
        mark_valid: whether a last dimension of each kind has the share of a frame's cells that are valid, from 0 to 1.
        mask_invalid: whether a recording is masked too of which a kind has no valid cell at all: an utterance in which the
            tracker has lost the face, or behind the file's end.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "tracks"
    reads_audio: ClassVar[bool] = False

    of: tuple[str, ...] = ("covarep",)
    rate_hz: float = 10.0
    min_confidence: float = 0.5
    mark_valid: bool = False
    mask_invalid: bool = False

    @property
    def reads_tracks(self) -> tuple[str, ...]:
        return self.of

    @property
    def dim(self) -> int:
        return sum(FORMATS[kind].width + self.mark_valid for kind in self.of)

    def check(self) -> None:
        unknown = [kind for kind in self.of if kind not in FORMATS]
        if unknown or not self.of or len(set(self.of)) < len(self.of):
            found = repr(unknown[0]) if unknown else ", ".join(self.of) or "none"
            raise ConfigError(f"of: expected one or more of {', '.join(FORMATS)}, each once, found {found}")
        if not 0 < self.rate_hz < math.inf:
            raise ConfigError(f"rate_hz: expected a number above 0, found {self.rate_hz!r}")
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"min_confidence: expected a number from 0 to 1, found {self.min_confidence!r}")

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        there = {kind for recording in recordings for kind in recording.tracks}
        for kind in self.of:
            if kind not in there:
                raise ConfigError(
                    f"of: no recording has a file {kind!r}; there are {', '.join(sorted(there)) or 'none'}"
                )

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        alike = [list(group) for _, group in itertools.groupby(recordings, self._files)]
        for found in map_in_workers(self.extract_all, alike, workers, f"extracting {self.kind}"):
            yield from found

    def extract(self, recording: Recording) -> RecordingFeature:
        """The frames of the recording's kept segments.

        Raises:
            DataError: a file cannot be read, or no segment is kept.
        """
        return self.extract_all([recording])[0]

    def extract_all(self, recordings: Sequence[Recording]) -> list[RecordingFeature]:
        """The frames of several recordings that share their files; raises as `extract`."""
        first = recordings[0]
        if not all(kind in first.tracks for kind in self.of):
            return [self._masked(recording) for recording in recordings]
        tracks = {
            kind: read_track(kind, first.tracks[kind], lambda: _duration_s(first), self.min_confidence)
            for kind in self.of
        }
        return [self._frames(recording, tracks) for recording in recordings]

    def _files(self, recording: Recording) -> tuple[object, ...]:
        """All that the tracks of a recording depend on."""
        return recording.audio, *(recording.tracks.get(kind) for kind in self.of)

    def _masked(self, recording: Recording) -> RecordingFeature:
        count = len(self.segmentation.apply(recording))
        return RecordingFeature(np.zeros((0, self.dim), np.float32), np.zeros(count, np.int32))

    def _frames(self, recording: Recording, tracks: Mapping[str, Track]) -> RecordingFeature:
        edges_s = [self._edges(segment) for segment in self.segmentation.apply(recording)]
        lengths = np.array([len(edges) - 1 for edges in edges_s], np.int32)
        parts = [self._of_track(track, edges_s) for track in tracks.values()]
        if self.mask_invalid and not all(valid for _, valid in parts):
            return self._masked(recording)
        return RecordingFeature(np.concatenate([found for found, _ in parts], axis=1).astype(np.float32), lengths)

    def _edges(self, segment: Segment) -> Float64[np.ndarray, " frames+1"]:
        """Where the frames of a segment meet, in seconds."""
        frames = max(1, math.floor((segment.stop_s - segment.start_s + _ROUNDING_S) * self.rate_hz))
        return np.minimum(segment.start_s + np.arange(frames + 1) / self.rate_hz, segment.stop_s)

    def _of_track(
        self, track: Track, edges_s: Sequence[Float64[np.ndarray, " edges"]]
    ) -> tuple[Float64[np.ndarray, "frames D"], bool]:
        """The frames, and whether any of their cells is valid."""
        sums, counts, shares = (
            np.concatenate(found) for found in zip(*(_in_frames(track, edges) for edges in edges_s), strict=True)
        )
        means = sums / np.maximum(counts, 1)
        known = counts > 0
        fill = np.where(known, means, 0.0).sum(0) / np.maximum(known.sum(0), 1)
        filled = np.where(known, means, fill[None])
        marked = np.concatenate([filled, shares[:, None]], axis=1) if self.mark_valid else filled
        return marked, bool(known.any())


def _in_frames(
    track: Track, edges_s: Float64[np.ndarray, " edges"]
) -> tuple[Float64[np.ndarray, "frames D"], Float64[np.ndarray, "frames D"], Float64[np.ndarray, " frames"]]:
    """Of each frame between two edges the sum and the number of the valid cells, and which share of all cells they are."""
    edge = np.searchsorted(track.times_s, edges_s - _ROUNDING_S)
    first, after = edge[:-1], edge[1:]
    # A row lasts for a period: where none begins, the one before may still last.
    before = np.maximum(first - 1, 0)
    lasts = (first == after) & (first > 0) & (edges_s[:-1] < track.times_s[before] + _period_s(track) - _ROUNDING_S)
    first, after = np.where(lasts, before, first), np.where(lasts, before + 1, after)
    sums, counts = (_between(cells, first, after) for cells in (track.values, track.valid))
    rows = np.maximum(after - first, 1)
    return sums, counts, counts.sum(1) / (rows * track.values.shape[1])


def _period_s(track: Track) -> float:
    return float(np.median(np.diff(track.times_s))) if len(track.times_s) > 1 else 0.0


def _between(
    cells: Float64[np.ndarray, "R D"] | Bool[np.ndarray, "R D"], first: np.ndarray, after: np.ndarray
) -> Float64[np.ndarray, "frames D"]:
    """The sums of rows `first` to `after`, the latter not among them."""
    low, high = int(first.min()), int(after.max())
    totals = np.zeros((max(high - low, 0) + 1, cells.shape[1]))
    np.cumsum(cells[low:high], axis=0, out=totals[1:])
    return totals[after - low] - totals[first - low]


def _duration_s(recording: Recording) -> float:
    """How long the recording is by its audio; raises DataError where it has none."""
    from input_pipeline import audio

    if recording.audio is None:
        raise DataError(f"recording {recording.id}: the times of its tracks follow from its audio, and it has none")
    return audio.header(recording.audio).duration_s
