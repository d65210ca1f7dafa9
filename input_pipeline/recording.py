"""What every corpus reader yields: recordings, and what was found wrong with them on the way."""

import dataclasses
import functools
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from input_pipeline.config import defaults
from input_pipeline.errors import DataError
from input_pipeline.left_out import LeftOut

PARTICIPANT = "participant"
INTERVIEWER = "interviewer"
_NEVER = object()  # the default of a field that has none
SYNTHETIC_MARKER = "SYNTHETIC.json"  # a stand-in corpus carries this file in its root folder


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of a recording: a speaker's turn, or the whole of a short utterance.

    Attributes:
        start_s, stop_s: seconds from the start of the recording's audio; stop_s > start_s.
        speaker: `PARTICIPANT`, `INTERVIEWER`, or a name of the corpus's own.
        text: the words, cleaned of marks; empty where none were transcribed.
    """

    start_s: float
    stop_s: float
    speaker: str = PARTICIPANT
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Recording:
    """One session or utterance of one participant, as the features meet it.

    Attributes:
        id: unique in the corpus.
        participant: who speaks; recordings that share it never stand in two splits.
        split: the corpus's own split ("train", "dev", "test"), or "" where it has none.
        segments: in order of time.
        labels: by task; classes as str or int, scores as float. A task without a label here is absent.
        metadata: what is known besides ("gender": "male" | "female", ...).
        audio: the waveform's file, or None.
        tracks: further files by kind ("covarep", "formant", ...), where present.
        dialogue: of an utterance of a dialogue: the words of all its utterances in order; empty for a session, whose
            segments are the dialogue.
        turn: the utterance's place in `dialogue`.
    """

    id: str
    participant: str
    split: str
    segments: tuple[Segment, ...]
    labels: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    audio: Path | None = None
    tracks: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    dialogue: tuple[str, ...] = ()
    turn: int = 0


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a reader met in one session: an error, or a known defect to which it applied a named rule.

    Attributes:
        severity: "error" ends a run that needs the recording; "applied", of a rule, and "warning", of what may be a
            mistake, are reported and no more.
        rule: the rule's name in kebab-case ("transcript-offset", "missing-wav", ...).
        message: one whole line: file (and line number or field), what was found, what was or can be done.
        left_out: how many recordings of the corpus are none of the reader's by it.
    """

    severity: Literal["error", "applied", "warning"]
    rule: str
    message: str
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class Scanned:
    """One session as found: `recording` is None where an error keeps it from being read."""

    id: str
    recording: Recording | None
    findings: tuple[Finding, ...] = ()


class LabelTypes(NamedTuple):
    """The labels that a corpus may give its recordings.

    Attributes:
        classes: by classification task, its classes in the order of their indices.
        scores: the labels that are numbers.
    """

    classes: Mapping[str, tuple[str, ...]]
    scores: tuple[str, ...]


class Corpus(ABC):
    """A reader of one corpus below `root`. What it says of labels is known without opening it.

    Attributes:
        name: the name on the command line.
        folder_name: that of the folder below `--data_dir`, where it is not `name`: two readers may read one folder.
        classes, scores: as in `LabelTypes`; every label of a recording is in one of the two.
        stand_in: what writes the corpus's stand-in, "module:function", imported when it is used; None where nothing
            does. The function takes the data folder and its options by keyword, and returns the corpus's folder.
    """

    name: str
    folder_name: ClassVar[str] = ""
    classes: Mapping[str, tuple[str, ...]]
    scores: tuple[str, ...] = ()
    stand_in: ClassVar[str | None] = None

    def __init__(self, root: Path):
        """Raises DataError where `root` is no folder, naming it and the command that writes the stand-in, if one exists."""
        if not root.is_dir():
            advice = "unpack the corpus there"
            if self.stand_in is not None:
                command = f"python -m input_pipeline.synthesize --corpus={self.name} --data_dir={root.parent}"
                advice += f", or write a synthetic stand-in: {command}"
            raise DataError(f"{root}: no such folder; {advice}")
        self.root = root

    @property
    def synthetic(self) -> bool:
        """Whether the folder holds a stand-in, by its marker: whatever is there by that name, as none may pass as real."""
        return os.path.lexists(self.root / SYNTHETIC_MARKER)

    @abstractmethod
    def scan(self) -> Iterator[Scanned]:
        """Every session with what was found in it, in a fixed order; reads text files and audio headers, not waveforms."""

    def remedy(self, split: str) -> str:
        """What to do where no recording of a split has labels; "" where the reader knows of no file that has them."""
        return ""

    def source_of(self, label: str) -> str:
        """What to do where no recording has a label; "" where the reader knows of no file that would have it."""
        return ""

    def recordings(self) -> list[Recording]:
        """The recordings, in a fixed order, from one scan however often they are asked for.

        Raises:
            DataError: the first error that the scan finds.
        """
        return [session.recording for session in self._sessions_found if session.recording is not None]

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The recordings of the corpus that are none of `recordings`, by rule; raises as `recordings`."""
        by_rule: Counter[str] = Counter()
        for finding in (one for session in self._sessions_found for one in session.findings):
            by_rule[finding.rule] += finding.left_out
        whole = len(self.recordings()) + by_rule.total()
        return tuple(
            LeftOut("recordings", f"are left out by the reader's rule {rule}", lost, whole, lost, whole, self.name)
            for rule, lost in sorted(by_rule.items())
            if lost
        )

    @functools.cached_property
    def _sessions_found(self) -> tuple[Scanned, ...]:
        found = []
        for session in self.scan():
            for finding in session.findings:
                if finding.severity == "error":
                    raise DataError(finding.message)
            found.append(session)
        return tuple(found)


def fingerprint(recording: Recording, content: str = "") -> str:
    """A digest of all that a feature can depend on: the recording's fields, and `content`, of the files that it reads.

    What a reader leaves at its default does not stand in it, so that a field that readers learn to fill changes nothing
    for corpora that do not have it.
    """
    unsaid = defaults(recording)
    told = {name: value for name, value in dataclasses.asdict(recording).items() if value != unsaid.get(name, _NEVER)}
    fields = told | {"audio": content, "tracks": sorted(recording.tracks)}
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).hexdigest()


def digest_file(digest: "hashlib.blake2b", path: Path) -> None:
    """Adds a file's content to a digest."""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)


def digest_files(paths: Iterable[Path]) -> str:
    """A digest of the content of files, and of those that lie in folders among them."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        for file in [inner for inner in sorted(path.iterdir()) if inner.is_file()] if path.is_dir() else [path]:
            digest_file(digest, file)
    return digest.hexdigest()
