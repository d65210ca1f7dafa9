"""What compiling for accelerators says: table, plans.csv and plans.png."""

import datetime
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from jaxdep.benchmark.accelerators import accelerators
from jaxdep.benchmark.accelerators.plan import Plan, seeds_that_fit
from jaxdep.benchmark.report import scale_by_seeds
from jaxdep.files import write_json, write_text
from jaxdep.report.figures import BLUE, DPI, GREEN, GREY, PURPLE, STYLE, VERMILION

_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, GREY)


def frame(plans: Sequence[Plan]) -> pd.DataFrame:
    """One line a plan, with units in the names of the columns."""
    return pd.DataFrame(
        {
            "device": plan.accelerator,
            "system": plan.system,
            "program": plan.what,
            "seeds": plan.seeds,
            "mapper": plan.mapper,
            "precision": plan.precision,
            "compile_s": plan.compile_s,
            "memory_gb": plan.memory_gb,
            "device_memory_gb": accelerators()[plan.accelerator].memory_gb,
            "fits": plan.fits,
            "seeds_that_fit": _fit(plan, plans),
            "gflop": plan.flops / 1e9,
            "gigabytes_moved": plan.nbytes / 1e9,
            "compute_s": plan.bounds.compute if plan.bounds else math.nan,
            "memory_s": plan.bounds.memory if plan.bounds else math.nan,
            "launch_s": plan.bounds.launch if plan.bounds else math.nan,
            "roofline_s": plan.bounds.roofline if plan.bounds else math.nan,
            "compiler_s": plan.bounds.compiler if plan.bounds else math.nan,
            "predicted_s": plan.bounds.predicted if plan.bounds else math.nan,
            "binds": plan.bounds.binds if plan.bounds else "",
            "kernels_a_time_step": "+".join(map(str, plan.kernels_a_step)),
            "found": _found(plan),
        }
        for plan in plans
    )


def _fit(plan: Plan, plans: Sequence[Plan]) -> int | None:
    alike = [
        other
        for other in plans
        if (other.accelerator, other.system, other.what, other.mapper)
        == (plan.accelerator, plan.system, plan.what, plan.mapper)
    ]
    return seeds_that_fit(alike, accelerators()[plan.accelerator])


def _found(plan: Plan) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in plan.found.items())


def show(plans: Sequence[Plan], versions: Mapping[str, str], console: Console) -> None:
    """Prints the table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    for head in ("device", "system", "program"):
        table.add_column(head, no_wrap=True)
    for head in ("seeds", "mapper", "compile s", "GB", "fit", "GFLOP", "GB moved", "arith. ms", "memory ms",
                 "launch ms", "compiler ms", "ms", "kernels"):  # fmt: skip
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("binds; found")
    for plan in plans:
        table.add_row(*_cells(plan, plans))
    console.print(table)
    console.print(
        "Compiled, not run: ms is what one step of all seeds takes at least, by published peaks (evaluation: all examples), "
        "the largest of: kernel by kernel its arithmetic or memory; launches; where the compiler estimates, its estimate."
    )
    console.print(
        "GB: of one device, by the compiler's plan; fit: seeds that its memory holds; kernels: that a time step of each scan "
        "starts (unrolled: eight time steps; graph: none of them by the host)."
    )
    for name in dict.fromkeys(plan.accelerator for plan in plans):
        console.print(f"{name}: {accelerators()[name].title}; {accelerators()[name].source}")
    console.print(
        ", ".join(f"{name} {versions[name]}" for name in ("jax", "precision", "revision") if name in versions)
    )


def _cells(plan: Plan, plans: Sequence[Plan]) -> list[str]:
    fit = _fit(plan, plans)
    cells = [plan.accelerator, plan.system, plan.what, str(plan.seeds), plan.mapper, f"{plan.compile_s:.1f}"]
    cells += [_number(plan.memory_gb), "-" if fit is None else str(fit)]
    if plan.bounds is None:
        return [*cells, *["-"] * 8, "does not fit"]
    bounds = plan.bounds
    seconds = (bounds.compute, bounds.memory, bounds.launch, bounds.compiler, bounds.predicted)
    cells += [_number(plan.flops / 1e9), _number(plan.nbytes / 1e9), *(_number(1e3 * value) for value in seconds)]
    notes = [bounds.binds, *([] if plan.fits else ["does not fit"]), *([_found(plan)] if plan.found else [])]
    return [*cells, "+".join(map(str, plan.kernels_a_step)) or "-", "; ".join(notes)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) or value == 0 else f"{value:.3g}"


def write(plans: Sequence[Plan], versions: Mapping[str, str], folder: Path) -> None:
    """Writes plans.csv, plans.png and environment.json."""
    write_text(folder / "plans.csv", frame(plans).to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_json(folder / "environment.json", dict(versions) | {"date": datetime.date.today().isoformat()})
    with matplotlib.style.context(["default", STYLE]):
        cost_figure(plans).savefig(folder / "plans.png", dpi=DPI)


def cost_figure(plans: Sequence[Plan]) -> Figure:
    """A panel a system: predicted seconds a step and seed against the number of seeds, by device and mapper."""
    training = [plan for plan in plans if plan.what == "training"]
    systems = list(dict.fromkeys(plan.system for plan in training))
    lines = list(dict.fromkeys((plan.accelerator, plan.mapper) for plan in training))
    styles = dict(zip(lines, itertools.cycle(_COLOURS), strict=False))
    figure = Figure(figsize=(3.2 * len(systems) + 0.6, 3.4), layout="constrained")
    for axes, system in zip(figure.subplots(1, len(systems), squeeze=False)[0], systems, strict=True):
        known = [(plan, plan.bounds) for plan in training if plan.system == system and plan.bounds]
        for line in lines:
            here = [(p.seeds, bounds.predicted / p.seeds) for p, bounds in known if (p.accelerator, p.mapper) == line]
            axes.plot(*np.reshape(here, (-1, 2)).T, "o-", color=styles[line], label=", ".join(line))
        axes.set_title(system)
        scale_by_seeds(axes, sorted({plan.seeds for plan in training}))
        if not known:
            axes.text(0.5, 0.5, "does not fit", transform=axes.transAxes, ha="center")
            axes.set_yticks([])
    figure.axes[0].set_ylabel("predicted seconds a step and seed")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
    return figure
