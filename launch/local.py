"""A sweep by processes on this machine, each of which takes one chunk after another.

    python -m launch.local --config=configs/quickstart.py --workdir=runs/many --seeds=1000 --chunk=100 --parallel=4 --gpus=1

`--parallel` is how many processes, 1 by default. With `--gpus=1` each has a GPU of its own, of those in CUDA_VISIBLE_DEVICES
or from 0 on; without, they share the cores. A process that is killed is started again. Ctrl-C and SIGTERM end all.
"""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence

from absl import flags

from input_pipeline.config import ConfigError
from launch import options
from launch.plan import Plan
from launch.process import HANDED_ON, WAITS, goes_on, meaning

_PAUSE_S = 5.0  # before a process is started again that waits, while no other of this machine is at work

flags.adopt_module_key_flags(options)


def launch(plan: Plan) -> None:
    """Runs the sweep to its end; ends with the first exit code that is not 0."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    command, environments = plan.any_chunk(sys.executable), devices(max(plan.parallel, 1), options.GPUS.value, given)
    print(*plan.described(), sep="\n", flush=True)
    if options.DRY_RUN.value:
        for one in environments:
            print(shlex.join([*(f"{name}={value}" for name, value in one.items()), *command]))
        return
    codes = asyncio.run(Workers(command, options.RETRIES.value).run(environments))
    if any(codes):
        sys.exit(next(code if code > 0 else 128 - code for code in codes if code))


def devices(processes: int, gpus: int, visible: str | None) -> list[dict[str, str]]:
    """The environment of each process: its GPUs, or its share of the cores.

    Args:
        visible: what CUDA_VISIBLE_DEVICES is here, None where it is not set.

    Raises:
        ConfigError: there are not as many GPUs.
    """
    if not gpus:
        cores = options.CPUS.value or max(1, len(os.sched_getaffinity(0)) // processes)
        return [{"JAX_NUM_CPU_DEVICES": str(cores)}] * processes
    wanted = processes * gpus
    names = list(map(str, range(wanted))) if visible is None else [name for name in visible.split(",") if name]
    if len(names) < wanted:
        raise ConfigError(f"CUDA_VISIBLE_DEVICES={visible}: {processes} processes with {gpus} GPUs each need {wanted}")
    return [{"CUDA_VISIBLE_DEVICES": ",".join(names[i * gpus : (i + 1) * gpus])} for i in range(processes)]


class Workers:
    """Processes of one command that are started again until they are done.

    Args:
        retries: how often one that did not wait is.
    """

    def __init__(self, command: Sequence[str], retries: int):
        self._command, self._retries = command, retries
        self._running: set[asyncio.subprocess.Process] = set()
        self._one_ended, self._is_ending = asyncio.Event(), False

    async def run(self, environments: Sequence[Mapping[str, str]]) -> list[int]:
        """Runs one with each of these added to the environment. Returns their last exit codes."""
        for number in HANDED_ON:
            asyncio.get_running_loop().add_signal_handler(number, self._end, number)
        return await asyncio.gather(*(self._keep(index, one) for index, one in enumerate(environments)))

    async def _keep(self, index: int, environment: Mapping[str, str]) -> int:
        retries = 0
        while True:
            code = await self._once(environment)
            if self._is_ending or not goes_on(code):
                return code
            print(f"process {index} {meaning(code)}", flush=True)
            if code == WAITS and self._running:  # what it waits for, one of them makes
                await self._one_ended.wait()
                continue
            if retries == self._retries:
                return code
            retries += 1
            await asyncio.sleep(_PAUSE_S if code == WAITS else 0.0)

    async def _once(self, environment: Mapping[str, str]) -> int:
        process = await asyncio.create_subprocess_exec(*self._command, env={**os.environ, **environment})
        self._running.add(process)
        code = await process.wait()
        self._running.remove(process)
        ended, self._one_ended = self._one_ended, asyncio.Event()
        ended.set()
        return code

    def _end(self, number: signal.Signals) -> None:
        self._is_ending = True
        for process in self._running:
            process.send_signal(number)


if __name__ == "__main__":
    options.start(launch, shares_cache=True)
