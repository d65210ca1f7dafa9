"""What is known of a participant, as one vector a recording."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import ensure
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import Metadata, Segmentation, Sentences
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Corpus, Recording, Scanned, Segment

PEOPLE = (
    {"gender": "female", "age": "29.5"},
    {"gender": "male", "age": "30"},
    {},
    {"gender": " ", "age": "71"},
    {"gender": "male", "age": ""},
)
SEGMENTS = (Segment(1.0, 2.0, INTERVIEWER, "so"), Segment(2.0, 3.5, PARTICIPANT, "yes"), Segment(4.0, 5.0, text="no"))
GENDER = Metadata(field="gender", values=("female", "male"))
AGE = Metadata(field="age", edges=(30, 50.0, 70))


class People(Corpus):
    name = "people"
    classes = {"depressed": ("no", "yes")}  # noqa: RUF012
    told = PEOPLE

    def scan(self):
        for index, metadata in enumerate(self.told):
            segments = SEGMENTS[: 3 - index % 2]
            recording = Recording(f"r{index}", f"p{index}", "train", segments, {"depressed": 0}, metadata)
            yield Scanned(recording.id, recording)


def of(feature, *told):
    recordings = [Recording(f"r{index}", "p", "", SEGMENTS, metadata=one) for index, one in enumerate(told)]
    return list(extract(dataclasses.replace(feature).freeze(), recordings, workers=1, progress=False))


@pytest.mark.parametrize("encoding", ["one_hot", "index"])
@pytest.mark.parametrize(("feature", "expected"), [(GENDER, [0, 1, None, None, 1]), (AGE, [0, 1, None, 3, None])])
def test_an_entry_is_its_category_and_missing_ones_are_masked(tmp_path, feature, expected, encoding):
    feature = dataclasses.replace(feature, encoding=encoding).freeze()
    sets = {
        name: read(ensure(one, People(tmp_path), features_dir=tmp_path / "features"))
        for name, one in {"who": feature, "text": Sentences(dim=4)}.items()
    }
    arrangements = {"who": Arrangement(level="vector").freeze(), "text": Arrangement().freeze()}
    values, mask = arrange(sets, arrangements).buckets[0].features["who"]
    assert mask.tolist() == [one is not None for one in expected]
    index = [one or 0 for one in expected]
    if encoding == "index":
        assert (values.dtype, values.shape) == (np.int32, (5, 1))
        np.testing.assert_array_equal(values[:, 0], index)
    else:
        assert (values.dtype, values.shape) == (np.float32, (5, feature.categories))
        np.testing.assert_array_equal(values, np.eye(feature.categories)[index] * mask[:, None])


def test_other_metadata_make_other_shards_and_the_sound_does_not_matter(tmp_path, monkeypatch):
    def folder():
        return ensure(GENDER, People(tmp_path), features_dir=tmp_path / "features")

    before = folder()
    assert folder() == before
    monkeypatch.setattr(People, "told", ({"gender": "male"}, *PEOPLE[1:]))
    assert folder() != before
    assert not GENDER.reads_audio


def test_a_recording_has_one_vector_whatever_is_said_in_it(tmp_path):
    (stored, *_) = read(ensure(GENDER, People(tmp_path), features_dir=tmp_path / "features")).recordings
    assert (stored.starts_s.tolist(), stored.stops_s.tolist(), stored.lengths.tolist()) == ([1.0], [5.0], [1])


@pytest.mark.parametrize(
    ("feature", "entry", "line"),
    [
        (GENDER, "Female", r"^recording r1: its gender 'Female' is none of female, male; correct it, or add it"),
        (AGE, "forty", r"^recording r1: its age 'forty' is no number; correct it$"),
        (AGE, "nan", r"^recording r1: its age 'nan' is no number; correct it$"),
    ],
)
def test_an_entry_that_is_no_category_is_named_with_its_recording(feature, entry, line):
    with pytest.raises(DataError, match=line) as raised:
        of(feature, {}, {feature.field: entry})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (Metadata(field="gender"), r"config\.values: give the categories of 'gender', or the edges"),
        (Metadata(field="age", values=("a", "b"), edges=(1.0,)), r"config\.values: give .* and not both"),
        (
            Metadata(field="gender", values=("a",)),
            r"config\.values: expected two categories or more, each once, found 'a'",
        ),
        (Metadata(field="gender", values=("a", "a")), r"config\.values: expected two"),
        (Metadata(field="age", edges=(50.0, 30.0)), r"config\.edges: expected ascending numbers"),
        (Metadata(field="age", edges=(float("inf"),)), r"config\.edges: expected ascending numbers"),
        (
            Metadata(field="age", edges=(1.0,), segmentation=Segmentation(speakers=())),
            r"config\.segmentation: metadata are",
        ),
    ],
)
def test_impossible_categories_are_named(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.freeze()
