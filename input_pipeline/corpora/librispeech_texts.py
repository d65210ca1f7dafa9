"""The texts of LibriSpeech: the list of its readers, and what is read in a chapter."""

import dataclasses
import math
import re
from pathlib import Path

from input_pipeline.corpora.text_files import as_finding, read_text
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

READERS_FILE = "SPEAKERS.TXT"
_GENDERS = {"F": "female", "M": "male"}
_COLUMNS = "ID|SEX|SUBSET|MINUTES|NAME"
_NUMBER = re.compile(r"[0-9]+")


@dataclasses.dataclass(frozen=True)
class Reader:
    """A line of SPEAKERS.TXT: `gender` is "male" or "female", `minutes` are those of the reader's speech in `subset`."""

    id: str
    gender: str
    subset: str
    minutes: float


def read_readers(path: Path) -> tuple[dict[str, Reader | None], list[Finding]]:
    """The readers by id, None where the line is wrong, and an error for each such line.

    Raises:
        RuleError: as `text_files.read_text`.
    """
    readers: dict[str, Reader | None] = {}
    lines: dict[str, int] = {}
    findings = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        cells = [cell.strip() for cell in line.split("|", _COLUMNS.count("|"))]  # a name may hold the separator
        first = lines.setdefault(cells[0], number)
        try:
            if first != number:
                raise RuleError(
                    "duplicate-id", f"reader {cells[0]!r} stands on line {first} too; remove one of the lines"
                )
            readers[cells[0]] = _reader(line, cells)
        except RuleError as error:
            readers[cells[0]] = None
            findings.append(as_finding(RuleError(error.rule, f"{path}, line {number}: {error}")))
    return readers, findings


def _reader(line: str, cells: list[str]) -> Reader:
    """Raises RuleError, which says what is wrong with the line."""
    try:
        identifier, sex, subset, minutes, _ = cells
        spoken_min = float(minutes)
    except ValueError:
        identifier, sex, subset, spoken_min = cells[0], "", "", math.nan
    if not _NUMBER.fullmatch(identifier) or not subset or not 0 <= spoken_min < math.inf:
        raise RuleError("broken-reader-line", f"{line[:60]!r} is no reader, expected {_COLUMNS}; correct the line")
    if sex not in _GENDERS:
        raise RuleError("unknown-class", f"SEX of reader {identifier} is {sex!r}, expected F or M; correct it")
    return Reader(identifier, _GENDERS[sex], subset, spoken_min)


def read_words(path: Path, chapter: str) -> dict[str, str]:
    """The words of a chapter's utterances by id, as the corpus writes them: in capitals, without punctuation.

    Raises:
        RuleError: as `text_files.read_text`; broken-transcript-row, duplicate-id.
    """
    words: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        identifier, *spoken = line.split()
        if not spoken or not re.fullmatch(rf"{chapter}-[0-9]+", identifier):
            what = f"{line[:60]!r} is no line of the chapter, expected: {chapter}-0000 WORDS"
            raise RuleError("broken-transcript-row", f"{path}, line {number}: {what}; correct the line")
        if identifier in words:
            what = f"{identifier} stands on a line before; remove one of the lines"
            raise RuleError("duplicate-id", f"{path}, line {number}: {what}")
        words[identifier] = " ".join(spoken)
    return words
