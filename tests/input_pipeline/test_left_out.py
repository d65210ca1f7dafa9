"""What is left out of the data is counted, by its reason, from the corpus to the examples."""

import dataclasses
import json

import pytest

from input_pipeline.builder import describe, ensure
from input_pipeline.config import ConfigError
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.features import LogMel, Metadata, Segmentation, Sentences, SpectrogramImage, Words
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.recording import Recording, Segment


def recording(name, *seconds, texts=(), **fields):
    """A recording of consecutive segments that last so long."""
    stops = [sum(seconds[: index + 1]) for index in range(len(seconds))]
    words = [*texts, *["a b"] * (len(seconds) - len(texts))]
    parts = zip(stops, seconds, words, strict=True)
    segments = tuple(Segment(stop - length, stop, text=text) for stop, length, text in parts)
    return Recording(name, name, "train", segments, **fields)


def test_what_is_counted_is_summed_over_the_recordings():
    assert counted("frames", "are cut", [(2, 10), (0, 5), (1, 5)], "x") == (
        LeftOut("frames", "are cut", lost=3, of=20, recordings=2, of_recordings=3, feature="x"),
    )
    assert counted("frames", "are cut", [(0, 10)]) == counted("frames", "are cut", []) == ()


def test_the_sentence_and_what_is_much():
    two = LeftOut("frames", "are cut by max_frames=9", 2, 20, 1, 3, "audio")
    assert two.sentence == "audio: 2 of 20 frames (10.0 %) are cut by max_frames=9, in 1 of 3 recordings."
    assert not two.is_much  # a tenth is not more than a tenth
    assert two._replace(lost=3).is_much


def test_too_short_segments_and_recordings_of_which_nothing_is_kept():
    recordings = [recording("r0", 2.0, 0.5, 3.0), recording("r1", 0.2, 0.3), recording("r2", 9.0)]
    short, nothing = Segmentation(min_s=1, may_be_empty=True, window_s=4).left_out(recordings)
    # Of nine seconds in windows of four the last is one second long, which is kept.
    assert short == LeftOut("segments", "are shorter than min_s=1 and dropped", 3, 8, 2, 3)
    assert (nothing.unit, nothing.lost, nothing.of) == ("recordings", 1, 3)
    assert Segmentation().left_out(recordings) == ()


def test_segments_without_words_are_counted_of_text_alone():
    recordings = [recording("r0", 1, 1, 1, texts=["", "a"]), recording("r1", 1)]
    (wordless,) = Sentences().left_out(recordings)
    assert wordless[2:6] == (1, 4, 1, 2)
    assert Words().left_out(recordings) == (wordless,)
    assert LogMel().left_out(recordings) == ()


def test_the_counts_lie_beside_the_shards(tmp_path):
    (tmp_path / "talks.csv").write_text(
        "id,participant,start,stop,text\nr0,p0,0,1,a b\nr0,p0,1,1.2,c\nr1,p1,0,2,\nr1,p1,2,4,d\n"
    )
    feature = Sentences(dim=4, segmentation=Segmentation(min_s=0.5))
    folder = ensure(feature, Manifest(tmp_path / "talks.csv"), features_dir=tmp_path / "features", workers=1)
    found = describe(folder)
    assert [one[2:6] for one in found.left_out] == [(1, 4, 1, 2), (1, 3, 1, 2)]
    sidecar = folder / "feature_set.json"
    fields = json.loads(sidecar.read_text())
    del fields["left_out"], fields["digest"]  # as files are from before they were noted
    sidecar.write_text(json.dumps(fields))
    assert describe(folder) == dataclasses.replace(found, left_out=())


SPOKEN, SILENT = recording("r0", 1), recording("r1", 1, texts=[""])
SESSION, KNOWN = recording("r2", 1, 1), recording("r3", 1, dialogue=("a", "b"), turn=1)


@pytest.mark.parametrize(
    ("feature", "recordings", "error", "line"),
    [
        (
            Sentences(context=3),
            [SPOKEN, SILENT],
            ConfigError,
            "context: 3 utterances .* of 2 of 2 .* (r0 is the first)",
        ),
        (Sentences(context=3), [KNOWN, SPOKEN], ConfigError, "of 1 of 2 recordings the dialogue is not known"),
        (Sentences(), [SILENT], ConfigError, "segmentation: sentences are made of words"),
        (Words(), [SILENT], ConfigError, "segmentation: words are made of words"),
        (
            LogMel(segmentation=Segmentation(speakers=("Ellie",))),
            [SPOKEN],
            ConfigError,
            "segmentation.speakers: the corpus has no speaker 'Ellie'; there are participant",
        ),
        (LogMel(), [SPOKEN], DataError, "recording r0: log_mel needs audio"),
        (SpectrogramImage(), [SPOKEN], DataError, "recording r0: spectrogram_image needs audio"),
        (
            LogMel(segmentation=Segmentation(min_s=5)),
            [SPOKEN],
            DataError,
            "recording r0: none of its 1 segments is kept",
        ),
        (Metadata(values=("f", "m")), [SPOKEN], ConfigError, "field: no recording of the corpus tells its 'gender'"),
        (
            Metadata(values=("f", "m")),
            [recording("r4", 1, metadata={"gender": "x"})],
            DataError,
            "recording r4: its gender 'x' is none of f, m",
        ),
    ],
)
def test_what_a_corpus_cannot_give_is_told_of_its_recordings(feature, recordings, error, line):
    with pytest.raises(error, match=line.replace("(", r"\(").replace(")", r"\)")) as told:
        feature.check_recordings(recordings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("recordings", [[SESSION, SPOKEN], [KNOWN], [SESSION, KNOWN]])
def test_context_of_sessions_and_of_known_dialogues(recordings):
    Sentences(context=3).check_recordings(recordings)
