"""Cepstral vectors: of windows of speech, as EmoAudioNet reads them, and of every frame."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import scipy.fft
import scipy.sparse
from jaxtyping import Float, Float32, Float64

from input_pipeline.config import ConfigError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.fbank import LogMel, mel_filters
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.sound import require_audio
from input_pipeline.features.windows import SpeechWindows, whole
from input_pipeline.recording import Recording, Segment

_FRAME, _HOP, _COEFFICIENTS = 2048, 512, 13  # of the authors' code: librosa's defaults, and n_mfcc
_BANDS = 24  # of the paper
_FLOOR = 1e-5  # amplitude up to this is silence


@dataclasses.dataclass
class Mfcc(PerRecording):
    """One cepstral vector of each window of a recording's speech (Othmani et al., "Towards Robust Deep Neural Networks for
    Affect and Depression Recognition from Speech", ICPR 2020, section III.A.3).

    The paper and the authors' published code say different things of the 177 numbers:

    - "code": a window is resampled to `code_hz`. Of its 13 MFCCs by librosa (frames of 2048 samples every 512, centred, 128
      bands of Slaney's, in dB down to 80 below the window's loudest) the mean over the 13 is one number a frame; the first
      `dim` of the window's 216 frames are the vector. Of speech at 16 kHz the bands above 8 kHz are empty, as they are for
      the authors.
    - "paper": a whole window is one frame. It is weighted by a periodic Hamming window; the natural logarithm of its
      amplitude spectrum, floored at 1e-5, is averaged under each of 24 triangles that stand evenly on the HTK mel scale
      from 0 to half of `rate_hz`; the orthonormal DCT-II of these 24 numbers, followed by zeros up to `dim`, is the
      vector. Of 24 numbers no transform makes 177 independent ones: this is the one reading that keeps all of the
      paper's figures, and 153 of its numbers follow from the others.

    Attributes:
        windows: of the speech. Those of another feature are the same under the same fields there.
        dim: the length of a vector.
        rate_hz: at which the windows are cut; for both readings.
    """

    version: ClassVar[int] = 2
    kind: ClassVar[str] = "mfcc"

    windows: SpeechWindows = dataclasses.field(default_factory=SpeechWindows)
    reading: Literal["code", "paper"] = "code"
    dim: int = 177
    rate_hz: int = 16000
    code_hz: int = 44100

    def check(self) -> None:
        for name in ("dim", "rate_hz", "code_hz"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)!r}")
        self.windows.check_rate(self.rate_hz)
        frames = 1 + round(self.windows.window_s * self.code_hz) // _HOP
        if self.reading == "code" and frames < self.dim:
            raise ConfigError(
                f"dim: windows of {self.windows.window_s:g} s have {frames} frames at {self.code_hz} Hz, found {self.dim!r}"
            )
        if self.reading == "paper":
            if self.dim < _BANDS:
                raise ConfigError(f"dim: the paper's {_BANDS} bands need {_BANDS} or more, found {self.dim!r}")
            self._paper_filters()

    def perturbed(self, perturbation: Perturbation) -> Self:
        return dataclasses.replace(self, windows=self.windows.perturbed(perturbation))

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        require_audio(recordings, self.kind)

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """One, from the start of the first kept segment to the end of the last."""
        return whole(super().segments(recording))

    def extract(self, recording: Recording) -> RecordingFeature:
        segments = self.segmentation.apply(recording)
        resampled_hz = self.code_hz if self.reading == "code" else 0
        speech = self.windows.extract(recording, segments, self.rate_hz, self.kind, resampled_hz)
        vector = self.code_vector if self.reading == "code" else self.paper_vector
        vectors = np.stack([vector(samples) for samples in speech.windows])
        return RecordingFeature(vectors.astype(np.float32), np.array([len(vectors)], np.int32))

    def code_vector(self, samples: Float[np.ndarray, " samples"]) -> Float32[np.ndarray, " dim"]:
        """The vector of a window at `code_hz` by the authors' code."""
        from input_pipeline import audio  # as librosa, needed in an extraction alone

        librosa = audio.load_librosa()
        window = librosa.filters.get_window("hann", _FRAME).astype(np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples.astype(np.float32), _FRAME // 2), _FRAME)[
            ::_HOP
        ]
        # Not librosa's stft, which goes frame by frame: that took most of the time.
        power = np.abs(scipy.fft.rfft(frames * window))
        np.square(power, out=power)
        bands_db = librosa.power_to_db(_code_filters(self.code_hz) @ power.T)
        return (_mean_coefficient(len(bands_db)) @ bands_db)[: self.dim]

    def paper_vector(self, samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " dim"]:
        """The vector of a window at `rate_hz` by the paper."""
        import scipy.signal  # most of a second that those who only read configs need not spend

        filters, n_fft = self._paper_filters()
        weighted = samples * scipy.signal.get_window("hamming", len(samples))
        logarithm = np.log(np.maximum(np.abs(scipy.fft.rfft(weighted, n_fft)), _FLOOR))
        return scipy.fft.dct(filters @ logarithm / filters.sum(axis=1), n=self.dim, norm="ortho")

    def _paper_filters(self) -> tuple[scipy.sparse.csr_array, int]:
        return mel_filters(_BANDS, 0.0, self.rate_hz / 2, self.rate_hz, round(self.windows.window_s * self.rate_hz))


@dataclasses.dataclass
class MfccFrames(LogMel):
    """Cepstral coefficients of each frame: the first `coefficients` of the orthonormal DCT-II of its `LogMel`.

    The first of them is the frame's level. 13 of frames of 25 ms are those of Kumari and Tiwari, "A Deep Learning Approach
    to Detect Depression from Facial Expressions and Speech Patterns" (NeuroQuantology 2021), section 3.2.2; they are
    librosa's `feature.mfcc` of the same filters, but for the unit: its decibels are 10 / ln 10 times ours.

    Attributes:
        coefficients: at most `n_mels`.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "mfcc_frames"

    coefficients: int = 13
    deltas: int = 0
    normalize: Literal["none", "recording"] = "none"

    @property
    def dim(self) -> int:
        return self.coefficients * (1 + self.deltas)

    def check(self) -> None:
        super().check()
        if not 1 <= self.coefficients <= self.n_mels:
            raise ConfigError(f"coefficients: expected 1 to {self.n_mels} (n_mels), found {self.coefficients!r}")

    def static(self, bands: Float64[np.ndarray, "n_mels frames"]) -> Float64[np.ndarray, "static frames"]:
        return scipy.fft.dct(bands, axis=0, norm="ortho")[: self.coefficients]


@functools.lru_cache(maxsize=2)
def _code_filters(rate_hz: int) -> scipy.sparse.csr_array:
    """librosa's filters [bands, bins], which it makes anew for every window; sparse, as `fbank.mel_filters` are."""
    from input_pipeline import audio

    return scipy.sparse.csr_array(audio.load_librosa().filters.mel(sr=rate_hz, n_fft=_FRAME))


@functools.lru_cache(maxsize=2)
def _mean_coefficient(bands: int) -> Float64[np.ndarray, " bands"]:
    """What the mean of the first 13 MFCCs takes of each band: a coefficient is a weighted sum of them, and so is the mean."""
    return scipy.fft.dct(np.eye(bands), norm="ortho", axis=0)[:_COEFFICIENTS].mean(axis=0)
