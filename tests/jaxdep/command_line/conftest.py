"""A tiny experiment, and `python -m jaxdep.main` in this process, where starting costs nothing."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from absl import flags

from jaxdep import main
from jaxdep.report import __main__ as join

TINY_CONFIG = '''
"""Majority class and a bi-LSTM of a few units on the manifest talk.csv."""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Sentences
from jaxdep.config import BaselineStage, Data, Experiment, Mapping, Seeds, Task, Training, TrainStage
from jaxdep.models.emotion_transfer import DirectText
from jaxdep.config import Published


def get_config(variant: str = "") -> Experiment:
    if variant not in ("", "baseline"):
        raise ConfigError(f"tiny.py:{variant}: there is no such variant; there is baseline")
    row = {
        "data": Data(
            corpus="manifest:talk.csv",
            classes={"depressed": ("healthy", "depressed")},
            features={"text": Sentences(dim=12)},
            arrangements={"text": Arrangement(level="segments")},
            file_format="array_record",
        ),
        "tasks": {"depressed": Task()},
        "metrics": ("f1", "accuracy"),
    }
    stages = {"majority": BaselineStage(kind="majority", label="Majority class", **row)}
    if not variant:
        stages["text"] = TrainStage(
            label="Text",
            report=("validation", "test"),
            published=(Published("f1", max=0.9, avg=0.8, source="Table 1"),),
            model=DirectText(hidden=3, dropout=0.2),
            training=Training(epochs=8, batch_size=4, epochs_per_call=1, checkpoint_every_s=0.0),
            **row,
        )
    return Experiment(
        name="tiny",
        title="Tiny",
        description="Two rows.",
        system="tiny",
        source="A paper, 2022",
        seeds=Seeds(count=3),
        mapping=Mapping(mapper="map"),
        stages=stages,
    )
'''


def write_tiny(folder: Path) -> Path:
    """Writes the config `tiny.py`, and the corpus `data/talk.csv` of 16 participants in three splits."""
    rng = np.random.default_rng(0)
    lines = ["id,participant,split,text,start,stop,depressed"]
    for number in range(16):
        depressed = number // 4 % 2
        words = ("tired", "alone", "dark") if depressed else ("sun", "dog", "fine")
        for turn in range(3):
            text = " ".join(rng.choice(words, 4))
            split = ("train", "train", "dev", "test")[number % 4]
            label = ("healthy", "depressed")[depressed]
            lines.append(f"r{number},p{number},{split},{text},{turn},{turn + 1},{label}")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "talk.csv").write_text("\n".join(lines) + "\n")
    (folder / "tiny.py").write_text(TINY_CONFIG)
    return folder


@pytest.fixture
def tiny(tmp_path):
    """A folder with a tiny experiment."""
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(scope="module")
def tiny_of_module(tmp_path_factory):
    """The same, shared by the tests of a module."""
    return write_tiny(tmp_path_factory.mktemp("module") / "tiny")


class Ended(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says what was wrong; fails where there are several, or a traceback."""
        progress = re.compile(r".*: \d+/\d+ .*(left|done in .*)")
        lines = [line for line in self.err.splitlines() if not progress.fullmatch(line)]
        assert len(lines) == 1, self.err
        return lines[0]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Of features and compiled programs, for all tests of the command line."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def jaxdep_main(call):
    """Calls `python -m jaxdep.main` with arguments in a working directory; gives an `Ended`."""
    return partial(call, main.main, main.parse_flags)


@pytest.fixture(scope="module")
def jaxdep_report(call):
    """The same of `python -m jaxdep.report`."""
    return partial(call, join.main, join.parse_with_those_of_the_sweep)


@pytest.fixture(scope="module")
def call(cache):
    """Calls a command line by its main function and its parser of flags."""
    names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes")
    before = {f"jax_{name}": jax.config.values[f"jax_{name}"] for name in names}

    def called(run, parse, *arguments, cwd: Path) -> Ended:
        return _call(run, parse, ["jaxdep", *map(str, arguments)], cwd, cache)

    yield called
    for name, value in before.items():
        jax.config.update(name, value)


def _call(run: Callable, parse: Callable, argv: list[str], cwd: Path, cache: Path) -> Ended:
    _forget_flags()
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", argv)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))  # which cannot be changed any more
        patch.setenv("GIT_DIR", os.devnull)  # a report names the revision, and files may be edited between two runs
        patch.chdir(cwd)
        try:
            run(parse(argv))
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):  # Python prints it and ends with 1
                print(code, file=sys.stderr)
                code = 1
    return Ended(code or 0, out.getvalue(), err.getvalue())


def _forget_flags() -> None:
    """What absl and config_flags keep of the call before."""
    sys.modules.pop("config_config", None)  # else the next config file is loaded on top of it
    for name in list(flags.FLAGS):
        flags.FLAGS[name].unparse()
        if name.startswith("config."):
            delattr(flags.FLAGS, name)
