"""The gender's word as a vector: that which the words of the text have by the same encoder."""

import numpy as np
import pytest

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import ensure
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import MetadataWord, Segmentation, Words
from input_pipeline.recording import Corpus, Recording, Scanned, Segment

SEGMENTS = (Segment(1.0, 2.0, text="i am a female nurse"), Segment(2.5, 4.0, text="he is male"))
PEOPLE = ({"gender": "female"}, {"gender": "male"}, {}, {"gender": " "}, {"gender": "female"})


class People(Corpus):
    name = "people"
    classes = {"depressed": ("no", "yes")}  # noqa: RUF012

    def scan(self):
        for index, metadata in enumerate(PEOPLE):
            recording = Recording(f"r{index}", f"p{index}", "train", SEGMENTS, {"depressed": 0}, metadata)
            yield Scanned(recording.id, recording)


def of(feature, *told, encoders=None):
    recordings = [Recording(f"r{index}", "p", "", SEGMENTS, metadata=one) for index, one in enumerate(told)]
    return list(extract(feature.freeze(), recordings, encoders=encoders, workers=1, progress=False))


def test_an_unknown_gender_is_masked_and_a_known_one_is_its_word(tmp_path):
    sets = {
        name: read(ensure(one.freeze(), People(tmp_path), features_dir=tmp_path / "features"))
        for name, one in {"who": MetadataWord(dim=16), "text": Words(dim=16)}.items()
    }
    arrangements = {"who": Arrangement(level="vector").freeze(), "text": Arrangement(level="frames").freeze()}
    features = arrange(sets, arrangements).buckets[0].features
    values, mask = features["who"]
    assert values.shape == (5, 16)
    assert mask.tolist() == [True, True, False, False, True]
    said = features["text"].values[0]  # i am a female nurse he is male
    np.testing.assert_array_equal(values[[0, 4]], said[[3, 3]])
    np.testing.assert_array_equal(values[1], said[7])
    assert not values[[2, 3]].any()


def test_glove_and_a_language_model_that_is_handed_in_are_asked_for_each_word_once(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("male 1 2\nfemale 3 4\n")
    found = of(MetadataWord(encoder="glove", checkpoint=str(path), dim=2), *PEOPLE)
    assert [one.values.tolist() for one in found] == [[[3, 4]], [[1, 2]], [], [], [[3, 4]]]
    asked = []

    def encoder(texts):
        asked.extend(texts)
        return [np.full((len(text) // 2, 2), len(text), np.float32) for text in texts]  # "female" in three pieces

    found = of(MetadataWord(encoder="bert", checkpoint="x", dim=2), *PEOPLE, encoders={"bert": lambda _: encoder})
    assert asked == ["female", "male"]
    assert [one.lengths.tolist() for one in found] == [[3], [2], [0], [0], [3]]


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (MetadataWord(field="age"), r"^field: no recording of the corpus tells its 'age'; there are gender$"),
        (MetadataWord(encoder="glove", checkpoint="gone.txt"), r"^checkpoint: gone\.txt: no such file of word vectors"),
    ],
)
def test_what_the_corpus_or_the_disk_does_not_have_is_one_line(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.check_recordings([Recording("r", "p", "", SEGMENTS, metadata={"gender": "male"})])


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (MetadataWord(segmentation=Segmentation(min_s=1.0)), r"segmentation: metadata are of the whole recording"),
        (MetadataWord(dim=0), r"dim: expected 1 or more"),
        (MetadataWord(encoder="bert"), r"checkpoint: encoder 'bert' needs"),
    ],
)
def test_a_config_that_cannot_be_is_refused(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.freeze()


def test_a_file_of_other_words_is_told(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("house 1 2\n")
    with pytest.raises(DataError, match="holds none of the 2 words of the corpus"):
        of(MetadataWord(encoder="glove", checkpoint=str(path), dim=2), *PEOPLE)
