"""The report as one self-contained HTML page, report.html: style and figures inside, nothing fetched, no script."""

import base64
import json
from collections.abc import Sequence
from itertools import groupby

import jinja2
from markupsafe import Markup

from jaxdep.report import Report, table
from jaxdep.report.figures import Drawing
from jaxdep.report.scores import RowScores

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("jaxdep", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(report: Report, scored: Sequence[RowScores], lines: Sequence[table.Line], drawn: Sequence[Drawing]) -> str:
    """The page's HTML."""
    style, _, _ = _TEMPLATES.loader.get_source(_TEMPLATES, "page.css")  # type: ignore[union-attr]
    return _TEMPLATES.get_template("page.html.j2").render(
        report=report,
        style=Markup(style),
        groups=[(row, list(group)) for row, group in groupby(lines, key=lambda line: line.scored.row)],
        table=table,
        notes=table.notes(report, scored),
        duels=table.duels(scored),
        confusions=[row for row in scored if row.counts is not None],
        figures=[(group, list(items)) for group, items in groupby(drawn, key=lambda item: item.group)],
        base64=lambda png: base64.b64encode(png).decode("ascii"),
        config=json.dumps(report.config, indent=2, ensure_ascii=False, default=str),
    )
