"""Short frames of a recording's speech, segment by segment, of which features of sound are made."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from input_pipeline.config import ConfigError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.cleaning import Cleaning
from input_pipeline.features.sound import require_audio, waveforms
from input_pipeline.recording import Recording


@dataclasses.dataclass
class SpeechFrames(PerRecording):
    """Base of the features that have a vector for each short frame of the kept segments.

    Each segment is framed on its own: nothing that is said outside it enters its frames. Frames lie wholly inside the
    segment, without padding or centring: 1 + (samples - frame) // hop of them; a segment shorter than one frame is
    padded with zeros at its end and gives one.

    Attributes:
        pool_frames: so many consecutive frames of a segment become their mean, one vector; the last of a segment is the
            mean of what remains. Pooling is the last step.
        cleaning: of the recording's speech, before it is framed.
    """

    frame_s: float = 0.025
    hop_s: float = 0.010
    rate_hz: int = 16000
    pool_frames: int = 1
    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return round(self.frame_s * self.rate_hz)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop_s * self.rate_hz)

    def check(self) -> None:
        for name in ("rate_hz", "pool_frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)!r}")
        for name in ("frame_s", "hop_s"):
            if not getattr(self, name) * self.rate_hz >= 1:
                raise ConfigError(
                    f"{name}: expected one sample or more at {self.rate_hz} Hz, found {getattr(self, name)!r} s"
                )

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        require_audio(recordings, self.kind)

    def extract(self, recording: Recording) -> RecordingFeature:
        """The vectors of the recording's kept segments.

        Raises:
            DataError: there is no audio, it cannot be used, no segment is kept, or one lies behind the audio's end.
        """
        segments = self.segmentation.apply(recording)
        speech = self.cleaning.apply(waveforms(recording, segments, self.rate_hz, self.kind), self.rate_hz)
        frames = self.together([self.frames(samples) for samples in speech])
        vectors = [_pooled(segment, self.pool_frames) for segment in frames]
        lengths = np.array([len(segment) for segment in vectors], np.int32)
        return RecordingFeature(np.concatenate(vectors).astype(np.float32), lengths)

    @abc.abstractmethod
    def frames(self, samples: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, "frames dim"]:
        """The vectors of one stretch of a waveform."""

    def together(self, segments: list[Float64[np.ndarray, "frames dim"]]) -> list[Float64[np.ndarray, "frames dim"]]:
        """What the frames of a recording's segments become when all are known; here, they stay as they are."""
        return segments

    def around(self, samples: Float[np.ndarray, " samples"], size: int) -> Float64[np.ndarray, " padded"]:
        """A waveform with zeros about it: windows of `size` samples every hop have their middles where the frames have.

        Args:
            size: as long as a frame, or longer.
        """
        missing, before = max(0, self.frame - len(samples)), (size - self.frame) // 2
        return np.pad(samples.astype(np.float64), (before, missing + size - self.frame - before))


def _pooled(frames: Float64[np.ndarray, "frames dim"], size: int) -> Float64[np.ndarray, "vectors dim"]:
    starts = np.arange(0, len(frames), size)
    counts = np.minimum(size, len(frames) - starts)
    return np.add.reduceat(frames, starts, axis=0) / counts[:, None]
