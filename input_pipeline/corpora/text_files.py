"""Reading a corpus's small text files, with errors that name the file and the line."""

import csv
import dataclasses
import io
from pathlib import Path

from input_pipeline.errors import RuleError
from input_pipeline.recording import Finding

_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_MAX_FIELD_CHARACTERS = 1 << 24


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: the file's line on which it starts, and its cells, stripped, by lower-case column name."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column.lower()]


def is_apple_double(path: Path) -> bool:
    """Whether a folder's entry is the `._` companion that macOS adds to archives."""
    return path.name.startswith("._")


def as_finding(error: RuleError) -> Finding:
    """The error as the scan lists it."""
    return Finding("error", error.rule, str(error))


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, by name.

    Raises:
        RuleError: unreadable-folder.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        what = f"{folder}: cannot be listed ({error.strerror}); correct its permissions, or copy it again"
        raise RuleError("unreadable-folder", what) from None


def read_text(path: Path) -> str:
    """The text of a UTF-8 file without its byte order mark, lines ended by a single newline.

    Raises:
        RuleError: missing-file, unreadable-file, not-utf-8 (naming the line).
    """
    try:
        if not path.is_file():
            raise RuleError("missing-file", f"{path}: no such file; restore it from the corpus's archive")
        raw = path.read_bytes()
    except OSError as error:
        raise RuleError(
            "unreadable-file", f"{path}: cannot be read ({error.strerror}); correct its permissions"
        ) from None
    if raw.startswith(_APPLE_DOUBLE):
        raise RuleError(
            "not-utf-8",
            f"{path}: a macOS AppleDouble file in the place of the text; unpack the archive again without `._` entries",
        )
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RuleError(
            "not-utf-8", f"{path}, line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None


def read_csv(path: Path, delimiter: str = ",") -> tuple[tuple[str, ...], list[Row]]:
    """The column names as written, and the rows that are not blank, of a CSV file with a header line.

    Names are matched without regard to case. Empty cells past the last column (a spreadsheet's) are left out.

    Raises:
        RuleError: as `read_text`; no-header, duplicate-column, wrong-column-count, broken-csv.
    """
    # The module's own limit would refuse a long text in a cell.
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    numbered: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                numbered.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise RuleError("broken-csv", f"{path}, line {line}: {error}; correct the row's quotes") from None
    if not numbered:
        raise RuleError("no-header", f"{path}: empty, a header line of column names is expected; restore the file")
    columns = _columns(path, *numbered[0])
    return columns, [_row(path, columns, line, cells) for line, cells in numbered[1:]]


def require_columns(path: Path, present: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Raises RuleError missing-column where a wanted column is not in the file's header."""
    lower = {column.lower() for column in present}
    missing = [column for column in wanted if column.lower() not in lower]
    if missing:
        raise RuleError(
            "missing-column",
            f"{path}, line 1: no column {', '.join(missing)} (found: {', '.join(present)}); restore the file",
        )


def _columns(path: Path, line: int, cells: list[str]) -> tuple[str, ...]:
    while not cells[-1]:
        cells.pop()
    lower = [cell.lower() for cell in cells]
    twice = [cell for cell in cells if lower.count(cell.lower()) > 1]
    if twice:
        raise RuleError("duplicate-column", f"{path}, line {line}: column {twice[0]!r} stands twice; rename one")
    return tuple(cells)


def _row(path: Path, columns: tuple[str, ...], line: int, cells: list[str]) -> Row:
    while len(cells) > len(columns) and not cells[-1]:
        cells.pop()
    if len(cells) != len(columns):
        raise RuleError(
            "wrong-column-count",
            f"{path}, line {line}: {len(columns)} columns expected, {len(cells)} found; correct the row",
        )
    return Row(line, dict(zip((column.lower() for column in columns), cells, strict=True)))
