"""Batches that are gathered on the host while the device computes, by tf.data."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from input_pipeline.builder import load_tensorflow

_AHEAD = 2  # batches that wait, gathered, before they are asked for; two more may be on their way
_GATHERS: dict[int, Callable[[int], Sequence[np.ndarray]]] = {}  # of the streams that are open
_TOKENS = itertools.count()


def stream(
    gather: Callable[[int], Sequence[np.ndarray]], steps: int, dtypes: Sequence[str]
) -> Iterator[list[np.ndarray]]:
    """Yields `gather(0)`, ..., `gather(steps - 1)`, in that order, gathered ahead by threads of tf.data.

    Args:
        gather: called from other threads; its arrays have the `dtypes`, by NumPy's names.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    tf = load_tensorflow()
    types, token = [tf.as_dtype(dtype) for dtype in dtypes], next(_TOKENS)
    _GATHERS[token] = gather
    try:
        batches = tf.data.Dataset.range(steps).map(
            lambda step: tf.numpy_function(_gathered, [np.int64(token), step], types),
            num_parallel_calls=2,
            deterministic=True,
        )
        for arrays in batches.prefetch(_AHEAD).as_numpy_iterator():
            yield list(arrays)
    finally:
        del _GATHERS[token]


def _gathered(token: int, step: int) -> list[np.ndarray]:
    """By token: TensorFlow keeps a function that it was given for ever, and with it whatever the function holds."""
    return list(_GATHERS[int(token)](int(step)))
