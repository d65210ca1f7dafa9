"""Times a training step of many seeds: `python -m jaxdep.benchmark [--systems=...] [--seeds=1,20] [--peer=torch] ...`.

Prints a table; with --workdir it also leaves benchmark.csv, benchmark.png and environment.json there. Whatever is
compared is timed in turn, in this one process, and the table gives medians. Exit codes: 0 done, 1 failed, 2 usage.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from absl import app, flags, logging
from rich.console import Console

from input_pipeline.progress import progress
from jaxdep.devices import cache_folder, use_compilation_cache, use_every_core

SYSTEMS = flags.DEFINE_list("systems", [], "Names of the systems to time, separated by commas; all of them by default.")
SEEDS = flags.DEFINE_list("seeds", [], "Numbers of seeds, separated by commas; 1,20 on a CPU, else 1,20,100,1000.")
PEER = flags.DEFINE_enum("peer", "none", ["none", "torch"], "Also time the same step in PyTorch.")
PRECISION = flags.DEFINE_enum(
    "precision", "float32", ["float32", "tf32", "bfloat16"], "Of the matrix products, on both sides."
)
MAPPER = flags.DEFINE_enum("mapper", "auto", ["auto", "vmap", "map", "loop", "pmap"], "How the seed axis is laid out.")
OVERHEAD = flags.DEFINE_bool("overhead", False, "Also compare the mapper `loop` with the bare compiled step.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Times each candidate is timed.", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", None, "Where the table, the figure and the environment are written.")


def main(argv: list[str]) -> None:
    """Times what the flags ask for."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}; options begin with --")
    logging.set_verbosity(logging.WARNING)
    counts = _counts()
    use_every_core(at_most=max(counts, default=20))
    use_compilation_cache()
    import jax  # after the devices are chosen

    from jaxdep.benchmark import report
    from jaxdep.benchmark.systems import SYSTEMS as KNOWN

    names = SYSTEMS.value or list(KNOWN)
    for name in names:
        if name not in KNOWN:
            sys.exit(f"error: --systems: there is no {name!r}; there are {', '.join(KNOWN)}")
    counts = counts or ([1, 20] if jax.default_backend() == "cpu" else [1, 20, 100, 1000])
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if PRECISION.value == "tf32" else "highest")
    versions = _versions()
    console = Console(highlight=False)
    console.width = max(console.width, 120)  # the table's, also in a log file
    cases = [(name, count) for name in names for count in counts]
    rows = [_time(name, count) for name, count in progress(cases, len(cases), "benchmark", "steps")]
    report.show(rows, versions, console)
    if WORKDIR.value:
        report.write(rows, versions, Path(WORKDIR.value))
        console.print(f"written to {WORKDIR.value}")


def _time(name: str, count: int) -> Any:
    """One row: a system at a number of seeds."""
    from jaxdep import config
    from jaxdep.benchmark import engine, measure, report
    from jaxdep.benchmark.systems import STEPS, SYSTEMS
    from jaxdep.choices import Choices

    system = SYSTEMS[name]
    if PRECISION.value == "bfloat16":
        system = dataclasses.replace(system, model=dataclasses.replace(system.model, dtype="bfloat16"))
    ours = engine.Engine(
        system, count, config.Mapping(mapper=cast(Any, MAPPER.value)), Choices(cache_folder() / "mappers")
    )
    candidates: dict[str, Callable[[], None]] = {"jaxdep": ours.epoch}
    if PEER.value == "torch":
        from jaxdep.benchmark import torch_peer

        for peer, make in torch_peer.peers().items():
            candidates[peer] = make(system, count, cast(Any, PRECISION.value)).epoch
    timed = measure.in_turn(candidates, ROUNDS.value, repeats=max(1, 8 // count))
    overhead = None
    if OVERHEAD.value:
        overhead = _overhead(system, count)
    return report.Row(
        system=name,
        seeds=count,
        mapper=ours.ensemble.mapper,
        step_s={candidate: timed.median(candidate) / STEPS for candidate in candidates},
        ratios={candidate: timed.ratio(candidate, "jaxdep") for candidate in candidates if candidate != "jaxdep"},
        compile_s=ours.ensemble.compile_s,
        memory_bytes=ours.ensemble.memory_bytes,
        step_flops=engine.step_flops(system),
        ceiling=engine.matmul_ceiling(4096),
        overhead=overhead,
    )


def _overhead(system: Any, count: int) -> float:
    """How much longer `loop` takes on one device than so many times the bare step, less one."""
    import jax

    from jaxdep import config
    from jaxdep.benchmark import engine, measure

    looped = engine.Engine(system, count, config.Mapping(mapper="loop"), devices=jax.devices()[:1])
    bare = engine.Bare(system)

    def all_bare() -> None:
        for _ in range(count):
            bare.epoch()

    return measure.in_turn({"loop": looped.epoch, "bare": all_bare}, ROUNDS.value).ratio("loop", "bare") - 1


def _counts() -> list[int]:
    try:
        counts = [int(count) for count in SEEDS.value]
    except ValueError:
        raise app.UsageError(f"--seeds: whole numbers separated by commas, found {','.join(SEEDS.value)}") from None
    if any(count < 1 for count in counts):
        raise app.UsageError(f"--seeds: at least 1 seed, found {min(counts)}")
    return counts


def _versions() -> dict[str, str]:
    from jaxdep.experiment import environment

    found = environment() | {"precision": PRECISION.value}
    if PEER.value == "torch":
        try:
            from jaxdep.benchmark import torch_peer
        except ImportError:
            sys.exit("error: --peer=torch: PyTorch is not installed; install jaxdep with the extra 'parity'")
        found["torch"] = torch_peer.version()
    return found


if __name__ == "__main__":
    app.run(main)
