"""Chunks of experiments that train on what was made of one seed of all."""

import shutil

import pytest

from tests.jaxdep.command_line.test_sweep import left
from tests.jaxdep.command_line.test_transfer import CONFIG, write_chat, write_mood

pytestmark = pytest.mark.slow  # a chain of fourteen stages, twice

# What was a chain of two waves gets a third: a detector that begins as the best seed of another one, and what is made of it.
TUNED = """
    start = (Start(stage="one_detects", seed="best"), )
    stages["tuned"] = dataclasses.replace(stages["one_detects"], label="tuned", start=start)
    stages["each"] = dataclasses.replace(
        stages["one_detects"], label="each", start=(Start(stage="two_detects", seed="each"),)
    )
    members = ("one_detects", "tuned", "each")
"""
COMMAND = ("--config=transfer.py", "--workdir=t", "--features_dir=features")


@pytest.fixture(scope="module")
def config():
    assert CONFIG.count("\n    members = ") == 1
    before, after = CONFIG.split("\n    members = ")
    _, rest = after.split("\n", 1)
    return before.replace("Seeds, Splits", "Seeds, Splits, Start") + TUNED + rest


@pytest.fixture(scope="module")
def single(quick_compilation, config, jaxdep_main, tiny_of_module):
    (tiny_of_module / "transfer.py").write_text(config)
    write_mood(tiny_of_module)
    write_chat(tiny_of_module)
    ended = jaxdep_main(*COMMAND, "--config.seeds.count=4", cwd=tiny_of_module)
    assert ended.code == 0, ended.err
    return tiny_of_module


@pytest.fixture
def place(single, tmp_path):
    for name in ("data", "features"):
        (tmp_path / name).symlink_to(single / name)
    shutil.copy(single / "transfer.py", tmp_path)
    return tmp_path


def chunk(first, count, of=4):
    return (*COMMAND, f"--config.seeds.first={first}", f"--config.seeds.count={count}", f"--config.seeds.of={of}")


def test_waves_over_the_chunks_give_the_single_run(single, place, jaxdep_main, jaxdep_report):
    parts = ((1, 3), (0, 1))
    ended = jaxdep_main(*chunk(*parts[0]), cwd=place)
    assert ended.code == 75
    assert ended.complaint == "waits for seeds 0 of stage one; the same command goes on when they are there"
    ended = jaxdep_main(
        *chunk(*parts[1]), cwd=place
    )  # finds all there, joins them, and trains its part of the second wave
    assert ended.code == 75
    assert ended.complaint.startswith("waits for seeds 1-3 of stage one_detects;")
    assert [jaxdep_main(*chunk(*part), cwd=place).code for part in parts] == [0, 0]
    ended = jaxdep_report("t", cwd=place)
    assert ended.code == 0, ended.err
    assert "training" not in ended.err
    assert left(place, "t") == left(single, "t")
