"""A corpus of the user's own: every column means what the manifest's description says, every fault names its line."""

import json
import re

import numpy as np
import pytest

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.recording import Segment

CLASSES = {"mood": ("low", "high")}


@pytest.fixture
def manifest(tmp_path, wav):
    """Writes `mine.csv` (or .jsonl) beside a second of audio, `a.wav`, and opens it."""
    wav(np.full(16000, 0.1))

    def write(text, name="mine.csv", **types):
        (tmp_path / name).write_text(text)
        return Manifest(tmp_path / name, **types)

    return write


def refused(corpus, rule, *parts):
    """The first error's rule, and that its one line names the file and all of `parts`."""
    found = [finding for session in corpus.scan() for finding in session.findings if finding.severity == "error"]
    assert found[0].rule == rule, found
    for part in (corpus.file.name, *parts):
        assert part in found[0].message
    assert "\n" not in found[0].message


def test_a_row_is_a_recording(manifest, tmp_path):
    (tmp_path / "b.png").touch()
    corpus = manifest(
        "id,participant,split,audio,image,text,mood,score,city\nr1,p1,train,a.wav,b.png,hello there,low,3.5,Bern\n",
        classes=CLASSES,
        scores=["score"],
    )
    (recording,) = corpus.recordings()
    assert (recording.id, recording.participant, recording.split) == ("r1", "p1", "train")
    assert recording.segments == (Segment(0.0, 1.0, "participant", "hello there"),)
    assert recording.labels == {"mood": "low", "score": 3.5}
    assert recording.metadata == {"city": "Bern"}
    assert recording.audio == tmp_path / "a.wav"
    assert recording.tracks == {"image": tmp_path / "b.png"}
    assert corpus.classes == CLASSES


def test_rows_that_share_an_id_are_segments_in_order_of_time(manifest):
    (recording,) = manifest(
        "id,participant,audio,start,stop,speaker,text\nr1,p1,a.wav,0.5,2,,second\nr1,p1,a.wav,0,0.4,interviewer,first\n"
    ).recordings()
    assert recording.segments == (
        Segment(0.0, 0.4, "interviewer", "first"),
        Segment(0.5, 1.0, "participant", "second"),
    )


def test_json_lines_say_the_same_as_csv(manifest):
    rows = [
        {"id": "r1", "participant": 7, "text": 'a, "quoted"\nline', "mood": "low", "score": 2},
        {"id": "r2", "participant": 8, "text": "b", "mood": None, "score": 1.5},
    ]
    text = "\n".join(map(json.dumps, rows)) + "\n\n"
    recordings = manifest(text, "mine.jsonl", classes=CLASSES, scores=["score"]).recordings()
    csv_text = 'id,participant,text,mood,score\nr1,7,"a, ""quoted""\nline",low,2\nr2,8,b,,1.5\n'
    assert recordings == manifest(csv_text, classes=CLASSES, scores=["score"]).recordings()
    assert recordings[1].labels == {"score": 1.5}


def test_a_boolean_of_json_is_a_class(manifest):
    corpus = manifest(
        '{"id": "r", "participant": "p", "text": "t", "ill": true}', "m.jsonl", classes={"ill": ("false", "true")}
    )
    assert corpus.recordings()[0].labels == {"ill": "true"}


def test_a_transcript_is_read_from_its_file(manifest, tmp_path):
    (tmp_path / "t.txt").write_text("grüezi\n mitenand\n")
    (recording,) = manifest("id,participant,transcript\nr1,p1,t.txt\n").recordings()
    assert [segment.text for segment in recording.segments] == ["grüezi mitenand"]


def test_absolute_paths_and_a_byte_order_mark(manifest, tmp_path):
    (recording,) = manifest(f"\ufeffid,participant,audio\nr1,p1,{tmp_path / 'a.wav'}\n").recordings()
    assert recording.audio == tmp_path / "a.wav"


def test_the_case_of_column_names_does_not_matter(manifest):
    (recording,) = manifest("ID,Participant,Text,Mood\nr1,p1,t,low\n", classes=CLASSES).recordings()
    assert recording.labels == {"mood": "low"}
    assert recording.metadata == {}


def test_a_long_text_fits_a_cell(manifest):
    (recording,) = manifest(f"id,participant,text\nr1,p1,{'long ' * 60000}\n").recordings()
    assert len(recording.segments[0].text.split()) == 60000


def test_it_is_opened_by_name(tmp_path, wav):
    wav(np.full(16000, 0.1))
    (tmp_path / "sub").mkdir()
    file = tmp_path / "sub" / "mine.csv"
    file.write_text("id,participant,audio,mood\nr1,p1,../a.wav,low\n")
    for name in ("manifest:sub/mine.csv", f"manifest:{file}"):
        corpus = open_corpus(name, tmp_path, classes=CLASSES)
        assert corpus.name == "manifest-mine"
        assert corpus.recordings()[0].labels == {"mood": "low"}


@pytest.mark.parametrize(
    ("text", "rule", "parts"),
    [
        ("id,participant,audio\nr1,p1,a.wav\nr2,p2,gone.wav\n", "missing-file", ["line 3", "gone.wav"]),
        ("id,participant,image\nr1,p1,gone.png\n", "missing-file", ["line 2", "image", "gone.png"]),
        ("id,participant,image\nr1,p1,.\n", "missing-file", ["line 2", "image", "no file"]),
        ("id,participant,audio,text\nr1,p1,,\n", "empty-row", ["line 2"]),
        ("id,participant,city\nr1,p1,Bern\n", "empty-row", ["line 2"]),
        ("id,participant,text\nr1,,t\n", "empty-participant", ["line 2"]),
        ("id,participant,text\n,p1,t\n", "empty-id", ["line 2"]),
        ("id,participant,text\nr1,p1,t\nr1,p1,u\n", "duplicate-id", ["line 3", "line 2"]),
        ("id,participant,text,start,stop\nr1,p1,t,,\nr1,p1,u,1,2\n", "duplicate-id", ["line 3", "line 2"]),
        ("id,participant,split,text\nr1,p,train,t\nr2,p,dev,u\n", "participant-in-two-splits", ["line 3", "line 2"]),
        ("id,participant,text,start,stop\nr1,p,t,0,1\nr1,q,u,1,2\n", "contradictory-rows", ["line 3", "'q'", "'p'"]),
        ("id,participant,text,start,stop\nr1,p1,t,1,\n", "broken-times", ["line 2", "only one"]),
        ("id,participant,text,start,stop\nr1,p1,t,2,1\n", "broken-times", ["line 2", "stop 1.0"]),
        ("id,participant,text,start,stop\nr1,p1,t,-2,1\n", "broken-times", ["line 2", "start is -2.0"]),
        ("id,participant,audio,start,stop\nr1,p1,a.wav,1.5,2\n", "broken-times", ["line 2", "1.000 s"]),
        ("id,participant,text,start,stop\nr1,p1,t,zero,1\n", "not-a-number", ["line 2", "'zero'"]),
        ("id,participant,text,transcript\nr1,p1,t,a.wav\n", "contradictory-rows", ["line 2"]),
        ("id,participant,transcript\nr1,p1,a.wav\n", "unknown-transcript", ["line 2", "a.wav"]),
        ("id,text\nr1,t\n", "missing-column", ["line 1", "participant"]),
        ("id,participant,text\nr1,p1\n", "wrong-column-count", ["line 2", "3 columns expected, 2 found"]),
        ("id,participant,Text,text\nr1,p1,t,t\n", "duplicate-column", ["line 1", "'Text'"]),
        ('id,participant,text\nr1,p1,"t\n', "broken-csv", ["line 2"]),
        ('id,participant,text\nr1,p1,"two\nlines"\nr2,p2\n', "wrong-column-count", ["line 4"]),
        ("id,participant,text\n", "empty-corpus", []),
        ('id,participant,text\n"r\r1",p1,t\n', "broken-name", ["line 2", "column id", "'r\\r1'"]),
        ("id,participant,text\nr1,=cmd(),t\n", "broken-name", ["line 2", "column participant", "'='"]),
        (f"id,participant,text\n{'r' * 201},p1,t\n", "broken-name", ["line 2", "201 characters"]),
        (f"id,participant,audio\nr1,p1,{'a' * 300}.wav\n", "missing-file", ["line 2"]),
        ("", "no-header", []),
    ],
)
def test_faults_are_told_with_their_line(manifest, text, rule, parts):
    refused(manifest(text), rule, *parts)


@pytest.mark.parametrize(
    ("row", "rule", "parts"),
    [
        ("lwo,1", "unknown-class", ["line 2", "'lwo'", "did you mean 'low'?"]),
        ("7,1", "unknown-class", ["line 2", "expected one of low, high"]),
        ("low,one", "not-a-number", ["line 2", "score is 'one'"]),
        ("low,nan", "not-a-number", ["line 2", "score is 'nan'"]),
        ("low,inf", "not-a-number", ["line 2", "score is 'inf'"]),
    ],
)
def test_labels_that_do_not_fit_their_type(manifest, row, rule, parts):
    corpus = manifest(f"id,participant,text,mood,score\nr1,p1,t,{row}\n", classes=CLASSES, scores=["score"])
    refused(corpus, rule, *parts)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"id": 1', "line 1"),
        ("[1, 2]", "line 1"),
        ('{"id": [1]}', "id holds a list"),
        ("nan", "line 1"),
        ("[" * 100_000, "line 1"),
        (r'{"id": "\ud800"}', "line 1"),
    ],
)
def test_broken_json(manifest, text, part):
    refused(manifest(text, "mine.jsonl"), "broken-json", part)


def test_a_label_column_that_is_not_there(manifest):
    refused(manifest("id,participant,text\nr1,p1,t\n", classes=CLASSES), "missing-column", "mood")


def test_one_broken_row_does_not_hide_the_others(manifest):
    corpus = manifest("id,participant,audio\nr1,p1,gone.wav\nr2,p2,a.wav\n")
    assert [session.recording is None for session in corpus.scan()] == [True, False]
    with pytest.raises(DataError, match="line 2"):
        corpus.recordings()


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ({"classes": {"mood": ("low",)}}, "two or more"),
        ({"classes": {"mood": ("low", "low")}}, "each once"),
        ({"classes": {"Text": ("a", "b")}}, "'Text' is no label"),
        ({"scores": ["split"]}, "'split' is no label"),
        ({"classes": CLASSES, "scores": ["mood"]}, "both as classes and as a score"),
    ],
)
def test_label_types_that_cannot_be(manifest, types, found):
    with pytest.raises(DataError, match=re.escape(found)):
        manifest("id,participant,text,mood\nr1,p1,t,low\n", **types)


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'none.csv'}: no such manifest")):
        open_corpus("manifest:none.csv", tmp_path)
    (tmp_path / "mine.xlsx").touch()
    with pytest.raises(DataError, match=r"mine\.xlsx: a manifest is one of \.csv"):
        open_corpus("manifest:mine.xlsx", tmp_path)


def test_label_types_are_a_manifests_alone(tmp_path):
    with pytest.raises(DataError, match="label types of its own"):
        open_corpus("daic_woz", tmp_path, scores=["phq8_score"])


def test_an_unknown_corpus_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(
        DataError,
        match=r"known are cmu_mosei, daic_woz, e_daic, emodb, emotion_faces, iemocap, librispeech, mgid, mgid_repaired, "
        r"recola, talking_faces, topical_chat, daic_woz_utterances, e_daic_utterances, manifest:FILE\.csv; "
        r"did you mean 'daic_woz'",
    ):
        open_corpus("daic-woz", tmp_path)


DIALOGUE = (
    "id,participant,split,speaker,dialogue,turn,text\n"
    "r2,p1,train,,d1,20,very well\n"
    "q1,,,interviewer,d1,1,how are you\n"
    "r1,p1,train,,d1,3,well\n"
    "r9,p2,test,,d2,1,alone\n"
)


def test_a_dialogue_is_its_turns_in_their_order_the_interviewers_among_them(manifest):
    recordings = {recording.id: recording for recording in manifest(DIALOGUE).recordings()}
    assert set(recordings) == {"r1", "r2", "r9"}
    for identifier, turn in (("r1", 1), ("r2", 2)):
        assert recordings[identifier].dialogue == ("how are you", "well", "very well")
        assert recordings[identifier].turn == turn
    assert (recordings["r9"].dialogue, recordings["r9"].turn) == (("alone",), 0)
    assert recordings["r1"].metadata == {"dialogue": "d1"}


@pytest.mark.parametrize(
    ("row", "rule", "parts"),
    [
        ("r3,p1,train,,d1,,t", "broken-dialogue", ["line 6", "only one of dialogue and turn"]),
        ("r3,p1,train,,,4,t", "broken-dialogue", ["line 6", "only one of dialogue and turn"]),
        ("r3,p1,train,,d1,first,t", "not-a-number", ["line 6", "turn is 'first'"]),
        ("r3,p1,train,,d1,3.0,t", "duplicate-turn", ["line 6", "turn 3.0 of dialogue 'd1'", "line 4"]),
        ("r3,p3,dev,,d1,4,t", "dialogue-in-two-splits", ["line 6", "'dev'", "line 2", "'train'"]),
    ],
)
def test_a_turn_that_has_no_place_in_its_dialogue(manifest, row, rule, parts):
    refused(manifest(f"{DIALOGUE}{row}\n"), rule, *parts)
