"""Spectrograms as images."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from jaxtyping import Float, Float32, Float64, Num

from input_pipeline.config import ConfigError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.perturbation import Perturbation
from input_pipeline.features.sound import require_audio, waveforms
from input_pipeline.features.windows import CutSpeech, SpeechWindows, whole
from input_pipeline.recording import Recording, Segment

_FLOOR, _FLOOR_DB = 1e-10, -100.0  # power up to this is silence
_WINDOWS_AT_A_TIME = 64  # whose spectrum is in memory: an hour of speech would take gigabytes

# The colours of the map "jet": red, green and blue rise four times as fast as the level from below these, reach 1 a quarter
# later, stay for another, and fall as fast.
_SLOPE, _JET = 4, (0.375, 0.125, -0.125)


@dataclasses.dataclass
class SpectrogramImage(PerRecording):
    """The spectrogram of each kept segment as an image [size, size, channels], time to the right, frequency upwards.

    A segment is framed without padding or centring, each frame weighted by a periodic Hann window: 1 + (samples - frame)
    // hop frames; a segment shorter than one frame is padded with zeros at its end. The power in dB of all of its bins,
    `range_db` down from the image's loudest cell, becomes a level from 0 to 1; what lies lower, or is silence, is 0.
    The levels are resized linearly, by Pillow, whose filter widens where an image shrinks. One channel is the level;
    three are its colour on the map "jet", from blue over green to red.

    Attributes:
        of: "segment": each kept segment's speech is an image. "recording": the speech of all kept segments, joined, is.
            "window": each of `windows`, which are cut from the recording's speech, is.
        windows: has a meaning for "window" alone.
        size: of both sides, in pixels.
        dtype: "uint8" keeps steps of 1/255 in a quarter of the memory.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "spectrogram_image"

    of: Literal["segment", "recording", "window"] = "segment"
    size: int = 224
    channels: Literal[1, 3] = 3
    frame_s: float = 0.025
    hop_s: float = 0.010
    range_db: float = 80.0
    rate_hz: int = 16000
    dtype: Literal["uint8", "float32"] = "uint8"
    windows: SpeechWindows = dataclasses.field(default_factory=SpeechWindows)

    @property
    def dim(self) -> int:
        return self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, self.channels)

    def check(self) -> None:
        for name in ("size", "rate_hz"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)!r}")
        for name in ("frame_s", "hop_s"):
            if not getattr(self, name) * self.rate_hz >= 1:
                raise ConfigError(
                    f"{name}: expected one sample or more at {self.rate_hz} Hz, found {getattr(self, name)!r} s"
                )
        if not 0 < self.range_db < math.inf:
            raise ConfigError(f"range_db: expected a number above 0, found {self.range_db!r}")
        if self.of == "window":
            self.windows.check_rate(self.rate_hz)
        elif self.windows != SpeechWindows():
            raise ConfigError(f"windows: has a meaning for of='window' alone, found of={self.of!r}")

    def perturbed(self, perturbation: Perturbation) -> Self:
        if self.of != "window":
            raise ConfigError(f"of: there are perturbed copies of windows alone, found of={self.of!r}")
        return dataclasses.replace(self, windows=self.windows.perturbed(perturbation))

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        require_audio(recordings, self.kind)

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        """The kept segments, or one from the start of the first to the end of the last."""
        kept = super().segments(recording)
        return kept if self.of == "segment" else whole(kept)

    def extract(self, recording: Recording) -> RecordingFeature:
        images = np.stack([self._drawn(power) for power in self._powers(recording)])
        lengths = np.ones(len(images)) if self.of == "segment" else np.array([len(images)])
        return RecordingFeature(images, lengths.astype(np.int32))

    def image(self, samples: Float[np.ndarray, " samples"]) -> Num[np.ndarray, "size size channels"]:
        """The image of one stretch of a waveform."""
        return self._drawn(self._power_db(samples))

    def levels(self, samples: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "bins frames"]:
        """The level, 0 ... 1, of each bin, the lowest first, in each frame."""
        return self._levels(self._power_db(samples))

    def _powers(self, recording: Recording) -> Iterator[Float64[np.ndarray, "bins frames"]]:
        """The power of each image, in dB."""
        segments = self.segmentation.apply(recording)
        if self.of == "window":
            yield from self._powers_of_windows(self.windows.extract(recording, segments, self.rate_hz, self.kind))
            return
        speech = waveforms(recording, segments, self.rate_hz, self.kind)
        for samples in speech if self.of == "segment" else [np.concatenate(speech)]:
            yield self._power_db(samples)

    def _powers_of_windows(self, speech: CutSpeech) -> Iterator[Float64[np.ndarray, "bins frames"]]:
        """What windows that overlap have in common is computed once, where their frames are the same."""
        if speech.size < self._frame or any(start % self._hop for start in speech.starts):
            yield from map(self._power_db, speech.windows)
            return
        frames = 1 + (speech.size - self._frame) // self._hop
        for index in range(0, len(speech.starts), _WINDOWS_AT_A_TIME):
            starts = speech.starts[index : index + _WINDOWS_AT_A_TIME]
            power_db = self._power_db(speech.samples[starts[0] : starts[-1] + speech.size])
            for start in starts:
                first = (start - starts[0]) // self._hop
                yield power_db[:, first : first + frames]

    def _drawn(self, power_db: Float[np.ndarray, "bins frames"]) -> Num[np.ndarray, "size size channels"]:
        from PIL import Image  # as librosa, needed in an extraction alone

        levels = self._levels(power_db).astype(np.float32)[::-1]  # the first row of an image is its upper edge
        resized = Image.fromarray(levels).resize((self.size, self.size), Image.Resampling.BILINEAR)
        image = np.clip(np.asarray(resized, np.float32), 0, 1)[..., None]
        if self.channels == 3:
            image = _coloured(image[..., 0])
        return np.rint(255 * image).astype(np.uint8) if self.dtype == "uint8" else image

    def _levels(self, power_db: Float[np.ndarray, "bins frames"]) -> Float[np.ndarray, "bins frames"]:
        return np.where(power_db > _FLOOR_DB, np.clip(1 + (power_db - power_db.max()) / self.range_db, 0, 1), 0)

    def _power_db(self, samples: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, "bins frames"]:
        from input_pipeline import audio

        padded = np.pad(samples.astype(np.float64), (0, max(0, self._frame - len(samples))))
        spectrum = audio.load_librosa().stft(
            padded, n_fft=self._frame, hop_length=self._hop, window="hann", center=False
        )
        power = spectrum.real**2 + spectrum.imag**2
        return np.where(power > _FLOOR, 10 * np.log10(np.maximum(power, _FLOOR)), _FLOOR_DB)

    @property
    def _frame(self) -> int:
        return round(self.frame_s * self.rate_hz)

    @property
    def _hop(self) -> int:
        return round(self.hop_s * self.rate_hz)


def _coloured(levels: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W 3"]:
    # In float32 throughout: interpolating between the corners, with the same results, took most of an image's time.
    colours, steep = np.empty((*levels.shape, 3), np.float32), np.float32(_SLOPE) * levels
    for channel, start in enumerate(_JET):
        first, last = np.float32(_SLOPE * start), np.float32(_SLOPE * (start + 0.75))
        colours[..., channel] = np.clip(np.minimum(steep - first, last - steep), 0, 1)
    return colours
