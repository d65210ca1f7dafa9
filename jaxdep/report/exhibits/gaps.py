"""The gap of a score between groups of participants (Kumari and Tiwari 2021, section 5.3: fairness).

Reads `GAPS`: for each metric the groups with the highest and the lowest mean over the seeds, their difference with its 95 %
interval over seeds and participants, and how large it would be among groups drawn at random.
"""

from pathlib import Path

import pandas as pd

from jaxdep.config.stages.groups import GAPS
from jaxdep.report.csv_files import numbers, read_csv
from jaxdep.report.exhibits.parts import Draw, ExhibitKind, Grid, Part, read_rows, within
from jaxdep.report.table import interval, name, number

LEVEL = 0.05
_METHOD = (
    "A group's score is the mean over the seeds. The interval is that of the difference of the two groups, both seeds and "
    "participants drawn again; that they were picked for their scores is not in it, but in p: how often groups of the same "
    "sizes, drawn at random of the same participants, are as far apart. The mean of these gaps is the expected one."
)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """A sentence and a line a metric. Raises DataError where the file is wrong."""
    path = folder / GAPS.name
    if read_csv(path, GAPS.columns).empty:
        return (Part("", ("No gap is told: fewer than two groups have two participants or more.",), (), ()),)
    frame = read(path)
    lines = frame[["metric", "highest", "lowest", "gap", "expected", "p"]].itertuples(index=False)
    return (Part("", (*(told(*line) for line in lines), _METHOD), (), (_grid(frame),)),)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers."""
    frame = read_rows(path, GAPS.columns, ("row", "by", "metric"))
    counts = {column: within(path, frame, column, 1, whole=True) for column in ("n_highest", "n_lowest")}
    scores = ("score_highest", "score_lowest", "gap", "ci_low", "ci_high", "expected")
    values = {column: numbers(path, frame, column) for column in scores}
    return frame.assign(**counts, **values, p=within(path, frame, "p", 0, 1))


def told(metric: str, highest: str, lowest: str, gap: float, expected: float, p: float) -> str:
    """Whether a gap is more than chance makes."""
    verdict = "more than chance makes" if p < LEVEL else "no more than chance makes"
    return (
        f"{name(metric)}: {number(gap, metric)} between {highest} and {lowest}, where groups drawn at random are "
        f"{number(expected, metric)} apart: {verdict} (p = {p:.3f})."
    )


def _grid(frame: pd.DataFrame) -> Grid:
    body = tuple(
        (
            name(row["metric"]),
            *(
                f"{row[side]}: {number(row[f'score_{side}'], row['metric'])} (n = {row[f'n_{side}']})"
                for side in ("highest", "lowest")
            ),
            number(row["gap"], row["metric"]),
            interval(row["ci_low"], row["ci_high"], row["metric"]),
            number(row["expected"], row["metric"]),
            f"{row['p']:.3f}",
        )
        for _, row in frame.iterrows()
    )
    return Grid(("Metric", "Highest", "Lowest", "gap", "95 % interval", "expected", "p"), body, 3)


EXHIBIT = ExhibitKind("gaps", (GAPS,), parts)
