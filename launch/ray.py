"""A sweep as tasks of Ray (extra `ray`), one a chunk, on a running cluster or on this machine.

    python -m launch.ray --config=configs/quickstart.py --workdir=runs/many --seeds=1000 --chunk=100 --gpus=1 --address=auto

The workdir, the code and the Python that this runs in must be where they are here on all nodes. A chunk that is killed, alone or
with its node, is given to whoever is free, and goes on where it was.
"""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from input_pipeline.config import ConfigError
from launch import options
from launch.plan import Plan
from launch.process import WAITS, goes_on, meaning, run

ADDRESS = flags.DEFINE_string("address", "local", "Of a running cluster, 'auto' for the one here; 'local' starts one.")

_PAUSE_S = 20.0  # before a chunk is started again that another process holds, or that waits for others

flags.adopt_module_key_flags(options)


class AgainError(Exception):
    """A chunk is to be started again."""


class FailedError(Exception):
    """A chunk failed, and would again."""


def launch(plan: Plan) -> None:
    """Runs the sweep to its end, or ends with exit code 1 after a wave in which chunks failed."""
    print(*plan.described(), sep="\n", flush=True)
    if options.DRY_RUN.value:
        print("task:", *(f"{name}={value}" for name, value in _resources().items()))
        print(*(shlex.join(plan.command(seeds, sys.executable)) for seeds in plan.chunks), sep="\n")
        return
    ray = _ray()
    try:
        ray.init(address=ADDRESS.value)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"--address={ADDRESS.value}: {str(error).splitlines()[0]}") from None
    for wave in range(plan.waves):
        failed = _run_wave(plan, ray, is_last=wave == plan.waves - 1)
        done = len(plan.chunks) - len(failed)
        print(f"wave {wave + 1} of {plan.waves}: {done} of {len(plan.chunks)} chunks", flush=True)
        if failed:
            sys.exit("\n".join(failed))


def run_chunk(command: Sequence[str], folder: str, cores: int, is_last: bool) -> None:
    """What a task does.

    Args:
        folder: where the command is given.
        cores: of a task without a GPU; 0: it has one.
        is_last: of the waves; chunks of the others may end waiting.

    Raises:
        AgainError: Ray is to start it again.
        FailedError: it is not.
    """
    os.chdir(folder)
    code = run(command, {"JAX_NUM_CPU_DEVICES": str(cores)} if cores else {})
    if code == 0 or (code == WAITS and not is_last):
        return
    if code == WAITS:
        time.sleep(_PAUSE_S)
    raise (AgainError if goes_on(code) else FailedError)(meaning(code))


def _run_wave(plan: Plan, ray: Any, is_last: bool) -> list[str]:
    """Every chunk once, at most so many at a time as the plan says. Returns a line on each that failed."""
    resources = _resources()
    cores = 0 if options.GPUS.value else int(resources["num_cpus"])
    task = ray.remote(max_retries=options.RETRIES.value, retry_exceptions=[AgainError], **resources)(run_chunk)
    pending: dict[Any, range] = {}
    failed: list[str] = []
    for seeds in plan.chunks:
        if plan.parallel and len(pending) == plan.parallel:
            failed += _one_ended(pending, ray)
        pending[task.remote(plan.command(seeds, sys.executable), str(Path.cwd()), cores, is_last)] = seeds
    while pending:
        failed += _one_ended(pending, ray)
    return failed


def _one_ended(pending: dict[Any, range], ray: Any) -> list[str]:
    """Waits for the end of a chunk and takes it out. Returns a line where it failed, else none."""
    (ended,), _ = ray.wait(list(pending), num_returns=1)
    seeds = pending.pop(ended)
    try:
        ray.get(ended)
    except ray.exceptions.RayError as error:
        return [f"error: seeds {seeds.start}-{seeds.stop - 1}: {str(error).strip().splitlines()[-1]}"]
    return []


def _resources() -> dict[str, float]:
    """What Ray is to find for a chunk."""
    return {
        "num_gpus": options.GPUS.value,
        "num_cpus": options.CPUS.value or 1,
        "memory": options.MEMORY_GB.value * 1e9,
    }


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of a sweep
    try:
        import ray
    except ImportError:
        raise ConfigError("ray is not installed; python3 -m pip install -e '.[ray]'") from None
    return ray


if __name__ == "__main__":
    options.start(launch)
