"""Which F1 a paper's table has, where the paper does not say: made from the published figures of the table's rows.

A row has what it takes where accuracy, UA and an F1 with the share of the positive class (`Published.prevalence`) are
published; `jaxdep.statistics.readings` tells the rest.
"""

import dataclasses
import math
from collections.abc import Sequence

from jaxdep.config.published import Published
from jaxdep.config.rows import Exhibit, Row
from jaxdep.report.exhibits.parts import Grid, Part, Shown
from jaxdep.report.table import Line, name, number
from jaxdep.statistics.readings import f1_readings, recalls

_READINGS = ("f1", "f1_macro", "f1_weighted")


def shown(lines: Sequence[Line]) -> list[Shown]:
    """The exhibit; none where no row has all that it takes, as on synthetic data."""
    rows: dict[str, Row] = {line.scored.row.label: line.scored.row for line in lines if line.published is not None}
    checked = {label: found for label, row in rows.items() if (found := _checked(row.published)) is not None}
    if not checked:
        return []
    exhibit = Exhibit("readings", "", "Which F1 the paper prints", "Published figures")
    return [Shown(exhibit, (Part("", _sentences(checked), (), (_grid(checked),)),))]


@dataclasses.dataclass(frozen=True)
class _Checked:
    """The published F1 of a row, and what follows from its accuracy and UA."""

    printed: float
    prevalence: float
    recalls: tuple[float, float]
    readings: dict[str, float]

    @property
    def possible(self) -> bool:
        return not math.isnan(self.readings["f1"])

    @property
    def nearest(self) -> str:
        return min(_READINGS, key=self.distance)

    def distance(self, reading: str) -> float:
        return abs(self.readings[reading] - self.printed)


def _checked(published: tuple[Published, ...]) -> _Checked | None:
    by_metric = {metric: figure for figure in published for metric in figure.metrics}
    f1 = next((by_metric[reading] for reading in _READINGS if reading in by_metric), None)
    if f1 is None or math.isnan(f1.prevalence) or not {"accuracy", "unweighted_accuracy"} <= by_metric.keys():
        return None
    printed, accuracy, ua = (_value(one) for one in (f1, by_metric["accuracy"], by_metric["unweighted_accuracy"]))
    if any(map(math.isnan, (printed, accuracy, ua))):
        return None
    given = accuracy, ua, f1.prevalence
    return _Checked(printed, f1.prevalence, recalls(*given), f1_readings(*given))


def _value(figure: Published) -> float:
    """The one figure, or else the mean over the seeds."""
    return figure.avg if math.isnan(figure.figure) else figure.figure


def _sentences(checked: dict[str, _Checked]) -> tuple[str, ...]:
    shares = sorted({f"{row.prevalence:.3f}" for row in checked.values()})
    told = [row for row in checked.values() if row.possible]
    given = f"From the published accuracy, UA and share of the positive class ({', '.join(shares)})"
    text = [
        f"{given} follow both recalls, and each reading of F1, if accuracy and UA are what the field means by them."
    ]
    for reading in sorted(_READINGS, key=lambda one: -sum(row.nearest == one for row in told)) if told else ():
        nearest, distances = sum(row.nearest == reading for row in told), [row.distance(reading) for row in told]
        off = f"{min(distances):.3f} to {max(distances):.3f}" if len(told) > 1 else f"{distances[0]:.3f}"
        text.append(f"{name(reading)}: nearest to the published figure in {nearest} of {len(told)} rows, off by {off}.")
    if len(told) < len(checked):
        text.append(f"No confusion counts have the accuracy and UA of {len(checked) - len(told)} rows.")
    return tuple(text)


def _grid(checked: dict[str, _Checked]) -> Grid:
    body = tuple(
        (
            *(label, number(row.printed, "f1")),
            *(number(value, "recall") for value in row.recalls),
            *(number(row.readings[reading], reading) for reading in _READINGS),
            name(row.nearest) if row.possible else "–",
        )
        for label, row in checked.items()
    )
    headings = ("Row", "F1 published", "recall of the positive", "of the negative", *map(name, _READINGS), "nearest")
    return Grid(headings, body, 1)
