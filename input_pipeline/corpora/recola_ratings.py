"""The ratings of RECOLA: one value every 40 ms, from the six raters' table or from a gold standard of them."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from input_pipeline.corpora.text_files import read_csv, read_text, require_columns
from input_pipeline.errors import RuleError

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")  # French men and women
RATING_RANGE = (-1.0, 1.0)
STEP_S = 0.04  # from one row to the next; the first is at 0
_TIME, _GOLD = "frameTime", "GoldStandard"
_SAME_TIME_S = 0.001


def read_raters(path: Path) -> Float64[np.ndarray, " rows"]:
    """The mean of the six raters, row by row, of a table `time;FM1 ;...;FF3`.

    Raises:
        RuleError: as `text_files.read_csv`; missing-column, wrong-column-count, no-rows, not-a-number,
            time-out-of-step, rating-out-of-range.
    """
    columns, rows = read_csv(path, delimiter=";")
    require_columns(path, columns, ("time", *RATERS))
    if len(columns) != 1 + len(RATERS):
        what = f"{len(columns)} columns, expected time and the {len(RATERS)} raters {', '.join(RATERS)}"
        raise RuleError("wrong-column-count", f"{path}, line 1: {what}; restore the file")
    return _track(path, ((row.line, row["time"], [row[rater] for rater in RATERS]) for row in rows))


def read_gold_standard(path: Path) -> Float64[np.ndarray, " rows"]:
    """The gold standard, row by row, of an ARFF file with the attributes `frameTime` and `GoldStandard`.

    Raises:
        RuleError: as `text_files.read_text`; broken-arff, missing-column, wrong-column-count, no-rows, not-a-number,
            time-out-of-step, rating-out-of-range.
    """
    attributes, rows = _read_arff(path)
    require_columns(path, attributes, (_TIME, _GOLD))
    lower = [attribute.lower() for attribute in attributes]
    time, gold = lower.index(_TIME.lower()), lower.index(_GOLD.lower())
    return _track(path, ((line, cells[time], [cells[gold]]) for line, cells in rows))


def _read_arff(path: Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """The attributes' names, and by line the cells of the data; SciPy's reader knows no attribute of strings."""
    attributes: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    in_data = False
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        keyword, *rest = line.split() or ("%",)
        if keyword.startswith("%") or (not in_data and keyword.lower() == "@relation"):
            continue
        if in_data:
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) != len(attributes):
                what = f"{len(attributes)} values expected, {len(cells)} found"
                raise RuleError("wrong-column-count", f"{path}, line {number}: {what}; correct the row")
            rows.append((number, cells))
        elif keyword.lower() == "@attribute" and len(rest) > 1:
            attributes.append(rest[0])
        elif keyword.lower() == "@data" and not rest:
            in_data = True
        else:
            what = f"{line[:60]!r} is no line of an ARFF header, expected @attribute NAME TYPE or @data"
            raise RuleError("broken-arff", f"{path}, line {number}: {what}; restore the file")
    if not in_data:
        raise RuleError("broken-arff", f"{path}: has no line @data; restore the file")
    return tuple(attributes), rows


def _track(path: Path, rows: Iterable[tuple[int, str, Sequence[str]]]) -> Float64[np.ndarray, " rows"]:
    """The mean of each row's ratings; rows are a line's number, the time and the ratings."""
    low, high = RATING_RANGE
    means = []
    for index, (line, time, cells) in enumerate(rows):
        where = f"{path}, line {line}"
        time_s, expected_s = _number(where, "time", time), index * STEP_S
        if abs(time_s - expected_s) > _SAME_TIME_S:
            what = f"time {time_s:g} s, expected {expected_s:.2f} s, as rows are {STEP_S:g} s apart from 0 on"
            raise RuleError("time-out-of-step", f"{where}: {what}; restore the file")
        ratings = [_number(where, "rating", cell) for cell in cells]
        for rating in ratings:
            if not low <= rating <= high:
                what = f"rating {rating:g}, expected {low:g}..{high:g}"
                raise RuleError("rating-out-of-range", f"{where}: {what}; correct it")
        means.append(math.fsum(ratings) / len(ratings))
    if not means:
        raise RuleError("no-rows", f"{path}: holds no row of ratings; restore the file")
    return np.array(means)


def _number(where: str, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RuleError("not-a-number", f"{where}: {name} {cell!r} is no number; correct it")
    return value
