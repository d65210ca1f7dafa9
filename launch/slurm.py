"""A sweep as arrays of Slurm jobs, by submitit (extra `slurm`): one job a chunk, one array a wave.

    python -m launch.slurm --config=configs/quickstart.py --workdir=runs/many --seeds=1000 --chunk=100 --gpus=1 --partition=gpu

The workdir, the code and the Python that this runs in must be seen by all nodes. A chunk that is preempted, killed or out of
time puts itself back into the queue, whatever the cluster does with exit codes. Logs are in the workdir's folder `slurm`.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from input_pipeline.config import ConfigError
from launch import options
from launch.plan import Plan
from launch.process import WAITS, goes_on, meaning, run

PARTITION = flags.DEFINE_string("partition", None, "Where the jobs run.")
ACCOUNT = flags.DEFINE_string("account", None, "Whom they are charged to.")
TIME_MIN = flags.DEFINE_integer("time_min", 60, "Minutes of a job; a chunk that takes longer goes on in a next one.", 1)
SBATCH = flags.DEFINE_multi_string(
    "sbatch", [], "What else sbatch is told, as --sbatch=qos=low; may be given several times."
)

_GRACE_S = 60  # before the end of its time a job is told; a checkpoint takes 30 at most

flags.adopt_module_key_flags(options)


def launch(plan: Plan) -> None:
    """Submits the arrays, each of which waits for the end of the one before."""
    parameters, python = _parameters(plan), sys.executable
    print(*plan.described(), sep="\n", flush=True)
    if options.DRY_RUN.value:
        print("sbatch:", *(f"{name}={value}" for name, value in parameters.items()))
        print(*(shlex.join(plan.command(seeds, python)) for seeds in plan.chunks), sep="\n")
        return
    submitit = _submitit()
    before = None
    for wave in range(plan.waves):
        if before is not None:
            parameters["slurm_additional_parameters"]["dependency"] = f"afterany:{before}"
        try:
            executor = submitit.AutoExecutor(plan.workdir / "slurm", cluster="slurm")
            executor.update_parameters(**parameters)
            jobs = executor.map_array(
                run_chunk,
                [plan.command(seeds, python) for seeds in plan.chunks],
                [wave == plan.waves - 1] * len(plan.chunks),
                [options.RETRIES.value] * len(plan.chunks),
            )
        except (RuntimeError, submitit.core.utils.FailedJobError) as error:  # no srun here; sbatch refuses
            raise ConfigError(" ".join(str(error).split())) from None
        before = jobs[0].job_id.partition("_")[0]
        print(f"wave {wave + 1} of {plan.waves}: job {before}, {len(jobs)} chunks", flush=True)


def run_chunk(command: Sequence[str], is_last: bool, retries: int) -> None:
    """What a job does: runs a chunk, and puts itself back into the queue where the chunk is to go on.

    Args:
        is_last: of the waves; chunks of the others may end waiting.
    """
    code = run(command)
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if code == WAITS and not is_last:
        return
    if goes_on(code) and restarts < retries and _is_wanted():
        print(f"{meaning(code)}; queued again", flush=True)
        subprocess.run(["scontrol", "requeue", _job()], check=True)
    sys.exit(code if code >= 0 else 128 - code)


def _is_wanted() -> bool:
    """Whether the job counts as running; one that was cancelled or is being requeued is completing."""
    told = subprocess.run(
        ["squeue", "--noheader", "--format=%T", f"--jobs={_job()}"], capture_output=True, text=True, check=False
    )
    return told.stdout.split() == ["RUNNING"]


def _job() -> str:
    """This job and no other of its array, whose own number one of them has."""
    names = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    return "_".join(os.environ[name] for name in names) if names[0] in os.environ else os.environ["SLURM_JOB_ID"]


def _parameters(plan: Plan) -> dict[str, Any]:
    """As submitit takes them."""
    further = dict(one.partition("=")[::2] for one in SBATCH.value)
    told = {
        "name": f"jaxdep-{plan.name}",
        "timeout_min": TIME_MIN.value,
        "gpus_per_node": options.GPUS.value,
        "cpus_per_task": options.CPUS.value,
        "mem_gb": options.MEMORY_GB.value,
        "slurm_partition": PARTITION.value,
        "slurm_account": ACCOUNT.value,
        "slurm_array_parallelism": plan.parallel or len(plan.chunks),
    }
    return {name: value for name, value in told.items() if value} | {
        # submitit's own signal is one that a chunk does not know
        "slurm_additional_parameters": {"requeue": True, "signal": f"TERM@{_GRACE_S}"} | further
    }


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise ConfigError("submitit is not installed; python3 -m pip install -e '.[slurm]'") from None
    return submitit


if __name__ == "__main__":
    options.start(launch)
