"""The benchmark's table, CSV and figure."""

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter
from rich import box
from rich.console import Console
from rich.table import Table

from jaxdep.files import write_json, write_text
from jaxdep.report.figures import BLUE, DPI, GREEN, GREY, PURPLE, STYLE, VERMILION

_COLOURS = {"jaxdep": BLUE, "loop": VERMILION, "threads": GREEN, "graph": PURPLE}
_NAMES = {"loop": "PyTorch, loop", "threads": "PyTorch, a thread a core", "graph": "PyTorch, CUDA graph"}


@dataclasses.dataclass(frozen=True)
class Row:
    """A system at a number of seeds.

    Attributes:
        step_s: seconds of one step of all seeds, by candidate: `jaxdep`, and the ways of the peer.
        ratios: by way of the peer, how many times as long as jaxdep it takes.
        memory_bytes: of one device, by the compiler's plan; None where it tells none.
        step_flops: of one step of one seed.
        ceiling: floating-point operations a second that large matrix products reach on all devices.
        overhead: what `loop` takes more than the bare steps, as a share; None where it was not measured.
    """

    system: str
    seeds: int
    mapper: str
    step_s: Mapping[str, float]
    ratios: Mapping[str, float]
    compile_s: float
    memory_bytes: int | None
    step_flops: float
    ceiling: float
    overhead: float | None

    @property
    def ceiling_share(self) -> float:
        """Of the operations that large matrix products would do in that time."""
        return self.step_flops * self.seeds / self.step_s["jaxdep"] / self.ceiling


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """One line a row, with units in the names of the columns."""
    return pd.DataFrame(
        {
            "system": row.system,
            "seeds": row.seeds,
            "mapper": row.mapper,
            "step_s": row.step_s["jaxdep"],
            "seed_steps_per_s": row.seeds / row.step_s["jaxdep"],
            "compile_s": row.compile_s,
            "memory_gb": _gigabytes(row),
            "step_gflop": row.step_flops / 1e9,
            "ceiling_gflop_per_s": row.ceiling / 1e9,
            "ceiling_share": row.ceiling_share,
            **{f"torch_{way}_step_s": row.step_s[way] for way in row.ratios},
            **{f"torch_{way}_ratio": ratio for way, ratio in row.ratios.items()},
            **({"torch_best_ratio": min(row.ratios.values())} if row.ratios else {}),
            **({} if row.overhead is None else {"loop_overhead": row.overhead}),
        }
        for row in rows
    )


def _gigabytes(row: Row) -> float:
    return math.nan if row.memory_bytes is None else row.memory_bytes / 1e9


def _ways(rows: Sequence[Row]) -> list[str]:
    """Of the peer, those that ran at least once."""
    return list(dict.fromkeys(way for row in rows for way in row.ratios))


def show(rows: Sequence[Row], versions: Mapping[str, str], console: Console) -> None:
    """Prints the table."""
    ways, has_overhead = _ways(rows), rows[0].overhead is not None
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    table.add_column("system", no_wrap=True)
    heads = ["seeds", "mapper", "s/step", "steps/s", "compile s", "GB", "GFLOP", "of ceiling"]
    heads += [f"{way} s" for way in ways] + (["ratio"] if ways else [])
    for head in [*heads, *(["overhead"] if has_overhead else [])]:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        step_s = row.step_s["jaxdep"]
        cells = [
            row.system, str(row.seeds), row.mapper, f"{step_s:.4g}", f"{row.seeds / step_s:.4g}",
            f"{row.compile_s:.1f}", f"{_gigabytes(row):.3g}", f"{row.step_flops / 1e9:.3g}",
            f"{100 * row.ceiling_share:.0f} %", *(f"{row.step_s[way]:.4g}" if way in row.step_s else "-" for way in ways),
        ]  # fmt: skip
        cells += [f"{min(row.ratios.values()):.2f}" if row.ratios else "-"] if ways else []
        cells += [f"{100 * row.overhead:+.1f} %"] if row.overhead is not None else []
        table.add_row(*cells)
    console.print(table)
    console.print(
        "s/step: one training step of all seeds; steps/s: of single seeds; GFLOP: of one seed's step, by XLA;"
    )
    console.print("GB: of one device, by the compiler's plan; of ceiling: of what a large matrix product reaches here.")
    if ways:
        names = "; ".join(f"{way}: {_NAMES[way]}" for way in ways)
        console.print(f"{names}; ratio: how many times as long the quicker of them takes.")
    if has_overhead:
        console.print(
            "overhead: what the mapper `loop` takes beyond so many times the bare compiled step, on one device."
        )
    named = ("devices", "platform", "jax", "torch", "precision", "revision")
    console.print(", ".join(f"{name} {versions[name]}" for name in named if name in versions))


def write(rows: Sequence[Row], versions: Mapping[str, str], folder: Path) -> None:
    """Writes benchmark.csv, benchmark.png and environment.json."""
    write_text(folder / "benchmark.csv", frame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_json(folder / "environment.json", dict(versions) | {"date": datetime.date.today().isoformat()})
    with matplotlib.style.context(["default", STYLE]):
        cost_figure(rows).savefig(folder / "benchmark.png", dpi=DPI)


def cost_figure(rows: Sequence[Row]) -> Figure:
    """A panel a system: seconds a step and seed against the number of seeds, of jaxdep and of each way of the peer."""
    systems = list(dict.fromkeys(row.system for row in rows))
    figure = Figure(figsize=(3.2 * len(systems) + 0.6, 3.2), layout="constrained")
    for axes, system in zip(figure.subplots(1, len(systems), squeeze=False)[0], systems, strict=True):
        here = [row for row in rows if row.system == system]
        for candidate in ["jaxdep", *_ways(here)]:
            timed = [row for row in here if candidate in row.step_s]
            axes.plot(
                [row.seeds for row in timed], [row.step_s[candidate] / row.seeds for row in timed], "o-",
                color=_COLOURS.get(candidate, GREY), label=_NAMES.get(candidate, candidate),
            )  # fmt: skip
        axes.set_title(system)
        scale_by_seeds(axes, [row.seeds for row in here])
    figure.axes[0].set_ylabel("seconds a step and seed")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def scale_by_seeds(axes: Axes, seeds: Sequence[int]) -> None:
    """Costs by numbers of seeds, both logarithmic, with ticks that are plain numbers: the style draws no mathematical text."""
    axes.set(xlabel="seeds", xscale="log", yscale="log")
    axes.set_xticks(seeds, list(map(str, seeds)))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
    axes.minorticks_off()
