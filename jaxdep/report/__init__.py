"""Tables, figures and the page of a finished experiment, made from the files in its workdir."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

from rich.console import Console

from input_pipeline.config import ConfigError
from jaxdep.config.published import Published
from jaxdep.files import write_text

__all__ = ["EXHIBITS", "Exhibit", "Published", "Report", "Row", "write"]

EXHIBITS = ("profile", "case_study", "attention", "conflicts", "stability")


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a published table: one stage's predictions on one split.

    Attributes:
        stage: folder below `stages/`.
        label: what the row is called in the table; unique together with `split`.
        split: the split scored.
        metrics: names as in `jaxdep.statistics.metrics`, in the table's order.
        positive: the class that a binary task looks for, or None.
        classes: the task's classes as predictions.csv writes them; empty for a regression task. Where all are numbers,
            the metrics of regression are there as well.
        published: the paper's figures, at most one a metric.
        note: anything a reader of the row must know.
        selected_on: the split on which the epoch was chosen; empty where nothing was.
        baseline: whether the row is a trivial baseline, drawn as a line beside the others.
        predictions: the stage's file of decisions that are scored.
        section: heading of the table that the row stands in, where a report has several ("Table 2. Emotion features").
            Rows are compared within a section only.
        target: the label that the decisions are compared with; rows of different targets are not compared either.
    """

    stage: str
    label: str
    split: str
    metrics: tuple[str, ...]
    positive: str | None
    classes: tuple[str, ...]
    published: tuple[Published, ...] = ()
    note: str = ""
    selected_on: str = ""
    baseline: bool = False
    predictions: str = "predictions.csv"
    section: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        """Raises ConfigError where the parts of the row do not fit each other."""
        names = [figure.metric for figure in self.published]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"row {self.label!r}: published: more than one entry for a metric, found {names}; keep one each"
            )
        if self.positive is not None and self.positive not in self.classes:
            raise ConfigError(f"row {self.label!r}: positive: {self.positive!r} is none of the classes {self.classes}")


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A table or figure of a paper that is no rows of scores, made from what a stage left in its folder.

    Attributes:
        kind: one of `EXHIBITS`; `jaxdep.report.exhibits.<kind>` says which files it reads.
        stage: folder below `stages/`.
        title: its heading.
        section: heading above that of a group of exhibits.
        note: anything a reader must know.
    """

    kind: str
    stage: str
    title: str
    section: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Raises ConfigError where the kind is unknown."""
        if self.kind not in EXHIBITS:
            raise ConfigError(f"exhibit {self.title!r}: kind: {self.kind!r} is none of {', '.join(EXHIBITS)}")


@dataclasses.dataclass(frozen=True)
class Report:
    """What a report says besides the scores, which it reads from the workdir.

    Attributes:
        title, description: heading and first paragraph.
        system: name of the system, the first column of table.csv.
        rows: in the table's order, trivial baselines among them.
        synthetic: whether the data are a stand-in corpus; published figures are then shown nowhere.
        environment: versions, backend, devices, revision. No times: a report made again has the same bytes.
        command: the line that makes the run.
        config: the resolved config.
        source: the paper.
        exhibits: in the order of the page.
    """

    title: str
    description: str
    system: str
    rows: tuple[Row, ...]
    synthetic: bool
    environment: dict[str, str]
    command: str
    config: dict[str, Any]
    source: str
    exhibits: tuple[Exhibit, ...] = ()

    @property
    def many_tables(self) -> bool:
        """Whether rows stand in sections or exhibits beside them, and the page holds many figures."""
        return any(row.section for row in self.rows) or bool(self.exhibits)

    def __post_init__(self) -> None:
        """Raises ConfigError where two rows could not be told apart, or a section would stand there twice."""
        seen = set()
        for row in self.rows:
            if (row.label, row.split) in seen:
                raise ConfigError(f"rows: two are called {row.label!r} on split {row.split!r}; give each its own label")
            seen.add((row.label, row.split))
        _refuse_torn("rows", [row.section for row in self.rows])
        _refuse_torn("exhibits", [exhibit.section for exhibit in self.exhibits])


def write(report: Report, workdir: Path, console: Console) -> None:
    """Writes `report/` below `workdir` (table.csv, report.md, report.html, figures/*.png) and prints the table.

    Raises:
        DataError: a file of a stage is missing or wrong; the message names file, line and field.
        ConfigError: a row asks for a metric that its predictions cannot give.
    """
    from jaxdep.report import exhibits, figures, markdown, page, scores, table  # loads matplotlib, as no config should

    folder = workdir / "report"
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    scored = [scores.read(row, workdir) for row in report.rows]
    lines = table.lines(report, scored)
    drawn = figures.draw(report, scored, workdir)
    shown = exhibits.show(report, workdir)
    for stale in (folder / "figures").glob("*.png"):
        stale.unlink()
    for drawing in (*drawn, *exhibits.drawings(shown)):
        (folder / "figures" / drawing.name).write_bytes(drawing.png)
    write_text(folder / "table.csv", table.csv(report, lines + table.count_lines(report, scored)))
    write_text(folder / "report.md", markdown.render(report, scored, lines, drawn, shown))
    write_text(folder / "report.html", page.render(report, scored, lines, drawn, shown))
    console.print(table.terminal(report, lines))


def _refuse_torn(field: str, sections: list[str]) -> None:
    """Raises ConfigError where the members of a section do not stand together."""
    starts = [section for section, _ in itertools.groupby(sections)]
    again = next((section for section in starts if starts.count(section) > 1), None)
    if again is not None:
        raise ConfigError(f"{field}: those of section {again!r} do not stand together; put them one after the other")
