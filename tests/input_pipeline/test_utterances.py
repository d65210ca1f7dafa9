"""Utterances of interviews: whose they are, what they inherit, which have no words, and every fault of the emotions' file."""

import re
import subprocess
import sys

import pytest

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.utterances import DaicWozUtterances, EDaicUtterances
from input_pipeline.errors import DataError
from input_pipeline.synthesis import synthesize

ROWS = (
    (0.2, 0.8, "Participant", "okay"),  # before the interview
    (1.0, 2.0, "Ellie", "how are you"),
    (2.5, 4.0, "Participant", "i am fine"),
    (4.0, 4.4, "Participant", "<laughter>"),
    (4.5, 5.0, "Ellie", "why"),
    (5.5, 7.5, "Participant", "because of my dog"),
)


@pytest.fixture
def interviews(daic):
    """Two interviews of which the second is depressed; gives the folder."""
    daic.session(300, rows=ROWS, score=4)
    daic.session(301, rows=ROWS, score=13, gender=1, split="dev")
    return daic.root


def emotions(root, *rows, header="session,turn,emotion", encoding="utf-8"):
    (root / "utterance_emotions.csv").write_text("\n".join([header, *rows]) + "\n", encoding=encoding)


def found(root, rule):
    """The lines of a rule."""
    scanned = [finding for session in DaicWozUtterances(root).scan() for finding in session.findings]
    return [finding.message for finding in scanned if finding.rule == rule]


def test_a_turn_with_words_is_a_recording_with_what_its_interview_has(interviews):
    recordings = DaicWozUtterances(interviews).recordings()
    assert [one.id for one in recordings] == ["300_0000", "300_0002", "301_0000", "301_0002"]
    by_interview = {one.id: one for one in DaicWozUtterances(interviews).interviews.recordings()}
    for one in recordings:
        interview = by_interview[one.participant]
        assert (one.split, one.labels, one.metadata) == (interview.split, interview.labels, interview.metadata)
        assert (one.audio, one.tracks) == (interview.audio, interview.tracks)
        (segment,) = one.segments
        assert segment in interview.segments
    assert [one.segments[0].text for one in recordings[:2]] == ["i am fine", "because of my dog"]
    assert {one.participant: one.split for one in recordings} == {"300": "train", "301": "dev"}


def test_a_turn_without_words_is_counted_and_keeps_its_number(interviews):
    assert [re.sub(r".*session", "session", line) for line in found(interviews, "wordless-turn")] == [
        "session 300: 1 of 3 turns hold no word; left out",
        "session 301: 1 of 3 turns hold no word; left out",
    ]
    (left_out,) = DaicWozUtterances(interviews).left_out
    assert (left_out.lost, left_out.of) == (2, 6)


def test_interviews_that_the_reader_leaves_out_are_not_counted_as_utterances(interviews):
    (interviews / "302_P").mkdir()
    assert len(found(interviews, "unlisted-session")) == 1
    assert {one.why for one in DaicWozUtterances(interviews).left_out} == {
        "are left out by the reader's rule wordless-turn"
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_emotions_are_those_of_the_file_and_absent_where_it_has_none(interviews, encoding):
    emotions(interviews, "300,2,sad", "301,0,not_sad", "300,0,", "301,1,sad", encoding=encoding)
    labels = {one.id: one.labels.get("emotion") for one in DaicWozUtterances(interviews).recordings()}
    assert labels == {"300_0000": None, "300_0002": "sad", "301_0000": "not_sad", "301_0002": None}
    assert [line.partition(": ")[2] for line in found(interviews, "no-emotion")] == [
        "1 utterances of session 300 have no emotion (turn 0 is the first); they go without, or add their rows",
        "1 utterances of session 301 have no emotion (turn 2 is the first); they go without, or add their rows",
    ]


def test_without_the_file_no_utterance_has_an_emotion_and_it_is_told_what_to_put_where(interviews):
    corpus = DaicWozUtterances(interviews)
    assert not any("emotion" in one.labels for one in corpus.recordings())
    assert not found(interviews, "no-emotion")
    assert corpus.source_of("emotion") == (
        f"put a file {interviews}/utterance_emotions.csv there, with the columns session, turn, emotion, or leave the task out"
    )
    assert corpus.source_of("depressed") == ""


@pytest.mark.parametrize(
    ("rows", "rule", "line"),
    [
        (["302,0,sad"], "unknown-session", "line 2: session 302 is none of the corpus; remove the row"),
        (["300,0,sad", "300,3,sad"], "unknown-turn", "line 3: session 300 has no turn 3 of the participant's"),
        (["300,0,happy"], "unknown-class", "line 2: emotion is 'happy', expected one of not_sad, sad, or nothing"),
        (["300,0,Sad"], "unknown-class", "line 2: emotion is 'Sad'"),
        (
            ["300,0,sad", "301,0,sad", "300,0,sad"],
            "duplicate-turn",
            "line 4: turn 0 of session 300 stands on line 2 too",
        ),
        (["300,first,sad"], "label-out-of-range", "line 2: turn is 'first', expected a whole number"),
        (["300,-1,sad"], "label-out-of-range", "line 2: turn is '-1'"),
        (["x,0,sad"], "label-out-of-range", "line 2: session is 'x'"),
        (["300,0"], "wrong-column-count", "line 2: 3 columns expected, 2 found"),
        ([], "empty-file", "lists no utterance; fill it, or take it away"),
    ],
)
def test_a_fault_of_the_file_is_one_line(interviews, rows, rule, line):
    emotions(interviews, *rows)
    (told,) = found(interviews, rule)
    assert told.startswith(str(interviews / "utterance_emotions.csv"))
    assert line in told
    assert "\n" not in told
    with pytest.raises(DataError, match=re.escape(told)):
        DaicWozUtterances(interviews).recordings()


def test_a_file_of_other_columns_or_of_nothing_is_one_line(interviews):
    emotions(interviews, "300,0,sad", header="session,turn,mood")
    assert "no column emotion" in found(interviews, "missing-column")[0]
    (interviews / "utterance_emotions.csv").write_bytes(b"")
    assert "a header line of column names is expected" in found(interviews, "no-header")[0]
    (interviews / "utterance_emotions.csv").write_bytes(b"session,turn,emotion\n300,0,\xff\n")
    assert "line 2: byte 0xff is not UTF-8" in found(interviews, "not-utf-8")[0]


@pytest.mark.parametrize(
    ("start", "fits"), [("2.5", True), ("2.54", True), ("", True), ("5.5", False), ("early", False)]
)
def test_a_start_must_be_that_of_the_turn(interviews, start, fits):
    emotions(interviews, f"300,0,{start},sad", header="session,turn,start,emotion")
    lines = found(interviews, "other-turn")
    assert len(lines) == (not fits)
    if not fits:
        assert f"line 2: turn 0 of session 300 starts at 2.500 s, start is {start!r}" in lines[0]


def test_e_daic_is_read_so_too_and_its_speakers_stay_unknown(tmp_path):
    root = synthesize("e_daic", tmp_path, sessions=10, turns=2, workers=1)
    corpus = open_corpus("e_daic_utterances", tmp_path)
    assert isinstance(corpus, EDaicUtterances)
    interviews = {one.id: one for one in corpus.interviews.recordings()}
    recordings = corpus.recordings()
    assert len(recordings) == sum(bool(part.text) for one in interviews.values() for part in one.segments)
    assert {segment.speaker for one in recordings for segment in one.segments} == {"unknown"}
    assert all(one.labels == interviews[one.participant].labels for one in recordings)
    name, turn = recordings[0].id.split("_")
    emotions(root, f"{name},{int(turn)},sad")
    assert corpus_labels(tmp_path)[recordings[0].id] == "sad"


def corpus_labels(data_dir):
    return {one.id: one.labels.get("emotion") for one in open_corpus("e_daic_utterances", data_dir).recordings()}


def test_the_list_of_utterances_once_filled_is_the_file(interviews):
    command = [sys.executable, "-m", "input_pipeline.list_utterances", "--corpus=daic_woz_utterances"]
    emotions(interviews, "no,file,yet")  # which is not looked at
    listed = subprocess.run([*command, f"--data_dir={interviews.parent}"], capture_output=True, text=True, check=True)
    lines = listed.stdout.splitlines()
    assert lines[:2] == ["session,turn,start,stop,emotion,words", "300,0,2.500,4.000,,i am fine"]
    assert len(lines) == 5
    filled = [line.replace(",,", ",sad,") for line in lines[1:]]
    emotions(interviews, *filled, header=lines[0])
    assert {one.labels["emotion"] for one in DaicWozUtterances(interviews).recordings()} == {"sad"}
    refused = subprocess.run([*command, f"--data_dir={interviews}"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
