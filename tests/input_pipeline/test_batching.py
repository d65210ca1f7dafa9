import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from input_pipeline.batching import Arrangement, Examples, FeatureSet, Stored, arrange, left_out
from input_pipeline.builder import Description
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.left_out import LeftOut

DIM = 3
CLASSES = {"depression": ("healthy", "depressed")}


def _stored(index: int, lengths: list[int], **changed) -> Stored:
    """A recording whose every frame is told from every other: (recording, segment, number of the frame)."""
    segments = np.repeat(np.arange(len(lengths)), lengths)
    frames = np.arange(sum(lengths))
    values = np.stack([np.full(len(frames), index + 1), segments + 1, frames + 1], axis=1).astype(np.float32)
    starts_s = np.arange(len(lengths), dtype=np.float64)
    fields = {"labels": {"depression": index % 2, "phq": 2.5 * index}, "metadata": {"gender": "female"}} | changed
    return Stored(
        id=f"r{index}", participant=f"p{index}", split="train", values=values, lengths=np.array(lengths, np.int32),
        starts_s=starts_s, stops_s=starts_s + 1, **fields,
    )  # fmt: skip


def _set(*recordings: Stored, synthetic: bool = False, fingerprint: str = "f") -> FeatureSet:
    description = Description(
        corpus="c", synthetic=synthetic, feature={}, version=1, shape=(DIM,), fingerprint=fingerprint, file_format="tfrecord",
        tasks=("depression", "phq"), classes=CLASSES, recordings=tuple(item.id for item in recordings),
    )  # fmt: skip
    return FeatureSet(description, recordings)


def _of(lengths: list[list[int]]) -> FeatureSet:
    return _set(*(_stored(index, segments) for index, segments in enumerate(lengths)))


def _arranged(feature_set: FeatureSet, **settings_) -> Examples:
    return arrange({"x": feature_set}, {"x": Arrangement(**settings_).freeze()})


def _example(examples: Examples, row: int) -> np.ndarray:
    """The real vectors of an example, without its padding."""
    (bucket,) = (bucket for bucket in examples.buckets if row in bucket.rows)
    place = bucket.rows.tolist().index(row)
    values, mask = bucket.features["x"]
    return values[place][mask[place]]


corpora = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=12)


@given(lengths=corpora, buckets=st.integers(1, 5), level=st.sampled_from(["frames", "segments_frames"]))
def test_padding_adds_nothing_and_loses_nothing(lengths, buckets, level):
    feature_set = _of(lengths)
    examples = _arranged(feature_set, level=level, buckets=buckets)
    assert sorted(row for bucket in examples.buckets for row in bucket.rows) == list(range(len(lengths)))
    for row, recording in enumerate(feature_set.recordings):
        np.testing.assert_array_equal(_example(examples, row), recording.values)
    for bucket in examples.buckets:
        values, mask = bucket.features["x"]
        assert (values.dtype, mask.dtype, bucket.rows.dtype) == (np.float32, np.bool_, np.int32)
        assert mask.shape == values.shape[:-1]
        assert not values[~mask].any()
        assert all(
            mask.any(axis=tuple(set(range(mask.ndim)) - {axis}))[-1] for axis in range(1, mask.ndim)
        )  # no idle end
        assert (np.diff(mask.astype(int), axis=-1) <= 0).all()  # what is real comes first


@given(lengths=corpora, buckets=st.integers(2, 5))
def test_buckets_hold_like_lengths_and_never_waste_more(lengths, buckets):
    feature_set = _of(lengths)
    one, many = _arranged(feature_set, level="frames"), _arranged(feature_set, level="frames", buckets=buckets)
    assert many.padding_waste <= one.padding_waste
    assert len(many.buckets) <= buckets
    ranges = [bucket.features["x"].mask.sum(axis=1) for bucket in many.buckets]
    assert all(low.max() < high.min() for low, high in itertools.pairwise(ranges))
    total = sum(map(sum, lengths))
    cells = len(lengths) * max(map(sum, lengths))
    assert one.padding_waste == pytest.approx(1 - total / cells)


@given(lengths=corpora)
def test_a_segment_is_the_mean_of_its_frames(lengths):
    feature_set = _of(lengths)
    examples = _arranged(feature_set, level="segments")
    for row, recording in enumerate(feature_set.recordings):
        parts = np.split(recording.values, np.cumsum(recording.lengths)[:-1])
        np.testing.assert_allclose(_example(examples, row), [part.mean(axis=0) for part in parts], rtol=1e-6)


@given(lengths=corpora, window=st.integers(1, 8), hop=st.integers(0, 8))
def test_windows_cover_every_frame_and_stay_in_their_group(lengths, window, hop):
    hop = min(hop, window)
    feature_set = _of(lengths)
    examples = _arranged(feature_set, level="windows", window_frames=window, hop_frames=hop)
    values, mask = examples.buckets[0].features["x"]
    assert values.shape == (len(examples.ids), window, DIM)
    assert len(set(examples.ids)) == len(examples.ids)
    assert examples.group_ids.tolist() == [recording.id for recording in feature_set.recordings]
    for group, recording in enumerate(feature_set.recordings):
        members = np.flatnonzero(examples.groups == group)
        found = values[members][mask[members]]
        np.testing.assert_array_equal(np.unique(found[:, 2]), recording.values[:, 2])
        assert set(found[:, 0]) == {group + 1}
        assert set(examples.participants[members]) == {recording.participant}
        assert examples.labels["depression"][members].tolist() == [group % 2] * len(members)
    for frames, real in zip(values[..., 2], mask, strict=True):
        assert (np.diff(frames[real]) == 1).all()
        assert real.all() or frames[0] == 1  # only a recording shorter than a window is padded


@settings(max_examples=10, deadline=None)
@given(lengths=corpora, buckets=st.integers(1, 4))
def test_padding_is_that_of_tf_data(lengths, buckets):
    tf = pytest.importorskip("tensorflow")
    feature_set = _of(lengths)
    examples = _arranged(feature_set, level="frames", buckets=buckets)
    for bucket in examples.buckets:
        signature = tf.TensorSpec((None, DIM), tf.float32)
        members = [feature_set.recordings[row].values for row in bucket.rows]
        dataset = tf.data.Dataset.from_generator(lambda members=members: iter(members), output_signature=signature)
        (expected,) = dataset.padded_batch(len(members)).as_numpy_iterator()
        np.testing.assert_array_equal(bucket.features["x"].values, expected)


def test_quantiles_part_the_examples_evenly():
    examples = _arranged(_of([[length] for length in range(1, 13)]), level="frames", buckets=4)
    assert [bucket.rows.tolist() for bucket in examples.buckets] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_examples_of_one_length_share_a_bucket():
    assert len(_arranged(_of([[4]] * 10), level="frames", buckets=3).buckets) == 1


def test_of_too_many_segments_evenly_spaced_ones_are_kept_and_counted():
    examples = _arranged(_of([[2] * 9, [1, 1]]), level="segments_frames", max_segments=3)
    values, mask = examples.buckets[0].features["x"]
    assert values[0, :, 0, 1].tolist() == [1, 5, 9]  # first, middle, last
    assert mask[0].all()
    assert mask[1].sum() == 2
    assert examples.left_out == (LeftOut("segments", "are left out by max_segments=3", 6, 11, 1, 2, "x"),)


def test_of_too_many_frames_the_first_are_kept():
    lengths = [[4, 2], [1, 1]]
    frames = _arranged(_of(lengths), level="frames", max_frames=5)
    assert _example(frames, 0)[:, 2].tolist() == [1, 2, 3, 4, 5]
    nested = _arranged(_of(lengths), level="segments_frames", max_frames=3)
    assert _example(nested, 0)[:, 2].tolist() == [1, 2, 3, 5, 6]  # of each segment
    assert nested.buckets[0].features["x"].mask.shape == (2, 2, 3)
    assert [(one.unit, one.lost, one.of, one.recordings) for one in frames.left_out] == [("frames", 1, 8, 1)]
    assert [(one.unit, one.lost, one.of, one.recordings) for one in nested.left_out] == [("frames", 1, 8, 1)]


def test_the_last_window_ends_with_the_recording():
    examples = _arranged(_of([[7]]), level="windows", window_frames=3, hop_frames=2)
    assert examples.buckets[0].features["x"].values[..., 2].tolist() == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]
    examples = _arranged(_of([[8]]), level="windows", window_frames=3)
    assert examples.buckets[0].features["x"].values[..., 2].tolist() == [[1, 2, 3], [4, 5, 6], [6, 7, 8]]
    assert examples.ids.tolist() == ["r0:0", "r0:1", "r0:2"]


def test_labels_are_indices_and_scores_with_their_own_mark_for_missing():
    examples = _arranged(
        _set(
            _stored(0, [1], labels={"depression": "depressed", "phq": 12}, metadata={}),
            _stored(1, [1], labels={"depression": 0}, metadata={"gender": "male"}),
            _stored(2, [1], labels={"phq": 3.5}, metadata={"gender": "female", "age": "40"}),
        )
    )
    assert examples.labels["depression"].tolist() == [1, 0, -1]
    assert examples.labels["depression"].dtype == np.int32
    np.testing.assert_array_equal(examples.labels["phq"], np.array([12, np.nan, 3.5], np.float32))
    assert examples.classes == CLASSES
    assert {name: values.tolist() for name, values in examples.metadata.items()} == {
        "age": ["", "", "40"],
        "gender": ["", "male", "female"],
    }


def test_two_features_are_joined_on_the_recording_whatever_their_order():
    lengths = [[3, 1], [2, 2, 2], [5]]
    audio = _of(lengths)
    text = _set(*(_stored(index, [1] * len(lengths[index])) for index in (2, 0, 1)), synthetic=True, fingerprint="t")
    examples = arrange(
        {"audio": audio, "text": text}, {"audio": Arrangement(level="frames", buckets=2), "text": Arrangement()}
    )
    for bucket in examples.buckets:
        for name in ("audio", "text"):
            assert bucket.features[name].values[:, 0, 0].tolist() == [row + 1 for row in bucket.rows]
    assert examples.ids.tolist() == ["r0", "r1", "r2"]
    assert examples.fingerprints == {"audio": "f", "text": "t"}
    assert examples.synthetic
    assert "synthetic corpus" in examples.summary()


def test_windows_of_speech_hold_whole_segments_and_fit_together_between_features():
    # Eight seconds of speech in segments of 1, 1, 4, 1 and 1 s: two windows, the long segment where its middle lies.
    times = {"starts_s": np.array([0.0, 2, 10, 20, 30]), "stops_s": np.array([1.0, 3, 14, 21, 31])}
    sets = {
        "audio": _set(_stored(0, [2, 2, 8, 2, 2])._replace(**times), _stored(1, [3])),
        "text": _set(_stored(0, [1, 3, 2, 1, 1])._replace(**times), _stored(1, [2])),
    }
    limits = {"audio": 9, "text": 0}
    examples = arrange(
        sets, {name: Arrangement(level="windows", window_s=4, max_frames=limits[name]).freeze() for name in sets}
    )
    segments = {
        name: [values[mask][:, 1].tolist() for values, mask in zip(*examples.buckets[0].features[name], strict=True)]
        for name in sets
    }
    assert segments["text"] == [[1, 2, 2, 2], [3, 3, 4, 5], [1, 1]]
    assert segments["audio"] == [[1, 1, 2, 2], [3] * 8 + [4], [1, 1, 1]]  # the second window is cut to nine frames
    assert examples.ids.tolist() == ["r0:0", "r0:1", "r1:0"]
    assert examples.groups.tolist() == [0, 0, 1]
    assert examples.left_out == (LeftOut("frames", "are cut by max_frames=9", 3, 19, 1, 2, "audio"),)
    assert left_out(sets, {name: Arrangement(level="windows", window_s=4, max_frames=9) for name in sets}) == (
        examples.left_out
    )


def test_windows_of_speech_are_refused_where_the_features_have_other_segments():
    sets = {"audio": _of([[1, 1]]), "text": _of([[1]])}
    with pytest.raises(DataError, match="recording r0: the features 'audio' and 'text' have other segments"):
        arrange(sets, {name: Arrangement(level="windows", window_s=1.0) for name in sets})


def test_a_recording_with_one_of_two_features_is_named():
    sets = {"audio": _of([[1], [1]]), "text": _of([[1]])}
    with pytest.raises(DataError, match="recording r1: has only one of the features 'audio' and 'text'"):
        arrange(sets, {name: Arrangement() for name in sets})


def test_features_of_two_states_of_the_labels_are_refused():
    sets = {"audio": _of([[1]]), "text": _set(_stored(0, [1], labels={"depression": 1}))}
    with pytest.raises(DataError, match="recording r0: participant, split, labels or metadata differ"):
        arrange(sets, {name: Arrangement() for name in sets})


def test_the_summary_tells_examples_shapes_and_waste():
    summary = _arranged(_of([[1], [3]]), level="frames").summary()
    assert summary == "2 examples of 2 recordings (x 2x3x3), 33.3 % padding"


@pytest.mark.parametrize(
    ("arrangement", "field"),
    [
        (Arrangement(max_segments=-1), "max_segments"),
        (Arrangement(buckets=0), "buckets"),
        (Arrangement(max_frames=5), "max_frames"),
        (Arrangement(level="windows"), "window_frames"),
        (Arrangement(level="windows", window_frames=5, hop_frames=6), "window_frames"),
        (Arrangement(level="windows", window_frames=5, buckets=2), "buckets"),
        (Arrangement(level="frames", window_frames=5), "window_frames"),
        (Arrangement(level="frames", window_s=5.0), "window_frames, window_s"),
        (Arrangement(level="windows", window_s=5.0, window_frames=5), "window_s"),
        (Arrangement(level="windows", window_s=-1.0), "window_s"),
        (Arrangement(level="words"), "level"),  # type: ignore[arg-type]
    ],
)
def test_impossible_arrangements_are_named(arrangement, field):
    with pytest.raises(ConfigError, match=f"config.{field}"):
        arrangement.freeze()


@pytest.mark.parametrize(
    ("arrangements", "line"),
    [
        ({"a": Arrangement()}, "given for"),
        (
            {"a": Arrangement(level="windows", window_frames=2), "b": Arrangement()},
            "the same window_s and max_segments for all",
        ),
        ({name: Arrangement(level="windows", window_s=s) for name, s in (("a", 2), ("b", 3))}, "the same window_s"),
        (
            {n: Arrangement(level="windows", window_s=2, max_segments=m) for n, m in (("a", 0), ("b", 4))},
            "max_segments",
        ),
        ({"a": Arrangement(), "b": Arrangement(buckets=2)}, "buckets of the first feature"),
        ({"a": Arrangement(buckets=3), "b": Arrangement(buckets=2)}, "buckets of the first feature"),
    ],
)
def test_arrangements_that_do_not_go_together_are_refused(arrangements, line):
    with pytest.raises(ConfigError, match=line):
        arrange({"a": _of([[1]]), "b": _of([[1]])}, arrangements)
