"""Which stretches of a recording a feature is taken from."""

import dataclasses
import math
from collections.abc import Sequence

from input_pipeline.config import Config, ConfigError
from input_pipeline.errors import DataError
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.recording import PARTICIPANT, Recording, Segment

_ROUNDING_S = 1e-6  # far below one audio sample; times that differ by less are the same time


@dataclasses.dataclass
class Segmentation(Config):
    """Rules that turn a recording's segments into those that a feature is taken from, in the order of their use.

    Attributes:
        speakers: whose segments are kept; empty: everybody's. The participant alone by default, because the
            interviewer's prompts give the label away (Burdisso et al. 2024).
        merge_gap_s: consecutive segments of one speaker with a gap below this many seconds become one (0: never),
            unless somebody else's segment reaches into the gap.
        window_s: segments longer than this are cut into windows of this length (0: never). The last window is shorter
            where the segment does not divide. Every window carries the words of its whole segment, since words have no
            times of their own.
        hop_s: seconds from the start of one window to that of the next (0: `window_s`).
        min_s: segments and windows shorter than this are dropped.
        may_be_empty: a recording of which nothing is kept has one segment without words, as long as the recording, where
            otherwise it is an error.
    """

    speakers: tuple[str, ...] = (PARTICIPANT,)
    merge_gap_s: float = 0.0
    window_s: float = 0.0
    hop_s: float = 0.0
    min_s: float = 0.0
    may_be_empty: bool = False

    def check(self) -> None:
        for name in ("merge_gap_s", "window_s", "hop_s", "min_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name}: expected a number of seconds, 0 or more, found {value!r}")
        if self.hop_s and not self.window_s:
            raise ConfigError(f"hop_s: {self.hop_s!r} has no meaning without window_s")

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        """Raises ConfigError where nobody is called as one of `speakers`."""
        there = {segment.speaker for recording in recordings for segment in recording.segments}
        for speaker in self.speakers:
            if speaker not in there:
                raise ConfigError(
                    f"speakers: the corpus has no speaker {speaker!r}; there are {', '.join(sorted(there)) or 'none'}, and "
                    "an empty list keeps everybody"
                )

    def apply(self, recording: Recording) -> tuple[Segment, ...]:
        """The kept segments, in order of time.

        Raises:
            DataError: no segment is kept.
        """
        spoken = self._spoken(recording)
        kept = tuple(filter(self._lasts, self._cut(recording)))
        if not kept and self.may_be_empty and recording.segments:
            start_s, stop_s = recording.segments[0].start_s, max(segment.stop_s for segment in recording.segments)
            return (Segment(start_s, stop_s),)
        if not kept:
            raise DataError(
                f"recording {recording.id}: none of its {len(recording.segments)} segments is kept: {len(spoken)} are "
                f"by {' or '.join(self.speakers) or 'any speaker'}, none of those lasts {self.min_s:g} s (min_s); "
                "change the segmentation, or leave the recording out of the corpus"
            )
        return kept

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        """The segments and windows that are too short, and the recordings of which nothing is kept."""
        cut = [self._cut(recording) for recording in recordings]
        short = ((sum(not self._lasts(segment) for segment in segments), len(segments)) for segments in cut)
        nothing = ((int(not any(map(self._lasts, segments))), 1) for segments in cut)
        return (
            *counted("segments", f"are shorter than min_s={self.min_s:g} and dropped", short),
            *counted("recordings", "have no segment that is kept and stand as one without words", nothing),
        )

    def _spoken(self, recording: Recording) -> list[Segment]:
        return [segment for segment in recording.segments if not self.speakers or segment.speaker in self.speakers]

    def _cut(self, recording: Recording) -> list[Segment]:
        """What is spoken, merged and cut into windows, short or not."""
        merged = _merge(self._spoken(recording), recording.segments, self.merge_gap_s)
        return [window for segment in merged for window in self._windows(segment)]

    def _lasts(self, segment: Segment) -> bool:
        return segment.stop_s - segment.start_s >= self.min_s - _ROUNDING_S

    def _windows(self, segment: Segment) -> list[Segment]:
        duration_s = segment.stop_s - segment.start_s
        if not self.window_s or duration_s <= self.window_s + _ROUNDING_S:
            return [segment]
        hop_s = self.hop_s or self.window_s
        whole = 1 + math.floor((duration_s - self.window_s + _ROUNDING_S) / hop_s)
        starts = [segment.start_s + index * hop_s for index in range(whole)]
        if starts[-1] + self.window_s < segment.stop_s - _ROUNDING_S:
            starts.append(segment.start_s + whole * hop_s)
        return [
            dataclasses.replace(segment, start_s=start, stop_s=min(start + self.window_s, segment.stop_s))
            for start in starts
            if start < segment.stop_s - _ROUNDING_S  # a hop beyond the window can step over the end
        ]


def _merge(spoken: list[Segment], everybody: tuple[Segment, ...], gap_s: float) -> list[Segment]:
    merged: list[Segment] = []
    for segment in spoken:
        last = merged[-1] if merged else None
        if last and last.speaker == segment.speaker and _adjoin(last, segment, everybody, gap_s):
            merged[-1] = dataclasses.replace(
                last, stop_s=max(last.stop_s, segment.stop_s), text=f"{last.text} {segment.text}".strip()
            )
        else:
            merged.append(segment)
    return merged


def _adjoin(first: Segment, second: Segment, everybody: tuple[Segment, ...], gap_s: float) -> bool:
    if second.start_s - first.stop_s >= gap_s or not gap_s:
        return False
    return not any(
        other.speaker != first.speaker and other.start_s < second.start_s and other.stop_s > first.stop_s
        for other in everybody
    )
