"""EmoDB: what a file's name says is what the recording says."""

import re

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.emodb import EmoDb
from input_pipeline.errors import DataError


@pytest.fixture
def emodb(tmp_path):
    """Writes utterances of the given names and returns the corpus's folder."""

    def write(*names):
        wav = tmp_path / "emodb" / "wav"
        wav.mkdir(parents=True, exist_ok=True)
        for name in names:
            soundfile.write(wav / f"{name}.wav", np.full(8000, 0.1), 16000)
        return wav.parent

    return write


def findings(corpus):
    return [finding for session in corpus.scan() for finding in session.findings]


def test_an_utterance_is_what_its_name_says(emodb):
    (recording,) = EmoDb(emodb("03a01Fa")).recordings()
    assert (recording.id, recording.participant, recording.split) == ("03a01Fa", "03", "")
    assert recording.labels == {"emotion": "happiness"}
    assert recording.metadata == {"gender": "male", "sentence": "a01", "version": "a"}
    ((start_s, stop_s),) = [(part.start_s, part.stop_s) for part in recording.segments]
    assert (start_s, stop_s) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("letter", "emotion"),
    [
        ("W", "anger"),
        ("L", "boredom"),
        ("E", "disgust"),
        ("A", "fear"),
        ("F", "happiness"),
        ("T", "sadness"),
        ("N", "neutral"),
    ],
)
def test_the_letter_is_the_german_words_first(emodb, letter, emotion):
    (recording,) = EmoDb(emodb(f"16b10{letter}a"), emotions=("neutral", emotion)).recordings()
    assert recording.labels == {"emotion": emotion}


def test_five_women_and_five_men(emodb):
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    recordings = EmoDb(emodb(*(f"{speaker}a01Na" for speaker in speakers))).recordings()
    women = {item.participant for item in recordings if item.metadata["gender"] == "female"}
    assert women == {"08", "09", "13", "14", "16"}
    assert {item.participant for item in recordings} - women == {"03", "10", "11", "12", "15"}


def test_other_emotions_are_left_out_and_counted(emodb):
    corpus = EmoDb(emodb("03a01Fa", "03a01La", "03a02La", "03a01Ea"))
    assert corpus.classes == {"emotion": ("anger", "happiness", "neutral", "sadness")}
    assert [recording.id for recording in corpus.recordings()] == ["03a01Fa"]
    (finding,) = findings(corpus)
    assert (finding.severity, finding.rule) == ("applied", "other-emotion")
    assert "3 utterances of other emotions left out (2 boredom, 1 disgust)" in finding.message


def test_the_classes_are_in_the_order_asked_for(emodb):
    corpus = EmoDb(emodb("03a01La", "03a01Wa", "03a01Na"), emotions=("boredom", "anger"))
    assert corpus.classes["emotion"] == ("boredom", "anger")
    assert {recording.id for recording in corpus.recordings()} == {"03a01La", "03a01Wa"}


def test_an_emotion_that_emodb_has_not(emodb):
    with pytest.raises(DataError, match="'surprise'; choose among anger, boredom"):
        EmoDb(emodb("03a01Fa"), emotions=("anger", "surprise"))


@pytest.mark.parametrize("name", ["03a01Xa", "04a01Fa", "03c01Fa", "03a01F", "3a01Fa"])
def test_a_name_that_is_no_utterances(emodb, name):
    corpus = EmoDb(emodb("03a01Fa", name))
    (finding,) = findings(corpus)
    assert (finding.severity, finding.rule) == ("error", "unknown-name")
    assert f"{name}.wav" in finding.message


def test_hidden_and_apple_double_files_are_ignored(emodb):
    root = emodb("03a01Fa")
    (root / "wav" / "._03a01Fa.wav").touch()
    (root / "wav" / ".DS_Store").touch()
    assert findings(EmoDb(root)) == []


def test_a_broken_utterance_does_not_hide_the_others(emodb):
    root = emodb("03a01Fa", "03a01Na")
    path = root / "wav" / "03a01Fa.wav"
    path.write_bytes(path.read_bytes()[:1000])
    found = {session.id: session for session in EmoDb(root).scan()}
    assert [finding.rule for finding in found["03a01Fa"].findings] == ["truncated-audio"]
    assert found["03a01Na"].recording is not None
    with pytest.raises(DataError, match=re.escape(str(path))):
        EmoDb(root).recordings()


def test_a_folder_without_utterances_is_an_error(emodb):
    with pytest.raises(DataError, match="no utterance of anger"):
        EmoDb(emodb()).recordings()


def test_a_missing_corpus_names_the_folder(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'emodb'}: no such folder")):
        open_corpus("emodb", tmp_path)
    (tmp_path / "emodb").mkdir()
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'emodb' / 'wav'}: no such folder")):
        open_corpus("emodb", tmp_path)


def test_what_the_reader_leaves_out_is_counted(emodb):
    assert EmoDb(emodb("03a01Fa")).left_out == ()
    corpus = EmoDb(emodb("03a01Fa", "03a01La", "03a02La", "03a01Ea"))
    (found,) = corpus.left_out
    assert found.sentence == "emodb: 3 of 4 recordings (75.0 %) are left out by the reader's rule other-emotion."
