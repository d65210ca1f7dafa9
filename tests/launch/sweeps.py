"""A sweep of the quickstart on one machine: its command line, its single run, its chunks at work."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TRAINED = ("audio", "text")
_STAGES = ("majority", "all_positive", "gender", *_TRAINED)
# A corpus of 24 sessions; short audio, and text long enough to be struck, with a checkpoint after each epoch.
ARGUMENTS = (
    f"--config={ROOT}/configs/quickstart.py",
    "--workdir=w",
    "--data_dir=data",
    "--features_dir=features",
    *(f"--config.stages.{stage}.data.stand_in.sessions=24" for stage in _STAGES),
    "--config.stages.audio.training.epochs=1",
    "--config.stages.text.training.epochs=30",
    "--config.stages.text.training.epochs_per_call=1",
    "--config.stages.text.training.checkpoint_every_s=0.0",
)
SEEDS, CHUNK = 8, 2


def environment(cache: Path) -> dict[str, str]:
    """One device, so that every process has as many; programs that compile quickly; and no revision, which would change where
    a file is edited meanwhile."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {
        "XDG_CACHE_HOME": str(cache),
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "GIT_DIR": os.devnull,
        "PYTHONPATH": paths,
    }


def run(module: str, *arguments: str, cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Runs a module to its end, which must be a good one."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=environment(cache),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def until(is_so: Callable[[], object], within_s: float = 900.0) -> None:
    """Waits for something to be so."""
    give_up_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_at, "it did not come to it in time"
        time.sleep(0.05)


def checkpoints(folder: Path, first: int) -> list[int]:
    """The epochs of the whole checkpoints that a chunk has of its text."""
    pattern = f"w/chunks/{first}-{first + CHUNK - 1}/stages/text/checkpoints/seeds_*/*"
    return sorted(int(path.name) for path in folder.glob(pattern) if path.name.isdecimal())


def processes(folder: Path, argument: str) -> list[int]:
    """The ids of the processes that train there and were given an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, cwd = (path / "cmdline").read_text().split("\0"), (path / "cwd").resolve()
        except OSError:  # it ended meanwhile
            continue
        if "jaxdep.main" in words[1:3] and argument in words and cwd == folder.resolve():
            found.append(int(path.name))
    return found
