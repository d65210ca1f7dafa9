"""Speech that is perturbed, for copies of recordings that a model is trained on besides."""

import dataclasses
import functools
import hashlib
import json
import math
import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.config import Config, ConfigError

_FRAME = 2048  # of librosa's phase vocoder
_FARTHEST = 24  # semitones: the vocoder's memory grows as the pitch rises, and two octaves up nobody speaks


@dataclasses.dataclass
class Perturbation(Config):
    """What is done to a recording's speech before features are made of it (Othmani et al., "Towards Robust Deep Neural
    Networks for Affect and Depression Recognition from Speech", ICPR 2020, section III.A.5).

    The pitch is shifted first, so that the noise stays as it was drawn. Neither changes how long the speech is; what goes
    beyond full scale is not cut.

    Attributes:
        noise: the paper's factor α (0: none) in z = x + α r. The speech x is in -1 ... 1, full scale; r has one number a
            sample, drawn independently from a normal distribution of mean 0 and standard deviation 1, and is not scaled by
            the speech: quieter speech drowns sooner. The paper does not say what its `rand(x)` is; the authors'
            published code imports the library nlpaug, whose noise this is. The numbers follow from the recording's id and these
            fields: they are the same in every process and for every feature at the same rate, and others in another copy.
        semitones: by which the pitch is raised, or lowered where it is negative, by librosa's phase vocoder (0: neither).
    """

    noise: float = 0.0
    semitones: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether speech is another one with it."""
        return bool(self.noise or self.semitones)

    def check(self) -> None:
        if not 0 <= self.noise < math.inf:
            raise ConfigError(f"noise: expected a share of full scale, 0 or more, found {self.noise!r}")
        if not -_FARTHEST <= self.semitones <= _FARTHEST:
            raise ConfigError(f"semitones: expected {-_FARTHEST} to {_FARTHEST}, found {self.semitones!r}")

    def apply(self, speech: Float[np.ndarray, " n"], rate_hz: int, recording_id: str) -> Float[np.ndarray, " n"]:
        """The speech of a recording, perturbed."""
        if self.semitones:
            speech = _shifted(speech, rate_hz, self.semitones)
        if self.noise:
            speech = speech + self.noise * self._generator(recording_id).standard_normal(len(speech))
        return speech

    def _generator(self, recording_id: str) -> np.random.Generator:
        told = json.dumps([recording_id, float(self.noise), float(self.semitones)])  # 1 and 1.0 are one value
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(told.encode(), digest_size=16).digest()))


def _shifted(speech: Float[np.ndarray, " n"], rate_hz: int, semitones: float) -> Float64[np.ndarray, " n"]:
    # In float32, which is what files are read in: long speech takes the vocoder gigabytes otherwise.
    padded = np.pad(speech.astype(np.float32), (0, max(0, _FRAME - len(speech))))
    shift = _pitch_shift()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # librosa 1.0 warns of what it does itself
        return shift(padded, sr=rate_hz, n_steps=semitones)[: len(speech)].astype(np.float64)


@functools.cache
def _pitch_shift() -> Callable[..., np.ndarray]:
    """librosa's, compiled: it is when first called, into the cache that two processes may not fill at once."""
    from input_pipeline import audio  # as librosa, needed in an extraction alone

    shift = audio.load_librosa().effects.pitch_shift
    with audio.librosa_lock(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        shift(np.zeros(4 * _FRAME, np.float32), sr=16000, n_steps=1.0)
    return shift
