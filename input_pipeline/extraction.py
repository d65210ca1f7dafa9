"""A feature of every recording of a corpus, with its progress; every value is looked at."""

from collections.abc import Iterator, Sequence

import joblib
import numpy as np

from input_pipeline.errors import DataError
from input_pipeline.features import Computed, Encoders, RecordingFeature
from input_pipeline.progress import progress as with_progress
from input_pipeline.recording import Recording


def extract(
    feature: Computed,
    recordings: Sequence[Recording],
    *,
    encoders: Encoders | None = None,
    workers: int = 0,
    progress: bool = True,
) -> Iterator[RecordingFeature]:
    """The feature of each recording, in the recordings' order.

    Args:
        encoders: by name, what makes the encoders that are not built in.
        workers: processes for features `PerRecording` (0: one a core, 1: none, the work is done in this one). A program
            that calls this in its top-level code needs Python's usual `if __name__ == "__main__"` around it.
        progress: whether stderr tells how far the work is.

    Raises:
        DataError: a recording's data or an encoder's checkpoint cannot be used, or a worker died.
        ConfigError: an encoder was not handed in, or does not fit the feature.
    """
    found = feature.compute(recordings, encoders=encoders or {}, workers=workers or joblib.cpu_count())
    if progress:
        found = with_progress(found, len(recordings), f"extracting {feature.kind}", "recordings")
    for recording, result in zip(recordings, found, strict=True):
        yield _checked(recording, feature, result)


def _checked(recording: Recording, feature: Computed, result: RecordingFeature) -> RecordingFeature:
    values, lengths, n_segments = result.values, result.lengths, len(feature.segments(recording))
    fits = values.shape == (lengths.sum(), *feature.shape) and values.dtype == feature.dtype
    if not fits or len(lengths) != n_segments or (lengths.min() < 1 and lengths.any()):
        raise ValueError(  # a bug of the feature, not of the data
            f"{type(feature).__name__} gave {len(lengths)} segments of {lengths.sum()} frames and values {values.shape} "
            f"{values.dtype} of recording {recording.id}; it has {n_segments} segments, of frames {feature.shape} "
            f"{feature.dtype}"
        )
    wrong = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if wrong.any():
        raise DataError(
            f"recording {recording.id}: {feature.kind} is NaN or infinite in frame {int(np.argmax(wrong))} of "
            f"{len(wrong)}; look at the recording, or at the encoder's checkpoint"
        )
    return result
