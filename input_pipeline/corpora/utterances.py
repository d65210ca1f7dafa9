"""Interviews utterance by utterance: each turn of the participant's is a recording, of the label of its interview.

Zhang et al., "Multi-Task Learning for Jointly Detecting Depression and Emotion", BIBM 2021 (section IV.A), decide so.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from input_pipeline.corpora.daic_woz import DaicWoz
from input_pipeline.corpora.e_daic import UNKNOWN_SPEAKER, EDaic
from input_pipeline.corpora.text_files import as_finding
from input_pipeline.corpora.utterance_emotions import (
    COLUMNS,
    EMOTIONS,
    EMOTIONS_FILE,
    Emotions,
    Marked,
    check_turns,
    read_emotions,
)
from input_pipeline.errors import RuleError
from input_pipeline.recording import PARTICIPANT, Corpus, Finding, Recording, Scanned, Segment


class Utterances(Corpus):
    """Base of the readers of utterances: what another reader says of the interviews holds for each of their turns.

    A recording is a turn, with the id "300_0007" (the eighth of interview 300), whose participant is the interview's:
    nobody stands in two splits. It has the interview's labels, metadata and files, and its own stretch of them. A turn in
    which no word was transcribed is none; it keeps its number, and is counted.

    The label `emotion` is what `utterance_emotions.csv` says, which users put in the corpus's folder: one row an utterance,
    with the columns session, turn (the number in its id) and emotion (sad, not_sad, or empty), and others as they like. A
    column start, of seconds, is held against the turn. `python -m input_pipeline.list_utterances` writes such a file
    without emotions. Where the file is not there, or lacks an utterance, the label is absent.

    Attributes:
        interviews_of: the reader of the interviews.
        speaker: whose turns are utterances.
    """

    interviews_of: ClassVar[type[Corpus]]
    speaker: ClassVar[str]

    def __init__(self, root: Path):
        super().__init__(root)
        self.interviews = self.interviews_of(root)
        self.emotions_file = root / EMOTIONS_FILE

    def scan(self) -> Iterator[Scanned]:
        """What is found in the file of emotions; then of each interview what is found in it, and its utterances in order."""
        emotions: Emotions = {}
        try:
            emotions = read_emotions(self.emotions_file)
        except RuleError as error:
            yield Scanned(EMOTIONS_FILE, None, (as_finding(error),))
        sessions = set()
        for session in self.interviews.scan():
            sessions.add(session.id)
            yield from self._session(session, emotions.get(session.id, {}))
        for name, rows in emotions.items():
            if name not in sessions:
                what = f"session {name} is none of the corpus; remove the row"
                message = f"{self.emotions_file}, line {next(iter(rows.values())).line}: {what}"
                yield Scanned(name, None, (Finding("error", "unknown-session", message),))

    def remedy(self, split: str) -> str:
        return self.interviews.remedy(split)

    def source_of(self, label: str) -> str:
        """Emotions are the user's own."""
        if label != "emotion":
            return self.interviews.source_of(label)
        return f"put a file {self.emotions_file} there, with the columns {', '.join(COLUMNS)}, or leave the task out"

    def turns(self, interview: Recording) -> dict[int, Segment]:
        """By number the turns of an interview that are the participant's, with words or without."""
        return dict(enumerate(segment for segment in interview.segments if segment.speaker == self.speaker))

    def _session(self, session: Scanned, marked: Mapping[int, Marked]) -> Iterator[Scanned]:
        # What the reader of interviews counts as left out is interviews, here recordings are utterances.
        findings = [dataclasses.replace(finding, left_out=0) for finding in session.findings]
        interview = session.recording
        turns = self.turns(interview) if interview is not None else {}
        if interview is not None:
            findings += self._of_turns(interview.id, turns, marked)
        if findings:
            yield Scanned(session.id, None, tuple(findings))
        if interview is None:
            return
        for number, turn in turns.items():
            if turn.text:
                yield _utterance(interview, number, turn, marked.get(number))

    def _of_turns(self, session: str, turns: Mapping[int, Segment], marked: Mapping[int, Marked]) -> list[Finding]:
        """The errors of the rows of emotions, the turns without words, and the utterances without emotion."""
        found = []
        try:
            check_turns(self.emotions_file, session, marked, turns)
        except RuleError as error:
            found.append(as_finding(error))
        wordless = sum(not turn.text for turn in turns.values())
        if wordless:
            message = f"{self.root}, session {session}: {wordless} of {len(turns)} turns hold no word; left out"
            found.append(Finding("applied", "wordless-turn", message, left_out=wordless))
        lacking = [number for number, turn in turns.items() if turn.text and not _emotion(marked.get(number))]
        if lacking and self.emotions_file.exists():
            what = f"{len(lacking)} utterances of session {session} have no emotion (turn {lacking[0]} is the first)"
            found.append(
                Finding("warning", "no-emotion", f"{self.emotions_file}: {what}; they go without, or add their rows")
            )
        return found


class DaicWozUtterances(Utterances):
    """The participants' turns in DAIC-WOZ, as `DaicWoz` reads it; see `Utterances`."""

    name = "daic_woz_utterances"
    folder_name = "daic_woz"
    classes: Mapping[str, tuple[str, ...]] = {**DaicWoz.classes, "emotion": EMOTIONS}
    scores = DaicWoz.scores
    stand_in = DaicWoz.stand_in
    interviews_of = DaicWoz
    speaker = PARTICIPANT


class EDaicUtterances(Utterances):
    """The stretches that the speech recogniser transcribed in E-DAIC, as `EDaic` reads it; see `Utterances`.

    Who speaks in them is not known: the segment's speaker is "unknown", and `Segmentation` must be told so.
    """

    name = "e_daic_utterances"
    folder_name = "e_daic"
    classes: Mapping[str, tuple[str, ...]] = {**EDaic.classes, "emotion": EMOTIONS}
    scores = EDaic.scores
    stand_in = EDaic.stand_in
    interviews_of = EDaic
    speaker = UNKNOWN_SPEAKER


def _utterance(interview: Recording, number: int, turn: Segment, marked: Marked | None) -> Scanned:
    emotion = _emotion(marked)
    labels = {**interview.labels, **({"emotion": emotion} if emotion else {})}
    name = f"{interview.id}_{number:04}"
    return Scanned(name, dataclasses.replace(interview, id=name, segments=(turn,), labels=labels))


def _emotion(marked: Marked | None) -> str:
    return marked.emotion if marked is not None else ""
