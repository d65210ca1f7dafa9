"""A tiny DAIC-WOZ written by the tests themselves, independently of the synthesis that the project ships."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

import input_pipeline
from input_pipeline import audio

ROOT = Path(input_pipeline.__file__).parents[1]
RATE_HZ = 16000
HEADER = "start_time\tstop_time\tspeaker\tvalue\n"
SPLIT_HEADER = (
    "Participant_ID,PHQ8_Binary,PHQ8_Score,Gender,PHQ8_NoInterest,PHQ8_Depressed,PHQ8_Sleep,PHQ8_Tired,PHQ8_Appetite,"
    "PHQ8_Failure,PHQ8_Concentrating,PHQ8_Moving\n"
)
DIALOGUE = (
    (1.0, 2.0, "Ellie", "how are you"),
    (2.5, 4.0, "Participant", "i am fine"),
    (4.5, 5.0, "Ellie", "why"),
    (5.5, 7.5, "Participant", "because of my dog"),
)


def noise(seconds, rate_hz=RATE_HZ, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))).astype(np.float32)


def items_of(score):
    return [min(3, max(0, score - 3 * index)) for index in range(8)]


class DaicWozFolder:
    """Writes the corpus's files below `root`; sessions land in the train split unless another is named."""

    dialogue = DIALOGUE

    def __init__(self, root: Path):
        self.root = root
        self.rows = {"train": [], "dev": []}
        self.test_ids = []
        root.mkdir(parents=True)

    def session(self, number, rows=DIALOGUE, split="train", score=4, binary=None, gender=0, seconds=8.0):
        folder = self.root / f"{number}_P"
        folder.mkdir()
        self.transcript(number, rows)
        soundfile.write(folder / f"{number}_AUDIO.wav", noise(seconds, seed=number), RATE_HZ, subtype="PCM_16")
        if split == "test":
            self.test_ids.append(number)
        else:
            cells = [number, int(score >= 10) if binary is None else binary, score, gender, *items_of(score)]
            self.rows[split].append(",".join(map(str, cells)))
        self.write_splits()
        return folder

    def transcript(self, number, rows):
        text = HEADER + "".join(f"{start}\t{stop}\t{who}\t{words}\n" for start, stop, who, words in rows)
        self.transcript_path(number).write_text(text)

    def transcript_path(self, number):
        return self.root / f"{number}_P" / f"{number}_TRANSCRIPT.csv"

    def split_path(self, split):
        return self.root / f"{split}_split_Depression_AVEC2017.csv"

    def write_splits(self):
        for split, rows in self.rows.items():
            self.split_path(split).write_text(SPLIT_HEADER + "".join(f"{row}\n" for row in rows))
        self.split_path("test").write_text("participant_ID,Gender\n" + "".join(f"{i},1\n" for i in self.test_ids))

    def mark_synthetic(self, **fields):
        (self.root / "SYNTHETIC.json").write_text(json.dumps(fields))


@pytest.fixture
def daic(tmp_path):
    return DaicWozFolder(tmp_path / "daic_woz")


@pytest.fixture
def wav(tmp_path):
    """Writes a wav of the given samples and returns its path."""

    def write(samples, rate_hz=RATE_HZ, subtype="PCM_16", name="a.wav"):
        path = tmp_path / name
        soundfile.write(path, samples, rate_hz, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def where_absent():
    """What a script prints on a machine where some packages are not installed."""

    def run(absent: tuple[str, ...], script: str) -> str:
        hiding = f"""
            import sys
            from importlib.machinery import PathFinder

            class Installed(PathFinder):
                @classmethod
                def find_spec(cls, name, path=None, target=None):
                    return None if name in {absent!r} else super().find_spec(name, path, target)

            sys.meta_path[:] = [Installed if finder is PathFinder else finder for finder in sys.meta_path]
        """
        command = [sys.executable, "-c", textwrap.dedent(hiding) + textwrap.dedent(script)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=180).stdout

    return run


@pytest.fixture(scope="session", autouse=True)
def _pitch_tracker_is_compiled():
    """librosa 1.0 compiles yin when it is first called, into the cache that two processes may not fill at once."""
    librosa = audio.load_librosa()
    with audio.librosa_lock():
        for precision in (np.float32, np.float64):
            librosa.yin(np.zeros(4096, precision), fmin=60, fmax=400, sr=RATE_HZ, frame_length=1024)
