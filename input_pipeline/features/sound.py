"""The waveform of a recording's segments, as the features of sound take it."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from input_pipeline.errors import DataError
from input_pipeline.recording import Recording, Segment

_FRAME_S, _FRAME_HOP_S = 0.064, 0.016  # of the frames by which pauses are told
_OVERHANG_S = 0.5  # how far behind the audio's end a segment may start before its times are taken for wrong


def require_audio(recordings: Sequence[Recording], kind: str) -> None:
    """Raises DataError where a recording has no audio, which the feature of that kind needs."""
    for recording in recordings:
        if recording.audio is None:
            raise DataError(f"recording {recording.id}: {kind} needs audio, and the recording has none")


def waveforms(
    recording: Recording, segments: Sequence[Segment], rate_hz: int, kind: str
) -> list[Float64[np.ndarray, " samples"]]:
    """The samples of each segment, in -1..1, as one channel at `rate_hz`; those behind the audio's end are missing.

    Args:
        segments: in order of time, at least one.
        kind: of the feature that needs them.

    Raises:
        DataError: there is no audio, it cannot be used, or a segment lies behind its end.
    """
    from input_pipeline import audio  # needs libraries that, as librosa, only an extraction needs

    require_audio([recording], kind)
    assert recording.audio is not None
    start_s, stop_s = segments[0].start_s, max(segment.stop_s for segment in segments)
    found = audio.header(recording.audio)
    first = 0
    if stop_s - start_s >= found.duration_s / 2 or start_s >= found.duration_s:
        waveform = audio.load(recording.audio, rate_hz)
    elif found.rate_hz == rate_hz:
        # A clip of a long file is read alone where no resampling filter reaches over its ends: the samples are the same.
        waveform, first = audio.load(recording.audio, rate_hz, start_s, stop_s), round(start_s * rate_hz)
    else:
        written = recording.audio.stat()
        whole = _resampled(recording.audio, rate_hz, written.st_mtime_ns, written.st_size)
        first = round(start_s * rate_hz)
        waveform = whole[first : round(stop_s * rate_hz)]
    waveform = waveform.astype(np.float64)
    duration_s = (first + len(waveform)) / rate_hz
    for segment in segments:
        if segment.start_s >= duration_s + _OVERHANG_S:
            raise DataError(
                f"{recording.audio}: lasts {duration_s:.2f} s, but a segment of recording {recording.id} starts at "
                f"{segment.start_s:.2f} s; compare the transcript's times with the audio"
            )
    bounds = [(round(one.start_s * rate_hz) - first, round(one.stop_s * rate_hz) - first) for one in segments]
    return [waveform[start:stop] for start, stop in bounds]


def is_speech(
    samples: Float[np.ndarray, " n"], rate_hz: int, pause_s: float, pause_db: float
) -> Bool[np.ndarray, " n"]:
    """Of each sample whether it is in no long pause, by its energy.

    A pause is where librosa's `effects.split` finds none but frames of 64 ms that are `pause_db` below the loudest one.

    Args:
        pause_s: how long a pause is a long one, also before the first word and behind the last (0: none is).
    """
    kept = np.ones(len(samples), bool)
    if not pause_s or not len(samples):
        return kept
    from input_pipeline import audio

    frame, hop = (max(1, round(seconds * rate_hz)) for seconds in (_FRAME_S, _FRAME_HOP_S))
    loud = audio.load_librosa().effects.split(samples, top_db=pause_db, frame_length=frame, hop_length=hop)
    for start, stop in zip([0, *loud[:, 1]], [*loud[:, 0], len(samples)], strict=True):
        if stop - start >= pause_s * rate_hz:
            kept[start:stop] = False
    return kept


@functools.lru_cache(maxsize=1)
def _resampled(path: Path, rate_hz: int, written_ns: int, size: int) -> Float32[np.ndarray, " samples"]:
    """A whole file, kept for the next of its clips: hundreds of windows would else resample all of it each.

    Args:
        written_ns, size: of the file as it is now, so that another content is read anew.
    """
    from input_pipeline import audio

    return audio.load(path, rate_hz)
