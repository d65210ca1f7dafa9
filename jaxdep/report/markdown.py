"""The report as Markdown, report.md: the tables, what each row needs to be read, exhibits, and links to the figures."""

import html
import itertools
import json
from collections.abc import Sequence

from jaxdep.report import Report, table
from jaxdep.report.exhibits import Shown
from jaxdep.report.figures import Drawing
from jaxdep.report.scores import RowScores


def render(
    report: Report,
    scored: Sequence[RowScores],
    lines: Sequence[table.Line],
    drawn: Sequence[Drawing],
    shown: Sequence[Shown],
) -> str:
    """The text of report.md."""
    parts = [f"# {_plain(report.title)}"]
    if report.synthetic:
        parts.append(
            "> **Synthetic corpus.** A stand-in with a planted effect: no figure here says anything about people."
        )
    parts += [f"> **Not complete.** {_plain(' '.join(report.missing))}"] if report.missing else []
    parts += [_plain(report.description), f"Paper: {_plain(report.source)}" if report.source else ""]
    parts += [_block(report.command, "sh"), "## Results", *_results(lines), _plain(table.caption(report, lines))]
    notes = "\n".join(f"- **{_plain(label)}**: {_plain(text)}" for label, text in table.notes(report, scored))
    parts += ["## Notes", notes] if notes else []
    told = "\n".join(f"- **{_plain(corpus)}**: {_plain(' '.join(sentences))}" for corpus, sentences in report.data)
    parts += ["## Data", told] if told else []
    parts += ["## Figures and analyses", *_exhibits(shown)] if shown else []
    confusions = [_confusion(row) for row in scored if row.counts is not None]
    parts += ["## Confusion counts, mean over the seeds", *confusions] if confusions else []
    parts += ["## Figures"]
    parts += [_figure(item) for item in drawn]
    parts += ["## Environment", _block("\n".join(f"{key}: {value}" for key, value in report.environment.items()))]
    parts += ["## Config", _block(json.dumps(report.config, indent=2, ensure_ascii=False, default=str), "json")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _results(lines: Sequence[table.Line]) -> list[str]:
    parts, columns = [], table.columns(lines)
    headings = [f"Published {column.heading}" if column.is_published else column.heading for column in columns]
    for section, group in table.line_sections(lines):
        body = [
            (
                *(line.scored.row.label, line.scored.row.shown_split, table.name(line.metric)),
                *(column.cell(line) for column in columns),
            )
            for line in group
        ]
        parts += [
            f"### {_plain(section)}" if section else "",
            _grid(("Row", "Split", "Metric", *headings), body, text_columns=3),
        ]
    return parts


def _exhibits(shown: Sequence[Shown]) -> list[str]:
    parts = []
    for section, group in itertools.groupby(shown, key=lambda item: item.exhibit.section):
        parts += [f"### {_plain(section)}"] if section else []
        for item in group:
            parts += [f"#### {_plain(item.exhibit.title)}", _plain(item.exhibit.note)]
            for part in item.parts:
                parts += [f"##### {_plain(part.title)}" if part.title else "", *map(_plain, part.sentences)]
                parts += [_figure(drawing) for drawing in part.drawings]
                parts += [_grid(grid.headings, grid.body, grid.text_columns) for grid in part.grids]
    return parts


def _figure(item: Drawing) -> str:
    return f"![{_plain(f'{item.title}. {item.caption}')}](figures/{item.name})"


def _confusion(row: RowScores) -> str:
    assert row.counts is not None
    classes = row.row.classes
    body = [(label, *(f"{count:.1f}" for count in counts)) for label, counts in zip(classes, row.counts, strict=True)]
    heading = f"### {_plain(row.row.label)} ({_plain(row.row.shown_split)}), n = {len(row.seeds)}"
    return heading + "\n\n" + _grid(("target (rows), predicted", *classes), body, text_columns=1)


def _grid(headings: Sequence[str], body: Sequence[Sequence[object]], text_columns: int) -> str:
    rule = [":--" if index < text_columns else "--:" for index in range(len(headings))]
    rows = [[_plain(cell) for cell in headings], rule, *([_plain(str(cell)) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no line breaks, no cell borders."""
    text = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\`|[]*_":
        text = text.replace(mark, f"\\{mark}")
    return text


def _block(text: str, language: str = "") -> str:
    """A code block whose fence the text cannot close."""
    fence = "`" * max(3, *(len(run) + 1 for run in _runs(text)))
    return f"{fence}{language}\n{text}\n{fence}"


def _runs(text: str) -> list[str]:
    return ["", *("`" * len(run) for run in "".join(c if c == "`" else " " for c in text).split())]
