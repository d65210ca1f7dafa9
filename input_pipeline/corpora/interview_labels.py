"""What the label files of the DAIC interviews share: listed sessions, the speaker's gender, the PHQ-8 and its cells."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

from input_pipeline.corpora.text_files import Row
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

CLASSES = ("healthy", "depressed")
DEPRESSED_FROM_SCORE = 10  # the binary label is defined as a PHQ-8 score of 10 or more
MAX_SCORE = 24
MAX_ITEM = 3
MAX_SESSION = 999
ID = "Participant_ID"
ITEMS = ("NoInterest", "Depressed", "Sleep", "Tired", "Appetite", "Failure", "Concentrating", "Moving")
ITEM_LABELS = (
    "phq8_no_interest",
    "phq8_depressed",
    "phq8_sleep",
    "phq8_tired",
    "phq8_appetite",
    "phq8_failure",
    "phq8_concentrating",
    "phq8_moving",
)
_GENDERS = {"0": "male", "1": "female", "male": "male", "female": "female"}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One session as the split files list it; with an error among the findings its labels are not to be used."""

    session: int
    split: str
    file: Path
    line: int
    labels: dict[str, str | float]
    metadata: dict[str, str]
    findings: tuple[Finding, ...] = ()


def item_columns(prefix: str) -> dict[str, str]:
    """The label by column of the eight items, whose columns begin with `prefix`."""
    return {f"{prefix}{item}": label for item, label in zip(ITEMS, ITEM_LABELS, strict=True)}


def listed_twice(first: Entry, again: Entry) -> Entry:
    """The first listing, with the error that the second one is."""
    rule, what = (
        ("duplicate-id", "stands twice")
        if first.split == again.split
        else (
            "participant-in-two-splits",
            f"stands in {first.split} (line {first.line} of {first.file.name}) and in {again.split}",
        )
    )
    finding = Finding(
        "error", rule, f"{again.file}, line {again.line}: participant {again.session} {what}; remove one of the rows"
    )
    return dataclasses.replace(first, findings=(*first.findings, finding))


def gender(path: Path, row: Row) -> str:
    """ "male" or "female". Raises RuleError label-out-of-range."""
    if row["Gender"].lower() not in _GENDERS:
        what = f"Gender is {row['Gender']!r}, expected 0 (male) or 1 (female)"
        raise RuleError("label-out-of-range", f"{path}, line {row.line}: {what}; correct it")
    return _GENDERS[row["Gender"].lower()]


def items(path: Path, row: Row, columns: Mapping[str, str]) -> tuple[dict[str, float], list[Finding]]:
    """The items of the PHQ-8 by label; a missing one is left out, not reconstructed from the others.

    Raises:
        RuleError: label-out-of-range.
    """
    missing = empty(row, columns)
    found = {
        label: float(whole_number(path, row, column, MAX_ITEM))
        for column, label in columns.items()
        if column not in missing
    }
    findings = [
        Finding(
            "applied",
            "missing-phq8-item",
            f"{path}, line {row.line}: {column} is empty; the session has no label {columns[column]}",
        )
        for column in missing
    ]
    return found, findings


def empty(row: Row, columns: Collection[str]) -> list[str]:
    """Those of the columns that hold nothing."""
    return [column for column in columns if row[column].lower() in ("", "nan")]


def whole_number(path: Path, row: Row, column: str, maximum: int, minimum: int = 0) -> int:
    """A cell as a whole number of `minimum` to `maximum`; spreadsheets may have written it as `10.0`.

    Raises:
        RuleError: label-out-of-range.
    """
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if not (minimum <= value <= maximum and value == int(value)):
        what = f"{column} is {row[column]!r}, expected a whole number, {minimum}..{maximum}"
        raise RuleError("label-out-of-range", f"{path}, line {row.line}: {what}; correct it")
    return int(value)
