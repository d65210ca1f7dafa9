"""A launcher's command line on a tiny experiment, and the quickstart's single run, which sweeps are to equal."""

import subprocess
import sys

import pytest

from tests.jaxdep.command_line.conftest import write_tiny
from tests.launch import sweeps


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a tiny experiment."""
    return write_tiny(tmp_path_factory.mktemp("module") / "tiny")


WAVES = '''
"""The tiny experiment, and a stage that starts from its best seed of all."""

import dataclasses

import tiny
from jaxdep.config import Start


def get_config():
    experiment = tiny.get_config()
    text = experiment.stages["text"]
    experiment.stages["later"] = dataclasses.replace(text, label="Later", start=(Start(stage="text", seed="best"),))
    return experiment
'''


@pytest.fixture(scope="module")
def waves(tiny):
    """The argument for a config of two waves."""
    (tiny / "waves.py").write_text(WAVES)
    return "--config=waves.py"


@pytest.fixture(scope="module")
def launched(tiny):
    """Runs `python -m launch.NAME` on it with a workdir; gives the finished process."""

    def call(name, *arguments, workdir="w", check=True):
        return subprocess.run(
            [sys.executable, "-m", f"launch.{name}", "--config=tiny.py", f"--workdir={workdir}", *arguments],
            cwd=tiny,
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
        )

    return call


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Of compiled programs, for all sweeps."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def single(tmp_path_factory, cache):
    """A folder with the quickstart's seeds, trained at once."""
    folder = tmp_path_factory.mktemp("single")
    sweeps.run("jaxdep.main", *sweeps.ARGUMENTS, f"--config.seeds.count={sweeps.SEEDS}", cwd=folder, cache=cache)
    return folder


@pytest.fixture
def place(single, tmp_path):
    """A folder in which nothing has run; corpus and features are there."""
    for name in ("data", "features"):
        (tmp_path / name).symlink_to(single / name)
    return tmp_path
