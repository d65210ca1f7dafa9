"""Topical-Chat: conversations of two people who write to each other, with the feeling that each named for every turn.

Gopalakrishnan et al., "Topical-Chat: Towards Knowledge-Grounded Open-Domain Conversations", Interspeech 2019.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.corpora.text_files import as_finding, read_text
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import Corpus, Recording, Scanned, Segment

SPLITS = ("train", "valid_freq", "valid_rare", "test_freq", "test_rare")  # the files' names without .json
EMOTIONS = {  # the corpus's sentiment -> our class
    "Angry": "angry",
    "Disgusted": "disgusted",
    "Fearful": "fearful",
    "Sad": "sad",
    "Neutral": "neutral",
    "Happy": "happy",
    "Surprised": "surprised",
    "Curious to dive deeper": "curious_to_dive_deeper",
}
SENTIMENTS = ("negative", "neutral", "positive")
_NEGATIVE = ("angry", "disgusted", "fearful", "sad")
_NOMINAL_S = 1.0  # a turn has no times; this is what a manifest gives to words without audio, too


class TopicalChat(Corpus):
    """The reader of Topical-Chat: one recording a turn, without audio, its segment nominally one second long.

    A recording's id is "<conversation>:<turn>", counted from 0; the participant is the conversation, so that no
    conversation stands in two splits. Splits: the names in `SPLITS`, of those files that are there.

    Labels: `emotion`, the corpus's eight sentiments in the order of `EMOTIONS`, and `sentiment`: anger, disgust, fear
    and sadness are negative; happiness, surprise and curiosity positive. The corpus does not say on which side surprise
    and curiosity are: positive is our choice, because both are told of a conversation that is enjoyed.
    Metadata: `agent`, and `turn_rating` where the partner gave one.
    """

    name = "topical_chat"
    classes: Mapping[str, tuple[str, ...]] = {"emotion": tuple(EMOTIONS.values()), "sentiment": SENTIMENTS}
    stand_in = "input_pipeline.synthesis.topical_chat:synthesize_topical_chat"

    def __init__(self, root: Path):
        """Raises DataError where `root` is no folder or holds none of the files."""
        super().__init__(root)
        self.files = {split: path for split in SPLITS if (path := root / f"{split}.json").is_file()}
        if not self.files:
            names = ", ".join(f"{split}.json" for split in SPLITS)
            raise DataError(f"{root}: none of {names} is there; copy the conversations of the corpus there")

    def scan(self) -> Iterator[Scanned]:
        """Every turn in the order of the files; a conversation or a file that cannot be read is one error."""
        seen: dict[str, Path] = {}
        for split, path in self.files.items():
            try:
                conversations = _read_conversations(path)
            except RuleError as error:
                yield Scanned(path.name, None, (as_finding(error),))
                continue
            for name, conversation in conversations.items():
                yield from _conversation(path, split, name, conversation, seen)


def _conversation(path: Path, split: str, name: str, conversation: Any, seen: dict[str, Path]) -> Iterator[Scanned]:
    """The turns of a conversation; `seen` collects by conversation the file in which it stands."""
    where = f"{path}, conversation {name!r}"
    try:
        first = seen.setdefault(name, path)
        if first is not path:
            what = f"stands in {first.name} too; remove it from one of the files"
            raise RuleError("participant-in-two-splits", f"{where}: {what}")
        turns = _field(conversation, "content", list, where)
        if not turns:
            raise RuleError("empty-conversation", f"{where}: has no turn; remove it or restore the file")
    except RuleError as error:
        yield Scanned(name, None, (as_finding(error),))
        return
    dialogue = tuple(_words(turn) for turn in turns)
    for index, turn in enumerate(turns):
        identifier = f"{name}:{index}"
        try:
            labels, metadata = _annotations(turn, f"{where}, turn {index}")
        except RuleError as error:
            yield Scanned(identifier, None, (as_finding(error),))
            continue
        recording = Recording(
            id=identifier,
            participant=name,
            split=split,
            segments=(Segment(0.0, _NOMINAL_S, text=dialogue[index]),),
            labels=labels,
            metadata=metadata,
            dialogue=dialogue,
            turn=index,
        )
        yield Scanned(identifier, recording)


def _words(turn: Any) -> str:
    """The message without its line breaks; empty where there is none, which is the turn's own error."""
    message = turn.get("message") if isinstance(turn, dict) else None
    return " ".join(message.split()) if isinstance(message, str) else ""


def _annotations(turn: Any, where: str) -> tuple[dict[str, str | int | float], dict[str, str]]:
    """Labels and metadata of a turn that has a message."""
    if not _field(turn, "message", str, where).strip():
        raise RuleError("empty-message", f"{where}: the message is empty; remove the conversation or restore the file")
    told = _field(turn, "sentiment", str, where)
    if told not in EMOTIONS:
        expected = ", ".join(EMOTIONS)
        raise RuleError("unknown-class", f"{where}: sentiment is {told!r}, expected one of {expected}; correct it")
    metadata = {"agent": _field(turn, "agent", str, where)}
    if turn.get("turn_rating"):
        metadata["turn_rating"] = _field(turn, "turn_rating", str, where)
    emotion = EMOTIONS[told]
    return {"emotion": emotion, "sentiment": _sentiment(emotion)}, metadata


def _sentiment(emotion: str) -> str:
    if emotion == "neutral":
        return "neutral"
    return "negative" if emotion in _NEGATIVE else "positive"


def _field(found: Any, key: str, kind: type, where: str) -> Any:
    """The value of a key, which is of the kind expected.

    Raises:
        RuleError: wrong-type, missing-field.
    """
    if not isinstance(found, dict):
        raise RuleError("wrong-type", f"{where}: a {type(found).__name__}, expected an object; restore the file")
    if key not in found:
        raise RuleError("missing-field", f"{where}: has no {key}; restore the file")
    if not isinstance(found[key], kind):
        what = f"{key} is a {type(found[key]).__name__}, expected a {kind.__name__}"
        raise RuleError("wrong-type", f"{where}: {what}; restore the file")
    return found[key]


def _read_conversations(path: Path) -> dict[str, Any]:
    """The conversations of a file by name.

    Raises:
        RuleError: as `text_files.read_text`; broken-json, wrong-type, duplicate-id, empty-corpus.
    """
    try:
        found = json.loads(read_text(path), object_pairs_hook=lambda pairs: _object(path, pairs))
    except (ValueError, RecursionError) as error:
        raise RuleError("broken-json", f"{path}: not JSON ({error}); restore the file") from None
    if not isinstance(found, dict):
        what = f"a {type(found).__name__}, expected an object of conversations"
        raise RuleError("wrong-type", f"{path}: {what}; restore the file")
    if not found:
        raise RuleError("empty-corpus", f"{path}: holds no conversation; restore the file")
    return found


def _object(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, of whose equal keys Python would silently keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RuleError("duplicate-id", f"{path}: {twice!r} stands twice in one object; remove one")
    return found
