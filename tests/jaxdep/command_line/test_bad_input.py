"""Hostile data on the command line's way: one line that names what is wrong, exit code 1, and nothing half done is used."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from input_pipeline.synthesis import synthesize

CONFIG = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import LogMel, Sentences
from jaxdep.config import BaselineStage, Data, Experiment, StandIn, Task


def get_config(variant):
    feature = {"audio": LogMel(n_mels=8, pool_frames=20), "text": Sentences(dim=8)}[variant.partition("_")[0]]
    data = Data(
        features={"input": feature},
        arrangements={"input": Arrangement(level="segments")},
        stand_in=StandIn(sessions=10) if variant.endswith("_stand_in") else None,
    )
    return Experiment(stages={"majority": BaselineStage(label="Majority", data=data, tasks={"depressed": Task()})})
"""


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A folder with the config `c.py` and, below `data`, a stand-in of ten sessions that nobody has broken."""
    folder = tmp_path_factory.mktemp("pristine")
    (folder / "c.py").write_text(CONFIG)
    corpus = synthesize("daic_woz", folder / "data", sessions=10, turns=2, workers=1)
    for track in (path for kind in ("CLNF", "COVAREP", "FORMANT") for path in corpus.glob(f"*_P/*_{kind}*")):
        track.unlink()  # no reader opens them
    return folder


@pytest.fixture
def place(pristine, tmp_path):
    """A copy to break."""
    return Path(shutil.copytree(pristine, tmp_path / "place"))


def arguments(variant="text", **others):
    given = {"config": f"c.py:{variant}", "workdir": "w", "features_dir": "features"} | others
    return [f"--{name}={value}" for name, value in given.items()]


def session(corpus: Path) -> Path:
    return sorted(corpus.glob("*_P"))[3]


def wav(corpus: Path) -> Path:
    return next(session(corpus).glob("*_AUDIO.wav"))


def transcript(corpus: Path) -> Path:
    return next(session(corpus).glob("*_TRANSCRIPT.csv"))


def split(corpus: Path) -> Path:
    return corpus / "train_split_Depression_AVEC2017.csv"


def edit(path: Path, line: int, change) -> None:
    """Changes one line of a text file; lines count from 1."""
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = change(lines[line - 1])
    path.write_bytes(b"\n".join(lines))


def cell(index: int, value: bytes, delimiter: bytes):
    def change(line: bytes) -> bytes:
        cells = line.split(delimiter)
        cells[index] = value
        return delimiter.join(cells)

    return change


def no_participant(corpus: Path) -> None:
    path = transcript(corpus)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if b"\tParticipant\t" not in line))


def nan_wav(corpus: Path) -> None:
    samples, rate_hz = soundfile.read(wav(corpus), dtype="float32")
    samples[len(samples) // 2] = np.nan
    soundfile.write(wav(corpus), samples, rate_hz, subtype="FLOAT")


def silent_wav(corpus: Path) -> None:
    samples, rate_hz = soundfile.read(wav(corpus), dtype="int16")
    soundfile.write(wav(corpus), np.zeros_like(samples), rate_hz)


BROKEN = {
    "no corpus": (shutil.rmtree, ["data/daic_woz: no such folder", "python -m input_pipeline.synthesize", "=daic_woz"]),
    "no session": (
        lambda c: shutil.rmtree(session(c)),
        ["split_Depression_AVEC2017.csv, line ", "session 303 has no folder"],
    ),
    "no wav": (lambda c: wav(c).unlink(), ["303_AUDIO.wav: no such audio file"]),
    "no transcript": (lambda c: transcript(c).unlink(), ["303_TRANSCRIPT.csv: no such file"]),
    "truncated wav": (lambda c: os.truncate(wav(c), 20_000), ["303_AUDIO.wav: truncated", "19956 are there"]),
    "wav of no samples": (lambda c: os.truncate(wav(c), 44), ["303_AUDIO.wav: truncated"]),
    "empty wav": (lambda c: os.truncate(wav(c), 0), ["303_AUDIO.wav: cannot be read as audio"]),
    "row of three cells": (
        lambda c: edit(transcript(c), 3, lambda line: line.rpartition(b"\t")[0]),
        ["303_TRANSCRIPT.csv, line 3", "4 tab-separated columns expected, 3 found"],
    ),
    "time that is no number": (
        lambda c: edit(transcript(c), 3, cell(0, b"soon", b"\t")),
        ["303_TRANSCRIPT.csv, line 3", "start_time is 'soon'"],
    ),
    "stop before start": (
        lambda c: edit(transcript(c), 3, cell(1, b"0.001", b"\t")),
        ["303_TRANSCRIPT.csv, line 3", "stop_time 0.001 is before start_time"],
    ),
    "bytes that are no UTF-8": (
        lambda c: edit(transcript(c), 2, lambda line: line + b"\xe9"),
        ["303_TRANSCRIPT.csv, line 2", "0xe9", "UTF-8"],
    ),
    "no labels of the test split": (
        lambda c: (c / "full_test_split.csv").unlink(),
        ["majority.report: nobody in test has the label 'depressed'", "daic_woz/full_test_split.csv has them"],
    ),
    "no column Gender": (
        lambda c: edit(split(c), 1, lambda line: line.replace(b"Gender", b"Sex")),
        ["train_split", "line 1: no column Gender"],
    ),
    "score out of range": (
        lambda c: edit(split(c), 2, cell(2, b"25", b",")),
        ["train_split", "line 2: PHQ8_Score is '25'", "0..24"],
    ),
    "class out of range": (lambda c: edit(split(c), 2, cell(1, b"2", b",")), ["line 2: PHQ8_Binary is '2'", "0..1"]),
    "empty label": (lambda c: edit(split(c), 2, cell(2, b"", b",")), ["line 2: PHQ8_Score is ''"]),
    "participant who says nothing": (no_participant, ["303_TRANSCRIPT.csv", "no turn is the participant's"]),
    "no split file": (lambda c: split(c).unlink(), ["train_split_Depression_AVEC2017.csv: no such file"]),
    "broken marker": (lambda c: (c / "SYNTHETIC.json").write_text("{"), ["SYNTHETIC.json: not JSON"]),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_corpus_is_one_line_and_exit_code_1(jaxdep_main, place, fault):
    broken, named = BROKEN[fault]
    broken(place / "data" / "daic_woz")
    ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 1
    assert ended.complaint.startswith("error: ")
    for words in named:
        assert words in ended.complaint
    assert not (place / "features").exists()
    assert not (place / "w" / "stages").exists()


@pytest.mark.parametrize(
    ("broken", "named"),
    [pytest.param(silent_wav, "silent from start to end", marks=pytest.mark.slow), (nan_wav, "is NaN or infinite")],
)
def test_samples_that_cannot_be_used_are_named_and_leave_no_features(jaxdep_main, place, broken, named):
    broken(place / "data" / "daic_woz")
    ended = jaxdep_main(*arguments("audio"), cwd=place)
    assert ended.code == 1
    assert "303_AUDIO.wav" in ended.complaint
    assert named in ended.complaint
    assert not list((place / "features").rglob("*.tfrecord*"))


def test_the_corpus_mended_the_same_command_finishes(jaxdep_main, place):
    corpus = place / "data" / "daic_woz"
    kept = wav(corpus).read_bytes()
    os.truncate(wav(corpus), 1000)
    assert jaxdep_main(*arguments(), cwd=place).code == 1
    wav(corpus).write_bytes(kept)
    ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 0, ended.err
    assert "synthetic" in ended.out.lower()


@pytest.mark.parametrize("fault", [pytest.param("no corpus", marks=pytest.mark.slow), "truncated wav"])
def test_a_process_of_its_own_ends_the_same_way(place, fault):
    broken, named = BROKEN[fault]
    broken(place / "data" / "daic_woz")
    ended = subprocess.run(
        [sys.executable, "-m", "jaxdep.main", *arguments("audio")],
        cwd=place,
        env=os.environ | {"XDG_CACHE_HOME": str(place / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert named[0] in line


@contextlib.contextmanager
def full_disk(free_bytes: int):
    """No file may grow past so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_while_shards_are_written_leaves_none_and_the_same_command_finishes_later(jaxdep_main, place):
    assert jaxdep_main(*arguments(features_dir="other"), cwd=place).code == 0  # the workdir's own files are there
    with full_disk(1000):
        ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 1
    assert "features/daic_woz/sentences-" in ended.complaint
    assert "File too large" in ended.complaint
    assert list((place / "features" / "daic_woz").iterdir()) == []
    ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 0, ended.err
    assert len(list((place / "features" / "daic_woz").iterdir())) == 1


@pytest.mark.parametrize(
    ("lost", "free_bytes", "named"),
    [
        pytest.param("config.json", 100, "w/config.json", marks=pytest.mark.slow),
        pytest.param("stages", 100, "w/stages/majority/stage.json", marks=pytest.mark.slow),
        ("stages/majority/predictions.csv", 1000, "w"),  # the page is larger than this
    ],
)
def test_a_full_disk_while_the_workdir_is_written_is_one_line_and_the_same_command_finishes_later(
    jaxdep_main, place, lost, free_bytes, named
):
    assert jaxdep_main(*arguments(), cwd=place).code == 0
    page = (place / "w/report/report.html").read_bytes()
    path = place / "w" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if lost.endswith("predictions.csv"):
        (place / "w/stages/majority/stage.json").unlink()
    with full_disk(free_bytes):
        ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 1
    assert ended.complaint.startswith(f"error: {named}")
    assert "File too large" in ended.complaint
    ended = jaxdep_main(*arguments(), cwd=place)
    assert ended.code == 0, ended.err
    assert (place / "w/report/report.html").read_bytes() == page


@pytest.mark.parametrize("flag", ["workdir", "features_dir", "data_dir"])
@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_in_the_place_of_a_folder_is_named(jaxdep_main, place, flag, below):
    (place / "file").write_text("no folder")
    ended = jaxdep_main(*arguments(**{flag: f"file{below}"}), cwd=place)
    assert ended.code == 1
    assert "file" in ended.complaint
    assert (place / "file").read_text() == "no folder"


def test_a_stand_in_that_cannot_be_written_is_named(jaxdep_main, place):
    (place / "file").write_text("no folder")
    ended = jaxdep_main(*arguments("text_stand_in", data_dir="file"), cwd=place)
    assert ended.code == 1
    assert "file" in ended.complaint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("flag", ["workdir", "features_dir"])
def test_a_folder_without_permission_is_named(jaxdep_main, place, flag):
    (place / "closed").mkdir(mode=0o500)
    ended = jaxdep_main(*arguments(**{flag: "closed/inner"}), cwd=place)
    assert ended.code == 1
    assert "closed/inner" in ended.complaint


@pytest.mark.parametrize(
    "damage", ["flipped", *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("cut", "gone", "description"))]
)
def test_damaged_features_are_refused_and_once_deleted_made_again(jaxdep_main, place, damage):
    assert jaxdep_main(*arguments(), cwd=place).code == 0
    (folder,) = (place / "features" / "daic_woz").iterdir()
    (shard,) = folder.glob("*-00000-of-00001")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "cut":
        os.truncate(shard, 100)
    elif damage == "flipped":
        shard.write_bytes(data)
    elif damage == "gone":
        shard.unlink()
    else:
        (folder / "feature_set.json").write_text("{}")
    ended = jaxdep_main(*arguments(workdir="again"), cwd=place)
    assert ended.code == 1
    assert str(folder.relative_to(place)) in ended.complaint
    assert "delete the folder" in ended.complaint
    shutil.rmtree(folder)
    assert jaxdep_main(*arguments(workdir="again"), cwd=place).code == 0


def test_features_made_elsewhere_serve_where_the_corpus_is_not(jaxdep_main, place):
    assert jaxdep_main(*arguments(), cwd=place).code == 0
    shutil.rmtree(place / "data")
    ended = jaxdep_main(*arguments(workdir="again"), cwd=place)
    assert ended.code == 0, ended.err
    assert "the corpus is not here; using the features in features/daic_woz/sentences-" in ended.out
    scores = [(place / w / "stages/majority/predictions.csv").read_bytes() for w in ("w", "again")]
    assert scores[0] == scores[1]
