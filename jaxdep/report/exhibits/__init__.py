"""Exhibits of a report: tables and figures of a paper that are no rows of scores, from files that stages write.

Each kind has a module, which names the files and says what is shown of them.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from jaxdep.report import Report
from jaxdep.report.exhibits.attention import parts as attention_parts
from jaxdep.report.exhibits.case_study import parts as case_study_parts
from jaxdep.report.exhibits.conflicts import parts as conflicts_parts
from jaxdep.report.exhibits.parts import Grid, Part, Shown
from jaxdep.report.exhibits.profile import parts as profile_parts
from jaxdep.report.exhibits.stability import parts as stability_parts
from jaxdep.report.figures import STYLE, Drawing, finished

__all__ = ["KINDS", "Grid", "Part", "Shown", "drawings", "show"]

KINDS = {
    "profile": profile_parts,
    "case_study": case_study_parts,
    "attention": attention_parts,
    "conflicts": conflicts_parts,
    "stability": stability_parts,
}


def show(report: Report, workdir: Path) -> list[Shown]:
    """The exhibits of a report, in its order.

    Raises:
        DataError: a file of a stage is missing or wrong; the message names file, line and field.
    """
    shown = []
    with matplotlib.style.context(["default", STYLE]):
        for number, exhibit in enumerate(report.exhibits, 1):
            draw = functools.partial(_drawing, report, f"exhibit_{number:02d}_{exhibit.kind}")
            shown.append(Shown(exhibit, KINDS[exhibit.kind](workdir / "stages" / exhibit.stage, draw)))
    return shown


def drawings(shown: Sequence[Shown]) -> list[Drawing]:
    """Every figure of the exhibits."""
    return [drawing for item in shown for part in item.parts for drawing in part.drawings]


def _drawing(report: Report, stem: str, figure: Figure, suffix: str, title: str, caption: str) -> Drawing:
    return finished(report, figure, f"{stem}{suffix}.png", "Figures and analyses", title, caption)
