"""The transcripts of DAIC-WOZ: rows of `300_TRANSCRIPT.csv` to speaker turns, every known defect a rule of its own.

`read_rows` says which rows are broken; `turns` applies the rules in the order of `_RULES`, each of which reports
what it changed as one `Finding` a session.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path

from input_pipeline.corpora.text_files import read_text
from input_pipeline.errors import RuleError
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Finding, Segment

OFFSETS_S = {318: 34.319917, 321: 3.8379167, 341: 6.1892, 362: 16.8582}  # added to the transcript's times
# The manual prints 5:52-7:00 (352-420 s) for 373. The processing scripts that groups have published cut 395-428 s,
# some of them 398.0-430.3 s: they agree within three seconds with each other and not with the manual.
INTERRUPTIONS_S = {373: (395.0, 428.0), 444: (286.0, 387.0)}
NO_INTERVIEWER_ROWS = frozenset({451, 458, 480})
LAST_SESSION_WITHOUT_PROMPT_NAMES = 363
MAX_OVERRUN_S = 5.0  # a turn that ends further past the audio's end belongs to other, or cut, audio

_HEADER = ["start_time", "stop_time", "speaker", "value"]
_SPEAKERS = {"ellie": INTERVIEWER, "participant": PARTICIPANT}
_SYNC = re.compile(r"[<\[]\s*synch?(?:ing)?\W*$", re.IGNORECASE)
_SCRUBBED = re.compile(r"\bscrubbed_entry\b", re.IGNORECASE)
_PROMPT_NAME = re.compile(r"^[^\s(]+\s*\((.*)\)$", re.DOTALL)
_MARK = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|[<\[]\S*|\bx{3,}\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Turn:
    """One row: times in seconds, the speaker, the words as transcribed and, once `turns` is through, cleaned."""

    start_s: float
    stop_s: float
    speaker: str
    text: str


@dataclasses.dataclass(frozen=True)
class Session:
    """What the rules need to know: `known_defects` says whether those that are keyed by session number apply."""

    number: int
    path: Path
    duration_s: float
    known_defects: bool


Rule = Callable[[list[Turn], Session], tuple[list[Turn], str]]


def read_rows(path: Path) -> tuple[list[Turn], list[Finding]]:
    """The rows of a transcript that can be read, and an error for each that cannot; blank lines are left out.

    Raises:
        RuleError: as `text_files.read_text`; no-header.
    """
    lines = read_text(path).split("\n")
    header = [name.strip().lower() for name in lines[0].split("\t")]
    if header != _HEADER:
        what = f"the header is {lines[0][:60]!r}, expected {' '.join(_HEADER)}, separated by tabs"
        raise RuleError("no-header", f"{path}, line 1: {what}; restore the file")
    rows, errors = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            rows.append(_turn(line))
        except ValueError as error:
            errors.append(Finding("error", "broken-transcript-row", f"{path}, line {number}: {error}; correct the row"))
    return rows, errors


def turns(rows: list[Turn], session: Session) -> tuple[tuple[Segment, ...], list[Finding]]:
    """The interview as segments in order of time, and what the rules did or found wrong."""
    found: list[Finding] = []
    kept = sorted(rows, key=lambda turn: (turn.start_s, turn.stop_s))
    for name, rule in _RULES.items():
        kept, what = rule(kept, session)
        if what:
            found.append(Finding("applied", name, f"{session.path}: {what}"))
    try:
        kept, what = _within_audio(kept, session)
        if what:
            found.append(Finding("applied", "turn-past-audio", f"{session.path}: {what}"))
        _require_participant(kept, session)
    except RuleError as error:
        found.append(Finding("error", error.rule, str(error)))
    return tuple(Segment(turn.start_s, turn.stop_s, turn.speaker, turn.text) for turn in kept), found


def _turn(line: str) -> Turn:
    cells = line.split("\t")
    if len(cells) != len(_HEADER):
        raise ValueError(f"{len(_HEADER)} tab-separated columns expected, {len(cells)} found")
    start_s, stop_s = _seconds("start_time", cells[0]), _seconds("stop_time", cells[1])
    if stop_s < start_s:
        raise ValueError(f"stop_time {stop_s} is before start_time {start_s}")
    speaker = _SPEAKERS.get(cells[2].strip().lower())
    if speaker is None:
        raise ValueError(f"speaker is {cells[2]!r}, expected Ellie or Participant")
    return Turn(start_s, stop_s, speaker, cells[3].strip())


def _seconds(column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{column} is {cell!r}, expected seconds as a number of 0 or more")
    return value


def _add_offset(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    offset_s = OFFSETS_S.get(session.number) if session.known_defects else None
    if offset_s is None:
        return rows, ""
    later = [dataclasses.replace(turn, start_s=turn.start_s + offset_s, stop_s=turn.stop_s + offset_s) for turn in rows]
    return later, f"the transcript runs ahead of the audio; {offset_s} s added to all {len(rows)} turns"


def _drop_before_interviewer(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    begin_s = next((turn.start_s for turn in rows if turn.speaker == INTERVIEWER), -math.inf)
    kept = [turn for turn in rows if turn.start_s >= begin_s]
    return kept, _left_out(rows, kept, f"before Ellie's first, at {begin_s:.1f} s,")


def _note_no_interviewer(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    if not rows or any(turn.speaker == INTERVIEWER for turn in rows):
        return rows, ""
    known = "" if session.number in NO_INTERVIEWER_ROWS else " (not one of the sessions known for it)"
    return rows, f"no row is Ellie's{known}; the whole session is taken as the participant's"


def _drop_sync(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    kept = [turn for turn in rows if not _SYNC.match(turn.text)]
    return kept, _left_out(rows, kept, "of synchronisation alone")


def _drop_scrubbed(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    kept = [turn for turn in rows if not _SCRUBBED.search(turn.text)]
    return kept, _left_out(rows, kept, "marked scrubbed_entry, whose audio is zeroed,")


def _drop_zero_length(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    kept = [turn for turn in rows if turn.stop_s > turn.start_s]
    return kept, _left_out(rows, kept, "of no length")


def _left_out(rows: list[Turn], kept: list[Turn], what: str) -> str:
    dropped = len(rows) - len(kept)
    return f"{_turns(dropped)} {what} left out" if dropped else ""


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def _cut_interruption(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    cut = INTERRUPTIONS_S.get(session.number) if session.known_defects else None
    if cut is None:
        return rows, ""
    outside = [_outside(turn, *cut) for turn in rows]
    touched = sum(new != old for new, old in zip(outside, rows, strict=True))
    what = f"the interruption from {cut[0]:.0f} s to {cut[1]:.0f} s cut; {_turns(touched)} left out or shortened"
    return [turn for turn in outside if turn is not None], what


def _outside(turn: Turn, start_s: float, stop_s: float) -> Turn | None:
    """The turn, or its longer part outside the interruption; None where it lies within."""
    before = (turn.start_s, min(turn.stop_s, start_s))
    after = (max(turn.start_s, stop_s), turn.stop_s)
    longer = max(before, after, key=lambda part: part[1] - part[0])
    return dataclasses.replace(turn, start_s=longer[0], stop_s=longer[1]) if longer[1] > longer[0] else None


def _unwrap_prompts(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    """Ellie's words out of `yeah3 (yeah)`; a matter of the layout, so a stand-in's sessions have it too."""
    if session.number <= LAST_SESSION_WITHOUT_PROMPT_NAMES:
        return rows, ""
    return _reword(rows, _spoken_prompt, "of Ellie's reduced from the prompt's name to its words")


def _spoken_prompt(turn: Turn) -> str:
    named = _PROMPT_NAME.match(turn.text) if turn.speaker == INTERVIEWER else None
    return named.group(1) if named else turn.text


def _remove_marks(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    """Words alone: `<laughter>`, `[sigh]`, `xxx` go; of the cut-off word `people <peop>` the whole word stays."""
    return _reword(rows, lambda turn: _MARK.sub(" ", turn.text), "cleaned of marks")


def _reword(rows: list[Turn], words: Callable[[Turn], str], what: str) -> tuple[list[Turn], str]:
    cleaned = [dataclasses.replace(turn, text=" ".join(words(turn).split())) for turn in rows]
    changed = sum(old.text.split() != new.text.split() for old, new in zip(rows, cleaned, strict=True))
    return cleaned, f"{_turns(changed)} {what}" if changed else ""


def _within_audio(rows: list[Turn], session: Session) -> tuple[list[Turn], str]:
    """Turns clipped to the audio; where they run on long after its end, one of the two is not the session's own."""
    end_s = session.duration_s
    last_s = max((turn.stop_s for turn in rows), default=0.0)
    if last_s > end_s + MAX_OVERRUN_S:
        what = f"the last turn ends at {last_s:.1f} s, the audio at {end_s:.1f} s"
        raise RuleError("transcript-past-audio", f"{session.path}: {what}; copy the session's wav and transcript again")
    clipped = [dataclasses.replace(turn, stop_s=min(turn.stop_s, end_s)) for turn in rows if turn.start_s < end_s]
    past = sum(turn.stop_s > end_s for turn in rows)
    return clipped, f"{_turns(past)} past the audio's end at {end_s:.1f} s clipped or left out" if past else ""


def _require_participant(rows: list[Turn], session: Session) -> None:
    own = [turn for turn in rows if turn.speaker == PARTICIPANT]
    if not any(turn.text for turn in own):
        what = f"none of the participant's {len(own)} turns holds a word" if own else "no turn is the participant's"
        raise RuleError("empty-participant", f"{session.path}: {what}; leave the session out of the split files")


_RULES: dict[str, Rule] = {
    "transcript-offset": _add_offset,
    "no-interviewer-rows": _note_no_interviewer,
    "talk-before-interview": _drop_before_interviewer,
    "sync-row": _drop_sync,
    "scrubbed-entry": _drop_scrubbed,
    "zero-length-turn": _drop_zero_length,
    "interruption": _cut_interruption,
    "prompt-name": _unwrap_prompts,
    "transcript-mark": _remove_marks,
}
