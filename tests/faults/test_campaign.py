"""A campaign of faults: runs that are killed, two at once, damaged states, fuzzed files. Nothing that is not clean may come
of any of them: the same report as of an undisturbed run, or one line that names what is wrong.

    python -m pytest -m faults tests/faults                                        # five minutes
    JAXDEP_FAULTS_S=14400 JAXDEP_FAULTS_SEED=7 python -m pytest -m faults tests/faults -s   # four hours, by hand

Every case is drawn from the seed and its number alone, and is named where it fails.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest

from input_pipeline.config import ConfigError
from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.synthesis import synthesize
from input_pipeline.validate import validate
from jaxdep.stages import record
from tests.jaxdep.command_line.conftest import write_tiny

pytestmark = pytest.mark.faults
SEED = int(os.environ.get("JAXDEP_FAULTS_SEED", "0"))
SECONDS = float(os.environ.get("JAXDEP_FAULTS_S", "300"))
COMMAND = ("--config=tiny.py", "--workdir=w", "--features_dir=features")
STAND_INS = {
    "daic_woz": {"sessions": 10, "turns": 2},
    "e_daic": {"sessions": 10, "turns": 2},
    "iemocap": {"sessions": 10, "turns": 6},
    "cmu_mosei": {"sessions": 12},
    "librispeech": {"sessions": 8, "turns": 2},
    "mgid": {"sessions": 40},
    "recola": {"sessions": 6, "duration_s": 5},
    "talking_faces": {"sessions": 20, "duration_s": 1},
    "topical_chat": {"sessions": 20, "turns": 5},
}


def flip(content: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 8))):
        place = rng.randrange(len(content)) if content else 0
        content[place : place + 1] = bytes([content[place] ^ 1 << rng.randrange(8)]) if content else b"x"
    return content


def replaced(content: bytearray, rng: random.Random) -> bytearray:
    """A stretch of it by something of the kind that breaks readers."""
    start = rng.randrange(len(content) + 1)
    new = rng.choice(
        (b"", b"\0", b"\r", b"\n\n", b'"', b",,,,", b"nan", b"-1e999", b"9" * 40, b"\xff\xfe", b"=1+1", b"[" * 5000)
    )
    content[start : start + rng.randrange(20)] = new
    return content


DAMAGES: dict[str, Callable[[bytearray, random.Random], bytearray]] = {
    "flip": flip,
    "replace": replaced,
    "cut": lambda content, rng: content[: rng.randrange(len(content) + 1)],
    "zero": lambda content, rng: bytearray(len(content)),
    "noise": lambda content, rng: bytearray(rng.randbytes(len(content))),
    "twice": lambda content, rng: content + content,
}


def damage(path: Path, rng: random.Random) -> str:
    """Damages a file, or removes it. Returns how."""
    how = rng.choice((*DAMAGES, "remove"))
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(DAMAGES[how](bytearray(path.read_bytes()), rng))
    return how


def cases(kind: str, share: float) -> Iterator[tuple[int, random.Random]]:
    """Numbered cases, each with its own draws, until this share of the time is over; at least one."""
    end = time.monotonic() + share * SECONDS
    for number in itertools.count():
        yield number, random.Random(f"{SEED} {kind} {number}")
        if time.monotonic() > end:
            return


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def left(folder: Path) -> dict[str, bytes]:
    """What a run is for: the report and every table."""
    found = [*folder.glob("w/report/**/*"), *folder.glob("w/stages/*/*.csv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def start(folder: Path, cache: Path, name: str = "only") -> subprocess.Popen:
    """`name` tells two processes in one folder apart."""
    place = {"XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla")}
    quick = {"JAX_NUM_CPU_DEVICES": str(jax.device_count()), "TF_CPP_MIN_LOG_LEVEL": "3", "GIT_DIR": os.devnull}
    with (folder / f"{name}.out").open("a") as out, (folder / f"{name}.err").open("w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "jaxdep.main", *COMMAND],
            cwd=folder,
            env=os.environ | place | quick,
            stdout=out,
            stderr=err,
        )


def told(folder: Path, name: str = "only") -> list[str]:
    """What stderr says besides progress and what is waited for."""
    lines = (folder / f"{name}.err").read_text().splitlines()
    return [line for line in lines if not any(word in line for word in (" left", "done in", "waiting for that"))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache) -> Path:
    """A tiny experiment that nobody disturbed."""
    folder = write_tiny(tmp_path_factory.mktemp("whole") / "tiny")
    assert start(folder, cache).wait(timeout=300) == 0, told(folder)
    return folder


def test_killed_at_random_it_ends_as_the_undisturbed_one(whole, cache, tmp_path):
    """SIGKILL, SIGTERM and SIGINT at any moment, again and again; the last start of each case is left alone."""
    count: Counter[str] = Counter()
    for number, rng in cases("kill", 0.35):
        folder = write_tiny(tmp_path / f"{number}")
        for _ in range(rng.randrange(1, 4)):
            process = start(folder, cache)
            time.sleep(rng.uniform(0, 12))
            sent = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            process.send_signal(sent)
            code = process.wait(timeout=60)
            lines = told(folder)
            early = not lines or code == -sent or "KeyboardInterrupt" in lines[-1]  # Python itself was still starting
            assert early or (len(lines) == 1 and code in (0, 130, 143)), (SEED, number, code, lines)
            count[f"{sent.name} {code}"] += 1
        assert start(folder, cache).wait(timeout=300) == 0, (SEED, number, told(folder))
        assert left(folder) == left(whole), (SEED, number)
        shutil.rmtree(folder)
    print("kills:", dict(count))


def test_of_two_at_once_one_does_the_work_and_the_other_says_so(whole, cache, tmp_path):
    count: Counter[tuple[int, ...]] = Counter()
    for number, rng in cases("two", 0.15):
        folder = write_tiny(tmp_path / f"{number}")
        first = start(folder, cache, "first")
        time.sleep(rng.uniform(0, 3))
        second = start(folder, cache, "second")
        codes = {"first": first.wait(timeout=300), "second": second.wait(timeout=300)}
        assert 0 in codes.values(), (SEED, number, codes, told(folder, "first"), told(folder, "second"))
        for name, code in codes.items():
            if code:
                (line,) = told(folder, name)
                assert "another process is at work in it" in line, (SEED, number, line)
        assert left(folder) == left(whole), (SEED, number)
        count[tuple(codes.values())] += 1
        shutil.rmtree(folder)
    print("two at once:", dict(count))


def test_a_damaged_state_is_mended_or_named(whole, jaxdep_main, tmp_path):
    """Any file of a workdir, of a finished run and of one that was stopped before its last epoch."""
    count: Counter[str] = Counter()
    for number, rng in cases("state", 0.25):
        folder = tmp_path / "state"
        shutil.copytree(whole, folder, symlinks=True)
        if rng.random() < 0.5:
            stage = folder / "w/stages/text"
            shutil.rmtree(stage / "checkpoints/seeds_0-2/8")
            stopped = {name: value for name, value in record.read(stage).items() if name != "trained"}
            record.write(stage, stopped | {"status": "running"})
        path = rng.choice(files_of(folder / "w"))
        case = (SEED, number, str(path.relative_to(folder)), damage(path, rng))
        ended = jaxdep_main(*COMMAND, cwd=folder)
        if ended.code == 0:
            assert left(folder) == left(whole), case
        else:
            assert ended.code == 1, (*case, ended.err)
            assert ended.complaint.startswith("error: w"), (*case, ended.complaint)
        count[f"{case[3]} {ended.code}"] += 1
        shutil.rmtree(folder)
    print("damaged states:", dict(count))


def test_fuzzed_corpora_are_read_or_named(tmp_path, capsys):
    """One file of a corpus at a time: its reader, and the validator's look at the samples, raise a DataError or go on."""
    data, count = tmp_path / "data", Counter()
    for name, options in STAND_INS.items():
        synthesize(name, data, workers=1, **options)
    write_tiny(tmp_path / "own")
    shutil.copytree(tmp_path / "own" / "data", data, dirs_exist_ok=True)
    places = {name: files_of(data / name) for name in STAND_INS} | {"manifest:talk.csv": [data / "talk.csv"]}
    for number, rng in cases("fuzz", 0.25):
        name = rng.choice(sorted(places))
        path = rng.choice(places[name])
        before = path.read_bytes()
        case = (SEED, number, str(path.relative_to(data)), damage(path, rng))
        began = time.monotonic()
        try:
            classes = {"depressed": ("healthy", "depressed")} if name.startswith("manifest") else None
            corpus = open_corpus(name, data, classes)
            validate(corpus)
            count["read"] += 1
        except (DataError, ConfigError) as error:
            count["named" if len(str(error).splitlines()) == 1 else f"{case}: {error!r}"] += 1
        except Exception as error:
            raise AssertionError(case) from error
        assert time.monotonic() - began < 120, case  # much less, unless the machine stood still
        path.write_bytes(before)
        capsys.readouterr()
    with capsys.disabled():
        print("fuzzed files:", dict(count))
    assert set(count) <= {"read", "named"}
