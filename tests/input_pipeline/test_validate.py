"""The validator on the command line: what it prints, and how it exits."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from input_pipeline import audio
from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.daic_woz import DaicWoz
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.synthesis import synthesize
from input_pipeline.validate import validate

STAND_INS = {
    "daic_woz": {"sessions": 10, "turns": 2},
    "e_daic": {"sessions": 10, "turns": 2},
    "iemocap": {"sessions": 10, "turns": 6},
    "cmu_mosei": {"sessions": 12},
    "librispeech": {"sessions": 8, "turns": 1},
    "mgid": {"sessions": 40},
    "recola": {"sessions": 6, "duration_s": 5},
}


def command(*arguments):
    line = [sys.executable, "-m", "input_pipeline.validate", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def last_line(capsys):
    return capsys.readouterr().out.splitlines()[-1]


def test_a_healthy_corpus_is_counted(daic, capsys):
    for number, split, score in ((300, "train", 4), (301, "train", 12), (302, "dev", 0)):
        daic.session(number, split=split, score=score, seconds=12)
    daic.session(303, split="test")
    count = validate(DaicWoz(daic.root))
    assert not count.errors
    assert (count.sessions, len(count.participants)) == (4, 4)
    assert count.splits == {"train": 2, "dev": 1, "test": 1}
    assert count.classes["depressed"] == {"healthy": 2, "depressed": 1, "no label": 1}
    assert count.seconds == pytest.approx(44.0)
    line = last_line(capsys)
    for part in ("4 sessions", "splits: dev 1, test 1, train 2", "depressed 1, healthy 2", "0.01 h", "errors: none"):
        assert part in line


def test_rules_applied_are_told_by_session_and_counted(daic, capsys):
    rows = [*daic.dialogue, (7.6, 7.9, "Participant", "<sync>")]
    daic.session(300, rows)
    daic.session(301, rows)
    assert validate(DaicWoz(daic.root)).applied["sync-row"] == 2
    out = capsys.readouterr().out
    assert re.search(r"^301: APPLIED \[sync-row\] .*301_TRANSCRIPT\.csv: 1 turn ", out, re.MULTILINE)
    assert "sync-row 2" in out.splitlines()[-1]


def test_a_file_that_clips_share_is_read_and_counted_once(tmp_path, capsys, monkeypatch):
    soundfile.write(tmp_path / "video.wav", np.linspace(-0.1, 0.1, 8 * 16000), 16000)
    rows = ["id,participant,audio,start,stop"] + [f"clip{k},p,video.wav,{k},{k + 1}" for k in range(3)]
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    read, check = [], audio.check_waveform
    monkeypatch.setattr(audio, "check_waveform", lambda path: read.append(path) or check(path))
    count = validate(Manifest(tmp_path / "clips.csv"))
    assert (count.sessions, count.seconds, len(read)) == (3, 8.0, 1)


def unreadable(folder, monkeypatch):
    """A disk that fails, for one folder."""
    listed = Path.iterdir

    def iterdir(path):
        if path == folder:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


@pytest.mark.parametrize(
    "corpus", ["daic_woz", "e_daic", "iemocap", "emodb", "cmu_mosei", "librispeech", "mgid", "recola"]
)
def test_a_folder_that_cannot_be_listed_is_named(corpus, tmp_path, monkeypatch):
    root = tmp_path / corpus
    if corpus == "emodb":
        (root / "wav").mkdir(parents=True)
    else:
        synthesize(corpus, tmp_path, workers=1, **STAND_INS[corpus])
    if corpus == "cmu_mosei":
        (root / "CMU_MOSEI_Labels.csd").rename(root / "other.csd")  # so that it is looked for
    below = {
        "emodb": "wav",
        "iemocap": "Session2/dialog/transcriptions",
        "librispeech": "LibriSpeech/dev-clean",
        "mgid": "images",
        "recola": "RECOLA-Audio-recordings",
    }
    folder = root / below.get(corpus, "")
    unreadable(folder, monkeypatch)
    try:
        named = [finding.message for session in open_corpus(corpus, tmp_path).scan() for finding in session.findings]
    except DataError as error:
        named = [str(error)]
    assert any(f"{folder}: cannot be listed (Input/output error)" in message for message in named)


@pytest.mark.parametrize("corpus", ["daic_woz", "e_daic"])
def test_the_other_sessions_are_read_where_one_folder_cannot_be_listed(corpus, tmp_path, monkeypatch, capsys):
    synthesize(corpus, tmp_path, workers=1, **STAND_INS[corpus])
    whole = validate(open_corpus(corpus, tmp_path))
    unreadable(sorted((tmp_path / corpus).glob("*_P"))[0], monkeypatch)
    count = validate(open_corpus(corpus, tmp_path))
    assert count.errors == {"unreadable-folder": 1}
    assert count.sessions == whole.sessions - 1


@pytest.mark.parametrize(("value", "rule"), [(0.0, "silent-audio"), (np.nan, "non-finite-audio")])
def test_waveforms_are_read_to_their_end(daic, capsys, value, rule):
    samples = np.linspace(-0.1, 0.1, 8 * 16000, dtype=np.float32) * (value != 0)
    samples[-1] = value
    path = daic.session(300) / "300_AUDIO.wav"
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    daic.session(301)
    count = validate(DaicWoz(daic.root))
    assert count.errors == {rule: 1}
    assert count.sessions == 1
    out = capsys.readouterr().out
    assert f"300: ERROR [{rule}] {path}" in out
    assert f"errors: {rule} 1" in out.splitlines()[-1]


def test_a_stand_in_is_called_synthetic_first_and_last(daic, capsys):
    daic.session(300)
    daic.mark_synthetic()
    validate(DaicWoz(daic.root))
    lines = capsys.readouterr().out.splitlines()
    assert "SYNTHETIC" in lines[0]
    assert lines[-1].startswith("synthetic daic_woz: ")


def test_the_real_corpus_is_not_called_synthetic(daic, capsys):
    daic.session(300)
    validate(DaicWoz(daic.root))
    assert "synthetic" not in capsys.readouterr().out.lower()


def test_exit_0_and_1(daic):
    daic.session(300)
    arguments = ("--corpus=daic_woz", f"--data_dir={daic.root.parent}")
    fine = command(*arguments)
    assert fine.returncode == 0, fine.stderr
    assert "reading waveforms" in fine.stderr
    assert "reading waveforms" not in fine.stdout
    daic.session(301, [])
    broken = command(*arguments)
    assert broken.returncode == 1
    assert "empty-participant" in broken.stdout
    assert "Traceback" not in broken.stderr


def test_a_missing_corpus_is_one_line_and_exit_1(tmp_path):
    done = command("--corpus=daic_woz", f"--data_dir={tmp_path}")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert str(tmp_path / "daic_woz") in line
    assert "input_pipeline.synthesize" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--corpus=daic_woz"],
        ["--corpus=daic_woz", "--data_dir=.", "--colour=red"],
        ["--corpus=daic_woz", "--data_dir=.", "more"],
        ["--corpus=manifest:a.csv", "--data_dir=.", "--classes=mood"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments):
    done = command(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_manifests_labels_are_typed_by_flags(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.linspace(-0.1, 0.1, 16000), 16000)
    (tmp_path / "mine.csv").write_text("id,participant,audio,mood,score\nr1,p1,a.wav,low,3\n")
    done = command("--corpus=manifest:mine.csv", f"--data_dir={tmp_path}", "--classes=mood=low,high", "--scores=score")
    assert done.returncode == 0, done.stderr
    assert "mood low, score 3" in done.stdout
    assert "mood: low 1" in done.stdout.splitlines()[-1]


def warnings_of(text, tmp_path, capsys, **types):
    """By rule, the lines of the warnings about a manifest of this text beside `a.wav`, of 16 kHz."""
    soundfile.write(tmp_path / "a.wav", np.linspace(-0.1, 0.1, 16000), 16000)
    (tmp_path / "mine.csv").write_text(text)
    count = validate(Manifest(tmp_path / "mine.csv", **types))
    lines = [line for line in capsys.readouterr().out.splitlines() if ": WARNING [" in line]
    assert sum(count.warnings.values()) == len(lines)
    return [re.sub(r"^.*: WARNING \[([a-z-]+)\] \S+: ", r"\1: ", line) for line in lines]


def test_what_in_a_manifest_may_be_a_mistake(tmp_path, capsys):
    text = (
        "id,participant,wav,partcipants,split,depressed,phq8,city\n"
        "r1,p1,a.wav,x,train,no,3,Bern\nr2,p2,a.wav,x,validation,yes,12,Bonn\nr3,p3,a.wav,x,holdout,yes,15,Bonn\n"
    )
    rows = text.replace(",city", ",text").replace("Bern", "well").replace("Bonn", "badly")
    assert warnings_of(rows, tmp_path, capsys, classes={"depressed": ("no", "yes")}) == [
        "unknown-column: column 'wav' is metadata; did you mean 'audio'?",
        "unusual-split: split 'holdout' of 1 rows is none of train, dev, test; name it in the config's Splits",
        "unusual-split: split 'validation' of 1 rows is none of train, dev, test; did you mean 'dev'?",
        "untyped-label: column 'phq8' is metadata and no label; if it is one, type it: --scores=phq8",
    ]


def test_a_required_column_of_another_name_is_warned_of_beside_the_error(tmp_path, capsys):
    (found,) = warnings_of("id,subject,text,mood\nr1,p1,t,low\n", tmp_path, capsys, classes={"mood": ("low", "high")})
    assert found == "unknown-column: column 'subject' is metadata; did you mean 'participant'?"


def test_where_nothing_is_typed_whatever_is_like_a_label_is_told(tmp_path, capsys):
    text = "id,participant,text,ill,city\n" + "".join(f"r{n},p{n},t,{n % 2},c{n}\n" for n in range(12))
    assert warnings_of(text, tmp_path, capsys) == [
        "untyped-label: column 'ill' is metadata and no label; if it is one, type it: --classes=ill=0,1"
    ]


def test_a_manifest_as_it_should_be_has_no_warning(tmp_path, capsys):
    text = "id,participant,audio,split,ill,city,site\nr1,p1,a.wav,train,no,Bern,x\nr2,p2,a.wav,dev,yes,Bonn,y\n"
    assert warnings_of(text, tmp_path, capsys, classes={"ill": ("no", "yes")}) == []


def test_audio_of_a_low_rate_is_told_once(tmp_path, capsys):
    for name, rate_hz in (("b", 8000), ("c", 11025), ("d", 44100)):
        soundfile.write(tmp_path / f"{name}.wav", np.linspace(-0.1, 0.1, rate_hz), rate_hz)
    rows = "".join(f"{name},{name},{name}.wav,x\n" for name in "abcd")
    (line,) = warnings_of(f"id,participant,audio,ill\n{rows}", tmp_path, capsys, classes={"ill": ("x", "y")})
    assert line.startswith("low-rate: 2 of 4 audio files have 8000, 11025 Hz, below the 16000 Hz")
