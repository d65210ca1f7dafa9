"""The tables of MGID: rows with two labels, a title, a text and the address of a picture."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from input_pipeline.corpora.interview_labels import CLASSES
from input_pipeline.corpora.text_files import Row, as_finding, is_apple_double, listing, read_csv, require_columns
from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

SPLITS = ("train", "dev", "test")  # the folders' names
EMOTIONS = ("neutral", "happiness", "fear", "surprise", "depressed", "anger")  # as Table I has them
WHOLE = "dataset.csv"  # all rows, without a split
COLUMNS = ("Depression Label", "Emotion Label", "Title", "Text", "Image URL")
_DEPRESSED = dict(zip(("false", "true"), CLASSES, strict=True))
_LABELS = {"Depression Label": _DEPRESSED, "Emotion Label": {name: name for name in EMOTIONS}}


@dataclasses.dataclass(frozen=True)
class Item:
    """A row of one of the splits' tables.

    Attributes:
        id: "train-0001": the split of the files, and the row's place in it.
        place: file and line, as a message names them.
        labels: `depressed` and `emotion`.
        file: what the picture's file is called; of one that is not there the last part of the address; "" where the
            address has none.
        picture: the file, or None where it is not there or no picture.
    """

    id: str
    split: str
    place: str
    labels: dict[str, str | int | float]
    title: str
    text: str
    url: str
    file: str = ""
    picture: Path | None = None

    @property
    def words(self) -> str:
        """Title and text, without their line breaks."""
        return " ".join(f"{self.title} {self.text}".split())


def read_items(root: Path) -> tuple[list[Item], list[Finding]]:
    """The rows of all splits in the order of the files, without their pictures, and what is wrong with the tables."""
    items: list[Item] = []
    findings: list[Finding] = []
    rows_of_splits: list[Row] = []
    for split in SPLITS:
        try:
            tables = _tables(root / split, findings)
        except RuleError as error:
            findings.append(as_finding(error))
            continue
        rows = [(path, row) for path, table in tables.items() for row in table]
        rows_of_splits += [row for _, row in rows]
        findings += _unknown_labels(tables)
        items += [_item(split, number, path, row) for number, (path, row) in enumerate(rows, start=1) if _is_known(row)]
    if not any(finding.severity == "error" for finding in findings):
        findings += _differences(root / WHOLE, rows_of_splits)
    return items, findings


def counted(
    rule: str, where: Path, items: Sequence[Item], of: int, what: str, advice: str, first: str = ""
) -> list[Finding]:
    """One warning for all rows of a kind, out of `of`, none where there are none; `first` beside the first one's place."""
    if not items:
        return []
    place = f"{items[0].place}{first}, is the first"
    return [Finding("warning", rule, f"{where}: {len(items)} of {of} rows {what} ({place}); {advice}")]


def _tables(folder: Path, findings: list[Finding]) -> dict[Path, list[Row]]:
    """The rows of a split by file.

    Raises:
        RuleError: missing-folder, missing-file, empty-corpus; as `listing`, `read_csv` and `require_columns`.
    """
    if not folder.is_dir():
        raise RuleError("missing-folder", f"{folder}: no such folder; unpack the corpus again")
    entries = listing(folder)
    if companions := sum(map(is_apple_double, entries)):
        findings.append(Finding("applied", "apple-double", f"{folder}: {companions} `._` entries of macOS ignored"))
    tables = {}
    for path in entries:
        if path.suffix.lower() == ".csv" and not path.name.startswith("."):
            columns, tables[path] = read_csv(path)
            require_columns(path, columns, COLUMNS)
    if not tables:
        raise RuleError("missing-file", f"{folder}: holds no table, {folder.name}.csv is expected; restore it")
    if not any(tables.values()):
        raise RuleError("empty-corpus", f"{next(iter(tables))}: lists no row; restore the file")
    return tables


def _unknown_labels(tables: dict[Path, list[Row]]) -> list[Finding]:
    """An error for each label that is none, however many rows have it."""
    findings = []
    for path, rows in tables.items():
        for column, names in _LABELS.items():
            unknown = [row for row in rows if row[column].casefold() not in names]
            for value, count in Counter(row[column] for row in unknown).items():
                line = next(row.line for row in unknown if row[column] == value)
                expected = ", ".join(name.upper() if column == COLUMNS[0] else name for name in names)
                what = (
                    f"{column} of {count} rows is {value[:60]!r} (line {line} is the first), expected one of {expected}"
                )
                findings.append(Finding("error", "unknown-class", f"{path}: {what}; correct them"))
    return findings


def _is_known(row: Row) -> bool:
    return all(row[column].casefold() in names for column, names in _LABELS.items())


def _item(split: str, number: int, path: Path, row: Row) -> Item:
    depressed, emotion = (names[row[column].casefold()] for column, names in _LABELS.items())
    return Item(
        id=f"{split}-{number:04}",
        split=split,
        place=f"{path.parent.name}/{path.name}, line {row.line}",
        labels={"depressed": depressed, "emotion": emotion},
        title=row["Title"],
        text=row["Text"],
        url=row["Image URL"],
    )


def _differences(path: Path, rows: Sequence[Row]) -> list[Finding]:
    """What the table of all rows has beside those of the splits, and the other way round; a copy may be without it."""
    if not path.exists():
        return []
    try:
        columns, whole = read_csv(path)
        require_columns(path, columns, COLUMNS)
    except RuleError as error:
        return [Finding("warning", error.rule, str(error))]  # nothing is read from it
    of_splits, of_whole = (Counter(tuple(row[column] for column in COLUMNS) for row in one) for one in (rows, whole))
    more, fewer = (of_whole - of_splits).total(), (of_splits - of_whole).total()
    if not more and not fewer:
        return []
    what = f"{more} of its rows are in no split, and {fewer} of the splits' rows are not in it"
    return [
        Finding("warning", "dataset-differs", f"{path}: {what}; the splits' tables are read, restore what is wrong")
    ]
