"""The division of a sweep: every seed in one chunk, however it is told."""

import dataclasses
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch.plan import Plan


def plan(**changed):
    told = ("--config=a.py", "--workdir=a folder", "--config.stages.text.label=it's 1 of $HOME")
    one = Plan(name="tiny", workdir=Path("a folder"), told=told, seeds=10, chunk=4, waves=1, parallel=0)
    return dataclasses.replace(one, **changed)


@given(seeds=st.integers(1, 5000), chunk=st.integers(1, 6000))
def test_each_seed_is_in_one_chunk_and_only_the_last_chunk_is_smaller(seeds, chunk):
    chunks = plan(seeds=seeds, chunk=chunk).chunks
    assert [seed for one in chunks for seed in one] == list(range(seeds))
    assert {len(one) for one in chunks[:-1]} <= {chunk}
    assert 1 <= len(chunks[-1]) <= chunk


def test_a_chunk_is_told_its_seeds_and_how_many_there_are():
    assert plan().command(range(8, 10)) == (
        *("python", "-m", "jaxdep.main", *plan().told),
        *("--config.seeds.first=8", "--config.seeds.count=2", "--config.seeds.of=10"),
    )


@pytest.mark.parametrize(("seeds", "chunk"), [(10, 4), (12, 4), (3, 20), (1, 1)])
def test_a_shell_with_the_number_of_a_chunk_makes_the_same_command(seeds, chunk):
    divided = plan(seeds=seeds, chunk=chunk)
    script = f"printf '%s\\n' {divided.indexed('JOB_COMPLETION_INDEX')}"
    for index, one in enumerate(divided.chunks):
        made = subprocess.run(
            ["sh", "-c", script], env={"JOB_COMPLETION_INDEX": str(index)}, capture_output=True, text=True, check=True
        )
        assert tuple(made.stdout.splitlines()) == divided.command(one)


def test_the_join_is_a_command_of_its_own():
    assert shlex.split(plan().join()) == ["python", "-m", "jaxdep.report", "a folder"]


@pytest.mark.parametrize(
    ("workdir", "name"), [("/a/My_Sweep.2", "jaxdep-my-sweep-2"), ("runs/" + "x" * 90, f"jaxdep-{'x' * 43}")]
)
def test_what_it_makes_in_a_cloud_is_called_after_the_workdir(workdir, name):
    assert plan(workdir=Path(workdir)).resource_name == name


def test_what_is_going_to_be_done_is_told():
    assert list(plan(waves=2).described()) == [
        "tiny: seeds 0-9 in 3 chunks (2 x 4, 1 x 2 seeds)",
        "in 2 waves: some stages need what was made of all seeds of others",
        "together: python -m jaxdep.report 'a folder'",
    ]
    assert next(plan(seeds=4).described()) == "tiny: seeds 0-3 in 1 chunk (1 x 4 seeds)"
