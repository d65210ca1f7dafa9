"""What launchers make of a command line: chunks are told what stands there, and what is wrong is said at once."""

import shlex
import subprocess
import sys

import pytest

from tests.launch.sweeps import ROOT

# Prints the config that jaxdep.main would run.
RESOLVED = """
import json, sys
from jaxdep.experiment.command_line import CONFIG, parse_flags
parse_flags(sys.argv)
print(json.dumps(CONFIG.value.as_dict(), sort_keys=True))
"""
OVERRIDES = (
    "--config.stages.text.optimizer.learning_rate=3e-05",
    '--config.stages.text.label=it\'s "two"\nlines, $HOME',
    "--noconfig.stages.text.score_windows",
    "--config.stages.text.metrics=f1",
    "--config.stages.text.metrics=f1_macro",
    "--config.mapping.mapper=loop",
    "--sweep=config.stages.text.optimizer.weight_decay=0,1e-4",
    "--sweep=config.stages.text.model.hidden=2,4",
)


def resolved(arguments, cwd):
    made = subprocess.run(
        [sys.executable, "-c", RESOLVED, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return made.stdout


def test_a_chunk_has_the_config_of_the_command_line(launched, tiny):
    printed = launched("local", *OVERRIDES, "--seeds=5", "--chunk=2", "--dry_run").stdout
    words = shlex.split(printed)
    arguments = words[words.index("jaxdep.main") + 1 :]
    assert arguments[-3:] == ["--config.seeds.count=5", "--config.seeds.of=5", "--chunk=2"]
    wanted = ["--config=tiny.py", "--workdir=w", *OVERRIDES, "--config.seeds.count=5", "--config.seeds.of=5"]
    assert resolved(arguments, tiny) == resolved(wanted, tiny)


@pytest.mark.parametrize("name", ["slurm", "ray"])
def test_engines_of_several_machines_are_told_every_chunk_and_keep_features_in_the_workdir(launched, tiny, name):
    lines = launched(name, "--seeds=5", "--chunk=2", "--dry_run").stdout.splitlines()
    commands = [shlex.split(line) for line in lines if "jaxdep.main" in line]
    assert [command[-3:] for command in commands] == [
        [f"--config.seeds.first={first}", f"--config.seeds.count={count}", "--config.seeds.of=5"]
        for first, count in ((0, 2), (2, 2), (4, 1))
    ]
    assert all("--features_dir=w/features" in command for command in commands)
    assert not (tiny / "w").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "slurm", "ray", "kubernetes", "tpu"])
def test_each_launcher_has_the_same_arguments(name):
    told = subprocess.run(
        [sys.executable, "-m", f"launch.{name}", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for flag in (
        "config",
        "seeds",
        "chunk",
        "workdir",
        "data_dir",
        "sweep",
        "gpus",
        "cpus",
        "memory_gb",
        "[no]dry_run",
    ):
        assert f"\n  --{flag}:" in told


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--config.seeds.first=3"], "--config.seeds.first: each chunk is given its own; use --seeds and --chunk"),
        (["--overwrite"], "--overwrite: chunks share their workdir; choose another --workdir for another config"),
        (["--seeds=0"], "flag --seeds=0: 0 is not a positive integer"),
        (["--config.seed.count=3"], "config.seed: there is no such field; did you mean 'seeds'?"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_started(launched, tiny, arguments, complaint):
    ended = launched("slurm", *arguments, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"usage error: {complaint}\n"
    assert not (tiny / "w").exists()
