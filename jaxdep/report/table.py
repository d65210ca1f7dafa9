"""The table of an experiment, a line for each row and metric, as CSV, on the terminal and as text for the pages."""

import dataclasses
import io
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import rich.box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jaxdep.config.published import FIELDS, Published
from jaxdep.report import Report
from jaxdep.report.scores import RowScores
from jaxdep.statistics import metrics, participants, stability

COLUMNS = (
    "system", "row", "split", "metric", "n_seeds", "max", "avg", "std", "ci_low", "ci_high",
    "published_max", "published_avg", "published_std",
    "published_figure", "n_participants", "participants_ci_low", "participants_ci_high",
    "n_draws", "std_draws", "corpus_split",
)  # fmt: skip

ALONE = "one figure"

_NAMES = {
    "accuracy": "accuracy (WA)",
    "unweighted_accuracy": "UA (mean recall)",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision (positive)",
    "recall": "recall (positive)",
    "f1": "F1 (positive)",
    "roc_auc": "ROC AUC",
    "rmse_one_hot": "RMSE to one-hot",
    "pearson_one_hot": "CC with one-hot",
    "mcc": "MCC",
    "log_loss": "log loss",
    "ece": "ECE",
    "mae": "MAE",
    "rmse": "RMSE",
    "pearson": "Pearson CC",
    "ccc": "CCC",
    "tn": "true negatives",
    "fp": "false positives",
    "fn": "false negatives",
    "tp": "true positives",
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One metric of one row; `published` is None where a paper gives none or the data are synthetic."""

    scored: RowScores
    metric: str
    summary: stability.Summary
    published: Published | None


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of figures.

    Attributes:
        heading: above it.
        cell: a line's cell in it, empty where the line has no such figure.
        is_published: whether the figures are the paper's.
        always: whether it is there also where all cells are empty.
    """

    heading: str
    cell: Callable[[Line], str]
    is_published: bool = False
    always: bool = True


@dataclasses.dataclass(frozen=True)
class Duels:
    """P(row beats column) for the rows of a section that share target, split and metric.

    None stands on the diagonal, and between two trivial baselines, which have no seeds to compare.

    `target` is empty where all rows of the section have the same.
    """

    split: str
    metric: str
    labels: tuple[str, ...]
    cells: tuple[tuple[stability.Comparison | None, ...], ...]
    section: str = ""
    target: str = ""


def lines(report: Report, scored: Sequence[RowScores]) -> list[Line]:
    """The table's lines in the order of the rows and of their metrics."""
    return [
        Line(row, metric, stability.summary(row.per_seed[metric], len(row.diverged)), _published(report, row, metric))
        for row in scored
        for metric in row.row.metrics
    ]


def count_lines(report: Report, scored: Sequence[RowScores]) -> list[Line]:
    """The confusion counts of binary rows as lines, those that the row does not have as metrics anyway."""
    return [
        Line(row, metric, stability.summary(row.per_seed[metric], len(row.diverged)), None)
        for row in scored
        for metric in metrics.COUNTS
        if metric in row.per_seed and metric not in row.row.metrics
    ]


def duels(scored: Sequence[RowScores]) -> list[Duels]:
    """The rows of a section against each other, for every target, split and metric that two or more share, counts left
    out."""
    found = []
    for section, rows in sections(scored):
        targets = dict.fromkeys(row.row.target for row in rows)
        for target in targets:
            alike = [row for row in rows if row.row.target == target and row.seeds]
            for split, metric in shared(alike):
                rivals = [row for row in alike if row.row.shown_split == split and metric in row.row.metrics]
                if len(rivals) < 2 or all(row.row.baseline for row in rivals):
                    continue
                sign = -1 if metric in metrics.LOWER_IS_BETTER else 1
                cells = _against_each_other([(sign * row.per_seed[metric], row.row.baseline) for row in rivals])
                labels = tuple(row.row.label for row in rivals)
                found.append(Duels(split, metric, labels, cells, section, target if len(targets) > 1 else ""))
    return found


def sections(scored: Sequence[RowScores]) -> list[tuple[str, list[RowScores]]]:
    """The rows by the section they stand in, in their order. Rows of different sections are never compared."""
    return [(section, list(rows)) for section, rows in itertools.groupby(scored, key=lambda row: row.row.section)]


def line_sections(lines: Sequence[Line]) -> list[tuple[str, list[Line]]]:
    """The lines by the section that their rows stand in; one section without a heading where there are none."""
    found = itertools.groupby(lines, key=lambda line: line.scored.row.section)
    return [(section, list(group)) for section, group in found] or [("", [])]


def shared(scored: Sequence[RowScores]) -> list[tuple[str, str]]:
    """The pairs of split and metric that the rows score, in the order of their first appearance, counts left out."""
    pairs = (
        (row.row.shown_split, metric) for row in scored for metric in row.row.metrics if metric not in metrics.COUNTS
    )
    return list(dict.fromkeys(pairs))


def csv(report: Report, lines: Sequence[Line]) -> str:
    """table.csv: `COLUMNS`, six decimals, an empty cell where there is no figure."""
    records = [
        (
            *(report.system, line.scored.row.label, line.scored.row.split, line.metric, line.summary.n_seeds),
            *(getattr(line.summary, name) for name in ("max", "avg", "std", "ci_low", "ci_high")),
            *(published(line, name) for name in FIELDS),
            *(line.scored.n_participants, *over_participants(line)),
            *(len(line.scored.per_draw.get(line.metric, (0,))), std_draws(line), line.scored.row.shown_split),
        )
        for line in lines
    ]
    buffer = io.StringIO()
    pd.DataFrame(records, columns=list(COLUMNS)).to_csv(buffer, index=False, float_format="%.6f", lineterminator="\n")
    return buffer.getvalue()


def terminal(report: Report, lines: Sequence[Line]) -> Group:
    """The same figures for rich's console, a table a section."""
    title = report.title + (" (synthetic corpus)" if report.synthetic else "")
    compared = any(line.published for line in lines)
    over_both = any(line.scored.over_participants for line in lines)
    tables = []
    for section, group in line_sections(lines):
        tables.append(_terminal(group, compared, over_both))
        tables[-1].title = Text("\n".join(text for text in ("" if tables[1:] else title, section) if text))
    tables[-1].caption, tables[-1].caption_justify = Text(caption(report, lines)), "left"
    return Group(*tables)


def columns(lines: Sequence[Line]) -> list[Column]:
    """The columns of a table of these lines; of those that are not always there, those that hold something."""
    return [column for column in _COLUMNS if column.always or any(map(column.cell, lines))]


def confusion(scored: RowScores) -> str:
    """The confusion counts of a binary row, mean over the seeds, in one line; empty for other rows."""
    if not all(count in scored.per_seed for count in metrics.COUNTS):
        return ""
    return ", ".join(f"{count.upper()} {np.mean(scored.per_seed[count]):.1f}" for count in metrics.COUNTS)


def published(line: Line, field: str) -> float:
    """A published figure of the line, NaN where there is none."""
    return math.nan if line.published is None else float(getattr(line.published, field))


def over_participants(line: Line) -> participants.Interval:
    """The interval of a line's AVG over participants, NaN where there is none."""
    return line.scored.over_participants.get(line.metric, (math.nan, math.nan))


def std_draws(line: Line) -> float:
    """The STD, with n - 1, over the draws of who lacks a modality; NaN of a single one."""
    return float(np.std(line.scored.per_draw[line.metric], ddof=1)) if line.metric in line.scored.per_draw else math.nan


def number(value: float, metric: str, missing: str = "–") -> str:
    """A score as text: three decimals, a count one."""
    if not np.isfinite(value):
        return missing
    return f"{value:.1f}" if metric in metrics.COUNTS else f"{value:.3f}"


def interval(low: float, high: float, metric: str, missing: str = "–") -> str:
    """An interval as text."""
    return missing if not np.isfinite(low) else f"{number(low, metric)} to {number(high, metric)}"


def name(metric: str) -> str:
    """A metric's name for readers."""
    if metric in _NAMES:
        return _NAMES[metric]
    kind, _, of = metric.partition("_of_" if "_of_" in metric else "_")
    return f"{kind.replace('f1', 'F1')} ({of})" if of else kind


def caption(report: Report, lines: Sequence[Line]) -> str:
    """What the columns mean, for under the table."""
    text = (
        "MAX, AVG, STD: over the seeds (n), STD with n - 1. 95 % intervals: of AVG by percentile bootstrap. Over seeds: "
        "with other seeds, of the same participants."
    )
    if any(line.scored.over_participants for line in lines):
        text += " Over participants: with other participants, who are drawn again as wholes, of the same seeds."
    else:
        text += " Other participants would move it further."
    if any(metric in metrics.LOWER_IS_BETTER for row in report.rows for metric in row.metrics):
        text += " Of errors, lower is better, and MAX is the worst seed."
    if any(np.isfinite(published(line, "figure")) for line in lines):
        text += f" {ALONE[0].upper()}{ALONE[1:]}, published: of a paper that tells of no seeds, neither MAX nor AVG."
    if report.synthetic:
        text += " Synthetic corpus: nothing here may be compared with published figures, which are left out."
    return text


def notes(report: Report, scored: Sequence[RowScores]) -> list[tuple[str, str]]:
    """What must be known of each row: (label and split, text); rows of a section with the same text in one entry."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in scored:
        parts = [row.row.note]
        if row.row.selected_on:
            same = ", the split scored here: optimistic" if row.row.selected_on == row.row.split else ""
            parts.append(f"{row.row.selected} chosen on {row.row.named(row.row.selected_on)}{same}.")
        if row.diverged:
            ids = ", ".join(map(str, row.diverged))
            parts.append(f"{len(row.diverged)} diverged seed{'s' * (len(row.diverged) > 1)} left out: {ids}.")
        if row.row.published and not report.synthetic:
            sources = dict.fromkeys(figure.source for figure in row.row.published if figure.source)
            parts.append(f"Published: {'; '.join(sources)}." if sources else "")
            parts += [_which(figure) for figure in row.row.published if figure.readings]
        text = " ".join(part for part in parts if part)
        if text:
            found.setdefault((row.row.section, row.row.shown_split, text), []).append(row.row.label)
    # A label may hold a comma ("Direct text, interviewer's words").
    return [(f"{'; '.join(labels)} ({split})", text) for (_, split, text), labels in found.items()]


def _terminal(lines: Sequence[Line], compared: bool, over_both: bool) -> Table:
    table = Table(box=rich.box.SIMPLE_HEAVY, padding=0, show_edge=False)  # all of it in 80 columns
    table.add_column("row (split), metric", overflow="fold", min_width=14)
    intervals = ("95 % over\nseeds", "95 % over\nparticipants") if over_both else ("95 % over\nseeds",)
    for heading in ("n", "MAX", "AVG", "STD", *intervals, *(("published\nMAX AVG STD",) if compared else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, group in itertools.groupby(lines, key=lambda line: line.scored.row):
        table.add_section()
        table.add_row(Text(f"{row.label} ({row.shown_split})", style="bold"))
        for line in group:
            ours = [column.cell(line).replace(" to ", "–") for column in _COLUMNS if not column.is_published]
            shown = (f" {name(line.metric)}", *ours[: 4 + len(intervals)], _theirs(line))
            table.add_row(*map(Text, shown[: len(table.columns)]))
        if counts := confusion(line.scored):
            table.add_row(Text(f" {counts}", style="dim"))
    return table


def _against_each_other(
    rivals: Sequence[tuple[np.ndarray, bool]],
) -> tuple[tuple[stability.Comparison | None, ...], ...]:
    """The rows' scores against each other; each comes with whether it is a baseline."""
    pairs: dict[tuple[int, int], stability.Comparison] = {}
    for (a, (ours, ours_trivial)), (b, (theirs, theirs_trivial)) in itertools.combinations(enumerate(rivals), 2):
        if not (ours_trivial and theirs_trivial):
            pairs[a, b] = stability.probability_of_improvement(ours, theirs)
            pairs[b, a] = pairs[a, b].reversed()
    return tuple(tuple(pairs.get((a, b)) for b in range(len(rivals))) for a in range(len(rivals)))


def _theirs(line: Line) -> str:
    """The published figures of a line in one cell."""
    if line.published is None:
        return ""
    if np.isfinite(line.published.figure):
        return f"{number(line.published.figure, line.metric)} alone"
    return " ".join(number(published(line, name), line.metric) for name in ("max", "avg", "std"))


def _which(figure: Published) -> str:
    *names, last = map(name, figure.metrics)
    return f"Which of {', '.join(names)} and {last} its figure is the paper does not say: it stands beside each."


def _published(report: Report, row: RowScores, metric: str) -> Published | None:
    if report.synthetic:
        return None
    return next((figure for figure in row.row.published if metric in figure.metrics), None)


def _ours(heading: str, field: str) -> Column:
    return Column(heading, lambda line: number(getattr(line.summary, field), line.metric))


def _of_paper(heading: str, field: str) -> Column:
    return Column(
        heading, lambda line: number(published(line, field), line.metric, ""), is_published=True, always=False
    )


_COLUMNS = (
    Column("n", lambda line: str(line.summary.n_seeds)),
    _ours("MAX", "max"),
    _ours("AVG", "avg"),
    _ours("STD", "std"),
    Column("95 % interval over seeds", lambda line: interval(line.summary.ci_low, line.summary.ci_high, line.metric)),
    Column(
        "95 % interval over participants",
        lambda line: interval(*over_participants(line), line.metric, ""),
        always=False,
    ),
    _of_paper("MAX", "max"),
    _of_paper("AVG", "avg"),
    _of_paper("STD", "std"),
    _of_paper(ALONE, "figure"),
)
