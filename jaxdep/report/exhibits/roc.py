"""ROC curves with a band over the seeds (Kumari and Tiwari 2021, Figure 2).

Reads `ROC` and `AUC`. A curve is the median over the seeds of the rate of true positives, its band reaches from the 10 to the
90 % quantile; areas are those under each seed's own curve.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jaxdep.config.stages.roc import AUC, ROC
from jaxdep.report.exhibits.parts import CLASS_COLOURS, Draw, ExhibitKind, Grid, Part, groups, read_rows, within
from jaxdep.report.figures import GREY, legend_below
from jaxdep.report.table import interval, number
from jaxdep.statistics.stability import Summary, summary

_RATES = ("fpr", "tpr_low", "tpr_median", "tpr_high")


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """The figure, and the areas as a table. Raises DataError where a file is wrong."""
    frame = read_rows(folder / ROC.name, ROC.columns, ("row", "fpr"))
    frame = frame.assign(**{name: within(folder / ROC.name, frame, name, 0, 1) for name in _RATES})
    areas = read_rows(folder / AUC.name, AUC.columns, ("row", "seed"))
    areas = areas.assign(auc=within(folder / AUC.name, areas, "auc", 0, 1))
    found = {row: summary(of_row["auc"].to_numpy()) for (row,), of_row in groups(areas, "row")}
    split, positive = frame["split"].iloc[0], frame["positive"].iloc[0]
    caption = (
        f"Rate of {positive!r} rightly found against that of false alarms, {split} split: the median over the seeds with a "
        "band from the 10 to the 90 % quantile. A row without seeds is a single curve; the diagonal is chance."
    )
    drawing = draw(figure(frame, found), "", f"ROC, {positive}", caption)
    return (Part("", (), (drawing,), (_grid(found),)),)


def figure(frame: pd.DataFrame, areas: dict[str, Summary]) -> Figure:
    """A curve with its band for each row."""
    drawn = Figure(figsize=(5.2, 5.6), layout="constrained")
    axes = drawn.add_subplot()
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--")
    for index, ((row,), curve) in enumerate(groups(frame, "row")):
        colour = CLASS_COLOURS[index % len(CLASS_COLOURS)]
        axes.fill_between(curve["fpr"], curve["tpr_low"], curve["tpr_high"], color=colour, alpha=0.18, linewidth=0)
        axes.plot(curve["fpr"], curve["tpr_median"], color=colour, linewidth=1.6, label=f"{row} ({_told(areas[row])})")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_aspect("equal")
    legend_below(drawn, axes)
    return drawn


def _told(area: Summary) -> str:
    return f"AUC {area.avg:.3f}" + (f" ± {area.std:.3f}" if area.n_seeds > 1 else "")


def _grid(areas: dict[str, Summary]) -> Grid:
    body = tuple(
        (
            row,
            str(area.n_seeds),
            *(number(x, "roc_auc") for x in (area.max, area.avg, area.std)),
            interval(area.ci_low, area.ci_high, "roc_auc"),
        )
        for row, area in areas.items()
    )
    return Grid(("ROC AUC", "n", "MAX", "AVG", "STD", "95 % interval over seeds"), body, 1)


EXHIBIT = ExhibitKind("roc", (ROC, AUC), parts)
