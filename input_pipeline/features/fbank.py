"""The log-mel filterbank of a recording's segments, with its derivatives."""

import dataclasses
import functools
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float64

from input_pipeline.config import ConfigError
from input_pipeline.features.speech_frames import SpeechFrames

_FLOOR = 1e-10  # of the filters' power before the logarithm; 16-bit quantisation noise lies near 1e-8
_MIN_DEVIATION = 1e-5  # a dimension that never changes becomes zero, not noise blown up
_DELTA_WIDTH = 5  # two frames to each side


@dataclasses.dataclass
class LogMel(SpeechFrames):
    """Log-mel filterbank in the manner of HTK (The HTK Book 3.4, sections 5.2 to 5.9), on a power spectrum.

    A frame (`SpeechFrames`) is weighted by a periodic Hamming window and transformed by an FFT of the next power of two
    in samples (doubled until no filter is empty). `n_mels` filters, triangles over frequency of height 1, stand evenly
    between `low_hz` and `high_hz` on the HTK mel scale, 2595 log10(1 + f / 700). The feature is the natural logarithm of
    their power, floored at 1e-10; the waveform lies in -1..1; there is no pre-emphasis.

    The derivatives are HTK's regression over two frames to each side within the segment, edge frames repeated; the
    second order is the regression of the first. 40 filters, 25 ms frames every 10 ms and the first derivative are the
    80 dimensions of Wu, Wu and Yu, "Climate and Weather" (ICASSP 2022), section 2.1.

    Attributes:
        deltas: how many orders of derivatives follow the filters.
        high_hz: the upper edge of the last filter (0: half of `rate_hz`).
        normalize: "recording" brings every dimension to mean 0 and deviation 1 over all kept frames of the recording.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "log_mel"

    n_mels: int = 40
    deltas: int = 1
    low_hz: float = 20.0
    high_hz: float = 0.0
    normalize: Literal["none", "recording"] = "recording"

    @property
    def dim(self) -> int:
        """The length of one frame's vector."""
        return self.n_mels * (1 + self.deltas)

    def static(self, bands: Float64[np.ndarray, "n_mels frames"]) -> Float64[np.ndarray, "static frames"]:
        """What of the filters' logarithms the feature and its derivatives are made of; here, all of them."""
        return bands

    def check(self) -> None:
        super().check()
        if self.n_mels < 1:
            raise ConfigError(f"n_mels: expected 1 or more, found {self.n_mels!r}")
        if not 0 <= self.deltas <= 2:
            raise ConfigError(f"deltas: expected 0, 1 or 2, found {self.deltas!r}")
        if not 0 <= self.low_hz < self._high_hz <= self.rate_hz / 2:
            raise ConfigError(
                f"high_hz: expected low_hz < high_hz <= {self.rate_hz / 2:g} (half of rate_hz), "
                f"found {self.low_hz!r} and {self.high_hz!r}"
            )
        self._filters()

    def together(self, segments: list[Float64[np.ndarray, "frames dim"]]) -> list[Float64[np.ndarray, "frames dim"]]:
        return _normalized(segments) if self.normalize == "recording" else segments

    def frames(self, samples: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, "frames dim"]:
        """Filterbank and derivatives of one stretch of a waveform, neither normalised nor pooled."""
        from input_pipeline import audio

        librosa = audio.load_librosa()
        filters, n_fft = self._filters()
        padded = self.around(samples, n_fft)  # librosa centres the window in the FFT's frame
        spectrum = librosa.stft(
            padded, n_fft=n_fft, hop_length=self.hop, win_length=self.frame, window="hamming", center=False
        )
        power = spectrum.real**2 + spectrum.imag**2
        orders = [self.static(np.log(np.maximum(filters @ power, _FLOOR)))]  # [static, frames]
        for _ in range(self.deltas):
            orders.append(librosa.feature.delta(orders[-1], width=_DELTA_WIDTH, mode="nearest"))
        return np.concatenate(orders).T

    @property
    def _high_hz(self) -> float:
        return self.high_hz or self.rate_hz / 2

    def _filters(self) -> tuple[scipy.sparse.csr_array, int]:
        return mel_filters(self.n_mels, self.low_hz, self._high_hz, self.rate_hz, self.frame)


@functools.lru_cache(maxsize=8)
def mel_filters(
    n_mels: int, low_hz: float, high_hz: float, rate_hz: int, frame: int
) -> tuple[scipy.sparse.csr_array, int]:
    """The filters [n_mels, bins] and the length of the FFT whose bins they weight."""
    shortest = 1 << (frame - 1).bit_length()
    edges_hz = 700 * (10 ** (np.linspace(_mel(low_hz), _mel(high_hz), n_mels + 2) / 2595) - 1)
    for n_fft in (shortest, 2 * shortest, 4 * shortest, 8 * shortest):
        bins_hz = np.linspace(0, rate_hz / 2, n_fft // 2 + 1)
        up = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
        down = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
        filters = np.maximum(0.0, np.minimum(up, down))
        if filters.any(axis=1).all():
            # Sparse, because each bin is in two filters at most, and so that no BLAS threads start in every worker.
            return scipy.sparse.csr_array(filters), n_fft
    raise ConfigError(
        f"n_mels: {n_mels} filters between {low_hz:g} and {high_hz:g} Hz are too narrow for frames of {frame} samples"
    )


def _mel(hz: float) -> float:
    return 2595 * np.log10(1 + hz / 700)


def _normalized(frames: list[Float64[np.ndarray, "frames dim"]]) -> list[Float64[np.ndarray, "frames dim"]]:
    everything = np.concatenate(frames)
    mean, deviation = everything.mean(axis=0), np.maximum(everything.std(axis=0), _MIN_DEVIATION)
    return [(segment - mean) / deviation for segment in frames]
