"""The spread of rows in which some participants lack a modality: over the seeds, and over the draws of who lacks it.

Made from the rows of the table whose stage draws several times (`Missing.draws`).
"""

from collections.abc import Sequence

from jaxdep.config.rows import Exhibit
from jaxdep.report.exhibits.parts import Grid, Part, Shown
from jaxdep.report.table import Line, name, number, std_draws

_SENTENCE = (
    "A seed's score is its mean over the draws. STD over seeds: of these means. STD over draws, lowest and highest draw: of "
    "each draw's mean over the seeds."
)


def shown(lines: Sequence[Line]) -> list[Shown]:
    """The exhibit; none where nothing is drawn several times."""
    body = tuple(_cells(line) for line in lines if line.metric in line.scored.per_draw)
    if not body:
        return []
    headings = ("Row", "Metric", "draws", "AVG", "STD over seeds", "STD over draws", "lowest draw", "highest draw")
    exhibit = Exhibit("draws", "", "Spread over the draws of who lacks a modality", "Missing modalities")
    return [Shown(exhibit, (Part("", (_SENTENCE,), (), (Grid(headings, body, 2),)),))]


def _cells(line: Line) -> tuple[str, ...]:
    of_draws, unit = line.scored.per_draw[line.metric], line.metric
    figures = (line.summary.avg, line.summary.std, std_draws(line), of_draws.min(), of_draws.max())
    return (line.scored.row.label, name(unit), str(len(of_draws)), *(number(value, unit) for value in figures))
