"""The stand-in of DAIC-WOZ as files: layout, headers, determinism, and the command line that writes it."""

import csv
import filecmp
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.recording import PARTICIPANT, SYNTHETIC_MARKER
from input_pipeline.synthesis import synthesize
from input_pipeline.synthesis.daic_woz import TRACKS_S

SESSIONS, TURNS = 12, 3
ITEMS = ["NoInterest", "Depressed", "Sleep", "Tired", "Appetite", "Failure", "Concentrating", "Moving"]
TRAIN_HEADER = ["Participant_ID", "PHQ8_Binary", "PHQ8_Score", "Gender", *(f"PHQ8_{item}" for item in ITEMS)]
SPLIT_HEADERS = {
    "train_split_Depression_AVEC2017.csv": TRAIN_HEADER,
    "dev_split_Depression_AVEC2017.csv": TRAIN_HEADER,
    "test_split_Depression_AVEC2017.csv": ["participant_ID", "Gender"],
    "full_test_split.csv": ["Participant_ID", "PHQ_Binary", "PHQ_Score", "Gender"],
}
CLNF_COLUMNS = {"features": 136, "features3D": 204, "gaze": 12, "pose": 6, "AUs": 20}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("data")
    return synthesize("daic_woz", data_dir, sessions=SESSIONS, turns=TURNS, workers=1)


@pytest.fixture(scope="module")
def folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _transcript(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / f"{folder.name[:-2]}_TRANSCRIPT.csv", sep="\t", quoting=csv.QUOTE_NONE)


def test_a_folder_a_session_and_nothing_hidden_beside_the_corpus(root: Path, folders: list[Path]) -> None:
    assert len(folders) == SESSIONS
    assert [path.name for path in root.parent.iterdir()] == ["daic_woz"]
    assert folders[0].name == "300_P"


@pytest.mark.parametrize("name", SPLIT_HEADERS)
def test_split_headers_are_those_of_avec_2017(root: Path, name: str) -> None:
    assert (root / name).read_text().splitlines()[0].split(",") == SPLIT_HEADERS[name]


def test_splits_are_disjoint_and_cover_all_sessions(root: Path, folders: list[Path]) -> None:
    columns = {name: pd.read_csv(root / name).iloc[:, 0].tolist() for name in SPLIT_HEADERS}
    assert columns["full_test_split.csv"] == columns.pop("test_split_Depression_AVEC2017.csv")
    listed = [session for column in columns.values() for session in column]
    assert sorted(listed) == [int(folder.name[:-2]) for folder in folders]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_score_is_the_sum_of_items_and_ten_is_depressed(root: Path, split: str) -> None:
    table = pd.read_csv(root / f"{split}_split_Depression_AVEC2017.csv")
    items = table[[f"PHQ8_{item}" for item in ITEMS]]
    assert items.isin(range(4)).all(axis=None)
    assert (items.sum(axis=1) == table.PHQ8_Score).all()
    assert ((table.PHQ8_Score >= 10) == table.PHQ8_Binary).all()
    assert set(table.PHQ8_Binary) == {0, 1}


def test_audio_is_16_khz_mono_16_bit_and_as_long_as_the_transcript(folders: list[Path]) -> None:
    for folder in folders:
        info = soundfile.info(folder / f"{folder.name[:-2]}_AUDIO.wav")
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        rows = _transcript(folder)
        assert 0 < info.duration - rows.stop_time.max() < 1
        assert (rows.start_time < rows.stop_time).all()
        assert (rows.start_time.to_numpy()[1:] > rows.stop_time.to_numpy()[:-1]).all()


def test_speech_is_louder_than_the_pauses_between_turns(folders: list[Path]) -> None:
    samples, rate_hz = soundfile.read(folders[0] / "300_AUDIO.wav")
    spoken = np.zeros(len(samples), bool)
    for row in _transcript(folders[0]).itertuples():
        spoken[int(row.start_time * rate_hz) : int(row.stop_time * rate_hz)] = True
    assert samples[spoken].std() > 5 * samples[~spoken].std()
    assert np.abs(samples).max() < 1


def test_scrubbed_entries_are_zero_in_the_audio_and_nothing_else_is(folders: list[Path]) -> None:
    scrubbed = 0
    for folder in folders:
        samples, rate_hz = soundfile.read(folder / f"{folder.name[:-2]}_AUDIO.wav")
        for row in _transcript(folder).itertuples():
            piece = samples[int(row.start_time * rate_hz) + 1 : int(row.stop_time * rate_hz) - 1]
            assert (row.value == "scrubbed_entry") == (not piece.any())
            scrubbed += row.value == "scrubbed_entry"
    assert scrubbed > 0


def test_transcripts_hold_the_marks_of_the_original(folders: list[Path]) -> None:
    text = "".join((folder / f"{folder.name[:-2]}_TRANSCRIPT.csv").read_text() for folder in folders)
    assert text.startswith("start_time\tstop_time\tspeaker\tvalue\n")
    assert "\n\n" in text
    assert " xxx" in text
    assert "laughter" in text
    for folder in folders:
        rows = _transcript(folder)
        assert set(rows.speaker) == {"Ellie", "Participant"}
        assert "syn" in rows.value[0]  # the synchronisation comes before Ellie
        assert len(rows[rows.speaker == "Participant"]) >= TURNS


def test_covarep_and_formant_have_the_columns_and_rate_of_the_original(folders: list[Path]) -> None:
    infinite = 0
    for folder in folders:
        covarep = pd.read_csv(folder / f"{folder.name[:-2]}_COVAREP.csv", header=None)
        formant = pd.read_csv(folder / f"{folder.name[:-2]}_FORMANT.csv", header=None)
        assert covarep.shape == (100 * TRACKS_S, 74)
        assert formant.shape == (100 * TRACKS_S, 5)
        voiced = covarep[1] == 1
        assert covarep[0][voiced].between(50, 500).all()
        assert not covarep[0][~voiced].any()
        infinite += np.isneginf(covarep.to_numpy()).sum()
    assert infinite > 0


@pytest.mark.parametrize("kind", CLNF_COLUMNS)
def test_clnf_has_leading_spaces_in_its_names_and_30_frames_a_second(folders: list[Path], kind: str) -> None:
    table = pd.read_csv(folders[0] / f"300_CLNF_{kind}.txt")
    assert list(table.columns[:4]) == ["frame", " timestamp", " confidence", " success"]
    assert all(name.startswith(" ") for name in table.columns[1:])
    assert table.shape == (30 * TRACKS_S, 4 + CLNF_COLUMNS[kind])
    assert table[" timestamp"].iloc[30] == pytest.approx(1.0)


def test_the_marker_says_what_it_is(root: Path) -> None:
    marker = json.loads((root / SYNTHETIC_MARKER).read_text())
    assert marker["defects"] is False
    assert marker["parameters"] == {"sessions": SESSIONS, "seed": 0, "effect": 1.0, "turns": TURNS}
    assert marker["bayes_score_on_latents"]["audio"]["accuracy"] > 0.8


def test_the_reader_takes_it_without_an_error(root: Path) -> None:
    corpus = open_corpus("daic_woz", root.parent)
    assert corpus.synthetic
    recordings = corpus.recordings()
    assert len(recordings) == SESSIONS
    for recording in recordings:
        assert sum(segment.speaker == PARTICIPANT for segment in recording.segments) == TURNS
        assert not any(mark in segment.text for segment in recording.segments for mark in ("<", "xxx", "("))


@pytest.mark.slow
def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(root: Path, folders: list[Path], tmp_path: Path) -> None:
    again = synthesize("daic_woz", tmp_path, sessions=SESSIONS, turns=TURNS, workers=2)
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert files == sorted(str(path.relative_to(again)) for path in again.rglob("*") if path.is_file())
    same, different, unreadable = filecmp.cmpfiles(root, again, files, shallow=False)
    assert (sorted(same), different, unreadable) == (files, [], [])
    other = synthesize("daic_woz", tmp_path / "other", sessions=SESSIONS, turns=TURNS, seed=1, workers=1)
    wav = "300_P/300_AUDIO.wav"
    assert not filecmp.cmp(root / wav, other / wav, shallow=False)


def test_the_same_stand_in_is_left_as_it_is_and_another_is_refused(root: Path) -> None:
    before = root.stat().st_mtime_ns
    assert synthesize("daic_woz", root.parent, sessions=SESSIONS, turns=TURNS) == root
    assert root.stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"effect=1.0 where 0.0 is asked for.*--overwrite"):
        synthesize("daic_woz", root.parent, sessions=SESSIONS, turns=TURNS, effect=0.0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sessions": 9}, "sessions"),
        ({"sessions": 5000}, "sessions"),
        ({"effect": -0.1}, "effect"),
        ({"effect": float("nan")}, "effect"),
        ({"turns": 0}, "turns"),
        ({"seed": -1}, "seed"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(tmp_path: Path, options: dict, named: str) -> None:
    with pytest.raises(DataError, match=f"^{named}:"):
        synthesize("daic_woz", tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_corpus_without_a_stand_in_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="emodb"):
        synthesize("emodb", tmp_path)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "input_pipeline.synthesize", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_command_line_writes_with_progress_on_stderr(tmp_path: Path) -> None:
    done = _run("--corpus=daic_woz", f"--data_dir={tmp_path}", "--sessions=10", "--turns=1", "--workers=1")
    assert done.returncode == 0, done.stderr
    assert "10/10 sessions" in done.stderr
    assert (tmp_path / "daic_woz" / SYNTHETIC_MARKER).is_file()


def test_command_line_fails_in_one_line_over_a_real_corpus(tmp_path: Path) -> None:
    (tmp_path / "daic_woz").mkdir()
    done = _run("--corpus=daic_woz", f"--data_dir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert SYNTHETIC_MARKER in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--corpus=nobody", "--data_dir=x"],
        *(pytest.param(few, marks=pytest.mark.slow) for few in ([], ["--corpus=daic_woz"], ["--effects=1"])),
    ],
)
def test_command_line_usage_errors_exit_with_2(arguments: list[str]) -> None:
    assert _run(*arguments).returncode == 2
