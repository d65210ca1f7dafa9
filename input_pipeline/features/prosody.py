"""Prosody: of every frame of speech whether it is voiced, its pitch and its level."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float64

from input_pipeline.config import ConfigError
from input_pipeline.features.speech_frames import SpeechFrames

_REFERENCE_HZ = 100.0
_SILENCE = 1e-5  # of full scale: -100 dB
_STILL = 1e-6  # of full scale: what moves by less is no voice; of a constant, pYIN hears the rounding
_PERIODS = 3  # of the lowest pitch, or more, are in a window in which it is looked for
_OCTAVES_S = 35.92  # by which a pitch moves at most: librosa's default
_STRETCH = 6000  # frames that are decoded at once: of an hour the tables of all pitches would fill the memory


@dataclasses.dataclass
class Prosody(SpeechFrames):
    """Three numbers a frame: voiced (1) or not (0), the pitch in semitones above 100 Hz, the level in dB.

    Voicing and pitch are those of pYIN (Mauch and Dixon, "pYIN: A Fundamental Frequency Estimator Using Probabilistic
    Threshold Distributions", ICASSP 2014; librosa's `pyin` with its own settings, in tenths of a semitone), in windows of
    three periods of `low_hz` or a little more, up to a power of two of samples, about the middle of each frame. A minute is
    decoded at a time, and a frame that is still is not voiced. Within a segment the pitch between voiced frames is
    interpolated, and that before the first and after the last is theirs; it is 0 where nothing is voiced. The level is
    that of the frame's root mean square: 0 dB is a constant at full scale, -3 dB a sine, and nothing is below -100 dB.
    Of pooled frames the first number is the share that is voiced.

    Attributes:
        low_hz, high_hz: between which a pitch lies.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "prosody"

    low_hz: float = 60.0
    high_hz: float = 500.0

    @property
    def dim(self) -> int:
        return 3

    def check(self) -> None:
        super().check()
        if not 0 < self.low_hz < self.high_hz <= self.rate_hz / 2:
            raise ConfigError(
                f"high_hz: expected low_hz < high_hz <= {self.rate_hz / 2:g} (half of rate_hz), both above 0, "
                f"found {self.low_hz!r} and {self.high_hz!r}"
            )
        least = round(12 * _OCTAVES_S * self.hop / self.rate_hz)
        if 12 * math.log2(self.high_hz / self.low_hz) < least:
            raise ConfigError(
                f"high_hz: expected {least} semitones above low_hz or more, as a pitch may move by them in {self.hop_s:g} s "
                f"(hop_s), found {self.low_hz!r} and {self.high_hz!r}"
            )

    def frames(self, samples: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, "frames 3"]:
        """Voicing, pitch and level of one stretch of a waveform."""
        pitch_hz, voiced = self.pitch(samples)
        semitones = np.zeros(len(voiced))
        if voiced.any():
            at = np.flatnonzero(voiced)
            semitones = np.interp(np.arange(len(voiced)), at, 12 * np.log2(pitch_hz[at] / _REFERENCE_HZ))
        return np.stack([voiced, semitones, self.level_db(samples)], axis=1)

    def pitch(
        self, samples: Float[np.ndarray, " samples"]
    ) -> tuple[Float64[np.ndarray, " frames"], Bool[np.ndarray, " frames"]]:
        """Of each frame the pitch in Hz, NaN where it has none, and whether it is voiced."""
        pyin, found = _pyin(), []
        window = max(self.frame, 1 << (math.ceil(_PERIODS * self.rate_hz / self.low_hz) - 1).bit_length())
        for around, within in zip(self._stretches(samples, window), self._stretches(samples, self.frame), strict=True):
            pitch_hz, voiced, _ = pyin(
                around,
                fmin=self.low_hz,
                fmax=self.high_hz,
                sr=self.rate_hz,
                frame_length=window,
                hop_length=self.hop,
                max_transition_rate=_OCTAVES_S,
                center=False,
            )
            moves = np.ptp(np.lib.stride_tricks.sliding_window_view(within, self.frame)[:: self.hop], axis=1) > _STILL
            found.append((np.where(moves, pitch_hz, np.nan), voiced & moves))
        of_all, are_voiced = zip(*found, strict=True)
        return np.concatenate(of_all), np.concatenate(are_voiced)

    def level_db(self, samples: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, " frames"]:
        """Of each frame the level."""
        from input_pipeline import audio  # as librosa, needed in an extraction alone

        librosa, framing = audio.load_librosa(), {"frame_length": self.frame, "hop_length": self.hop, "center": False}
        rms = [librosa.feature.rms(y=stretch, **framing)[0] for stretch in self._stretches(samples, self.frame)]
        return librosa.amplitude_to_db(np.concatenate(rms), ref=1.0, amin=_SILENCE, top_db=None)

    def _stretches(
        self, samples: Float[np.ndarray, " samples"], size: int
    ) -> Iterator[Float64[np.ndarray, " stretch"]]:
        """A waveform in parts of so many frames that fit into memory; windows of `size` samples lie wholly in one."""
        padded = self.around(samples, size)
        count = 1 + (len(padded) - size) // self.hop
        for start in range(0, count, _STRETCH):
            last = min(start + _STRETCH, count) - 1
            yield padded[start * self.hop : last * self.hop + size]


@functools.cache
def _pyin() -> Callable[..., Any]:
    """librosa's, compiled: it is when first called, into the cache that two processes may not fill at once."""
    from input_pipeline import audio

    pyin = audio.load_librosa().pyin
    with audio.librosa_lock():
        pyin(np.zeros(4096), fmin=60.0, fmax=500.0, sr=16000, frame_length=1024)
    return pyin
