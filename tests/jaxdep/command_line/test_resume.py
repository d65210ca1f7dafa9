"""An experiment that is killed again and again ends as one that nobody disturbed, byte for byte."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

COMMAND = (
    "--config=tiny.py",
    "--workdir=w",
    "--features_dir=features",
    "--config.stages.text.training.epochs=30",
)
# Starting is most of what a killed run costs: one device, and programs that compile in a third of the time.
# And no revision, which would change when a file is edited meanwhile.
ENVIRONMENT = {"JAX_NUM_CPU_DEVICES": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "GIT_DIR": os.devnull}
CHECKPOINTS = "w/stages/text/checkpoints/seeds_*"
FEATURES = "features/*/.*.partial-*"


class Kill(NamedTuple):
    """Strikes within so many seconds after anything new, or newly written, matches the pattern."""

    phase: str
    pattern: str
    within_s: float


PLAN = (
    Kill("start", "*", 0.0),  # nothing new can come before the features
    Kill("extraction", FEATURES, 0.2),
    Kill("extraction", f"{FEATURES}/*", 0.02),
    Kill("stage", "w/stages/majority/*", 0.05),
    Kill("compilation", "w/stages/text/stage.json", 1.5),
    Kill("training", f"{CHECKPOINTS}/*", 0.02),
    Kill("training", f"{CHECKPOINTS}/1[0-9]*", 0.05),  # after epoch 10 or soon after
    Kill("training", f"{CHECKPOINTS}/2[0-9]*", 0.05),
    Kill("prediction", "w/stages/text/metrics.csv", 0.1),
    Kill("finish", "w/stages/text/predictions.csv", 0.01),
    Kill("report", "w/report/**/*", 0.0),
    Kill("report", "w/report/**/*", 0.05),
)
PLANS = {
    "at every phase": PLAN,
    "at the hardest": tuple(PLAN[place] for place in (6, 8)),  # a checkpoint is whole before the next one begins
}


@pytest.fixture
def places(tiny, tmp_path):
    """Two folders with the same experiment, and a cache of compiled programs."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "tiny.py").write_bytes((tiny / "tiny.py").read_bytes())
    (other / "data").symlink_to(tiny / "data")
    return tiny, other


def start(folder: Path, cache: Path) -> subprocess.Popen:
    with (folder / "out.txt").open("a") as out, (folder / "err.txt").open("a") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "jaxdep.main", *COMMAND],
            cwd=folder,
            # A program that was being kept when the process was killed is no good for other tests.
            env=os.environ
            | ENVIRONMENT
            | {"XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla")},
            stdout=out,
            stderr=err,
        )


def seen(folder: Path, pattern: str) -> set[tuple[str, int]]:
    """What matches, each with when it was written."""
    found = set()
    with contextlib.suppress(OSError):  # a folder went while it was looked through
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                found.add((str(path), path.stat().st_mtime_ns))
    return found


def strike(kill: Kill, folder: Path, cache: Path, rng: random.Random) -> bool:
    """Starts the run and kills it at its moment. Returns whether it was still running then."""
    before = seen(folder, kill.pattern)
    process = start(folder, cache)
    give_up_at = time.monotonic() + 120
    while process.poll() is None and not seen(folder, kill.pattern) - before:
        assert time.monotonic() < give_up_at, f"{kill}: the moment did not come"
        time.sleep(0.002)
    time.sleep(rng.uniform(0, kill.within_s))
    process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param("at the hardest", marks=pytest.mark.slow),
        pytest.param("at every phase", marks=pytest.mark.faults),
    ],
)
def test_killed_the_run_ends_as_if_nobody_had_touched_it(plan, places, cache):
    killed, undisturbed = places
    rng = random.Random(20260)
    struck = [kill.phase for kill in PLANS[plan] if strike(kill, killed, cache, rng)]
    assert len(struck) >= len(PLANS[plan]) - len(PLANS[plan]) // 4  # a run may end before it is struck
    assert set(struck) >= {kill.phase for kill in PLANS[plan]} - {"start", "finish"}
    for folder, process in [(folder, start(folder, cache)) for folder in places]:
        assert process.wait(timeout=120) == 0, (folder / "err.txt").read_text()
    went_on_after = re.findall(r"text: going on after epoch (\d+) of 30", (killed / "out.txt").read_text())
    assert any(0 < int(epoch) < 30 for epoch in went_on_after), went_on_after
    assert "Traceback" not in (killed / "err.txt").read_text()
    assert left(killed) == left(undisturbed)
    assert list((killed / "features").rglob("*.array_record*"))


def left(folder: Path) -> dict[str, bytes]:
    """The content of the report, predictions and metrics by path; the rest of a workdir tells times."""
    files = [*folder.glob("w/report/**/*"), *folder.glob("w/stages/*/*.csv")]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}
    assert {"w/report/report.html", "w/stages/text/metrics.csv", "w/stages/text/predictions.csv"} <= found.keys()
    return found
