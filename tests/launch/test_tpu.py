"""The commands for a slice of TPU: a shell reads them as they were meant."""

import shlex
import subprocess

import pytest

ARGUMENTS = ("--data_dir=/sweeps/data", "--zone=us-west4-a", "--share=10.0.0.2:/share", "--seeds=10", "--chunk=4")


@pytest.fixture
def commands(launched):
    """The printed commands as words, one list a command."""

    def made(*arguments):
        printed = launched("tpu", *ARGUMENTS, *arguments, workdir="/sweeps/a b").stdout
        subprocess.run(["bash", "-n"], input=printed, text=True, check=True)
        return [shlex.split(line) for line in printed.splitlines() if not line.startswith("#")]

    return made


def test_every_host_takes_chunks_by_itself(commands):
    [create, _, _, _, run, join, delete] = commands("--hosts=4", "--accelerator_type=v5litepod-16", "--spot")
    assert create[:6] == ["gcloud", "compute", "tpus", "queued-resources", "create", "jaxdep-a-b"]
    assert {"--accelerator-type=v5litepod-16", "--spot"} <= set(create)
    assert "--worker=all" in run
    line = run[-1].removeprefix("--command=cd jaxdep && ")
    *environment, python, minus_m, module = shlex.split(line)[:6]
    assert environment == [
        "TPU_PROCESS_BOUNDS=1,1,1",
        "TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1",
        "TPU_VISIBLE_CHIPS=0,1,2,3",
    ]
    assert [python, minus_m, module] == ["python3", "-m", "jaxdep.main"]
    assert {"--workdir=/sweeps/a b", "--chunk=4", "--config.seeds.of=10"} <= set(shlex.split(line))
    assert join[-2:] == ["--worker=0", "--command=cd jaxdep && python3 -m jaxdep.report '/sweeps/a b'"]
    assert delete[3:6] == ["queued-resources", "delete", "jaxdep-a-b"]


def test_a_slice_of_one_host_needs_no_more_than_the_command(commands):
    run = commands()[4]
    assert run[-1].startswith("--command=cd jaxdep && python3 -m jaxdep.main ")
