"""What a stage shows on the report's page, as its config says it: rows of scores, and exhibits made from its files."""

import dataclasses
from collections.abc import Mapping

from input_pipeline.config import ConfigError
from jaxdep.config.published import Published

PREDICTIONS = "predictions.csv"
WINDOW_PREDICTIONS = "predictions_windows.csv"
VARIANT_PREDICTIONS = "predictions_variants.csv"


def predictions_file(label: str, first_task: str) -> str:
    """The stage's file of decisions that are compared with that label."""
    return PREDICTIONS if label == first_task else f"predictions_{label}.csv"


@dataclasses.dataclass(frozen=True)
class CsvFile:
    """A file that a stage writes for an exhibit: its name below the stage's folder, and its columns in order."""

    name: str
    columns: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a published table: one stage's predictions on one split.

    Attributes:
        stage: folder below `stages/`.
        label: what the row is called in the table; unique together with `split`.
        split: the split scored, as predictions.csv calls it: its part in the experiment.
        split_names: by part, what it is called wherever it is shown, where that is something else.
        metrics: names as in `jaxdep.statistics.metrics`, in the table's order.
        positive: the class that a binary task looks for, or None.
        classes: the task's classes as predictions.csv writes them; empty for a regression task. Where all are numbers,
            the metrics of regression are there as well.
        published: the paper's figures, at most one a metric and split.
        note: anything a reader of the row must know.
        selected_on: the split on which the epoch was chosen, or a sweep's value; empty where nothing was.
        selected: which of them.
        baseline: whether the row is a trivial baseline, drawn as a line beside the others.
        predictions: the stage's file of decisions that are scored.
        section: heading of the table that the row stands in, where a report has several ("Table 2. Emotion features").
            Rows are compared within a section only.
        variant: where the file has several, whose decisions are scored.
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
    selected: str = "Epoch"
    baseline: bool = False
    predictions: str = PREDICTIONS
    section: str = ""
    variant: str = ""
    target: str = ""
    split_names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def named(self, part: str) -> str:
        """What a part of the experiment is called where it is shown."""
        return self.split_names.get(part, part)

    @property
    def shown_split(self) -> str:
        """The split scored, by its name in the corpus."""
        return self.named(self.split)

    def of_split(self, split: str) -> "Row":
        """The row of one split, with the figures that were printed of it."""
        return dataclasses.replace(self, split=split, published=self._published_of(split))

    def _published_of(self, split: str) -> tuple[Published, ...]:
        return tuple(figure for figure in self.published if figure.split in ("", split))

    def __post_init__(self) -> None:
        """Raises ConfigError where the parts of the row do not fit each other."""
        for split in {"", *(figure.split for figure in self.published)}:
            names = [metric for figure in self._published_of(split) for metric in figure.metrics]
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
        kind: a name in `jaxdep.report.exhibits.KINDS`.
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
