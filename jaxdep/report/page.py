"""The report as one self-contained HTML page, report.html: style and figures inside, nothing fetched, no script."""

import base64
import json
from collections.abc import Sequence
from itertools import groupby

import jinja2
from markupsafe import Markup

from jaxdep.config.rows import Row
from jaxdep.report import Report, table
from jaxdep.report.exhibits import Shown
from jaxdep.report.figures import Drawing
from jaxdep.report.scores import RowScores

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("jaxdep", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    report: Report,
    scored: Sequence[RowScores],
    lines: Sequence[table.Line],
    drawn: Sequence[Drawing],
    shown: Sequence[Shown],
) -> str:
    """The page's HTML."""
    sheets = ("page.css", *(("many_tables.css",) if report.many_tables else ()))
    assert _TEMPLATES.loader is not None
    style = "".join(_TEMPLATES.loader.get_source(_TEMPLATES, sheet)[0] for sheet in sheets)
    sections = [(section, _by_row(group)) for section, group in table.line_sections(lines)]
    return _TEMPLATES.get_template("page.html.j2").render(
        report=report,
        style=Markup(style),
        sections=sections,
        spread=[(section, groups) for section, groups in sections if not section or any(map(_spreads, groups))],
        spreads=_spreads,
        table=table,
        columns=table.columns(lines),
        caption=table.caption(report, lines),
        notes=table.notes(report, scored),
        duels=table.duels(scored),
        confusions=[row for row in scored if row.counts is not None],
        exhibits=[(section, list(items)) for section, items in groupby(shown, key=lambda item: item.exhibit.section)],
        figures=[(group, list(items)) for group, items in groupby(drawn, key=lambda item: item.group)],
        base64=lambda content: base64.b64encode(content).decode("ascii"),
        config=json.dumps(report.config, indent=2, ensure_ascii=False, default=str),
    )


def _by_row(lines: Sequence[table.Line]) -> list[tuple[Row, list[table.Line]]]:
    return [(row, list(group)) for row, group in groupby(lines, key=lambda line: line.scored.row)]


def _spreads(group: tuple[Row, list[table.Line]]) -> bool:
    """Whether a row has a spread over seeds to show, or seeds that diverged."""
    summary = group[1][0].summary
    return summary.n_seeds > 1 or summary.n_diverged > 0
