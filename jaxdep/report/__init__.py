"""Tables, figures and the page of a finished experiment, made from the files in its workdir."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

from rich.console import Console

from input_pipeline.config import ConfigError
from jaxdep.config.rows import Exhibit, Row
from jaxdep.files import write_text


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
        data: by corpus, what must be known of its data, in sentences.
        missing: what of a sweep is not there yet, in sentences.
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
    data: tuple[tuple[str, tuple[str, ...]], ...] = ()
    missing: tuple[str, ...] = ()

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
    shown = [*exhibits.show(report, workdir), *exhibits.of_table(lines)]
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
