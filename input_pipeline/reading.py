"""Reads the shards that `builder` wrote: TFRecord through tf.data, ArrayRecord without TensorFlow."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from jaxtyping import Float64, Int32, Num

from input_pipeline.builder import SPLIT, Description, describe, load_tensorflow, quiet
from input_pipeline.errors import DataError
from input_pipeline.jpeg import from_jpeg


class Stored(NamedTuple):
    """One recording as it lies in the shards: fields of `recording.Recording` and of `features.RecordingFeature`.

    One that lacks the feature has no frame, in none of its segments.
    """

    id: str
    participant: str
    split: str
    labels: Mapping[str, str | int | float]
    metadata: Mapping[str, str]
    values: Num[np.ndarray, " frames *shape"]
    lengths: Int32[np.ndarray, " segments"]
    starts_s: Float64[np.ndarray, " segments"]
    stops_s: Float64[np.ndarray, " segments"]


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """One feature of all recordings of a corpus, in the corpus's order.

    Attributes:
        copies: of each perturbed copy of all recordings that stands behind them in `recordings`, what its shards hold.
    """

    description: Description
    recordings: tuple[Stored, ...]
    copies: tuple[Description, ...] = ()

    @property
    def originals(self) -> tuple[Stored, ...]:
        """The recordings that are no copies."""
        return self.recordings[: len(self.recordings) // (1 + len(self.copies))]

    @property
    def fingerprint(self) -> str:
        """Of the shards of the recordings, and of those of their copies."""
        return "+".join(one.fingerprint for one in (self.description, *self.copies))


def read(path: Path) -> FeatureSet:
    """The feature set in a folder that `builder.ensure` wrote, bit for bit as it was extracted.

    Pictures that are stored as JPEG are what that decodes to, bit for bit the same from both file formats.

    Raises:
        DataError: a shard is missing or damaged, recordings are missing, or TensorFlow is needed and absent.
    """
    description = describe(path)
    errors = _errors_of_damage(path, description)
    try:
        with quiet():
            stored = {item.id: item for item in (_stored(one, description) for one in _shards(path, description))}
    except errors as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: a shard cannot be read ({reason}); delete the folder and prepare it again") from None
    if set(stored) != set(description.recordings):
        raise DataError(
            f"{path}: holds {len(set(stored) & set(description.recordings))} of the {len(description.recordings)} "
            "recordings that were prepared; delete the folder and prepare it again"
        )
    return FeatureSet(description, tuple(stored[name] for name in description.recordings))


def _errors_of_damage(path: Path, description: Description) -> tuple[type[Exception], ...]:
    """What TFDS and the libraries below it raise over a missing or damaged file of the dataset."""
    errors = (RuntimeError, OSError, ValueError, AssertionError, KeyError, json_format.Error, DecodeError)
    if description.file_format == "array_record":
        return errors
    try:
        return (*errors, load_tensorflow().errors.OpError)
    except ImportError:
        raise DataError(
            f"{path}: TFRecord shards need TensorFlow, which is not installed here; install it, or prepare the "
            "features with file_format 'array_record'"
        ) from None


def _shards(path: Path, description: Description) -> Iterator[Mapping[str, Any]]:
    builder = tfds.builder_from_directory(path)
    decoders = {"values": _AsStored()} if _are_jpegs(builder.info.features["values"]) else None
    if description.file_format == "array_record":
        source = builder.as_data_source(split=SPLIT, decoders=decoders)
        yield from (source[index] for index in range(len(source)))
    else:
        reading = tfds.ReadConfig(try_autocache=False)
        dataset = builder.as_dataset(split=SPLIT, shuffle_files=False, read_config=reading, decoders=decoders)
        yield from tfds.as_numpy(dataset.prefetch(load_tensorflow().data.AUTOTUNE))


class _AsStored(tfds.decode.SkipDecoding):
    """Of pictures the stored bytes: TFDS decodes them by TensorFlow or by OpenCV, which need not agree to the bit.

    TFDS's own class does not know how to leave sequences alone without TensorFlow.
    """

    def decode_batch_example(self, serialized_example: Any) -> Any:
        return serialized_example

    def decode_batch_example_np(self, serialized_example: Any) -> Any:
        return serialized_example


def _are_jpegs(values: tfds.features.FeatureConnector) -> bool:
    """Whether shards hold frames as JPEG, as their own description says."""
    return isinstance(values, tfds.features.Sequence)


def _stored(example: Mapping[str, Any], description: Description) -> Stored:
    texts = {name: example[name].decode() for name in ("id", "participant", "split")}
    dicts = {name: json.loads(example[name]) for name in ("labels", "metadata")}
    arrays = {name: example[name] for name in ("values", "lengths", "starts_s", "stops_s")}
    if arrays["values"].dtype == object:  # bytes that were not decoded
        try:
            arrays["values"] = from_jpeg(arrays["values"], description.shape)
        except ValueError as error:
            raise ValueError(f"a frame of {texts['id']}: {error}") from None
    lengths = arrays["lengths"]
    if lengths.sum() != len(arrays["values"]) or (lengths.min(initial=1) < 1 and lengths.any()):
        raise ValueError(f"the segments of {texts['id']} do not add up to its {len(arrays['values'])} frames")
    return Stored(**texts, **dicts, **arrays)
