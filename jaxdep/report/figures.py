"""Figures of a report as PNG: scores over the seeds, learning curves, confusion counts, predicted against target.

Where rows stand in sections, a figure never shows rows of two of them, and the confusion counts of a section share a
figure. Drawn without pyplot, with matplotlib's own fonts and no dates, so that the same scores give the same bytes.
"""

import dataclasses
import io
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from PIL import Image

from jaxdep.report import Report
from jaxdep.report.scores import RowScores, read_metrics
from jaxdep.report.table import ALONE, name, sections, shared

STAMP = "synthetic corpus"
DPI = 160
FOLDED_DPI = 110  # of learning curves where many are folded away
PANELS, PANELS_ACROSS = 12, 3  # of confusion counts in one figure

# Okabe and Ito's palette: told apart with every kind of colour vision, and in grey by lightness.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#6B6B6B",
)  # fmt: skip
SPLIT_COLOURS = {"train": BLUE, "validation": VERMILION, "test": GREEN}
_BASELINE_STYLES = ("--", ":", "-.", (0, (7, 2, 1, 2, 1, 2)), (0, (1, 3)))

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,  # a corpus's labels are text, whatever they hold
}


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A finished figure: file name, group and heading on the page, what it shows (also its alternative text), bytes."""

    name: str
    group: str
    title: str
    caption: str
    png: bytes


def draw(report: Report, scored: Sequence[RowScores], workdir: Path) -> list[Drawing]:
    """Every figure of the report, in the order of the page.

    Of a row that is scored on validation and on test the figures are the test's; the tables have both.
    """
    tested = {row.row.label for row in scored if row.row.split == "test"}

    def is_drawn(row: RowScores) -> bool:
        return row.row.split == "test" or row.row.label not in tested

    with matplotlib.style.context(["default", STYLE]):
        parts = [
            (number, (section, list(filter(is_drawn, rows))))
            for number, (section, rows) in enumerate(sections(scored), 1)
        ]
        drawn = [
            _distribution(report, rows, split, metric, number if section else 0)
            for number, (section, rows) in parts
            for split, metric in shared(rows)
        ]
        trained = [(index, row) for index, row in enumerate(scored) if is_drawn(row) and not row.row.baseline]
        counted = [(index, row) for index, row in trained if row.counts is not None]
        drawn += [_confusion(report, row, index) for index, row in counted if not row.row.section]
        for number, (section, rows) in parts:
            shared_out = [row for row in rows if section and not row.row.baseline and row.counts is not None]
            drawn += _confusions(report, shared_out, number)
        drawn += [_agreement(report, row, index) for index, row in trained if row.examples is not None]
        for number, (section, rows) in parts:
            binned = [row for row in rows if not row.row.baseline and row.bins is not None]
            drawn += _reliability(report, binned, number if section else 0)
        for stage, metrics in _stages(scored).items():
            path = workdir / "stages" / stage / "metrics.csv"
            if path.exists():
                drawn += _learning(report, stage, read_metrics(path), metrics)
    return drawn


def distribution(scored: Sequence[RowScores], split: str, metric: str, synthetic: bool) -> Figure:
    """A strip and a box over the seeds for each row, published figures as markers, trivial baselines as lines."""
    here = [row for row in scored if row.row.shown_split == split and metric in row.row.metrics]
    rows = [row for row in here if not row.row.baseline] or here
    lines = [row for row in here if row.row.baseline and row.seeds and row not in rows]
    figure = Figure(figsize=(7.2, 1.6 + 0.52 * len(rows) + 0.16 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        _strip(axes, place, row.per_seed[metric])
        if not synthetic:
            _published(axes, place, row, metric)
    for number, row in enumerate(lines):
        value = float(row.per_seed[metric][0])
        style = _BASELINE_STYLES[number % len(_BASELINE_STYLES)]
        axes.axvline(value, color=GREY, linestyle=style, linewidth=1.2, zorder=1, label=f"{row.row.label}: {value:.3f}")
    axes.set_yticks(range(len(rows)), [f"{shortened(row.row.label)}\nn = {len(row.seeds)}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{name(metric)}, {split} split")
    axes.margins(x=0.05)
    legend_below(figure, axes)
    return figure


def learning(frame: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """A panel for each metric: median over the seeds by epoch and a band from the 10 to the 90 % quantile, by split."""
    figure = Figure(figsize=(7.2, 2.7 * -(-len(metrics) // 2) + 0.4), layout="constrained")
    panels = figure.subplots(-(-len(metrics) // 2), 2 if len(metrics) > 1 else 1, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=False):
        _curves(axes, frame[frame["metric"] == metric])
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss" if metric == "loss" else name(metric))
    for axes in panels[len(metrics) :]:
        axes.remove()
    legend_below(figure, *panels[: len(metrics)])
    return figure


def confusion(counts: np.ndarray, classes: Sequence[str], n_seeds: int) -> Figure:
    """Mean counts over the seeds with their share of the row; colour shows the share."""
    side = _side(classes)
    figure = Figure(figsize=(side + 1.9, side + 0.9), layout="constrained")
    axes = figure.add_subplot()
    image = _matrix(axes, counts, classes, n_seeds)
    figure.colorbar(image, ax=axes, label="share of the target's examples", shrink=0.85)
    return figure


def confusions(rows: Sequence[RowScores]) -> Figure:
    """The same for several rows, three panels a line."""
    side = 0.8 * max(_side(row.row.classes) for row in rows)
    columns = min(PANELS_ACROSS, len(rows))
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=((side + 0.6) * columns + 1.2, (side + 0.8) * lines + 0.4), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, row in zip(panels, rows, strict=False):
        assert row.counts is not None
        image = _matrix(axes, row.counts, row.row.classes, len(row.seeds))
        axes.set_title(textwrap.fill(f"{row.row.label} ({row.row.shown_split})", int(side * 11)), fontsize=8)
    for axes in panels[len(rows) :]:
        axes.remove()
    shown = list(panels[: len(rows)])
    figure.colorbar(image, ax=shown, label="share of the target's examples", shrink=0.85 / lines, anchor=(0, 1))
    return figure


def _side(classes: Sequence[str]) -> float:
    """The inches that a square of confusion counts wants."""
    return min(9.0, max(2.6, 0.8 * len(classes)))


def _matrix(axes: Axes, counts: np.ndarray, classes: Sequence[str], n_seeds: int) -> AxesImage:
    size = len(classes)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(counts):
        percent = f"\n{100 * share[row, column]:.0f} %" if totals[row] > 0 else "\n–"
        text = f"{value:.1f}" if n_seeds > 1 else f"{value:.0f}"
        axes.text(
            column, row, text + (percent if size <= 10 else ""), ha="center", va="center",
            color="white" if share[row, column] > 0.55 else "black",
            fontsize=11 if size <= 3 else 8 if size <= 10 else 5,
        )  # fmt: skip
    labels = [shortened(label, 16) for label in classes]
    wide = max(map(len, labels)) > 10
    tilt: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if wide else {}
    axes.set_xticks(range(size), labels, **tilt)
    axes.set_yticks(range(size), labels)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("target")
    return image


def agreement(examples: pd.DataFrame) -> Figure:
    """Predicted against target: median over the seeds of each example, with a bar from the 10 to the 90 % quantile."""
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    lowest, highest = examples.to_numpy().min(), examples.to_numpy().max()
    margin = 0.04 * (highest - lowest) or 1.0
    ends = lowest - margin, highest + margin
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", label="target = prediction")
    axes.vlines(
        examples["target"], examples["q10"], examples["q90"], color=SKY, linewidth=1.4, label="10 to 90 % of the seeds"
    )
    axes.plot(
        examples["target"], examples["q50"], "o", color=BLUE, markersize=4, alpha=0.8, label="median over the seeds"
    )
    axes.set_xlabel("target")
    axes.set_ylabel("prediction")
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    legend_below(figure, axes)
    return figure


def reliability(rows: Sequence[RowScores]) -> Figure:
    """A panel a row: accuracy of the decisions in each bin of confidence, against the confidence that they claim."""
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(0.6 + 1.9 * columns, 0.8 + 2.1 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, row in zip(panels, rows, strict=False):
        assert row.bins is not None
        filled = row.bins.weight > 0
        count = row.bins.weight[filled]
        confidence, accuracy = row.bins.confidence[filled] / count, row.bins.right[filled] / count
        axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--", label="calibrated")
        axes.vlines(confidence, confidence, accuracy, color=VERMILION, linewidth=1.4, label="gap")
        axes.plot(confidence, accuracy, color=BLUE, linewidth=1.0)
        axes.scatter(confidence, accuracy, s=12 + 90 * count / count.sum(), color=BLUE, zorder=3, label="a bin")
        axes.set_title(textwrap.fill(row.row.label, 26), fontsize=7)
        axes.text(0.97, 0.05, f"ECE {row.per_seed['ece'].mean():.3f}", ha="right", transform=axes.transAxes)
        axes.set(xlim=(1 / max(len(row.row.classes) for row in rows) - 0.02, 1.02), ylim=(0, 1.03))
        axes.label_outer()
    for axes in panels[len(rows) :]:
        axes.remove()
    for axes in panels[max(0, len(rows) - columns) : len(rows)]:
        axes.set_xlabel("confidence")
        axes.tick_params(labelbottom=True)
    for axes in panels[::columns][:lines]:
        axes.set_ylabel("accuracy")
    legend_below(figure, *panels[: len(rows)])
    return figure


def _reliability(report: Report, rows: Sequence[RowScores], number: int) -> list[Drawing]:
    if not rows:
        return []
    caption = (
        "Accuracy of the decisions of all seeds in ten bins of confidence; a dot's size is its share of the decisions. "
        "ECE is the mean over the seeds of the expected calibration error: each seed's own, and so larger than what the "
        "dots show."
    )
    title = _headed(rows[0].row.section, "Reliability diagrams")
    return [finished(report, reliability(rows), f"reliability{_of(number)}.png", "Reliability", title, caption)]


def _distribution(report: Report, scored: Sequence[RowScores], split: str, metric: str, number: int) -> Drawing:
    figure = distribution(scored, split, metric, report.synthetic)
    title = f"{name(metric)} over the seeds, {split} split"
    title = _headed(scored[0].row.section, title[0].upper() + title[1:])
    caption = (
        "Each dot is a seed; the box holds the middle half of the seeds, its bar the median; the whiskers reach all."
    )
    if any(row.row.baseline and row.row.shown_split == split and metric in row.row.metrics for row in scored):
        caption += " Grey lines are trivial baselines."
    return finished(
        report,
        figure,
        f"distribution{_of(number)}_{slug(split)}_{slug(metric)}.png",
        "Scores over the seeds",
        title,
        caption,
    )


def _of(number: int) -> str:
    """What tells the figures of a section from those of another in their files' names; 0 where there is none."""
    return f"_s{number:02d}" if number else ""


def _headed(section: str, title: str) -> str:
    return f"{section}: {title}" if section else title


def _learning(report: Report, stage: str, frame: pd.DataFrame, metrics: Sequence[str]) -> list[Drawing]:
    recorded = list(dict.fromkeys(frame["metric"]))
    panels = [metric for metric in ("loss", *metrics) if metric in recorded]
    if not panels:
        return []
    title = f"Learning curves, {stage}"
    caption = (
        "Median over the seeds at each epoch, with a band from the 10 to the 90 % quantile. Only seeds that still train"
        " at that epoch count (dotted where fewer than half do), and only finite values."
    )
    dpi = FOLDED_DPI if report.many_tables else DPI
    file_name = f"learning_{slug(stage)}.png"
    return [finished(report, learning(frame, panels), file_name, "Learning curves", title, caption, dpi)]


def _confusion(report: Report, row: RowScores, index: int) -> Drawing:
    assert row.counts is not None
    seeds = f"mean over {len(row.seeds)} seeds" if len(row.seeds) > 1 else "one seed"
    title = f"Confusion, {row.row.label} ({row.row.shown_split})"
    caption = f"Examples by target (rows) and prediction (columns), {seeds}, with the share of each row."
    figure = confusion(row.counts, row.row.classes, len(row.seeds))
    return finished(report, figure, f"confusion_{index + 1:02d}_{slug(row.row.label)}.png", "Confusion", title, caption)


def _confusions(report: Report, rows: Sequence[RowScores], number: int) -> list[Drawing]:
    """The confusion counts of a section, at most `PANELS` rows a figure."""
    caption = "Examples by target (rows) and prediction (columns), mean over the seeds, with the share of each row."
    pages = [rows[start : start + PANELS] for start in range(0, len(rows), PANELS)]
    drawn = []
    for page, shown in enumerate(pages, 1):
        title = _headed(shown[0].row.section, "Confusion") + (f", {page} of {len(pages)}" if pages[1:] else "")
        file_name = f"confusion{_of(number)}{f'_{page:02d}' if pages[1:] else ''}.png"
        drawn.append(finished(report, confusions(shown), file_name, "Confusion", title, caption))
    return drawn


def _agreement(report: Report, row: RowScores, index: int) -> Drawing:
    assert row.examples is not None
    title = f"Predicted against target, {row.row.label} ({row.row.shown_split})"
    caption = "Each dot is an example: the median of its predictions over the seeds, with a bar from the 10 to the 90 % quantile."
    file_name = f"agreement_{index + 1:02d}_{slug(row.row.label)}.png"
    return finished(report, agreement(row.examples), file_name, "Predicted against target", title, caption)


def _strip(axes: Axes, place: int, scores: np.ndarray) -> None:
    if scores.size > 1:
        axes.boxplot(
            scores, positions=[place], orientation="horizontal", widths=0.5, whis=(0, 100), manage_ticks=False,
            patch_artist=True, medianprops={"color": "black", "linewidth": 1.6, "zorder": 5},
            boxprops={"facecolor": "#CFE4F2", "edgecolor": BLUE}, whiskerprops={"color": BLUE},
            capprops={"color": BLUE},
        )  # fmt: skip
    rank = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    offset = (rank * 0.618034) % 1 - 0.5  # golden ratio: neighbours in score lie apart, without chance
    size = 16 if scores.size <= 50 else 6
    alpha = 0.75 if scores.size <= 50 else 0.35
    offset = offset * (0.4 if scores.size > 1 else 0)
    axes.scatter(scores, place + offset, s=size, color=BLUE, alpha=alpha, linewidths=0, zorder=3, label="one seed")


def _published(axes: Axes, place: int, row: RowScores, metric: str) -> None:
    for figure in row.row.published:
        if metric not in figure.metrics:
            continue
        for value, marker, label in (
            (figure.max, "v", "published MAX"),
            (figure.avg, "D", "published AVG"),
            (figure.figure, "*", f"published, {ALONE}"),
        ):
            if np.isfinite(value):
                axes.plot(
                    value,
                    place - 0.36,
                    marker,
                    color=VERMILION,
                    markersize=6,
                    markeredgecolor="white",
                    zorder=4,
                    label=label,
                )
        if np.isfinite(figure.avg) and np.isfinite(figure.std):
            ends = (figure.avg - figure.std, figure.avg + figure.std)
            axes.plot(
                ends, (place - 0.36,) * 2, color=VERMILION, linewidth=1.2, zorder=3.5, label="published AVG ± STD"
            )


def _curves(axes: Axes, frame: pd.DataFrame) -> None:
    finite = frame[np.isfinite(frame["value"])]
    spare = iter((PURPLE, ORANGE, SKY))
    for split in dict.fromkeys(finite["split"]):
        colour = SPLIT_COLOURS.get(split) or next(spare, GREY)
        groups = finite[finite["split"] == split].groupby("epoch")["value"]
        low, median, high = (groups.quantile(level) for level in (0.1, 0.5, 0.9))
        axes.fill_between(median.index, low, high, color=colour, alpha=0.2, linewidth=0)
        marker = "o" if len(median) == 1 else None
        few = groups.count() < groups.count().max() / 2
        axes.plot(median.index, median, ":", color=colour, linewidth=1.2)
        axes.plot(
            median.index,
            median.mask(few),
            color=colour,
            linewidth=1.6,
            marker=marker,
            label=f"{split}: median, 10 to 90 %",
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_below(figure: Figure, *panels: Axes) -> None:
    """One legend for all panels below them, every label once."""
    entries = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if entries:
        columns = min(max(1, int(figure.get_figwidth() / 2.3)), len(entries))
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def finished(
    report: Report, figure: Figure, file_name: str, group: str, title: str, caption: str, dpi: int = DPI
) -> Drawing:
    """The figure under its title as PNG, with the stamp where the data are a stand-in."""
    width = figure.get_figwidth()
    heading = textwrap.fill(title, int(width * 11.5))
    if report.synthetic:
        caption = f"Synthetic corpus. {caption}"
        heading = f"\n{heading}"  # an empty line, where the stamp stands
        pill: dict[str, Any] = {"boxstyle": "round,pad=0.3", "facecolor": VERMILION, "edgecolor": "none"}
        x, y = 0.1 / width, 1 - 0.07 / figure.get_figheight()
        stamp = figure.text(x, y, STAMP, color="white", weight="bold", fontsize=8, va="top", bbox=pill)
        stamp.set_in_layout(False)
    figure.suptitle(heading, fontsize=10, fontweight="bold", x=0.05 / width, ha="left", linespacing=1.5)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    png = _with_palette(buffer) if report.many_tables else buffer.getvalue()
    return Drawing(file_name, group, title, caption, png)


def _with_palette(png: io.BytesIO) -> bytes:
    """The picture in 256 colours, which no eye tells from all: well under half the bytes."""
    with Image.open(png) as picture:
        reduced = picture.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _stages(scored: Sequence[RowScores]) -> dict[str, list[str]]:
    """The stages of the rows with the metrics that their rows ask for."""
    stages: dict[str, list[str]] = {}
    for row in scored:
        wanted = stages.setdefault(row.row.stage, [])
        wanted += [metric for metric in row.row.metrics if metric not in wanted]
    return stages


def shortened(text: str, width: int = 34) -> str:
    """At most two lines."""
    return textwrap.fill(text, width, max_lines=2, placeholder="…")


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "row"
