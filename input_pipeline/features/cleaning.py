"""What is taken out of a recording's speech before frames are made of it: background noise, and long pauses."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from input_pipeline.config import Config, ConfigError
from input_pipeline.features.sound import is_speech

_FRAME_S = 0.064  # of the spectrum that is gated; the power of two that is nearest in samples
_SILENT = 1e-6  # of full scale: a frame that deviates by less holds no sound of a microphone
_FEWEST = 4  # frames, from which on there is a level


@dataclasses.dataclass
class Cleaning(Config):
    """Noise reduction and voice activity detection, both of the kept segments joined (Kumari and Tiwari, "A Deep Learning
    Approach to Detect Depression from Facial Expressions and Speech Patterns", NeuroQuantology 2021, section 3.2.2).

    Noise is reduced first, by spectral gating (Sainburg, Thielk and Gentner, "Finding, visualizing, and quantifying latent
    structure across diverse animal vocal repertoires", PLOS Computational Biology 2020; the package `noisereduce`). Of
    frames of about 64 ms, what of the spectrum stays under its frequency's threshold is muted: 1.5 standard deviations
    above the mean level in dB of the quietest frames. The package's own defaults take the level from all that is said.

    Attributes:
        noise_reduction: whether noise is reduced.
        quiet_share: of the frames, so many are taken for noise, the quietest of those that are not digitally silent.
        pause_s: pauses of so many seconds or more are cut out as a whole (0: none are); `sound.is_speech` tells them. A
            segment that is nothing but pause stays as it is, so that each has a frame.
        pause_db: so far below the loudest frame of the recording is a pause.
    """

    noise_reduction: bool = False
    quiet_share: float = 0.1
    pause_s: float = 0.0
    pause_db: float = 40.0

    def check(self) -> None:
        if not 0 < self.quiet_share <= 1:
            raise ConfigError(f"quiet_share: expected a share above 0, at most 1, found {self.quiet_share!r}")
        if not 0 <= self.pause_s < math.inf:
            raise ConfigError(f"pause_s: expected a number of seconds, 0 or more, found {self.pause_s!r}")
        if not 0 < self.pause_db < math.inf:
            raise ConfigError(f"pause_db: expected a number above 0, found {self.pause_db!r}")

    def apply(
        self, segments: Sequence[Float64[np.ndarray, " samples"]], rate_hz: int
    ) -> list[Float64[np.ndarray, " fewer"]]:
        """The segments of one recording, cleaned."""
        speech, ends = np.concatenate(segments), np.cumsum([len(one) for one in segments])[:-1]
        if self.noise_reduction:
            speech = self.without_noise(speech, rate_hz)
        kept = is_speech(speech, rate_hz, self.pause_s, self.pause_db)
        pairs = zip(np.split(speech, ends), np.split(kept, ends), strict=True)
        return [samples[spoken] if spoken.any() else samples for samples, spoken in pairs]

    def without_noise(self, speech: Float64[np.ndarray, " n"], rate_hz: int) -> Float64[np.ndarray, " n"]:
        """Speech, the background muted, of the same length; as it is where it has fewer frames than a level needs."""
        import noisereduce  # as librosa, needed in an extraction alone

        n_fft = 2 ** round(math.log2(_FRAME_S * rate_hz))
        frames = speech[: len(speech) // n_fft * n_fft].reshape(-1, n_fft)
        frames = frames[frames.std(axis=1) > _SILENT]
        if len(frames) < _FEWEST:
            return speech
        count = max(_FEWEST, round(self.quiet_share * len(frames)))
        quiet = np.sort(np.argsort((frames**2).mean(axis=1), kind="stable")[:count])
        noise = frames[quiet].ravel()
        return noisereduce.reduce_noise(speech, rate_hz, stationary=True, y_noise=noise, n_fft=n_fft)
