"""A feature of every recording of a corpus: audio in worker processes, text in batches."""

import concurrent.futures
import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np

from input_pipeline.errors import DataError
from input_pipeline.features import Computed, Encoders, LogMel, RecordingFeature, TextFeature
from input_pipeline.features.text import embed, encoder_of
from input_pipeline.progress import progress as with_progress
from input_pipeline.recording import Recording

_TEXTS_AT_ONCE = 1024  # segments whose texts an encoder meets in one call, at least, while there are more
_AHEAD = 2  # recordings a worker may be ahead of the reader, so that memory stays bounded


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
        encoders: what makes the encoders of texts that are not built in, by name.
        workers: processes for audio (0: one a core, 1: none, the work is done in this one). They start afresh, never by
            fork, so an importing of JAX or TensorFlow in this process does no harm; a program that calls this in its
            top-level code needs Python's usual `if __name__ == "__main__"` around it.
        progress: whether stderr tells how far the work is.

    Raises:
        DataError: a recording's data or an encoder's checkpoint cannot be used, or a worker died.
        ConfigError: a text encoder was not handed in, or does not fit the feature.
    """
    if isinstance(feature, TextFeature):
        found = _embedded(feature, recordings, encoders)
    else:
        found = _computed(feature, recordings, workers or joblib.cpu_count())
    if progress:
        found = with_progress(found, len(recordings), f"extracting {feature.kind}", "recordings")
    for recording, result in zip(recordings, found, strict=True):
        yield _finite(recording, feature, result)


def _computed(feature: LogMel, recordings: Sequence[Recording], workers: int) -> Iterator[RecordingFeature]:
    workers = min(workers, len(recordings))
    if workers <= 1:
        yield from map(feature.extract, recordings)
        return
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        submitted = (pool.submit(_in_worker, feature, recording) for recording in recordings)
        waiting = deque(itertools.islice(submitted, workers * (1 + _AHEAD)))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(itertools.islice(submitted, 1))
            yield result
    except BrokenProcessPool:
        raise DataError(
            f"extracting {feature.kind}: one of {workers} worker processes was killed, most often for want of memory; "
            "run again with fewer workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _in_worker(feature: LogMel, recording: Recording) -> RecordingFeature:
    try:
        return feature.extract(recording)
    except DataError as error:
        # Subclasses with arguments of their own do not survive the way back through pickle; their line does.
        raise DataError(str(error)) from None


def _embedded(
    feature: TextFeature, recordings: Sequence[Recording], encoders: Encoders | None
) -> Iterator[RecordingFeature]:
    everything = (text for recording in recordings for text in _texts(feature, recording))
    encoder = encoder_of(feature, everything, encoders)
    for batch in _batches(feature, recordings):
        # A text is embedded once, though it may be the context of several others.
        unique = list(dict.fromkeys(text for segments in batch for texts in segments for text in texts))
        vectors = dict(zip(unique, embed(unique, encoder, feature.dim), strict=True))
        for segments in batch:
            frames = [np.concatenate([vectors[text] for text in texts]) for texts in segments]
            yield RecordingFeature(np.concatenate(frames), np.array([len(of_one) for of_one in frames], np.int32))


def _batches(feature: TextFeature, recordings: Sequence[Recording]) -> Iterator[list[list[tuple[str, ...]]]]:
    """The texts of whole recordings, of so many that their segments are `_TEXTS_AT_ONCE` or the last."""
    batch: list[list[tuple[str, ...]]] = []
    count = 0
    for recording in recordings:
        batch.append(feature.texts(recording))
        count += len(batch[-1])
        if count >= _TEXTS_AT_ONCE:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _texts(feature: TextFeature, recording: Recording) -> Iterator[str]:
    return itertools.chain.from_iterable(feature.texts(recording))


def _finite(recording: Recording, feature: Computed, result: RecordingFeature) -> RecordingFeature:
    wrong = ~np.isfinite(result.values).all(axis=1)
    if wrong.any():
        raise DataError(
            f"recording {recording.id}: {feature.kind} is NaN or infinite in frame {int(np.argmax(wrong))} of "
            f"{len(wrong)}; look at the recording, or at the encoder's checkpoint"
        )
    return result
