"""Weights of attention heads: those with a large target sharpness should be spiky, the others smooth.

(Wu et al. 2022, section 2; the penalty drives A A^T towards a diagonal of target sharpnesses.)
Reads attention.csv, columns `COLUMNS`, with the weights of a few examples over their positions, and
attention_heads.csv, columns `HEAD_COLUMNS`, with means over many examples: `peak` of the largest weight, `flatness` of
exp(entropy) / number of positions, which is 1 for a flat head and 1/T for a spike.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxdep.report.exhibits.parts import Draw, Grid, Part, groups, listed, read_rows, unique, within
from jaxdep.report.figures import BLUE, GREY, VERMILION, legend_below, shortened, slug

COLUMNS = ("example", "branch", "head", "sharpness", "position", "weight")
HEAD_COLUMNS = ("branch", "head", "sharpness", "peak", "flatness", "examples")
EXAMPLES_ACROSS = 4

_CAPTION = (
    "Weights over the positions, a line of panels a head, an example a column; λ is the head's target sharpness. "
    "The dashed line is a flat head's weight."
)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """For each branch its figures, a table of the heads and whether spiky ones are spiky. Raises DataError."""
    weights, heads = read_weights(folder / "attention.csv"), read_heads(folder / "attention_heads.csv")
    found: list[Part] = []
    for (branch,), rows in groups(heads, "branch"):
        examples = weights[weights["branch"] == branch]
        names = unique(examples, "example")
        pages = [names[start : start + EXAMPLES_ACROSS] for start in range(0, len(names), EXAMPLES_ACROSS)]
        drawings = tuple(
            draw(
                figure(examples[examples["example"].isin(page)]),
                f"_{len(found) + 1}_{slug(branch)}_{number}",
                f"Attention of the {branch} branch" + (f", {number} of {len(pages)}" if pages[1:] else ""),
                _CAPTION,
            )
            for number, page in enumerate(pages, 1)
        )
        found.append(Part(f"Branch: {branch}", (peaked(rows),), drawings, (_grid(rows),)))
    return tuple(found)


def read_weights(path: Path) -> pd.DataFrame:
    """attention.csv with numbers as numbers."""
    frame = read_rows(path, COLUMNS, ("example", "branch", "head", "position"))
    return frame.assign(
        head=within(path, frame, "head", whole=True),
        position=within(path, frame, "position", whole=True),
        sharpness=within(path, frame, "sharpness"),
        weight=within(path, frame, "weight", 0, 1),
    )


def read_heads(path: Path) -> pd.DataFrame:
    """attention_heads.csv with numbers as numbers, ordered by head."""
    frame = read_rows(path, HEAD_COLUMNS, ("branch", "head"))
    frame = frame.assign(
        head=within(path, frame, "head", whole=True),
        sharpness=within(path, frame, "sharpness"),
        peak=within(path, frame, "peak", 0, 1),
        flatness=within(path, frame, "flatness", 0, 1),
        examples=within(path, frame, "examples", 1, whole=True),
    )
    return frame.sort_values("head", kind="stable")


def figure(weights: pd.DataFrame) -> Figure:
    """A line of panels a head, a column an example; spiky heads in one colour, smooth ones in another."""
    heads = weights.drop_duplicates("head").sort_values("head")
    spiky = dict(zip(heads["head"], is_spiky(heads["sharpness"]), strict=True))
    names = unique(weights, "example")
    drawn = Figure(figsize=(1.4 + 1.9 * len(names), 0.9 + 0.85 * len(heads)), layout="constrained")
    grid = drawn.subplots(len(heads), len(names), squeeze=False, sharex="col", sharey="row")
    by_panel = {(int(head), name): rows for (head, name), rows in groups(weights, "head", "example")}
    for line, (head, sharpness) in zip(grid, heads[["head", "sharpness"]].itertuples(index=False), strict=True):
        for axes, name in zip(line, names, strict=True):
            if (head, name) in by_panel:
                _weights(axes, by_panel[head, name], spiky[head])
            axes.set_ylim(bottom=0)
            axes.tick_params(labelsize=7)
        line[0].set_ylabel(f"head {head}\nλ = {sharpness:g}", fontsize=8)
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(shortened(name, 24), fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("position", fontsize=8)
    legend_below(drawn, *grid.ravel())
    return drawn


def is_spiky(sharpness: "pd.Series[float]") -> np.ndarray:
    """The heads nearer to the largest target sharpness than to the smallest; none where all have the same."""
    return (sharpness > (sharpness.min() + sharpness.max()) / 2).to_numpy()


def peaked(heads: pd.DataFrame) -> str:
    """Whether every spiky head of a branch is more peaked than every smooth one."""
    spiky = is_spiky(heads["sharpness"])
    if not spiky.any():
        return f"All heads have the target sharpness {heads['sharpness'].iloc[0]:g}: none is spiky or smooth by design."
    least, most = heads[spiky].nsmallest(1, "peak").iloc[0], heads[~spiky].nlargest(1, "peak").iloc[0]
    figures = (
        f"the least peaked spiky head ({least['head']}) has a mean largest weight of {least['peak']:.3f}, the most "
        f"peaked smooth head ({most['head']}) one of {most['peak']:.3f}"
    )
    if least["peak"] > most["peak"]:
        return f"Every spiky head is more peaked than every smooth one: {figures}."
    failed = heads[spiky & (heads["peak"] <= most["peak"])]["head"].astype(str).tolist()
    return f"Not every spiky head is more peaked than every smooth one (not {listed(failed)}): {figures}."


def _weights(axes: Axes, rows: pd.DataFrame, spiky: bool) -> None:
    low, high = rows["position"].min(), rows["position"].max()
    values = np.zeros(high - low + 1)
    values[rows["position"] - low] = rows["weight"]
    style: dict[str, Any] = (
        {"color": VERMILION, "label": "spiky head"} if spiky else {"color": BLUE, "label": "smooth head"}
    )
    axes.stairs(values, np.arange(low, high + 2) - 0.5, fill=True, alpha=0.85, **style)
    axes.axhline(1 / len(rows), color=GREY, linewidth=0.9, linestyle="--", label="flat")


def _grid(heads: pd.DataFrame) -> Grid:
    kinds = np.where(is_spiky(heads["sharpness"]), "spiky", "smooth")
    body = tuple(
        (str(row.head), kind, f"{row.sharpness:g}", f"{row.peak:.3f}", f"{row.flatness:.3f}", str(row.examples))
        for row, kind in zip(heads.itertuples(), kinds, strict=True)
    )
    headings = ("Head", "Kind", "target sharpness λ", "largest weight", "flatness (1 = flat)", "examples")
    return Grid(headings, body, 2)
