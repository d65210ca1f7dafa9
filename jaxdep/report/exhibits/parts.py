"""What an exhibit shows, and how the files that it reads are checked."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from input_pipeline.errors import DataError
from jaxdep.config.findings import FINDINGS
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.report.csv_files import numbers, read_csv, refuse
from jaxdep.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, Drawing

CLASS_COLOURS = (SKY, ORANGE, GREEN, PURPLE, VERMILION, BLUE, GREY)

# Makes a drawing of a figure, the end of its file's name, its title and its caption.
Draw = Callable[[Figure, str, str, str], Drawing]


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A small picture in a cell: the bytes of a JPEG file, and the text that stands for it elsewhere than on the page."""

    jpeg: bytes
    text: str

    def __str__(self) -> str:
        return self.text


Cell = str | Thumbnail


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        headings, body: cells; the first `text_columns` hold text, the others figures.
        summary: line under which a long table is folded away on the page; empty where it lies open.
        marked: numbers of the rows that stand out.
    """

    headings: tuple[str, ...]
    body: tuple[tuple[Cell, ...], ...]
    text_columns: int
    summary: str = ""
    marked: frozenset[int] = frozenset()


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of an exhibit, from top to bottom; `title` is empty where it is the only one."""

    title: str
    sentences: tuple[str, ...]
    drawings: tuple[Drawing, ...]
    grids: tuple[Grid, ...]


@dataclasses.dataclass(frozen=True)
class ExhibitKind:
    """How the exhibits of one kind are made.

    Attributes:
        kind: by which stages name it, and part of its figures' file names.
        files: of the stage, that it reads.
        parts: from the stage's folder and a `Draw`; raises DataError where a file is wrong.
    """

    kind: str
    files: tuple[CsvFile, ...]
    parts: Callable[[Path, Draw], tuple[Part, ...]]


@dataclasses.dataclass(frozen=True)
class Shown:
    """An exhibit with its parts."""

    exhibit: Exhibit
    parts: tuple[Part, ...]


def read_rows(path: Path, columns: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """The file's cells as text. Raises DataError where it holds no row, or two of the same `keys`."""
    frame = read_csv(path, columns)
    if frame.empty:
        raise DataError(f"{path}: no row below the header; delete the stage's folder and run it again")
    # A cell may hold line breaks: the index follows the file's lines, by which errors name a row.
    breaks = sum(frame[name].str.count("\n") for name in frame.columns)
    frame.index = pd.Index(np.arange(len(frame)) + np.cumsum(breaks) - breaks)
    again = frame.duplicated(list(keys))
    refuse(path, frame, keys[-1], again, f"stands there twice for one {', '.join(keys[:-1])}; run the stage again")
    return frame


def within(
    path: Path, frame: pd.DataFrame, name: str, low: float = -np.inf, high: float = np.inf, whole: bool = False
) -> np.ndarray:
    """A column of finite numbers from `low` to `high`; whole ones as integers."""
    values = numbers(path, frame, name, whole)
    refuse(path, frame, name, pd.Series(~np.isfinite(values)), "is not a finite number")
    expected = f"from {low:g} to {high:g}" if np.isfinite(high) else f"{low:g} or more"
    refuse(path, frame, name, pd.Series((values < low) | (values > high)), f"is not {expected}")
    return values


def groups(frame: pd.DataFrame, *names: str) -> list[tuple[tuple[str, ...], pd.DataFrame]]:
    """The rows by the values of columns of text, in the order of their first appearance."""
    return [(tuple(map(str, key)), rows) for key, rows in frame.groupby(list(names), sort=False)]


def unique(frame: pd.DataFrame, name: str) -> list[str]:
    """The values of a column of text, in the order of their first appearance."""
    return list(dict.fromkeys(frame[name]))


def listed(names: Sequence[str]) -> str:
    """Names as a phrase: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def findings(folder: Path) -> tuple[tuple[str, ...], tuple[Grid, ...]]:
    """`FINDINGS` as a count and a table; nothing where the paper says nothing of the analysis."""
    path = folder / FINDINGS.name
    frame = read_csv(path, FINDINGS.columns)
    if frame.empty:
        return (), ()
    agrees = within(path, frame, "agrees", 0, 1, whole=True) == 1
    body = tuple(
        (*map(str, row), "agrees" if one else "differs")
        for row, one in zip(frame[["model", "about", "paper", "here"]].to_numpy(), agrees, strict=True)
    )
    source = listed(unique(frame, "source"))
    told = f"Of {len(frame)} findings of the paper ({source}) {int(agrees.sum())} agree with what is found here."
    return (told,), (Grid(("Model", "About", "the paper", "here", "verdict"), body, 5),)


def share(part: int, whole: int) -> str:
    """A count with its share of another, as text."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else f"{part} of {whole}"
