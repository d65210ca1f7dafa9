"""IEMOCAP: five sessions of two actors each, in improvised and scripted dialogues cut into utterances.

Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", 2008.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from input_pipeline import audio
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing, read_text
from input_pipeline.errors import RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

EMOTIONS = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}  # consensus -> class
OTHER_LABELS = ("fru", "fea", "sur", "dis", "oth", "xxx")  # xxx: the raters do not agree
CLASSES = ("angry", "happy", "neutral", "sad")
ATTRIBUTES = ("valence", "activation", "dominance")
ATTRIBUTE_RANGE = (1.0, 5.0)
SESSIONS = range(1, 6)
_STYLES = {"impro": "improvised", "script": "scripted"}
_GENDERS = {"F": "female", "M": "male"}

_DIALOGUE = re.compile(r"Ses0(?P<session>[1-5])[FM]_(?P<style>impro|script)\d\d\w*")
_TURN = re.compile(r"(?P<dialogue>\w+)_(?P<speaker>[FM])\d+")
_SPOKEN = re.compile(r"(?P<id>\S+) \[(?P<start>[^\]-]+)-(?P<stop>[^\]-]+)\]:(?P<words>.*)")
_WITHOUT_ID = re.compile(r"[FM]:")
_WITHOUT_NUMBER = re.compile(r"\w+_[FM]XX\w*")
_RATED = re.compile(r"\[[^\]]+\]\t(?P<id>\S+)\t(?P<label>[^\t]+)\t\[(?P<values>[^\]]*)\]")
_MARK = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")  # [LAUGHTER], [BREATHING], ...
_DONE = {  # rule -> what was done to lines of a transcription
    "xx-id": "left out, whose id has XX in the place of a number; such lines have no label",
    "no-id": "left out, without id and times",
    "transcript-mark": "cleaned of marks",
}


@dataclasses.dataclass(frozen=True)
class Dialogue:
    """Where the parts of a dialogue lie: two text files, and the folder of its utterances."""

    name: str
    style: str
    ratings: Path
    transcription: Path
    wavs: Path


@dataclasses.dataclass(frozen=True)
class Rating:
    """What the raters agreed on about one utterance; `values` are the means of `ATTRIBUTES`."""

    line: int
    label: str
    values: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Spoken:
    """One line of a transcription: seconds in the dialogue's recording, and the words cleaned of marks."""

    line: int
    id: str
    start_s: float
    stop_s: float
    words: str


class Iemocap(Corpus):
    """The reader of IEMOCAP: one recording an utterance with one of four emotions; excitement counts as happiness.

    The participant is the session and the speaker's letter ("Ses01F"), the split the session ("session1", ...,
    "session5"): to leave one out is the field's protocol. A session that is absent as a whole is reported and no error.

    Labels: `emotion`, and as scores `valence`, `activation`, `dominance` (1..5; the raters' means). Metadata: `gender`,
    `dialogue` (its name), `style` ("improvised" or "scripted"). Utterances with another label, or on which the raters
    do not agree, are no recordings; their words stay in the dialogue.
    """

    name = "iemocap"
    classes: Mapping[str, tuple[str, ...]] = {"emotion": CLASSES}
    scores = ATTRIBUTES
    stand_in = "input_pipeline.synthesis.iemocap:synthesize_iemocap"

    def scan(self) -> Iterator[Scanned]:
        """Every utterance, dialogue by dialogue in order of time; last, what was left out as a whole."""
        folders = {number: self.root / f"Session{number}" for number in SESSIONS}
        present = {number: folder for number, folder in folders.items() if folder.is_dir()}
        if not present:
            message = f"{self.root}: holds none of Session1 to Session5; unpack the corpus there"
            yield Scanned(self.name, None, (Finding("error", "empty-corpus", message),))
            return
        other: Counter[str] = Counter()
        for number, folder in present.items():
            yield from _session(number, folder, other)
        for number in sorted(folders.keys() - present.keys()):
            message = f"{folders[number]}: no such folder; the session is left out"
            yield Scanned(f"session{number}", None, (Finding("applied", "missing-session", message),))
        if other:
            counts = ", ".join(f"{count} {label}" for label, count in sorted(other.items()))
            message = f"{self.root}: {other.total()} utterances of other labels are context alone ({counts})"
            yield Scanned(self.name, None, (Finding("applied", "other-emotion", message, other.total()),))


def _session(number: int, folder: Path, other: Counter[str]) -> Iterator[Scanned]:
    """The utterances of a session; `other` counts those of other labels."""
    identifier = f"session{number}"
    ratings, transcriptions = folder / "dialog" / "EmoEvaluation", folder / "dialog" / "transcriptions"
    wavs = folder / "sentences" / "wav"
    missing = [path for path in (ratings, transcriptions, wavs) if not path.is_dir()]
    if missing:
        message = f"{missing[0]}: no such folder; unpack the session again"
        yield Scanned(identifier, None, (Finding("error", "missing-folder", message),))
        return
    try:
        texts = [path for folder in (ratings, transcriptions) for path in listing(folder) if path.suffix == ".txt"]
        found = [*texts, *(path for path in listing(wavs) if path.is_dir() or is_apple_double(path))]
    except RuleError as error:
        yield Scanned(identifier, None, (as_finding(error),))
        return
    companions = [path for path in found if is_apple_double(path)]
    if companions:
        message = f"{folder}: {len(companions)} `._` entries of macOS ignored"
        yield Scanned(identifier, None, (Finding("applied", "apple-double", message),))
    names = sorted({path.name.removesuffix(".txt") for path in found if not path.name.startswith(".")})
    if not names:
        message = f"{folder}: holds no dialogue; unpack the session again"
        yield Scanned(identifier, None, (Finding("error", "empty-session", message),))
    for name in names:
        match = _DIALOGUE.fullmatch(name)
        if match is None or int(match["session"]) != number:
            message = f"{folder}: {name!r} is no dialogue of session {number} (as Ses0{number}F_impro01 is); remove it"
            yield Scanned(name, None, (Finding("error", "unknown-name", message),))
        else:
            paths = ratings / f"{name}.txt", transcriptions / f"{name}.txt", wavs / name
            yield from _utterances(Dialogue(name, _STYLES[match["style"]], *paths), other)


def _utterances(dialogue: Dialogue, other: Counter[str]) -> Iterator[Scanned]:
    """The dialogue's own findings, then its utterances; where a file has an error, no utterance is told."""
    findings: list[Finding] = []
    ratings: dict[str, Rating] = {}
    lines: list[Spoken] = []
    try:
        ratings = _read_ratings(dialogue, findings)
    except RuleError as error:
        findings.append(as_finding(error))
    try:
        lines = _read_transcription(dialogue, findings)
    except RuleError as error:
        findings.append(as_finding(error))
    if not dialogue.wavs.is_dir():
        message = f"{dialogue.wavs}: no such folder; unpack the dialogue's utterances there"
        findings.append(Finding("error", "missing-folder", message))
    if findings:
        yield Scanned(dialogue.name, None, tuple(findings))
    if any(finding.severity == "error" for finding in findings):
        return
    words = tuple(line.words for line in lines)
    for turn, line in enumerate(lines):
        rating = ratings.pop(line.id, None)
        if rating is None:
            where = f"{dialogue.transcription}, line {line.line}"
            message = f"{where}: {line.id} has no label in {dialogue.ratings}; restore the file"
            yield Scanned(line.id, None, (Finding("error", "missing-label", message),))
        elif rating.label in OTHER_LABELS:
            other[rating.label] += 1
        else:
            yield _utterance(dialogue, line, rating, words, turn)
    for identifier, rating in ratings.items():
        where = f"{dialogue.ratings}, line {rating.line}"
        message = f"{where}: {identifier} has no words in {dialogue.transcription}; restore the file"
        yield Scanned(identifier, None, (Finding("error", "missing-words", message),))


def _utterance(dialogue: Dialogue, line: Spoken, rating: Rating, words: tuple[str, ...], turn: int) -> Scanned:
    wav = dialogue.wavs / f"{line.id}.wav"
    try:
        duration_s = audio.header(wav).duration_s
    except RuleError as error:
        return Scanned(line.id, None, (as_finding(error),))
    low, high = ATTRIBUTE_RANGE
    values = dict(zip(ATTRIBUTES, rating.values, strict=True))
    inside = {name: value for name, value in values.items() if low <= value <= high}
    findings = [
        Finding(
            "applied",
            "attribute-out-of-range",
            f"{dialogue.ratings}, line {rating.line}: {name} of {line.id} is {value:g}, expected {low:g}..{high:g}; "
            "the utterance goes without it",
        )
        for name, value in values.items()
        if name not in inside
    ]
    session, speaker = dialogue.name[: len("Ses01")], line.id.rpartition("_")[2][0]
    recording = Recording(
        id=line.id,
        participant=f"{session}{speaker}",
        split=f"session{int(session[-2:])}",
        segments=(Segment(0.0, duration_s, text=line.words),),
        labels={"emotion": EMOTIONS[rating.label], **inside},
        metadata={"gender": _GENDERS[speaker], "dialogue": dialogue.name, "style": dialogue.style},
        audio=wav,
        dialogue=words,
        turn=turn,
    )
    return Scanned(line.id, recording, tuple(findings))


def _read_ratings(dialogue: Dialogue, findings: list[Finding]) -> dict[str, Rating]:
    """The label lines by utterance, among the raters' own lines; `findings` gets an error for each broken one.

    Raises:
        RuleError: as `text_files.read_text`.
    """
    ratings: dict[str, Rating] = {}
    for number, line in enumerate(read_text(dialogue.ratings).split("\n"), start=1):
        # The raters' lines ("C-E2:", "A-E3:") name no utterance, the header is a comment.
        if line.startswith("%") or not (line.startswith("[") or f"{dialogue.name}_" in line):
            continue
        try:
            identifier, rating = _rating(dialogue, number, line.rstrip())
            if identifier in ratings:
                what = f"{identifier} stands on line {ratings[identifier].line} too; remove one of the lines"
                raise RuleError("duplicate-id", f"{dialogue.ratings}, line {number}: {what}")
            ratings[identifier] = rating
        except RuleError as error:
            findings.append(as_finding(error))
    return ratings


def _rating(dialogue: Dialogue, number: int, line: str) -> tuple[str, Rating]:
    where = f"{dialogue.ratings}, line {number}"
    match = _RATED.fullmatch(line)
    if match is None:
        what = f"{line[:60]!r} is no label line, expected [start - end], id, label and [V, A, D], separated by tabs"
        raise RuleError("broken-label-line", f"{where}: {what}; correct the line")
    _require_id(dialogue, where, match["id"])
    if match["label"] not in EMOTIONS and match["label"] not in OTHER_LABELS:
        what = f"label {match['label']!r}, expected one of {', '.join((*EMOTIONS, *OTHER_LABELS))}"
        raise RuleError("unknown-class", f"{where}: {what}; correct it")
    try:
        values = tuple(float(value) for value in match["values"].split(","))
    except ValueError:
        values = ()
    if len(values) != len(ATTRIBUTES) or not all(map(math.isfinite, values)):
        what = f"[{match['values']}] is not the three numbers {', '.join(ATTRIBUTES)}"
        raise RuleError("not-a-number", f"{where}: {what}; correct them")
    return match["id"], Rating(number, match["label"], values)


def _read_transcription(dialogue: Dialogue, findings: list[Finding]) -> list[Spoken]:
    """The utterances in order of time; `findings` gets an error for each broken line, and what was done to others.

    Raises:
        RuleError: as `text_files.read_text`.
    """
    path = dialogue.transcription
    spoken: dict[str, Spoken] = {}
    counts: Counter[str] = Counter()
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        if _WITHOUT_ID.match(line):
            counts["no-id"] += 1
            continue
        try:
            found, marked = _spoken(dialogue, number, line)
            if found is None:
                counts["xx-id"] += 1
                continue
            counts["transcript-mark"] += marked
            if found.id in spoken:
                what = f"{found.id} stands on line {spoken[found.id].line} too; remove one of the lines"
                raise RuleError("duplicate-id", f"{path}, line {number}: {what}")
            spoken[found.id] = found
        except RuleError as error:
            findings.append(as_finding(error))
    findings += [
        Finding("applied", rule, f"{path}: {_lines(counts[rule])} {_DONE[rule]}") for rule in _DONE if counts[rule]
    ]
    return sorted(spoken.values(), key=lambda line: (line.start_s, line.stop_s, line.line))


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _spoken(dialogue: Dialogue, number: int, line: str) -> tuple[Spoken | None, bool]:
    """The line, None where its id has an XX in the place of the number, and whether it held marks."""
    where = f"{dialogue.transcription}, line {number}"
    match = _SPOKEN.fullmatch(line.strip())
    try:
        start_s, stop_s = (float(match["start"]), float(match["stop"])) if match else (math.nan, math.nan)
    except ValueError:
        start_s = stop_s = math.nan
    if match is None or not 0 <= start_s <= stop_s < math.inf:
        what = f"{line[:60]!r} is no line of a transcription, expected: id [start-end]: words"
        raise RuleError("broken-transcript-row", f"{where}: {what}; correct the line")
    if _WITHOUT_NUMBER.fullmatch(match["id"]):
        return None, False
    _require_id(dialogue, where, match["id"])
    words = " ".join(_MARK.sub(" ", match["words"]).split())
    return Spoken(number, match["id"], start_s, stop_s, words), words.split() != match["words"].split()


def _require_id(dialogue: Dialogue, where: str, identifier: str) -> None:
    match = _TURN.fullmatch(identifier)
    if match is None or match["dialogue"] != dialogue.name:
        what = f"{identifier!r} is no utterance of this dialogue (as {dialogue.name}_F000 is)"
        raise RuleError("unknown-id", f"{where}: {what}; correct it")
