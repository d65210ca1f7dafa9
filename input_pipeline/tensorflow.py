"""TensorFlow, as every part of the package loads it."""

import contextlib
import os
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """TensorFlow, imported late because it takes seconds, without its log, and kept off the GPU, which is JAX's.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # nothing is computed here, and it announces itself otherwise
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # the caller has used TensorFlow before, and decided
        tf.config.set_visible_devices([], "GPU")
    return tf
