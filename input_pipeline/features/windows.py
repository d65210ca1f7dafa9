"""Overlapping windows of a recording's speech: the very same for every feature that asks for the same."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.config import Config, ConfigError
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.sound import is_speech, waveforms
from input_pipeline.recording import Recording, Segment


class CutSpeech(NamedTuple):
    """Speech and where its windows lie.

    Attributes:
        samples: as many as the last window needs, or more.
        starts: of each window, its first sample.
        size: samples of a window.
    """

    samples: Float64[np.ndarray, " n"]
    starts: tuple[int, ...]
    size: int

    @property
    def windows(self) -> list[Float64[np.ndarray, " size"]]:
        """Each window's samples."""
        return [self.samples[start : start + self.size] for start in self.starts]


@dataclasses.dataclass
class SpeechWindows(Config):
    """How a recording's speech is cut into windows (Othmani et al., "Towards Robust Deep Neural Networks for Affect and
    Depression Recognition from Speech", ICPR 2020, sections III.A.1 and III.A.3).

    The kept segments are joined, long pauses are cut out, and what is left is joined again. A window starts every `hop_s`
    as long as it lies wholly within that; less than one `hop_s` at the end is in none. Speech that is shorter than one
    window gives one, with zeros at its end. The paper's silence detector is not named: here a pause is where librosa's
    `effects.split` finds none but frames of 64 ms that are `pause_db` below the loudest one of the recording.

    Two features have the same windows where these fields, the segmentation and `rate_hz` are the same. Perturbed speech is
    cut into as many, at the same places: pauses are those of the speech as it is.

    Attributes:
        window_s, hop_s: 2.5 s every 0.5 s are the paper's.
        pause_s: pauses of so many seconds or more are cut out as a whole, also before the first and behind the last word
            (0: none are).
        perturbation: of what is joined, before it is cut up. `Data.copies` sets it.
    """

    window_s: float = 2.5
    hop_s: float = 0.5
    pause_s: float = 0.5
    pause_db: float = 40.0
    perturbation: Perturbation = dataclasses.field(default_factory=Perturbation)

    def check(self) -> None:
        for name in ("window_s", "hop_s", "pause_db"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)!r}")
        if not 0 <= self.pause_s < math.inf:
            raise ConfigError(f"pause_s: expected a number of seconds, 0 or more, found {self.pause_s!r}")

    def check_rate(self, rate_hz: int) -> None:
        """Raises ConfigError where a window or a hop has no sample at that rate."""
        for name in ("window_s", "hop_s"):
            if round(getattr(self, name) * rate_hz) < 1:
                raise ConfigError(
                    f"windows.{name}: expected one sample or more at {rate_hz} Hz, found {getattr(self, name)!r} s"
                )

    def extract(
        self, recording: Recording, segments: Sequence[Segment], rate_hz: int, kind: str, resampled_hz: int = 0
    ) -> "CutSpeech":
        """The windows of those segments, in order, each of the same number of samples; at least one.

        Args:
            rate_hz: at which the windows are cut.
            kind: of the feature that needs them.
            resampled_hz: the rate of what is returned, resampled as a whole before it is cut (0: `rate_hz`).

        Raises:
            DataError: as `sound.waveforms`.
        """
        speech = self.without_pauses(np.concatenate(waveforms(recording, segments, rate_hz, kind)), rate_hz)
        speech = self.perturbation.apply(speech, rate_hz, recording.id)
        size, hop = round(self.window_s * rate_hz), round(self.hop_s * rate_hz)
        count = 1 + max(0, len(speech) - size) // hop
        if resampled_hz and resampled_hz != rate_hz:
            import soxr  # as librosa below, needed in an extraction alone

            speech, rate_hz = soxr.resample(speech, rate_hz, resampled_hz), resampled_hz
            size = round(self.window_s * rate_hz)
        starts = tuple(round(index * self.hop_s * rate_hz) for index in range(count))
        return CutSpeech(np.pad(speech, (0, max(0, starts[-1] + size - len(speech)))), starts, size)

    def perturbed(self, perturbation: Perturbation) -> Self:
        """The same windows of perturbed speech. Raises ConfigError where the speech is perturbed already."""
        if self.perturbation.changes:
            raise ConfigError("windows.perturbation: the copies have their own; leave it out")
        return dataclasses.replace(self, perturbation=perturbation)

    def without_pauses(self, samples: Float[np.ndarray, " n"], rate_hz: int) -> Float[np.ndarray, " m"]:
        """A waveform, the long pauses cut out."""
        return samples[is_speech(samples, rate_hz, self.pause_s, self.pause_db)]


def whole(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """One stretch, from the start of the first to the end of the last, for a feature of all of them together."""
    return (Segment(segments[0].start_s, max(segment.stop_s for segment in segments)),)
