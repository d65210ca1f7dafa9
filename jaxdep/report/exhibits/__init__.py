"""Exhibits of a report: tables and figures of a paper that are no rows of scores, from files that stages write.

Each kind has a module, whose `EXHIBIT` names the files and says what is shown of them; it is listed here. Those that are
made from the lines of the report's own table have a function in `OF_TABLE`, and no stage asks for them.
"""

import functools
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from input_pipeline.config import ConfigError
from jaxdep.config.rows import Exhibit
from jaxdep.report import Report
from jaxdep.report.csv_files import read_csv
from jaxdep.report.exhibits import counts, draws, readings
from jaxdep.report.exhibits.parts import Draw, ExhibitKind, Grid, Part, Shown
from jaxdep.report.figures import STYLE, Drawing, finished
from jaxdep.report.table import Line

__all__ = ["KINDS", "ExhibitKind", "Grid", "Part", "Shown", "drawings", "of_table", "show"]

MODULES = (
    "attention",
    "case_study",
    "cases",
    "conflicts",
    "gaps",
    "profile",
    "roc",
    "samples",
    "stability",
)
_OBJECTS: list[ExhibitKind] = [pkgutil.resolve_name(f"{__name__}.{name}:EXHIBIT") for name in MODULES]
KINDS = {one.kind: one for one in _OBJECTS}
OF_TABLE: tuple[Callable[[Sequence[Line]], list[Shown]], ...] = (draws.shown, readings.shown, counts.shown)


def show(report: Report, workdir: Path) -> list[Shown]:
    """The exhibits of a report, in its order.

    Raises:
        ConfigError: there is no exhibit of a kind.
        DataError: a file of a stage is missing or wrong; the message names file, line and field.
    """
    shown = []
    with matplotlib.style.context(["default", STYLE]):
        for number, exhibit in enumerate(report.exhibits, 1):
            draw = functools.partial(_drawing, report, f"exhibit_{number:02d}_{exhibit.kind}")
            shown.append(Shown(exhibit, _parts(exhibit, workdir / "stages" / exhibit.stage, draw)))
    return shown


def of_table(lines: Sequence[Line]) -> list[Shown]:
    """What follows from the report's table as a whole."""
    return [one for shown in OF_TABLE for one in shown(lines)]


def drawings(shown: Sequence[Shown]) -> list[Drawing]:
    """Every figure of the exhibits."""
    return [drawing for item in shown for part in item.parts for drawing in part.drawings]


def _parts(exhibit: Exhibit, folder: Path, draw: Draw) -> tuple[Part, ...]:
    if exhibit.kind not in KINDS:
        raise ConfigError(f"exhibit {exhibit.title!r}: kind: {exhibit.kind!r} is none of {', '.join(KINDS)}")
    kind = KINDS[exhibit.kind]
    for file in kind.files:
        read_csv(folder / file.name, file.columns)  # all are there before the first is drawn
    return kind.parts(folder, draw)


def _drawing(report: Report, stem: str, figure: Figure, suffix: str, title: str, caption: str) -> Drawing:
    return finished(report, figure, f"{stem}{suffix}.png", "Figures and analyses", title, caption)
