"""Topical-Chat: what a turn says and is said to feel, and one line for whatever a file may hold instead."""

import copy
import json
import re

import pytest

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.topical_chat import TopicalChat
from input_pipeline.errors import DataError
from input_pipeline.validate import validate

TURNS = [
    {
        "message": "Did you see  it?\n",
        "agent": "agent_1",
        "sentiment": "Curious to dive deeper",
        "knowledge_source": ["FS1"],
        "turn_rating": "Good",
    },
    {"message": "No.", "agent": "agent_2", "sentiment": "Sad", "knowledge_source": [], "turn_rating": ""},
    {"message": "Fine.", "agent": "agent_1", "sentiment": "Neutral", "knowledge_source": ["FS2"]},
]


@pytest.fixture
def chat(tmp_path):
    """Writes files of conversations, by split, and returns the corpus's folder."""
    root = tmp_path / "topical_chat"
    root.mkdir()

    def write(**files):
        for split, conversations in files.items():
            contents = {name: {"config": "C", "content": turns} for name, turns in conversations.items()}
            (root / f"{split}.json").write_text(json.dumps(contents))
        return root

    return write


def refused(root, rule, *parts, identifier):
    """That the recording (or file) of this id has one error, whose one line holds all of `parts`."""
    found = {session.id: session for session in TopicalChat(root).scan()}[identifier]
    assert found.recording is None
    (finding,) = found.findings
    assert (finding.severity, finding.rule) == ("error", rule), finding
    assert "\n" not in finding.message
    for part in parts:
        assert part in finding.message
    with pytest.raises(DataError, match=re.escape(finding.message)):
        TopicalChat(root).recordings()


def test_a_turn_is_a_recording_in_its_dialogue(chat):
    first, second, third = TopicalChat(chat(train={"t_1": TURNS})).recordings()
    assert (first.id, first.participant, first.split, first.audio) == ("t_1:0", "t_1", "train", None)
    assert [(part.start_s, part.stop_s, part.text) for part in first.segments] == [(0.0, 1.0, "Did you see it?")]
    assert first.labels == {"emotion": "curious_to_dive_deeper", "sentiment": "positive"}
    assert first.metadata == {"agent": "agent_1", "turn_rating": "Good"}
    assert second.metadata == {"agent": "agent_2"}
    assert third.metadata == {"agent": "agent_1"}
    assert first.dialogue == ("Did you see it?", "No.", "Fine.")
    assert [item.turn for item in (first, second, third)] == [0, 1, 2]
    assert second.dialogue is first.dialogue


@pytest.mark.parametrize(
    ("told", "emotion", "sentiment"),
    [
        ("Angry", "angry", "negative"),
        ("Disgusted", "disgusted", "negative"),
        ("Fearful", "fearful", "negative"),
        ("Sad", "sad", "negative"),
        ("Neutral", "neutral", "neutral"),
        ("Happy", "happy", "positive"),
        ("Surprised", "surprised", "positive"),
        ("Curious to dive deeper", "curious_to_dive_deeper", "positive"),
    ],
)
def test_eight_sentiments_and_their_three_sides(chat, told, emotion, sentiment):
    (recording,) = TopicalChat(chat(train={"t_1": [TURNS[0] | {"sentiment": told}]})).recordings()
    assert recording.labels == {"emotion": emotion, "sentiment": sentiment}
    assert emotion in TopicalChat.classes["emotion"]
    assert sentiment in TopicalChat.classes["sentiment"]


def test_the_files_that_are_there_are_the_splits(chat):
    root = chat(test_freq={"t_2": TURNS}, train={"t_1": TURNS[:1]})
    assert [(item.id, item.split) for item in TopicalChat(root).recordings()] == [
        ("t_1:0", "train"),
        ("t_2:0", "test_freq"),
        ("t_2:1", "test_freq"),
        ("t_2:2", "test_freq"),
    ]


def test_the_validator_counts_the_turns(chat, capsys):
    corpus = open_corpus("topical_chat", chat(train={"t_1": TURNS}).parent)
    count = validate(corpus)
    assert not count.errors
    assert (count.sessions, count.participants) == (3, {"t_1"})
    assert "curious_to_dive_deeper 1, neutral 1, sad 1" in capsys.readouterr().out.splitlines()[-1]


def test_no_folder_and_no_file(tmp_path):
    with pytest.raises(DataError, match="synthesize --corpus=topical_chat"):
        open_corpus("topical_chat", tmp_path)
    (tmp_path / "topical_chat").mkdir()
    with pytest.raises(DataError, match=r"topical_chat: none of train\.json, valid_freq\.json"):
        open_corpus("topical_chat", tmp_path)


@pytest.mark.parametrize(
    ("change", "rule", "part"),
    [
        ({"sentiment": "Bored"}, "unknown-class", "sentiment is 'Bored', expected one of Angry, "),
        ({"sentiment": None}, "wrong-type", "sentiment is a NoneType"),
        ({"sentiment": ["Sad"]}, "wrong-type", "sentiment is a list"),
        ({"message": 7}, "wrong-type", "message is a int"),
        ({"message": "  "}, "empty-message", "the message is empty"),
        ({"agent": 1}, "wrong-type", "agent is a int"),
        ({"turn_rating": 5}, "wrong-type", "turn_rating is a int"),
    ],
)
def test_a_broken_turn_is_named_and_hides_no_other(chat, change, rule, part):
    root = chat(train={"t_1": [TURNS[0], TURNS[1] | change, TURNS[2]]})
    refused(root, rule, str(root / "train.json"), "conversation 't_1', turn 1", part, identifier="t_1:1")
    assert [item.id for item in TopicalChat(root).scan() if item.recording] == ["t_1:0", "t_1:2"]


@pytest.mark.parametrize("field", ["message", "sentiment", "agent"])
def test_a_turn_without_a_field(chat, field):
    turns = copy.deepcopy(TURNS)
    del turns[2][field]
    root = chat(train={"t_1": turns})
    refused(root, "missing-field", "train.json", "conversation 't_1', turn 2", f"no {field}", identifier="t_1:2")


@pytest.mark.parametrize(
    ("conversation", "rule"),
    [
        ([], "wrong-type"),
        (None, "wrong-type"),
        ({"config": "A"}, "missing-field"),
        ({"content": {}}, "wrong-type"),
        ({"content": []}, "empty-conversation"),
    ],
)
def test_a_broken_conversation(chat, conversation, rule):
    root = chat(train={})
    (root / "train.json").write_text(json.dumps({"t_1": conversation}))
    refused(root, rule, str(root / "train.json"), "conversation 't_1'", identifier="t_1")


def test_a_turn_that_is_no_object(chat):
    refused(chat(train={"t_1": [TURNS[0], "hello"]}), "wrong-type", "'t_1', turn 1", "a str", identifier="t_1:1")


def test_a_conversation_in_two_files(chat):
    root = chat(train={"t_1": TURNS}, test_rare={"t_1": TURNS})
    refused(root, "participant-in-two-splits", str(root / "test_rare.json"), "'t_1'", "train.json", identifier="t_1")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "broken-json"),
        ("", "broken-json"),
        ("[" * 100_000, "broken-json"),
        ("[]", "wrong-type"),
        ("{}", "empty-corpus"),
        ('{"t_1": {}, "t_1": {}}', "duplicate-id"),
        (b"\xff\xfe", "not-utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_does_not_hide_the_others(chat, text, rule):
    root = chat(train={"t_1": TURNS})
    (root / "valid_freq.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(root, rule, str(root / "valid_freq.json"), identifier="valid_freq.json")
    assert sum(session.recording is not None for session in TopicalChat(root).scan()) == 3
