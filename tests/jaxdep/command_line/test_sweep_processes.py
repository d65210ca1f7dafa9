"""Sweeps by several processes: together, killed, or in each other's way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.jaxdep.command_line.test_sweep import left

pytestmark = pytest.mark.slow

QUICKSTART = (
    f"--config={Path(__file__).parents[3] / 'configs/quickstart.py'}",
    "--workdir=w",
    "--data_dir=data",
    "--features_dir=features",
    "--config.stages.audio.training.epochs=3",
    "--config.stages.audio.training.epochs_per_call=1",
    "--config.stages.audio.training.checkpoint_every_s=0.0",
    "--config.stages.text.training.epochs=4",
)
TINY = ("--config=tiny.py", "--workdir=w", "--features_dir=features")
ENVIRONMENT = {"JAX_NUM_CPU_DEVICES": "2", "TF_CPP_MIN_LOG_LEVEL": "3", "GIT_DIR": os.devnull}
WITHIN_S = 300


def start(folder, cache, name, *arguments, module="jaxdep.main"):
    """Its output goes to NAME.out and NAME.err."""
    place = {"XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla")}
    with (folder / f"{name}.out").open("w") as out, (folder / f"{name}.err").open("w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=os.environ | place | ENVIRONMENT,
            stdout=out,
            stderr=err,
        )


def ended(folder, process, name):
    code = process.wait(timeout=WITHIN_S)
    return code, (folder / f"{name}.out").read_text(), (folder / f"{name}.err").read_text()


def seeds(first, count, of=9):
    return (f"--config.seeds.first={first}", f"--config.seeds.count={count}", f"--config.seeds.of={of}")


def wait_for(folder, pattern, process):
    give_up_at = time.monotonic() + WITHIN_S
    while not list(folder.glob(pattern)):
        assert process.poll() is None, (folder / "killed.err").read_text()
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_a_sweep_of_the_quickstart_by_processes_of_which_one_is_killed_is_the_single_run(tmp_path, cache):
    """Two begin together where there is nothing, neither corpus nor features; chunks are unequal, and one overlaps."""
    together = {"a": seeds(5, 3), "b": seeds(0, 2)}
    running = {name: start(tmp_path, cache, name, *QUICKSTART, *part) for name, part in together.items()}
    found = {name: ended(tmp_path, process, name) for name, process in running.items()}
    assert [code for code, _, _ in found.values()] == [0, 0], found
    for made in ("writing data/synthetic", "extracting sentences", "extracting log_mel"):
        assert sum(made in err for _, _, err in found.values()) == 1, made
    killed = start(tmp_path, cache, "killed", *QUICKSTART, *seeds(1, 4))
    wait_for(tmp_path, "w/chunks/1-4/stages/audio/checkpoints/seeds_1-4/1", killed)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    for number, part in enumerate((seeds(1, 4), seeds(7, 2), seeds(0, 2))):  # the last one is done
        code, out, err = ended(tmp_path, start(tmp_path, cache, "again", *QUICKSTART, *part), "again")
        assert code == 0, err
        assert ("going on after epoch" in out, out.count("finished before")) == [(True, 0), (False, 0), (False, 2)][
            number
        ]
    code, _, err = ended(tmp_path, start(tmp_path, cache, "join", "w", module="jaxdep.report"), "join")
    assert code == 0, err
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("data", "features"):
        (whole / name).symlink_to(tmp_path / name)
    code, _, err = ended(whole, start(whole, cache, "single", *QUICKSTART, "--config.seeds.count=9"), "single")
    assert code == 0, err
    assert left(tmp_path) == left(whole)


def test_of_two_processes_on_one_chunk_one_trains_it_and_the_other_comes_later(tiny, cache):
    running = {name: start(tiny, cache, name, *TINY, *seeds(2, 3)) for name in ("a", "b")}
    found = {name: ended(tiny, process, name) for name, process in running.items()}
    assert sorted(code for code, _, _ in found.values()) in ([0, 75], [0, 0]), (
        found
    )  # one may begin when the other is done
    for code, out, err in found.values():
        assert code == 0 or "w: another process is at work on seeds 2-4" in err
        assert code or "text: finished" in out
    assert sum("training text" in err for _, _, err in found.values()) == 1
    code, out, err = ended(tiny, start(tiny, cache, "join", "w", module="jaxdep.report"), "join")
    assert code == 0, err
    assert "6 of 9 seeds are missing: 0-1, 5-8." in out


def test_a_sweep_is_reported_while_a_chunk_of_it_trains(tiny, cache, jaxdep_report):
    long = (*TINY, "--config.stages.text.training.epochs=60")  # with a checkpoint after each
    code, _, err = ended(tiny, start(tiny, cache, "first", *long, *seeds(0, 1, of=4)), "first")
    assert code == 0, err
    killed = start(tiny, cache, "killed", *long, *seeds(1, 2, of=4))
    wait_for(tiny, "w/chunks/1-2/stages/text/checkpoints/seeds_1-2/[0-9]", killed)  # a whole one
    killed.send_signal(signal.SIGSTOP)  # however long this takes, it is at work
    told = jaxdep_report("w", "--progress", cwd=tiny)
    reported = jaxdep_report("w", cwd=tiny)
    killed.send_signal(signal.SIGCONT)
    rows = [" ".join(line.split()) for line in told.out.splitlines()]
    assert {"0 done", "3 not begun"} <= set(rows)
    assert any(row.startswith("1-2 running text, epoch ") for row in rows), rows
    assert rows[-1].startswith("1 of 4 seeds are trained, 1 chunks at work, ")
    assert rows[-1].endswith(" left")
    assert reported.code == 0, reported.err
    assert "3 of 4 seeds are missing: 1-3." in reported.out
    killed.send_signal(signal.SIGTERM)
    assert killed.wait(timeout=30) == 143
    rows = [" ".join(line.split()) for line in jaxdep_report("w", "--progress", cwd=tiny).out.splitlines()]
    assert any(row.startswith("1-2 stopped text, epoch ") for row in rows), rows


def test_hyperparameters_are_chosen_over_all_seeds_of_a_sweep(tiny, tmp_path, jaxdep_main, jaxdep_report):
    tried = (*TINY, "--sweep=config.stages.text.optimizer.learning_rate=1e-1,1e-2,1e-4")
    single = jaxdep_main(*tried, "--config.seeds.count=5", cwd=tiny)
    assert single.code == 0, single.err
    other = tmp_path / "other"
    shutil.copytree(tiny, other, ignore=shutil.ignore_patterns("w"))
    for part in ((3, 2), (0, 3)):
        assert jaxdep_main(*tried, *seeds(*part, of=5), cwd=other).code == 0
    joined = jaxdep_report("w", cwd=other)
    assert joined.code == 0, joined.err
    assert left(other) == left(tiny)
    assert "w/stages/text/predictions_variants.csv".removeprefix("w/") in left(other)
