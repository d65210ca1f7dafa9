"""Whether any confusion counts have the figures that a paper prints of a row: made from the published figures of its rows.

A row has what it takes where some of accuracy, precision, recall and F1 are published, one of them with how many were scored
(`Published.scored`).
"""

import math
from collections.abc import Sequence

from jaxdep.config.rows import Exhibit, Row
from jaxdep.report.exhibits.parts import Grid, Part, Shown
from jaxdep.report.table import Line, name, number
from jaxdep.statistics.readings import NearestCounts, nearest_counts

_METRICS = ("accuracy", "precision", "recall", "f1")
_DIGIT = 5e-4  # half of the last printed digit
_FLOAT = 1e-6  # what float32 may add to it


def shown(lines: Sequence[Line]) -> list[Shown]:
    """The exhibit; none where no row has all that it takes, as on synthetic data."""
    rows = {line.scored.row.label: line.scored.row for line in lines if line.published is not None}
    checked = {label: found for label, row in rows.items() if (found := _checked(row)) is not None}
    if not checked:
        return []
    exhibit = Exhibit("counts", "", "Confusion counts behind the paper's figures", "Published figures")
    return [Shown(exhibit, (Part("", _sentences(checked), (), (_grid(checked),)),))]


def _checked(row: Row) -> tuple[dict[str, float], NearestCounts] | None:
    """What is printed of a row, and the counts that come nearest to it."""
    scored = next((figure.scored for figure in row.published if figure.scored), None)
    printed = {one.metric: one.figure for one in row.published if one.metric in _METRICS and not math.isnan(one.figure)}
    if scored is None or len(printed) < 2:
        return None
    return printed, nearest_counts(printed, *scored)


def _sentences(checked: dict[str, tuple[dict[str, float], NearestCounts]]) -> tuple[str, ...]:
    exact = [label for label, (_, found) in checked.items() if found.off <= _DIGIT + _FLOAT]
    totals = sorted({found.tn + found.fp + found.fn + found.tp for _, found in checked.values()})
    told = f"Of all confusion counts of the paper's {' or '.join(map(str, totals))} participants those nearest to its figures"
    verdict = f"{len(exact)} of {len(checked)} rows have counts that round to all that is printed of them."
    if len(exact) < len(checked):
        verdict += " The figures of the others are of no single test of so many participants: means, or misprints."
    return (f"{told}. {verdict}",)


def _grid(checked: dict[str, tuple[dict[str, float], NearestCounts]]) -> Grid:
    names = [metric for metric in _METRICS if any(metric in printed for printed, _ in checked.values())]
    body = tuple(
        (
            label,
            *(
                f"{number(printed[metric], metric)} ({number(found.figures[metric], metric)})"
                if metric in printed
                else "–"
                for metric in names
            ),
            f"TN {found.tn}, FP {found.fp}, FN {found.fn}, TP {found.tp}",
            "yes" if found.off <= _DIGIT + _FLOAT else "no",
        )
        for label, (printed, found) in checked.items()
    )
    headings = ("Row", *(f"{name(metric)}, published (nearest)" for metric in names), "nearest counts", "rounds to all")
    return Grid(headings, body, 1)
