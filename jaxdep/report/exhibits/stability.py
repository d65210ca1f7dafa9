"""Whether some rows spread less over the seeds than others (Wu et al. 2022, section 3.4: emotion features do).

Reads `STABILITY`: for each pair of rows the STD over the seeds of each, the ratio of the two with its 95 % bootstrap
interval, and the p-value that both spread alike, as it is and corrected for the number of ratios (Holm).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jaxdep.config.stages.stability import STABILITY
from jaxdep.report.csv_files import numbers
from jaxdep.report.exhibits.parts import Draw, ExhibitKind, Grid, Part, groups, listed, read_rows, within
from jaxdep.report.table import interval, name, number

LEVEL = 0.05  # of all ratios of the file together


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """The pairs as a table, and a sentence for each row they are held against. Raises DataError where the file is wrong."""
    frame = read(folder / STABILITY.name)
    sentences = tuple(compared(against, rows) for (against,), rows in groups(frame, "against"))
    return (Part("", (*sentences, _method(frame)), (), (_grid(frame),)),)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers; NaN where seeds are too few to spread, or all score the same."""
    frame = read_rows(path, STABILITY.columns, ("metric", "split", "row", "against"))
    counts = {column: within(path, frame, column, 0, whole=True) for column in ("n", "n_against", "paired")}
    values = {column: numbers(path, frame, column) for column in STABILITY.columns[6:] if column not in counts}
    return frame.assign(**counts, **values)


def compared(against: str, rows: pd.DataFrame) -> str:
    """How many rows spread less than that one, which of them significantly, and of which nothing can be told."""
    metric = name(rows["metric"].iloc[0])
    told, untold = rows[rows["ratio"].notna()], rows[rows["ratio"].isna()]["row"]
    reason = "too few seeds, or scores that do not differ"
    if told.empty:
        return f"{metric}: whether a row spreads less over the seeds than {against} cannot be told: {reason}."
    less, more = told[told["ratio"] < 1], told[told["ratio"] > 1]
    surely_less, surely_more = (rows[rows["p_holm"] < LEVEL]["row"] for rows in (less, more))
    text = f"{metric}: {len(less)} of {len(told)} rows spread less over the seeds than {against}"
    parts = [text + (f"; {listed(list(more['row']))} more" if len(more) else "") + "."]
    for kind, names in (("less", surely_less), ("more", surely_more)):
        if len(names):
            parts.append(f"Significantly {kind}: {listed(list(names))}.")
    if not len(surely_less) and not len(surely_more):
        parts.append("None of these differences is significant.")
    if len(untold):
        parts.append(f"Of {listed(list(untold))} it cannot be told: {reason}.")
    return " ".join(parts)


def _method(frame: pd.DataFrame) -> str:
    """How the rows were tested, once for all of them."""
    count = int(frame["p"].notna().sum())
    if not count:
        return "Nothing is tested: that takes three seeds on both sides."
    pairs = (
        " Seed k of both rows has the same validation participants: seeds are taken in pairs."
        if frame["paired"].any()
        else ""
    )
    return (
        f"Significant: p below {LEVEL:g} by the Brown-Forsythe test, corrected for {count} ratios (Holm). The intervals are "
        f"those of each ratio by itself, by bootstrap over the seeds.{pairs}"
    )


def _grid(frame: pd.DataFrame) -> Grid:
    body = tuple(
        (
            *(str(row["row"]), str(row["against"]), name(row["metric"]), f"{row['n']}, {row['n_against']}"),
            *(number(row[column], row["metric"]) for column in ("std", "std_against", "ratio")),
            interval(row["ci_low"], row["ci_high"], row["metric"]),
            *(number(row[column], row["metric"]) for column in ("p", "p_holm")),
        )
        for _, row in frame.iterrows()
    )
    marked = frozenset(np.flatnonzero(frame["p_holm"] < LEVEL).tolist())
    headings = (
        "Row",
        "Against",
        "Metric",
        "seeds",
        "STD",
        "STD of the other",
        "ratio",
        "95 % interval",
        "p",
        "p (Holm)",
    )
    return Grid(headings, body, 3, marked=marked)


EXHIBIT = ExhibitKind("stability", (STABILITY,), parts)
