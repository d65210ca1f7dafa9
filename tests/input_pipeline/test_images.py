"""Features that are images: on disk as they were made, and arranged as examples."""

import dataclasses
import json
from typing import ClassVar, Literal

import numpy as np
import pytest

from input_pipeline.batching import Arrangement, FeatureSet, Stored, arrange, read, vectors_of
from input_pipeline.builder import Description, describe, ensure
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import PerRecording, RecordingFeature
from input_pipeline.recording import Corpus, Recording, Scanned, Segment

SHAPE = (2, 3, 2)


class Portraits(Corpus):
    name = "portraits"
    classes: ClassVar = {"kind": ("few", "many")}

    def scan(self):
        for index in range(4):
            segments = tuple(Segment(float(start), start + 1.0) for start in range(2))
            yield Scanned(f"r{index}", Recording(f"r{index}", f"p{index}", "train", segments, {"kind": index % 2}))


@dataclasses.dataclass
class Noise(PerRecording):
    """Two images in the first segment and one in the second; the recording r1 has none."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "noise"
    reads_audio: ClassVar[bool] = False

    dtype: Literal["uint8", "float32", "int32"] = "uint8"
    shape: tuple[int, ...] = SHAPE

    @property
    def dim(self) -> int:
        return self.shape[-1]

    def extract(self, recording):
        lengths = np.array([0, 0] if recording.id == "r1" else [2, 1], np.int32)
        rng = np.random.default_rng(int(recording.id[1:]))
        values = 255 * rng.random((lengths.sum(), *self.shape))
        return RecordingFeature(values.astype(self.dtype), lengths)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int32"])
def test_what_is_read_is_what_was_extracted_bit_for_bit(tmp_path, dtype, file_format):
    feature, corpus = Noise(dtype=dtype), Portraits(tmp_path)
    folder = ensure(feature, corpus, features_dir=tmp_path / "features", file_format=file_format, workers=1)
    found = read(folder)
    assert (found.description.shape, found.description.dtype, found.description.dim) == (SHAPE, dtype, 2)
    made = extract(feature, corpus.recordings(), workers=1, progress=False)
    for stored, result in zip(found.recordings, made, strict=True):
        assert stored.values.dtype == dtype
        np.testing.assert_array_equal(stored.values, result.values)
        np.testing.assert_array_equal(stored.lengths, result.lengths)
    assert found.recordings[1].values.shape == (0, *SHAPE)


def test_a_description_from_before_images_is_read(tmp_path):
    folder = ensure(Noise(dtype="float32", shape=(5,)), Portraits(tmp_path), features_dir=tmp_path, workers=1)
    path = folder / "feature_set.json"
    fields, expected = json.loads(path.read_text()), describe(folder)
    del fields["shape"], fields["dtype"], fields["digest"]
    path.write_text(json.dumps(fields | {"dim": 5}))
    assert describe(folder) == expected
    assert read(folder).recordings[0].values.shape == (3, 5)


@pytest.mark.parametrize("wrong", ["shape", "dtype", "lengths"])
def test_a_feature_that_breaks_its_word_is_a_bug(tmp_path, wrong, monkeypatch):
    def extract_wrongly(self, recording):
        shape = (3, 2, 3, 1) if wrong == "shape" else (3, *SHAPE)
        lengths = np.array([3, 0] if wrong == "lengths" else [2, 1], np.int32)
        return RecordingFeature(np.zeros(shape, np.float32 if wrong == "dtype" else np.uint8), lengths)

    monkeypatch.setattr(Noise, "extract", extract_wrongly)
    with pytest.raises(ValueError, match=r"^Noise gave 2 segments of 3 frames and values .* of recording r0"):
        list(extract(Noise(), Portraits(tmp_path).recordings(), workers=1, progress=False))


def _stored(index: int, count: int, shape=(2, 2, 1), dtype="uint8") -> Stored:
    """A recording of `count` frames, one a segment, each filled with its number from 1 on."""
    values = np.broadcast_to(np.arange(1, count + 1).reshape(-1, *(1,) * len(shape)), (count, *shape)).astype(dtype)
    segments = max(count, 1)
    lengths = np.ones(segments, np.int32) if count else np.zeros(segments, np.int32)
    starts_s = np.arange(segments, dtype=np.float64)
    return Stored(f"r{index}", f"p{index}", "train", {}, {}, values, lengths, starts_s, starts_s + 1)


def _set(counts, shape=(2, 2, 1), dtype="uint8") -> FeatureSet:
    recordings = tuple(_stored(index, count, shape, dtype) for index, count in enumerate(counts))
    description = Description(
        corpus="c", synthetic=False, feature={}, version=1, shape=shape, dtype=dtype, fingerprint="f",
        file_format="tfrecord", tasks=(), classes={}, recordings=tuple(one.id for one in recordings),
    )  # fmt: skip
    return FeatureSet(description, recordings)


def _vectors(counts, dtype="float32") -> FeatureSet:
    return _set(counts, (2,), dtype)


def test_every_image_is_an_example_and_those_of_a_recording_are_one_group():
    examples = arrange({"face": _set([3, 0, 1])}, {"face": Arrangement(level="image")})
    values, mask = examples.buckets[0].features["face"]
    assert (values.shape, values.dtype, mask.shape) == ((5, 2, 2, 1), np.uint8, (5,))
    assert values[:, 0, 0, 0].tolist() == [1, 2, 3, 0, 1]
    assert mask.tolist() == [True, True, True, False, True]
    assert examples.groups.tolist() == [0, 0, 0, 1, 2]
    assert examples.ids.tolist() == ["r0:0", "r0:1", "r0:2", "r1:0", "r2:0"]


def test_images_of_a_recording_are_padded_and_of_too_many_evenly_spaced_ones_are_kept():
    sets = {"face": _set([7, 0, 2])}
    examples = arrange(sets, {"face": Arrangement(level="images", max_frames=3)})
    values, mask = examples.buckets[0].features["face"]
    assert (values.shape, values.dtype) == ((3, 3, 2, 2, 1), np.uint8)
    assert values[..., 0, 0, 0].tolist() == [[1, 4, 7], [0, 0, 0], [1, 2, 0]]
    np.testing.assert_array_equal(mask, values[..., 0, 0, 0] > 0)
    lost = [(one.unit, one.lost, one.of, one.recordings) for one in examples.left_out]
    assert lost == [("recordings", 1, 3, 1), ("images", 4, 9, 1)]
    one = arrange(sets, {"face": Arrangement(level="image", max_frames=2)})
    assert one.buckets[0].features["face"].values[:, 0, 0, 0].tolist() == [1, 7, 0, 1, 2]
    by_length = arrange({"face": _set([7, 1, 2, 6])}, {"face": Arrangement(level="images", buckets=2)})
    assert [bucket.features["face"].mask.shape for bucket in by_length.buckets] == [(2, 2), (2, 7)]


def test_a_vector_of_a_recording_is_the_mean_of_its_frames():
    examples = arrange({"x": _vectors([3, 0, 2])}, {"x": Arrangement(level="vector")})
    values, mask = examples.buckets[0].features["x"]
    np.testing.assert_array_equal(values, [[2, 2], [0, 0], [1.5, 1.5]])
    assert mask.tolist() == [True, False, True]
    assert examples.ids.tolist() == ["r0", "r1", "r2"]


@pytest.mark.parametrize("level", ["vector", "segments"])
def test_indices_have_no_mean(level):
    recording = _stored(0, 2, (1,), "int32")._replace(
        lengths=np.array([2], np.int32), starts_s=np.zeros(1), stops_s=np.ones(1)
    )
    sets = {"x": FeatureSet(_set([2], (1,), "int32").description, (recording,))}
    with pytest.raises(DataError, match=r"^recording r0: its 2 frames of int32 have no mean"):
        arrange(sets, {"x": Arrangement(level=level)})


def test_a_vector_stands_beside_every_image_and_every_window_of_its_recording():
    sets = {"gender": _vectors([1, 1, 0]), "face": _set([2, 1, 2])}
    examples = arrange(sets, {"gender": Arrangement(level="vector"), "face": Arrangement(level="image")})
    values, mask = examples.buckets[0].features["gender"]
    assert mask.tolist() == [True, True, True, False, False]
    assert examples.groups.tolist() == [0, 0, 1, 2, 2]
    sets = {"audio": _vectors([5, 2, 3]), "gender": _vectors([1, 1, 0])}
    for windows in (Arrangement(level="windows", window_frames=2), Arrangement(level="windows", window_s=2.0)):
        examples = arrange(sets, {"audio": windows, "gender": Arrangement(level="vector")})
        values, mask = examples.buckets[0].features["gender"]
        np.testing.assert_array_equal(mask, examples.groups < 2)
        np.testing.assert_array_equal(values[:, 0], mask)
        assert examples.ids[0] == "r0:0"
        assert len(examples.ids) > 4


def test_one_image_a_recording_fits_beside_a_sequence_and_several_do_not():
    sets = {"text": _vectors([4, 2, 3]), "face": _set([1, 0, 3])}
    arrangements = {"text": Arrangement(level="frames"), "face": Arrangement(level="image", max_frames=1)}
    examples = arrange(sets, arrangements)
    assert examples.ids.tolist() == ["r0", "r1", "r2"]
    assert examples.buckets[0].features["face"].mask.tolist() == [True, False, True]
    with pytest.raises(DataError, match=r"^recording r2: images or frames that are .* make 3 of it, .* 'text' 1; give"):
        arrange(sets, arrangements | {"face": Arrangement(level="image")})
    together = arrange(sets, arrangements | {"face": Arrangement(level="images")})
    assert together.buckets[0].features["face"].mask.sum(1).tolist() == [1, 0, 3]


def test_two_images_of_the_same_segments_are_one_example_and_of_others_are_refused():
    arrangements = {name: Arrangement(level="image") for name in ("a", "b")}
    examples = arrange({"a": _set([2, 2]), "b": _set([2, 2])}, arrangements)
    assert len(examples.ids) == 4
    with pytest.raises(DataError, match="recording r1: the features 'a' and 'b' have other segments"):
        arrange({"a": _set([2, 2]), "b": _set([2, 3])}, arrangements)


def test_every_frame_is_an_example_beside_the_image_of_its_number():
    sets = {"cepstra": _vectors([3, 0, 1]), "face": _set([3, 0, 1]), "gender": _vectors([1, 1, 1])}
    levels = {"cepstra": "frame", "face": "image", "gender": "vector"}
    examples = arrange(sets, {name: Arrangement(level=level) for name, level in levels.items()})
    (values, mask), (images, _), (gender, _) = (examples.buckets[0].features[name] for name in levels)
    assert Arrangement(level="frame").layout == "vector"
    assert (values.shape, mask.tolist()) == ((5, 2), [True, True, True, False, True])
    np.testing.assert_array_equal(values[:, 0], [1, 2, 3, 0, 1])
    np.testing.assert_array_equal(values[:, 0], images[:, 0, 0, 0])
    np.testing.assert_array_equal(gender[:, 0], 1)
    assert examples.groups.tolist() == [0, 0, 0, 1, 2]
    assert examples.ids.tolist() == ["r0:0", "r0:1", "r0:2", "r1:0", "r2:0"]
    cut = {"cepstra": Arrangement(level="frame", max_frames=2), "face": Arrangement(level="image", max_frames=2)}
    fewer = arrange({name: sets[name] for name in cut}, cut)
    assert [fewer.buckets[0].features[name].values.reshape(4, -1)[:, 0].tolist() for name in cut] == [[1, 3, 0, 1]] * 2
    assert [(one.unit, one.lost) for one in fewer.left_out if one.lost == 1 and one.of == 4] == [
        ("frames", 1),
        ("images", 1),
    ]


def test_frames_beside_images_of_other_segments_or_of_another_number_are_refused():
    arrangements = {"cepstra": Arrangement(level="frame"), "face": Arrangement(level="image")}
    with pytest.raises(DataError, match="recording r1: the features 'cepstra' and 'face' have other segments"):
        arrange({"cepstra": _vectors([2, 2]), "face": _set([2, 3])}, arrangements)
    (image,) = _set([2]).recordings
    (vectors,) = _vectors([3]).recordings
    whole = {"lengths": np.array([3], np.int32), "starts_s": np.zeros(1), "stops_s": np.ones(1)}
    sets = {
        "cepstra": FeatureSet(_vectors([3]).description, (vectors._replace(**whole),)),
        "face": FeatureSet(_set([2]).description, (image._replace(**whole | {"lengths": np.array([2], np.int32)}),)),
    }
    with pytest.raises(
        DataError, match=r"^recording r0: images or frames .* make 3 of it, and the feature 'face' 2; give"
    ):
        arrange(sets, arrangements)


@pytest.mark.parametrize("level", ["segments", "frames", "segments_frames", "windows"])
def test_a_recording_that_lacks_vectors_is_masked_throughout(level):
    windows = {"window_frames": 2} if level == "windows" else {}
    examples = arrange({"x": _vectors([3, 0])}, {"x": Arrangement(level=level, **windows)})
    values, mask = examples.buckets[0].features["x"]
    assert mask[0].any()
    assert not mask[-1].any()
    assert not values[-1].any()
    nobody = arrange({"x": _vectors([0, 0])}, {"x": Arrangement(level=level, **windows)})
    assert nobody.buckets[0].features["x"].mask.size > 0
    assert nobody.padding_waste == 1


@pytest.mark.parametrize(
    ("shape", "level", "line"),
    [
        ((2, 2, 1), "frames", "x.level: 'frames' is of vectors, and a frame of the feature is of shape 2x2x1"),
        ((2, 2, 1), "vector", "x.level: 'vector' is of vectors"),
        ((2, 2, 1), "frame", "x.level: 'frame' is of vectors"),
        ((2,), "images", "x.level: 'images' is of images, and a frame of the feature is of shape 2"),
    ],
)
def test_a_level_that_does_not_fit_the_frames_is_refused(shape, level, line):
    with pytest.raises(ConfigError, match=line):
        arrange({"x": _set([1], shape)}, {"x": Arrangement(level=level)})


@pytest.mark.parametrize(
    ("arrangement", "field"),
    [
        (Arrangement(level="vector", max_frames=2), "max_frames"),
        (Arrangement(level="image", buckets=2), "buckets"),
        (Arrangement(level="frame", buckets=2), "buckets"),
        (Arrangement(level="images", window_frames=2), "window_frames"),
    ],
)
def test_impossible_arrangements_of_images_are_named(arrangement, field):
    with pytest.raises(ConfigError, match=f"config.{field}"):
        arrangement.freeze()


def test_the_vectors_of_an_example_are_its_real_pixels():
    values = np.arange(24, dtype=np.uint8).reshape(2, 2, 3, 2)
    np.testing.assert_allclose(vectors_of(values, np.array([False, True])), np.arange(12, 24).reshape(6, 2) / 255)
    np.testing.assert_array_equal(vectors_of(values[0].astype(np.float32), np.True_), np.arange(12).reshape(6, 2))
    assert vectors_of(values[0], np.False_).shape == (0, 2)
