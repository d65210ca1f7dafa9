"""The file in which users give the utterances of interviews their emotions: none is distributed with the interviews."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from input_pipeline.corpora.interview_labels import MAX_SESSION, whole_number
from input_pipeline.corpora.text_files import Row, read_csv, require_columns
from input_pipeline.errors import RuleError
from input_pipeline.recording import Segment

EMOTIONS_FILE = "utterance_emotions.csv"  # in the corpus's folder
EMOTIONS = ("not_sad", "sad")  # Zhang et al., "Multi-Task Learning ...", BIBM 2021, Table I
COLUMNS = ("session", "turn", "emotion")
_START = "start"  # may be there too
_MOST_TURNS = 99_999
_TOLERANCE_S = 0.05


class Marked(NamedTuple):
    """A row of the file.

    Attributes:
        emotion: one of `EMOTIONS`, or "" where the cell is empty.
        start: the cell of that column, "" where there is none.
    """

    line: int
    emotion: str
    start: str


Emotions = Mapping[str, Mapping[int, Marked]]  # by session and turn


def read_emotions(path: Path) -> Emotions:
    """The rows of the file; nothing where it is not there.

    Raises:
        RuleError: as `text_files.read_csv` and `require_columns`; empty-file, not-a-number, duplicate-turn,
            unknown-class.
    """
    if not path.exists() and not path.is_symlink():
        return {}
    columns, rows = read_csv(path)
    require_columns(path, columns, COLUMNS)
    if not rows:
        raise RuleError("empty-file", f"{path}: lists no utterance; fill it, or take it away")
    found: dict[str, dict[int, Marked]] = {}
    for row in rows:
        session, turn = whole_number(path, row, "session", MAX_SESSION), whole_number(path, row, "turn", _MOST_TURNS)
        of_session = found.setdefault(str(session), {})
        if turn in of_session:
            what = (
                f"turn {turn} of session {session} stands on line {of_session[turn].line} too; remove one of the rows"
            )
            raise RuleError("duplicate-turn", f"{path}, line {row.line}: {what}")
        of_session[turn] = Marked(row.line, _emotion(path, row), row.cells.get(_START, ""))
    return found


def check_turns(path: Path, session: str, marked: Mapping[int, Marked], turns: Mapping[int, Segment]) -> None:
    """Refuses rows of a session that are of none of its turns, or of another one than their `start` says.

    Raises:
        RuleError: unknown-turn, other-turn.
    """
    for turn, row in marked.items():
        if turn not in turns:
            what = f"session {session} has no turn {turn} of the participant's, they are 0 to {len(turns) - 1}"
            raise RuleError("unknown-turn", f"{path}, line {row.line}: {what}; correct the row")
        start_s = turns[turn].start_s
        if row.start and not _is_near(row.start, start_s):
            what = f"turn {turn} of session {session} starts at {start_s:.3f} s, start is {row.start!r}"
            raise RuleError("other-turn", f"{path}, line {row.line}: {what}; number the turns as the reader does")


def _emotion(path: Path, row: Row) -> str:
    if row["emotion"] and row["emotion"] not in EMOTIONS:
        what = f"emotion is {row['emotion']!r}, expected one of {', '.join(EMOTIONS)}, or nothing"
        raise RuleError("unknown-class", f"{path}, line {row.line}: {what}; correct the cell")
    return row["emotion"]


def _is_near(cell: str, start_s: float) -> bool:
    try:
        return abs(float(cell) - start_s) <= _TOLERANCE_S
    except ValueError:
        return False
