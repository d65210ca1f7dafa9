"""Batches that are gathered on the host while the device computes, by tf.data."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from input_pipeline.config import ConfigError

_AHEAD = 2  # batches gathered before they are asked for


def stream(
    gather: Callable[[int], Sequence[np.ndarray]], steps: int, dtypes: Sequence[str]
) -> Iterator[list[np.ndarray]]:
    """Yields `gather(0)`, ..., `gather(steps - 1)`, in that order, gathered ahead by threads of tf.data.

    Args:
        gather: called from other threads; its arrays have the `dtypes`, by NumPy's names.

    Raises:
        ConfigError: TensorFlow is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError:
        raise ConfigError(
            "mapping.resident_gb: features that do not fit on the device are streamed by TensorFlow, which is not "
            "installed; install it, or raise resident_gb"
        ) from None
    types = [tf.as_dtype(dtype) for dtype in dtypes]
    batches = tf.data.Dataset.range(steps).map(
        lambda step: tf.numpy_function(lambda i: list(gather(int(i))), [step], types),
        num_parallel_calls=_AHEAD,
        deterministic=True,
    )
    for arrays in batches.prefetch(_AHEAD).as_numpy_iterator():
        yield list(arrays)
