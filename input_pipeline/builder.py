"""The TFDS builder: one feature of a whole corpus into shards on disk, once for each content of corpus and config.

A dataset is the folder `features_dir/<corpus>/<kind>-<fingerprint>`: TFDS's shards and descriptions, and beside them
`feature_set.json`, which says what the shards hold. It is written under another name and renamed when complete, so a
folder of that name is whole, however a writing process ended.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import absl.logging
import numpy as np
import tensorflow_datasets as tfds

from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import Computed, Dtype, Encoders, RecordingFeature
from input_pipeline.jpeg import to_jpeg
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.progress import progress
from input_pipeline.recording import Corpus, Recording, Segment, digest_file, digest_files, fingerprint
from input_pipeline.scratch import alone, scratch_folder
from input_pipeline.tensorflow import load_tensorflow as load_tensorflow

FileFormat = Literal["tfrecord", "array_record"]
SPLIT = "recordings"  # TFDS's only split: the corpus's own splits are a field of the examples
_SIDECAR, _DIGEST = "feature_set.json", "digest"


@dataclasses.dataclass(frozen=True)
class Description:
    """What the shards of one folder hold; the content of its `feature_set.json`.

    Attributes:
        feature: the feature's config, as `Config.compact` gives it: a field that is added later makes no other shards.
        version: of the feature's arithmetic.
        shape, dtype: of one frame, as the feature says. In files from before images there is `dim` instead.
        fingerprint: a digest of the recordings, their labels, the feature and its version, and the files that it reads.
        tasks: the tasks that any recording has a label of.
        classes: by classification task, its classes in the order of their indices.
        recordings: ids, in the corpus's order.
        left_out: what of the recordings the feature was not computed of. Files from before it was counted have none.
    """

    corpus: str
    synthetic: bool
    feature: Mapping[str, Any]
    version: int
    shape: tuple[int, ...]
    fingerprint: str
    file_format: FileFormat
    tasks: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    recordings: tuple[str, ...]
    dtype: Dtype = "float32"
    left_out: tuple[LeftOut, ...] = ()

    @property
    def dim(self) -> int:
        """The length of a frame's last axis: of a vector its dimension, of an image its channels."""
        return self.shape[-1]


def ensure(
    feature: Computed,
    corpus: Corpus,
    *,
    features_dir: Path,
    encoders: Encoders | None = None,
    file_format: FileFormat = "tfrecord",
    workers: int = 0,
) -> Path:
    """The folder of the feature's shards, which are computed and written where they are not there yet.

    Args:
        file_format: "array_record" can be read where TensorFlow is not installed.
        encoders, workers: as `extraction.extract` takes them.

    Raises:
        DataError: the corpus or one of its recordings cannot be used, or the folder cannot be written.
        ConfigError: the corpus cannot give what the feature's config asks for; a text encoder was not handed in, or does
            not fit the feature.
    """
    check(feature, corpus)
    recordings = corpus.recordings()
    description = _describe(feature, corpus, recordings, file_format)
    target = features_dir / corpus.name / _folder_name(feature, description)
    if target.is_dir():
        return target
    skipped: list[tuple[int, int]] = []

    def examples() -> Iterator[dict[str, Any]]:
        results = extract(feature, recordings, encoders=encoders, workers=workers)
        for recording, result in zip(recordings, results, strict=True):
            skipped.append((result.skipped, result.skipped + len(result.values)))
            yield _example(recording, feature.segments(recording), result)

    def left_out() -> tuple[LeftOut, ...]:
        return counted("frames", feature.skips, skipped)

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone(target))
        except OSError as error:
            raise _unwritable(target, error) from None
        if not target.is_dir():
            store(description, examples(), target, left_out, jpeg_quality=feature.jpeg_quality)
    return target


def check(feature: Computed, corpus: Corpus) -> None:
    """Tells what keeps the feature from being computed of the corpus, as far as no waveform has to be read for it.

    Raises:
        DataError, ConfigError: as `ensure`.
    """
    recordings = corpus.recordings()
    if not recordings:
        raise DataError(
            f"{corpus.root}: the corpus {corpus.name} has no recordings; look at the folder given as --data_dir"
        )
    ids = tuple(recording.id for recording in recordings)
    if len(set(ids)) < len(ids):
        twice = next(name for index, name in enumerate(ids) if name in ids[:index])
        raise DataError(f"{corpus.root}: two recordings of {corpus.name} have the id {twice!r}; ids must be unique")
    for recording in recordings:
        for task, value in recording.labels.items():
            label_value(value, task, corpus.classes, recording.id)
    feature.check_recordings(recordings)


def store(
    description: Description,
    examples: Iterable[Mapping[str, Any]],
    target: Path,
    skipped: Callable[[], tuple[LeftOut, ...]] = tuple,
    *,
    jpeg_quality: int = 0,
) -> None:
    """Writes a feature set that `reading.read` reads: one example a recording, with the fields of `reading.Stored`.

    Args:
        skipped: what else turned out to be left out; asked when the last example is written.
        jpeg_quality: as of `Computed`.

    Raises:
        DataError: the folder cannot be written.
    """
    watched = _Watched(examples)
    try:
        with scratch_folder(target) as scratch:
            _rename(_write(description, watched, scratch, skipped, jpeg_quality), target)
    except OSError as error:
        if error is watched.failure:
            raise
        raise _unwritable(target, error) from None


def find(features_dir: Path, corpus_name: str, feature: Computed) -> Path | None:
    """The folder that `ensure` once wrote for the feature, found without the corpus; None where there is none.

    Raises:
        DataError: several folders fit, made from different contents of the corpus.
    """
    found = []
    for folder in sorted((features_dir / corpus_name).glob(f"{feature.kind}-*")):
        description = describe(folder)
        if description.feature == _as_json(feature.compact()) and description.version == feature.version:
            found.append((description.file_format != "array_record", folder, description.fingerprint))
    if len({digest for _, _, digest in found}) > 1:
        names = ", ".join(folder.name for _, folder, _ in found)
        raise DataError(
            f"{features_dir / corpus_name}: {names} hold this feature of different recordings; delete all but one"
        )
    return min(found)[1] if found else None


def describe(folder: Path) -> Description:
    """What the shards in `folder` hold.

    Raises:
        DataError: the folder was not written by `ensure`, or its description is damaged.
    """
    path = folder / _SIDECAR
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        noted = fields.pop(_DIGEST, None)  # files from before it was noted have none
        if noted is not None and noted != _digest(fields):
            raise ValueError("it is not what was written")
        fields["tasks"], fields["recordings"] = tuple(fields["tasks"]), tuple(fields["recordings"])
        fields["shape"] = tuple(fields["shape"]) if "shape" in fields else (fields.pop("dim"),)
        fields["left_out"] = tuple(LeftOut(*one) for one in fields.get("left_out", ()))
        fields["classes"] = {task: tuple(names) for task, names in fields["classes"].items()}
        return Description(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: not a description of features ({reason}); delete the folder and prepare it again"
        ) from None


def label_value(
    value: str | int | float, task: str, classes: Mapping[str, tuple[str, ...]], recording_id: str
) -> int | float:
    """A label as a number: the index of its class (a str names the class, an int is the index), or the score itself.

    Raises:
        DataError: the task has no such class.
    """
    if task not in classes:
        return float(value)
    names = classes[task]
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, int) and 0 <= value < len(names):
        return int(value)
    raise DataError(
        f"recording {recording_id}: label {value!r} of task {task!r} is none of {', '.join(names)}; correct the label"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's bars and messages off the terminal."""
    tfds.disable_progress_bar()
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        absl.logging.set_verbosity(verbosity)


class FeatureShards(tfds.core.GeneratorBasedBuilder):
    """TFDS's view of a dataset: one example a recording, arrays as raw bytes, labels and metadata as JSON.

    Frames that are stored as JPEG are a sequence of TFDS's images; their bytes are made here and not by TensorFlow, so that
    one library makes them and `reading` decodes them by the same.
    """

    VERSION = tfds.core.Version("1.0.0")

    def __init__(
        self,
        *,
        examples: Iterable[dict[str, Any]],
        shape: tuple[int, ...],
        dtype: Dtype,
        data_dir: Path,
        file_format: FileFormat,
        jpeg_quality: int,
    ):
        self._given, self._shape, self._dtype = examples, shape, np.dtype(dtype).type
        self._jpeg_quality = jpeg_quality
        super().__init__(data_dir=data_dir, file_format=file_format)

    def _info(self) -> tfds.core.DatasetInfo:
        def array(shape: tuple[int | None, ...], dtype: type) -> tfds.features.Tensor:
            return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES)

        texts = {name: tfds.features.Text() for name in ("id", "participant", "split", "labels", "metadata")}
        values = array((None, *self._shape), self._dtype)
        if self._jpeg_quality:
            values = tfds.features.Sequence(tfds.features.Image(shape=self._shape, encoding_format="jpeg"))
        arrays = {
            "values": values,
            "lengths": array((None,), np.int32),
            "starts_s": array((None,), np.float64),
            "stops_s": array((None,), np.float64),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(texts | arrays), disable_shuffling=True
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, example in enumerate(self._given):
            values = to_jpeg(example["values"], self._jpeg_quality) if self._jpeg_quality else example["values"]
            yield number, example | {"values": values}


class _Watched:
    """The examples for TFDS, once; remembers what ended them early, to tell it from a failure to write them."""

    def __init__(self, examples: Iterable[Mapping[str, Any]]):
        self._examples = examples
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for example in self._examples:
                texts = {name: json.dumps(dict(example[name])) for name in ("labels", "metadata")}
                yield dict(example) | texts
        except Exception as error:
            self.failure = error
            raise


def _describe(
    feature: Computed, corpus: Corpus, recordings: Sequence[Recording], file_format: FileFormat
) -> Description:
    try:
        digests = {
            "recordings": _digests(recordings, corpus.name, feature),
            "checkpoint": digest_files(feature.files()),
        }
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); restore the file") from None
    content = digests | {
        "classes": {task: list(names) for task, names in corpus.classes.items()},
        "synthetic": corpus.synthetic,
        "feature": _as_json(feature.compact()),
        "version": feature.version,
    }
    return Description(
        corpus=corpus.name,
        synthetic=corpus.synthetic,
        feature=_as_json(feature.compact()),
        version=feature.version,
        shape=feature.shape,
        dtype=feature.dtype,
        fingerprint=hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest(),
        file_format=file_format,
        tasks=tuple(sorted({task for recording in recordings for task in recording.labels})),
        classes={task: tuple(names) for task, names in corpus.classes.items()},
        recordings=tuple(recording.id for recording in recordings),
        left_out=(*corpus.left_out, *feature.left_out(recordings)),
    )


def _digests(recordings: Sequence[Recording], corpus_name: str, feature: Computed) -> list[str]:
    read = [_files_read(feature, one) for one in recordings]
    files = dict.fromkeys(
        path for paths in read for path in paths
    )  # once a file, though clips of one recording share it
    of_file: dict[Path, str] = {}
    if files:
        with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
            found = progress(pool.map(_digest_of_file, files), len(files), f"fingerprint of {corpus_name}", "files")
            of_file = dict(zip(files, found, strict=True))
    return [
        fingerprint(one, "".join(of_file[path] for path in paths)) for one, paths in zip(recordings, read, strict=True)
    ]


def _files_read(feature: Computed, recording: Recording) -> list[Path]:
    """Those of the recording's files on whose content the feature depends, in a fixed order."""
    audio = [recording.audio] if feature.reads_audio and recording.audio is not None else []
    return audio + [recording.tracks[kind] for kind in feature.reads_tracks if kind in recording.tracks]


def _digest_of_file(path: Path) -> str:
    """Of a folder (a clip's frames) it is that of the files in it and of their names, which say the order."""
    if not path.is_dir():
        return digest_files([path])
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(inner for inner in path.iterdir() if inner.is_file()):
        digest.update(os.fsencode(file.name) + b"\0")
        digest_file(digest, file)
    return digest.hexdigest()


def _as_json(config: dict[str, Any]) -> dict[str, Any]:
    """As it reads back from a file, and with 1 and 1.0 the same: both are fine values for a float field."""
    return json.loads(json.dumps(config), parse_int=float)


def _folder_name(feature: Computed, description: Description) -> str:
    name = f"{feature.kind}-{description.fingerprint}"
    return name if description.file_format == "tfrecord" else f"{name}-{description.file_format}"


def _example(recording: Recording, segments: Sequence[Segment], result: RecordingFeature) -> dict[str, Any]:
    return {
        "id": recording.id,
        "participant": recording.participant,
        "split": recording.split,
        "labels": recording.labels,
        "metadata": recording.metadata,
        "values": result.values,
        "lengths": result.lengths,
        "starts_s": np.array([segment.start_s for segment in segments], np.float64),
        "stops_s": np.array([segment.stop_s for segment in segments], np.float64),
    }


def _write(
    description: Description,
    examples: _Watched,
    scratch: Path,
    skipped: Callable[[], tuple[LeftOut, ...]],
    jpeg_quality: int,
) -> Path:
    """Writes the dataset below `scratch` and returns its folder. Raises OSError where the disk refuses."""
    try:
        load_tensorflow()
    except ImportError:
        raise DataError(f"{scratch.parent}: writing features needs TensorFlow, which is not installed here") from None
    with quiet():
        shards = FeatureShards(
            examples=examples,
            shape=description.shape,
            dtype=description.dtype,
            data_dir=scratch,
            file_format=description.file_format,
            jpeg_quality=jpeg_quality,
        )
        try:
            shards.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        except RuntimeError as error:  # what TFDS makes of a failed write, of either format
            if error is examples.failure:
                raise
            raise OSError(str(error)) from error
    folder = Path(shards.data_dir)
    description = dataclasses.replace(description, left_out=(*description.left_out, *skipped()))
    fields = json.loads(json.dumps(dataclasses.asdict(description)))
    (folder / _SIDECAR).write_text(json.dumps(fields | {_DIGEST: _digest(fields)}, indent=1), encoding="utf-8")
    return folder


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).hexdigest()


def _unwritable(target: Path, error: OSError) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{target}: cannot be written ({reason}); free space there, or give another folder for features")


def _rename(written: Path, target: Path) -> None:
    try:
        written.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, with the same content
            raise
