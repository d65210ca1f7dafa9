"""What is taken out of a recording's speech before frames are made of it: background noise, and long pauses."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float64

from input_pipeline.config import Config, ConfigError
from input_pipeline.features.sound import is_speech

_FRAME_S = 0.064  # of the spectrum that is gated; the power of two that is nearest in samples
_DITHER = 1e-9  # of full scale: its power lies far below the floor of `LogMel`


@dataclasses.dataclass
class Cleaning(Config):
    """Noise reduction and voice activity detection, both of the kept segments joined (Kumari and Tiwari, "A Deep Learning
    Approach to Detect Depression from Facial Expressions and Speech Patterns", NeuroQuantology 2021, section 3.2.2).

    Noise is reduced first, by spectral gating (Sainburg, Thielk and Gentner, "Finding, visualizing, and quantifying latent
    structure across diverse animal vocal repertoires", PLOS Computational Biology 2020; the package `noisereduce`): of
    frames of about 64 ms, what of the spectrum stays under a threshold is muted.

    Attributes:
        noise: "keep": nothing is gated. "stationary": a frequency's threshold is 1.5 standard deviations above its mean
            level in dB, over the first 600,000 samples. "changing": it follows that level, smoothed over 2 s.
        pause_s: pauses of so many seconds or more are cut out as a whole (0: none are); `sound.is_speech` tells them. A
            segment that is nothing but pause stays as it is, so that each has a frame.
        pause_db: so far below the loudest frame of the recording is a pause.
    """

    noise: Literal["keep", "stationary", "changing"] = "keep"
    pause_s: float = 0.0
    pause_db: float = 40.0

    def check(self) -> None:
        if not 0 <= self.pause_s < math.inf:
            raise ConfigError(f"pause_s: expected a number of seconds, 0 or more, found {self.pause_s!r}")
        if not 0 < self.pause_db < math.inf:
            raise ConfigError(f"pause_db: expected a number above 0, found {self.pause_db!r}")

    def apply(
        self, segments: Sequence[Float64[np.ndarray, " samples"]], rate_hz: int
    ) -> list[Float64[np.ndarray, " fewer"]]:
        """The segments of one recording, cleaned."""
        speech, ends = np.concatenate(segments), np.cumsum([len(one) for one in segments])[:-1]
        if self.noise != "keep":
            speech = self.without_noise(speech, rate_hz)
        kept = is_speech(speech, rate_hz, self.pause_s, self.pause_db)
        pairs = zip(np.split(speech, ends), np.split(kept, ends), strict=True)
        return [samples[spoken] if spoken.any() else samples for samples, spoken in pairs]

    def without_noise(self, speech: Float64[np.ndarray, " n"], rate_hz: int) -> Float64[np.ndarray, " n"]:
        """Speech, the background gated, of the same length; what is shorter than two frames stays as it is."""
        import noisereduce  # as librosa, needed in an extraction alone

        n_fft = 2 ** round(math.log2(_FRAME_S * rate_hz))
        if len(speech) < 2 * n_fft:
            return speech
        # The package divides by the level; where a file is digitally silent that is 0, and all would become NaN.
        dithered = speech + _DITHER * np.random.default_rng(0).standard_normal(len(speech))
        return noisereduce.reduce_noise(dithered, rate_hz, stationary=self.noise == "stationary", n_fft=n_fft)
