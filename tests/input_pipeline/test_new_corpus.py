"""What a new corpus needs: a reader that names the writer of its stand-in, and one entry in `CORPORA`."""

import csv
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

import input_pipeline
from input_pipeline import corpora
from input_pipeline.builder import ensure
from input_pipeline.corpora import label_types, open_corpus
from input_pipeline.errors import DataError
from input_pipeline.features import LogMel, Sentences
from input_pipeline.recording import Corpus, Recording, Scanned, Segment
from input_pipeline.synthesis import options_of, synthesize, with_stand_in
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.writing import marker_of
from input_pipeline.validate import validate


class Hums(Corpus):
    """Two sentences of each person, hummed."""

    name = "hums"
    classes: ClassVar = {"mood": ("low", "high")}
    scores = ("pitch_hz",)
    stand_in = f"{__name__}:synthesize_hums"

    scans = 0

    def scan(self) -> Iterator[Scanned]:
        self.scans += 1
        with (self.root / "hums.csv").open() as file:
            for row in csv.DictReader(file):
                recording = Recording(
                    row["id"],
                    row["id"],
                    "train",
                    (Segment(0.0, 0.5, text="a hum"),),
                    {"mood": row["mood"], "pitch_hz": float(row["pitch_hz"])},
                    audio=self.root / f"{row['id']}.wav",
                )
                yield Scanned(row["id"], recording)


def synthesize_hums(data_dir: Path | str, *, sessions: int = 3, key: str = "major", flat: float | None = None) -> Path:
    def write(folder: Path) -> None:
        rows = [(f"h{index}", ("low", "high")[index % 2], 100 + index) for index in range(sessions)]
        for name, _, pitch_hz in rows:
            samples = 0.1 * np.sin(2 * np.pi * pitch_hz * np.arange(8000) / 16000)
            soundfile.write(folder / f"{name}.wav", samples, 16000)
        lines = ["id,mood,pitch_hz", *(",".join(map(str, row)) for row in rows)]
        (folder / "hums.csv").write_text("\n".join(lines) + "\n")

    root = Path(data_dir) / "hums"
    publish(root, marker_of("hums", 1, {"sessions": sessions, "key": key, "flat": flat}), write)
    return root


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(corpora.CORPORA, "hums", Hums)


def test_it_is_synthesized_opened_and_validated_by_its_name(tmp_path, capsys):
    assert synthesize("hums", tmp_path, sessions=4) == tmp_path / "hums"
    corpus = open_corpus("hums", tmp_path)
    assert corpus.synthetic
    count = validate(corpus)
    assert (count.sessions, count.seconds, count.errors.total()) == (4, 2.0, 0)
    assert "synthetic hums: 4 sessions" in capsys.readouterr().out
    assert label_types("hums") == ({"mood": ("low", "high")}, ("pitch_hz",))


def test_a_folder_that_is_not_there_is_answered_with_the_command(tmp_path):
    with pytest.raises(DataError) as raised:
        open_corpus("hums", tmp_path)
    line = f"python -m input_pipeline.synthesize --corpus=hums --data_dir={tmp_path}"
    assert str(
        raised.value
    ) == f"{tmp_path / 'hums'}: no such folder; unpack the corpus there, or write a synthetic " + (f"stand-in: {line}")


def test_its_options_are_those_of_its_writer(tmp_path):
    assert "hums" in with_stand_in()
    assert options_of("hums") == {"sessions": int, "key": str, "flat": float}
    with pytest.raises(
        DataError, match=r"^effect: the stand-in of hums has no such option; it has sessions, key, flat$"
    ):
        synthesize("hums", tmp_path, effect=1.0)
    with pytest.raises(DataError, match=r"^emodb: no stand-in can be written .* only for cmu_mosei, .*hums"):
        options_of("emodb")


def test_its_options_are_flags_of_the_command_line(tmp_path):
    script = f"""
        import runpy, sys
        from test_new_corpus import Hums
        from input_pipeline.corpora import CORPORA
        CORPORA["hums"] = Hums
        sys.argv = ["synthesize", "--corpus=hums", "--data_dir={tmp_path}", "--key=minor", "--sessions=2"]
        runpy.run_module("input_pipeline.synthesize", run_name="__main__")
    """
    paths = os.pathsep.join((str(Path(__file__).parent), str(Path(input_pipeline.__file__).parents[1])))
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr
    assert "synthetic stand-in of hums, ready" in ended.stdout
    marker = json.loads((tmp_path / "hums" / "SYNTHETIC.json").read_text())
    assert marker["parameters"] == {"sessions": 2, "key": "minor", "flat": None}


def test_its_folder_is_looked_through_once_however_many_features_are_made(tmp_path):
    synthesize("hums", tmp_path)
    corpus = open_corpus("hums", tmp_path)
    for feature in (LogMel(n_mels=8), Sentences(dim=4)):
        ensure(feature, corpus, features_dir=tmp_path / "features", workers=1)
    assert corpus.scans == 1
    corpus.recordings().clear()  # the caller's own list
    assert len(corpus.recordings()) == 3
