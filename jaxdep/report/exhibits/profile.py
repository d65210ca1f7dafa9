"""The mean output of emotion models over the segments of groups of people (Wu et al. 2022, Figures 2 and 3).

Reads `PROFILE`: for each model, task, class and group the mean over all segments with the ends of its
95 % interval, from a bootstrap over participants (`nan` where there is none). `class` is empty where the task is a
score; elsewhere the mean is one of probabilities. And `FINDINGS`, what the paper found beside what is found here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxdep.config.findings import FINDINGS
from jaxdep.config.stages.profile import PROFILE
from jaxdep.report.csv_files import numbers, refuse
from jaxdep.report.exhibits.parts import (
    Draw,
    ExhibitKind,
    Grid,
    Part,
    findings,
    groups,
    listed,
    read_rows,
    unique,
    within,
)
from jaxdep.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, legend_below, shortened

_GROUP_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, GREY)
_CAPTION = (
    "Mean output over all segments of a group, by the model that heard (A), read (T) or did both (A+T); lines are 95 % "
    "intervals by bootstrap over participants."
)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """The figures, the same as a table, and a sentence for each model. Raises DataError where the file is wrong."""
    frame = read(folder / PROFILE.name)
    panels = _panels(frame)
    drawings = tuple(
        draw(figure(panel, name, probability), f"_{number}", name, _CAPTION)
        for number, (name, probability, panel) in enumerate(panels, 1)
    )
    sentences = (*_counts(frame), *(compared(model, rows) for (model,), rows in groups(frame, "model")))
    told, compared_grids = findings(folder)
    grids = tuple(_grid(panel, name) for name, _, panel in panels)
    return (Part("", (*sentences, *told), drawings, (*grids, *compared_grids)),)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers, and in column `item` what a bar is called: its class, or a score's task."""
    frame = read_rows(path, PROFILE.columns, ("model", "task", "class", "group"))
    is_class = frame["class"] != ""
    frame = frame.assign(
        mean=within(path, frame, "mean"),
        **{name: numbers(path, frame, name) for name in ("ci_low", "ci_high")},
        **{name: within(path, frame, name, low=0, whole=True) for name in ("recordings", "segments")},
        item=frame["class"].where(is_class, frame["task"]),
    )
    refuse(path, frame, "mean", is_class & ~frame["mean"].between(0, 1), "is not a probability")
    torn = (frame["ci_low"].isna() != frame["ci_high"].isna()) | (frame["ci_low"] > frame["ci_high"])
    refuse(path, frame, "ci_low", torn | np.isinf(frame["ci_low"]), "is no lower end to the interval's ci_high")
    return frame


def figure(panel: pd.DataFrame, name: str, probability: bool) -> Figure:
    """A cluster of bars for each class or attribute, in it a bar for each model and group, the groups side by side."""
    models, items, labels = (unique(panel, name) for name in ("model", "item", "group"))
    width = 1 / (len(labels) + 0.6)  # of a bar, where a model's place is 1 wide
    places = {
        (item, model): first * (len(models) + 0.8) + second
        for first, item in enumerate(items)
        for second, model in enumerate(models)
    }
    drawn = Figure(figsize=(min(14.0, max(4.6, 1.4 + 0.5 * len(places))), 3.3), layout="constrained")
    axes = drawn.add_subplot()
    for number, group in enumerate(labels):
        rows = panel[panel["group"] == group]
        x = np.array([places[item, model] for item, model in zip(rows["item"], rows["model"], strict=True)])
        x = x + (number - (len(labels) - 1) / 2) * width
        colour = _GROUP_COLOURS[number % len(_GROUP_COLOURS)]
        axes.bar(x, rows["mean"], width, color=colour, alpha=0.85, label=group)
        axes.vlines(x, rows["ci_low"], rows["ci_high"], color="black", linewidth=1.1, zorder=4)
    _ticks(axes, places, len(models))
    axes.set_ylabel("mean probability" if probability else "mean score")
    axes.axhline(0, color=GREY, linewidth=0.8)
    legend_below(drawn, axes)
    return drawn


def compared(model: str, rows: pd.DataFrame) -> str:
    """In which classes and attributes each group is the highest for a model, and whether the intervals overlap."""
    labels = unique(rows, "group")
    higher: dict[str, list[str]] = {group: [] for group in labels}
    alike = []
    for item, bars in _items(rows):
        if len(bars) < 2:
            continue
        first, second = bars.nlargest(2, "mean").to_dict("records")
        if first["mean"] == second["mean"]:
            alike.append(item)
            continue
        figures = f"{first['mean']:.3f} against {second['mean']:.3f}"
        higher[first["group"]].append(f"{item} ({figures}, {_overlap(first, second)})")
    found = [f"{group} is higher in {listed(items)}" for group, items in higher.items() if items]
    found += [f"there is no difference in {listed(alike)}"] if alike else []
    return f"{model}: {'; '.join(found) or f'nothing to compare, the only group is {listed(labels)}'}."


def _overlap(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> str:
    ends = [bar[end] for bar in (first, second) for end in ("ci_low", "ci_high")]
    if np.isnan(ends).any():
        return "no intervals"
    return "intervals overlap" if first["ci_low"] <= second["ci_high"] else "intervals apart"


def _panels(frame: pd.DataFrame) -> list[tuple[str, bool, pd.DataFrame]]:
    """Heading, whether of probabilities, and rows: a panel for each task with classes, one for all scores."""
    is_class = frame["class"] != ""
    found = [(f"Classes of {task}", True, rows) for (task,), rows in groups(frame[is_class], "task")]
    scores = frame[~is_class]
    return found if scores.empty else [*found, (f"Scores: {listed(unique(scores, 'task'))}", False, scores)]


def _items(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The bars of each class and attribute; a class is named with its task where another task has one of that name."""
    by_task = groups(rows, "task", "class")
    names = [label or task for (task, label), _ in by_task]
    return [
        (f"{name} ({task})" if names.count(name) > 1 else name, bars)
        for name, ((task, _), bars) in zip(names, by_task, strict=True)
    ]


def _grid(panel: pd.DataFrame, name: str) -> Grid:
    labels = unique(panel, "group")
    body = []
    for (model, item), bars in groups(panel, "model", "item"):
        of_group = {bar["group"]: bar for bar in bars.to_dict("records")}
        cells = [_cells(of_group.get(group)) for group in labels]
        body.append((model, item, *(cell for pair in cells for cell in pair)))
    headings = (heading for group in labels for heading in (f"{group}, mean", "95 % interval"))
    return Grid(("Model", name, *headings), tuple(body), 2)


def _cells(bar: Mapping[Any, Any] | None) -> tuple[str, str]:
    if bar is None:
        return "–", "–"
    ends = "–" if np.isnan(bar["ci_low"]) else f"{bar['ci_low']:.3f} to {bar['ci_high']:.3f}"
    return f"{bar['mean']:.3f}", ends


def _counts(frame: pd.DataFrame) -> tuple[str, ...]:
    """How many recordings and segments each group has; for each model and task where those differ."""

    def of(rows: pd.DataFrame) -> str:
        counts = rows.drop_duplicates(["group", "recordings", "segments"]).to_dict("records")
        return "; ".join(
            f"{row['group']}: {row['recordings']} recordings, {row['segments']} segments" for row in counts
        )

    found = {f"{model}, {task}": of(rows) for (model, task), rows in groups(frame, "model", "task")}
    texts = set(found.values())
    return (f"{texts.pop()}.",) if len(texts) == 1 else tuple(f"{name}: {text}." for name, text in found.items())


def _ticks(axes: Axes, places: dict[tuple[str, str], float], n_models: int) -> None:
    """Below the axis the models, and below those the classes or attributes."""
    axes.set_xticks(list(places.values()), [shortened(model, 8) for _, model in places], fontsize=7)
    items = list(dict.fromkeys(item for item, _ in places))
    centres = [np.mean([place for (other, _), place in places.items() if other == item]) for item in items]
    below = axes.secondary_xaxis(-0.09)
    below.set_xticks(centres, [shortened(item, 4 + 6 * n_models) for item in items])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")


EXHIBIT = ExhibitKind("profile", (PROFILE, FINDINGS), parts)
