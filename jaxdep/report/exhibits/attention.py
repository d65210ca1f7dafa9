"""Weights of attention heads: those with a large target sharpness should be spiky, the others smooth.

(Wu et al. 2022, section 2; the penalty drives A A^T towards a diagonal of target sharpnesses, λ; 0 stands for 1/T.)
Reads `ATTENTION`, the weights of a few examples over their positions: in the branch called text these are
utterances of the dialogue, counted from the current one, elsewhere frames. And `ATTENTION_HEADS`, means
over the examples of more than one position: `peak` of the largest weight times the number of positions T, `flatness` of
exp(entropy) / T. Both are 1 for a flat head; a spike has T and 1/T. `target` is the mean of what the sum of A^2 over the
positions, `concentration`, is to be: λ, or each example's 1/T.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxdep.config.stages.attention import ATTENTION, ATTENTION_HEADS
from jaxdep.report.exhibits.parts import Draw, ExhibitKind, Grid, Part, groups, listed, read_rows, unique, within
from jaxdep.report.figures import BLUE, GREY, VERMILION, legend_below, shortened, slug

EXAMPLES_ACROSS = 4
FLAT = 0.9  # a head of more flatness is nearly flat, whatever its target
MET = 1.5  # a head meets its target where its concentration lies within this factor of it
ROUNDING = 1e-3  # by which a flat head's peak may fall short of 1
TEXT = "text"  # the branch whose positions are utterances

_CAPTION = (
    "Weights over the positions, a line of panels a head, an example a column; λ is the head's target sharpness. "
    "The dashed line is a flat head's weight, over the positions that an example has."
)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """For each branch its figures, a table of the heads and whether they meet their targets. Raises DataError."""
    weights, heads = read_weights(folder / ATTENTION.name), read_heads(folder / ATTENTION_HEADS.name)
    found: list[Part] = []
    for (branch,), rows in groups(heads, "branch"):
        examples = weights[weights["branch"] == branch]
        names, span = unique(examples, "example"), _span(branch, examples)
        pages = [names[start : start + EXAMPLES_ACROSS] for start in range(0, len(names), EXAMPLES_ACROSS)]
        drawings = tuple(
            draw(
                figure(examples[examples["example"].isin(page)], span),
                f"_{len(found) + 1}_{slug(branch)}_{number}",
                f"Attention of the {branch} branch" + (f", {number} of {len(pages)}" if pages[1:] else ""),
                _CAPTION,
            )
            for number, page in enumerate(pages, 1)
        )
        found.append(Part(f"Branch: {branch}", (compared(rows),), drawings, (_grid(rows),)))
    return tuple(found)


def read_weights(path: Path) -> pd.DataFrame:
    """attention.csv with numbers as numbers."""
    frame = read_rows(path, ATTENTION.columns, ("example", "branch", "head", "position"))
    return frame.assign(
        head=within(path, frame, "head", whole=True),
        position=within(path, frame, "position", whole=True),
        sharpness=within(path, frame, "sharpness"),
        weight=within(path, frame, "weight", 0, 1),
    )


def read_heads(path: Path) -> pd.DataFrame:
    """attention_heads.csv with numbers as numbers, ordered by head."""
    frame = read_rows(path, ATTENTION_HEADS.columns, ("branch", "head"))
    frame = frame.assign(
        head=within(path, frame, "head", whole=True),
        sharpness=within(path, frame, "sharpness"),
        peak=within(path, frame, "peak", 1 - ROUNDING),
        flatness=within(path, frame, "flatness", 0, 1),
        examples=within(path, frame, "examples", 1, whole=True),
        target=within(path, frame, "target", 0, 1),
        concentration=within(path, frame, "concentration", 0, 1 + ROUNDING),
    )
    return frame.sort_values("head", kind="stable")


def figure(weights: pd.DataFrame, span: tuple[int, int] | None = None) -> Figure:
    """A line of panels a head, a column an example; heads of a spiky target in one colour, of a smooth one in another.

    Args:
        weights: as from `read_weights`, of one branch.
        span: first and last utterance of every column, relative to the current one; None where positions are frames,
            of which every example has its own number.
    """
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
            axes.tick_params(labelsize=7)
            axes.xaxis.set_major_locator(MaxNLocator("auto", steps=(1, 2, 5, 10), integer=True))
            if span is not None:
                axes.set_xlim(span[0] - 0.6, span[1] + 0.6)
        line[0].set_ylim(bottom=0)  # once all of the line is drawn: it ends the scaling to what is drawn
        line[0].set_ylabel(f"head {head}\nλ = {_wanted(sharpness)}", fontsize=8)
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(shortened(name, 24), fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("frame" if span is None else "utterance, relative\nto the current one", fontsize=8)
    legend_below(drawn, *grid.ravel())
    return drawn


def is_spiky(sharpness: "pd.Series[float]") -> np.ndarray:
    """The heads nearer to the largest target sharpness than to the smallest; none where all have the same."""
    return (sharpness > (sharpness.min() + sharpness.max()) / 2).to_numpy()


def compared(heads: pd.DataFrame) -> str:
    """Whether the heads of a branch with a spiky target are less flat than the others, and which miss their target."""
    spiky = is_spiky(heads["sharpness"])
    if not spiky.any():
        return f"All heads have the target sharpness {_wanted(heads['sharpness'].iloc[0])}: none is spiky or smooth by design."
    most, least = heads[spiky].nlargest(1, "flatness").iloc[0], heads[~spiky].nsmallest(1, "flatness").iloc[0]
    failed = _names(heads[spiky & (heads["flatness"] >= least["flatness"])])
    return (
        f"{'Not every' if failed else 'Every'} head with a spiky target is less flat than every one with a smooth "
        f"target{f' (not {failed})' if failed else ''}: the flattest of the former ({most['head']:g}) has a mean "
        f"flatness of {most['flatness']:.3f}, the least flat of the latter ({least['head']:g}) one of {least['flatness']:.3f}. "
        f"{_missed(heads)}"
    )


def _missed(heads: pd.DataFrame) -> str:
    """Which heads miss their own targets: one may be less flat than another and still be no spike."""
    told = f"within a factor of {MET:g} of its λ"
    flatter = heads[heads["concentration"] * MET < heads["target"]]
    spikier = heads[heads["concentration"] > heads["target"] * MET]
    found = [
        f"{what} than its λ asks: {_names(rows)}."
        for what, rows in (("Flatter", flatter), ("Spikier", spikier))
        if len(rows)
    ]
    if (heads["flatness"] > FLAT).all():
        found.append(f"All heads are nearly flat (flatness above {FLAT:g}): none is a spike.")
    if not len(flatter) and not len(spikier):
        found.insert(0, f"The concentration of every head is {told}.")
    elif len(flatter) + len(spikier) < len(heads):
        found.insert(0, f"The concentration of the others is {told}.")
    return " ".join(found)


def _wanted(sharpness: float) -> str:
    """A head's λ as text."""
    return f"{sharpness:g}" if sharpness else "1/T"


def _names(heads: pd.DataFrame) -> str:
    return listed(heads["head"].astype(str).tolist())


def _span(branch: str, examples: pd.DataFrame) -> tuple[int, int] | None:
    """First and last utterance of all examples, so that every figure of the branch has the same; None of frames."""
    if branch != TEXT or examples.empty:
        return None
    return int(examples["position"].min()), int(examples["position"].max())


def _weights(axes: Axes, rows: pd.DataFrame, spiky: bool) -> None:
    low, high = rows["position"].min(), rows["position"].max()
    values, flat = np.full((2, high - low + 1), np.nan)
    values[rows["position"] - low], flat[rows["position"] - low] = rows["weight"], 1 / len(rows)
    edges = np.arange(low, high + 2) - 0.5
    style: dict[str, Any] = (
        {"color": VERMILION, "label": "target: spiky"} if spiky else {"color": BLUE, "label": "target: smooth"}
    )
    axes.stairs(values, edges, fill=True, alpha=0.85, **style)
    axes.stairs(flat, edges, baseline=None, color=GREY, linewidth=0.9, linestyle="--", label="flat")


def _grid(heads: pd.DataFrame) -> Grid:
    kinds = np.where(is_spiky(heads["sharpness"]), "spiky", "smooth")
    body = tuple(
        (
            *(str(row.head), kind, wanted, f"{row.peak:.3f}", f"{row.flatness:.3f}"),
            *(f"{row.target:.3f}", f"{row.concentration:.3f}", str(row.examples)),
        )
        for row, kind, wanted in zip(heads.itertuples(), kinds, heads["sharpness"].map(_wanted), strict=True)
    )
    headings = (
        *("Head", "Target", "sharpness λ", "largest weight × T (1 = flat)", "flatness (1 = flat)"),
        *("λ, mean", "concentration ΣA²", "examples"),
    )
    return Grid(headings, body, 2)


EXHIBIT = ExhibitKind("attention", (ATTENTION, ATTENTION_HEADS), parts)
