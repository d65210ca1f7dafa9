"""Times a training step of many seeds: `python -m jaxdep.benchmark [--systems=...] [--seeds=1,20] [--peer=torch] ...`.

Prints a table; with --workdir it also leaves benchmark.csv, benchmark.png and environment.json there. Whatever is
compared is timed in turn, in this one process, and the table gives medians. Compiled programs are not taken from the
cache, so that compiling is timed too. Exit codes: 0 done, 1 failed, 2 usage.

With --compile_for=v5e,h200 nothing is timed: the programs are compiled for devices that need not be here, and the table
(plans.csv, plans.png) says what follows from the compiled programs. One with devices of its own: --compile_for=v5e:2x4.
"""

import dataclasses
import functools
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import jax
from absl import app, flags, logging
from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.progress import progress
from input_pipeline.usage import parse_flags
from jaxdep import config
from jaxdep.benchmark import accelerators, engine, measure, report
from jaxdep.benchmark.accelerators import plan
from jaxdep.benchmark.accelerators import report as plan_report
from jaxdep.benchmark.systems import SYSTEMS, System
from jaxdep.engine.choices import Choices
from jaxdep.engine.devices import cache_folder, use_every_core, use_precision
from jaxdep.experiment.versions import environment
from jaxdep.models.layers.recurrent import LSTM_SCANS

_OPTIONS = flags.FLAGS
_DTYPES = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16"}  # by precision
_ON_CPU, _ON_ACCELERATOR = (1, 20), (1, 20, 100, 1000)  # seeds, unless --seeds says otherwise
_COMPILED = (20, 100, 1000)
_KNOWN = tuple(accelerators.accelerators())
_MAPPERS = ("auto", "vmap", "map", "loop", "pmap")


def _define_flags() -> None:
    flags.DEFINE_list("systems", list(SYSTEMS), "Names of the systems to time, separated by commas.")
    flags.DEFINE_list("seeds", [], "Numbers of seeds, separated by commas; 1,20 on a CPU, else 1,20,100,1000.")
    flags.DEFINE_enum("peer", "none", ["none", "torch"], "Also time the same step in PyTorch.")
    precisions = ["float32", "tf32", "bfloat16"]
    flags.DEFINE_enum("precision", "float32", precisions, "Of the matrix products, on both sides.")
    flags.DEFINE_list("mapper", ["auto"], "How the seed axis is laid out; several, separated by commas, are rows each.")
    flags.DEFINE_integer(
        "group", 0, "Seeds of a device at a time under map and pmap; 0: one on a CPU, else by the plan.", lower_bound=0
    )
    flags.DEFINE_enum("recurrence", "scan", ["auto", *LSTM_SCANS], "How recurrent layers make their steps.")
    flags.DEFINE_integer(
        "data_shards",
        0,
        "Devices that share one seed's batch; the others share the seeds. 0: one, unless `auto` finds more quicker.",
        lower_bound=0,
    )
    flags.DEFINE_list("compile_for", [], "Accelerators to compile for, instead of timing: " + ", ".join(_KNOWN) + ".")
    flags.DEFINE_bool("overhead", False, "Also compare the mapper `loop` with the bare compiled step.")
    flags.DEFINE_integer("rounds", 5, "Times each candidate is timed.", lower_bound=1)
    flags.DEFINE_string("workdir", None, "Where the table, the figure and the environment are written.")
    flags.register_validator("systems", _are_systems)
    flags.register_validator("mapper", _are_mappers, "of " + ", ".join(_MAPPERS))
    flags.register_validator("compile_for", _are_accelerators)
    flags.register_validator("seeds", _are_counts, "whole numbers above 0, separated by commas")


def _are_systems(names: Sequence[str]) -> bool:
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise flags.ValidationError(f"there is no {unknown[0]!r}; there are {', '.join(SYSTEMS)}")
    return bool(names)


def _are_mappers(names: Sequence[str]) -> bool:
    return bool(names) and set(names) <= set(_MAPPERS)


def _are_accelerators(names: Sequence[str]) -> bool:
    unknown = [name for name in names if name.partition(":")[0] not in _KNOWN]
    if unknown:
        raise flags.ValidationError(f"{unknown[0]!r} is not known; known are {', '.join(_KNOWN)}")
    return True


def _are_counts(texts: Sequence[str]) -> bool:
    return all(text.isascii() and text.isdigit() and int(text) > 0 for text in texts)


def main(_: list[str]) -> None:
    """Times what the flags ask for."""
    logging.set_verbosity(logging.WARNING)
    if _OPTIONS.peer == "torch":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the peer needs memory of the device too
    counts = [int(count) for count in _OPTIONS.seeds]
    if _OPTIONS.compile_for:
        jax.config.update("jax_platforms", "cpu")  # whose compilers alone are wanted
    shares = _mapping("auto").chooses_shards and "auto" in _OPTIONS.mapper
    use_every_core(max(counts or _ON_CPU), 0 if shares else _OPTIONS.data_shards or 1)
    use_precision(_OPTIONS.precision)
    default = _COMPILED if _OPTIONS.compile_for else _ON_CPU if jax.default_backend() == "cpu" else _ON_ACCELERATOR
    cases = itertools.product(_OPTIONS.systems, counts or default, _OPTIONS.mapper)
    console = Console(highlight=False)
    console.width = max(console.width, 180 if _OPTIONS.compile_for else 120)  # the table's, also in a log file
    try:
        if _OPTIONS.compile_for:
            plan_report.show(*_plans(list(cases)), console)
        else:
            report.show(*_rows(list(cases)), console)
    except (ConfigError, DataError) as error:
        sys.exit(f"error: {error}")
    if _OPTIONS.workdir:
        console.print(f"written to {_OPTIONS.workdir}")


def _plans(cases: Sequence[tuple[str, int, str]]) -> tuple[list[plan.Plan], dict[str, str]]:
    """What every case (system, seeds, mapper) comes to on every accelerator; the files as in `_rows`."""
    # The devices first: the compilers read their settings once.
    found = [(accelerators.accelerators()[name], _devices(name, size)) for name, size in _targets()]
    versions, plans = _versions(), []
    jobs = list(itertools.product(found, cases))
    for (accelerator, devices), (name, count, mapper) in progress(jobs, len(jobs), "compiling", "programs"):
        for each in ("vmap", "map") if mapper == "auto" else (mapper,):
            mapping = _mapping(each)
            plans += plan.make_plans(name, _system(name), accelerator, devices, count, mapping, _OPTIONS.precision)
        if _OPTIONS.workdir:
            plan_report.write(plans, versions, Path(_OPTIONS.workdir))
    return plans, versions


def _targets() -> list[tuple[str, str]]:
    """The accelerators' names and topologies, "" where one device is enough."""
    return [(name, size) for name, _, size in (text.partition(":") for text in _OPTIONS.compile_for)]


def _devices(name: str, topology: str) -> list[jax.Device]:
    found = accelerators.accelerators()[name].devices(topology)
    return found if topology else found[:1]


def _rows(cases: Sequence[tuple[str, int, str]]) -> tuple[list[report.Row], dict[str, str]]:
    """A row for every case (system, seeds, mapper); the files are written anew after each, so that none is lost."""
    versions, rows = _versions(), []
    ceiling = engine.matmul_ceiling(4096, _DTYPES[_OPTIONS.precision])
    for name, count, mapper in progress(cases, len(cases), "benchmark", "steps"):
        rows.append(_time(name, count, mapper, ceiling))
        if _OPTIONS.workdir:
            report.write(rows, versions, Path(_OPTIONS.workdir))
    return rows, versions


def _system(name: str) -> System:
    """In the precision of the flags."""
    system = SYSTEMS[name]
    model = dataclasses.replace(system.model, dtype=cast(Any, _DTYPES[_OPTIONS.precision]))
    return dataclasses.replace(system, model=model)


def _mapping(mapper: str) -> config.Mapping:
    return config.Mapping(
        mapper=cast(Any, mapper),
        group=_OPTIONS.group,
        recurrence=_OPTIONS.recurrence,
        data_shards=_OPTIONS.data_shards,
    )


def _time(name: str, count: int, mapper: str, ceiling: float) -> report.Row:
    """One row: a system at a number of seeds. A way of the peer that runs out of memory is left out of it."""
    system, mapping = _system(name), _mapping(mapper)
    devices = jax.devices()
    if mapping.data_shards:
        devices = devices[: count * mapping.data_shards]  # one without a seed would only compute for nothing
    ours = engine.Engine(system, count, mapping, Choices(cache_folder() / "mappers"), devices)
    candidates: dict[str, Callable[[], None]] = {"jaxdep": ours.epoch}
    if _OPTIONS.peer == "torch":
        candidates |= _peers(system, count)
    timed = measure.in_turn(candidates, _OPTIONS.rounds)
    return report.Row(
        system=name,
        seeds=count,
        mapper=ours.ensemble.mapper,
        step_s={candidate: timed.median(candidate) / system.steps for candidate in candidates},
        ratios={candidate: timed.ratio(candidate, "jaxdep") for candidate in candidates if candidate != "jaxdep"},
        compile_s=ours.ensemble.compile_s,
        memory_bytes=ours.ensemble.memory_bytes(),
        step_flops=engine.step_flops(system),
        ceiling=ceiling,
        overhead=_overhead(system, count) if _OPTIONS.overhead else None,
    )


def _peers(system: System, count: int) -> dict[str, Callable[[], None]]:
    import torch

    from jaxdep.benchmark import torch_peer

    found: dict[str, Callable[[], None]] = {}
    seeds = functools.cache(partial(torch_peer.Seeds, system, count, cast(Any, _OPTIONS.precision)))
    for way, make in torch_peer.peers().items():
        try:
            peer = make(seeds())
            peer.epoch()
        except torch.OutOfMemoryError:
            print(f"{way}: {count} seeds do not fit the device's memory", file=sys.stderr)
            torch.cuda.empty_cache()
        else:
            found[way] = peer.epoch
    return found


def _overhead(system: System, count: int) -> float:
    """How much longer `loop` takes on one device than so many times the bare step, less one."""
    looped = engine.Engine(system, count, config.Mapping(mapper="loop"), devices=jax.devices()[:1])
    bare = engine.Bare(system)
    candidates: dict[str, Callable[[], None]] = {"loop": looped.epoch, "bare": partial(bare.epochs, count)}
    return measure.in_turn(candidates, _OPTIONS.rounds).ratio("loop", "bare") - 1


def _versions() -> dict[str, str]:
    found = environment() | {"precision": _OPTIONS.precision, "data_shards": str(_OPTIONS.data_shards)}
    if _OPTIONS.peer == "torch":
        try:
            from jaxdep.benchmark import torch_peer
        except ImportError:
            sys.exit("error: --peer=torch: PyTorch is not installed; install jaxdep with the extra 'parity'")
        found["torch"] = torch_peer.version()
    return found


if __name__ == "__main__":
    _define_flags()
    app.run(main, flags_parser=parse_flags)
