"""The stand-ins of the emotional corpora and of E-DAIC as files: layout, determinism, markers, and their readers."""

import filecmp
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.io
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.recording import SYNTHETIC_MARKER
from input_pipeline.synthesis import synthesize
from input_pipeline.synthesis.e_daic_tracks import DURATION_S

OPTIONS: dict[str, dict[str, Any]] = {
    "iemocap": {"sessions": 10, "turns": 6},
    "cmu_mosei": {"sessions": 12},
    "e_daic": {"sessions": 10, "turns": 2, "emotion": 1.0},
    "topical_chat": {"sessions": 20, "turns": 5},
    "librispeech": {"sessions": 8, "turns": 3},
    "mgid": {"sessions": 60},
    "recola": {"sessions": 6, "duration_s": 10},
    "talking_faces": {"sessions": 20, "duration_s": 2},
    "daic_woz": {"sessions": 10, "turns": 2, "emotion": 1.0},
}
FEWEST = {"mgid": 40, "talking_faces": 20}  # sessions, where ten are too few


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a corpus's stand-in, written when first asked for."""
    data_dir = tmp_path_factory.mktemp("data")
    return lambda name: synthesize(name, data_dir, workers=1, **OPTIONS[name])


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", OPTIONS)
def test_the_reader_takes_it_without_an_error(written: Callable[[str], Path], name: str) -> None:
    corpus = open_corpus(name, written(name).parent)
    assert corpus.synthetic
    recordings = corpus.recordings()
    assert len(recordings) >= OPTIONS[name]["sessions"]
    texts = [segment.text for recording in recordings for segment in recording.segments]
    assert not any(texts) if name in ("recola", "talking_faces") else all(texts)
    clipped = {"clip-past-audio", "clip-without-words", "turn-past-audio", "unlisted-session"}
    assert not clipped & {finding.rule for scanned in corpus.scan() for finding in scanned.findings}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_marker_tells_parameters_and_what_is_planted(written: Callable[[str], Path], name: str) -> None:
    marker = json.loads((written(name) / SYNTHETIC_MARKER).read_text())
    assert marker["corpus"] == name
    assert "made up" in marker["synthetic"]
    assert marker["parameters"].items() >= ({"seed": 0, "effect": 1.0} | OPTIONS[name]).items()
    if name == "librispeech":
        assert marker["planted_medians"]["female"]["pitch_hz"] > 1.5 * marker["planted_medians"]["male"]["pitch_hz"]
    elif name == "mgid":
        assert marker["bayes_accuracy"]["depressed"]["both"] > marker["bayes_accuracy"]["depressed"]["text"] > 0.8
    else:
        assert marker["planted_slopes"]["loudness_db"]["activation"] > 0


@pytest.mark.parametrize("name", ["e_daic", "daic_woz"])
def test_the_marker_tells_the_shares_of_the_emotions_by_label(written: Callable[[str], Path], name: str) -> None:
    shares = json.loads((written(name) / SYNTHETIC_MARKER).read_text())["planted_shares_of_emotions"]
    assert shares["depressed"]["sad"] > 1.3 * shares["healthy"]["sad"]
    assert 0 < shares["depressed"]["happy"] < shares["healthy"]["happy"]
    for of_label in shares.values():
        assert sum(of_label.values()) == pytest.approx(1.0, abs=0.003)


@pytest.mark.parametrize(
    ("name", "workers"),
    [("iemocap", 2), *(pytest.param(name, 1, marks=pytest.mark.slow) for name in OPTIONS if name != "iemocap")],
)
@pytest.mark.slow
def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(
    written: Callable[[str], Path], tmp_path: Path, name: str, workers: int
) -> None:
    root, again = written(name), synthesize(name, tmp_path, workers=workers, **OPTIONS[name])
    files = _files(root)
    assert files == _files(again)
    same, different, unreadable = filecmp.cmpfiles(root, again, files, shallow=False)
    assert (sorted(same), different, unreadable) == (files, [], [])
    sessions = FEWEST.get(name, 10)
    other = synthesize(name, tmp_path / "other", seed=1, workers=1, **(OPTIONS[name] | {"sessions": sessions}))
    shared = set(files) & set(_files(other)) - {SYNTHETIC_MARKER}
    assert shared
    assert all(not filecmp.cmp(root / file, other / file, shallow=False) for file in shared)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("options", [{"sessions": 1}, {"effect": -1.0}, {"seed": -1}])
def test_a_wrong_option_is_named_and_nothing_is_written(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"^{next(iter(options))}:"):
        synthesize(name, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_interviews_with_emotion_are_not_taken_for_those_without(written: Callable[[str], Path]) -> None:
    root = written("daic_woz")
    with pytest.raises(DataError, match=r"emotion=1.0 where None is asked for.*--overwrite"):
        synthesize("daic_woz", root.parent, workers=1, **(OPTIONS["daic_woz"] | {"emotion": 0.0}))


def test_iemocap_has_ten_speakers_and_labels_besides_the_four_classes(written: Callable[[str], Path]) -> None:
    root = written("iemocap")
    labels: list[str] = []
    for session in range(1, 6):
        names = [path.stem for path in sorted((root / f"Session{session}/dialog/EmoEvaluation").glob("*.txt"))]
        assert names == [f"Ses0{session}F_impro01", f"Ses0{session}M_impro01"]
        for name in names:
            evaluation = (root / f"Session{session}/dialog/EmoEvaluation/{name}.txt").read_text()
            lines = [line.split("\t") for line in evaluation.splitlines() if line.startswith("[")]
            assert len(lines) == 6
            assert evaluation.count("\nC-E") == evaluation.count("\nA-E") == 3 * len(lines)
            labels += [line[2] for line in lines]
            spoken = {path.stem for path in (root / f"Session{session}/sentences/wav/{name}").iterdir()}
            assert spoken == {line[1] for line in lines}
    assert len({one.participant for one in open_corpus("iemocap", root.parent).recordings()}) == 10
    assert {"ang", "hap", "neu", "sad"} < set(labels)
    assert set(labels) & {"fru", "xxx"}


def test_attributes_of_iemocap_go_with_the_class(tmp_path: Path) -> None:
    synthesize("iemocap", tmp_path, sessions=15, turns=12, effect=0.0, workers=1)
    recordings = open_corpus("iemocap", tmp_path).recordings()

    def mean(emotion: str, attribute: str) -> float:
        return float(np.mean([r.labels[attribute] for r in recordings if r.labels["emotion"] == emotion]))

    assert mean("happy", "valence") > mean("neutral", "valence") + 0.4 > mean("sad", "valence") + 0.8
    assert mean("angry", "activation") > mean("neutral", "activation") + 0.4 > mean("sad", "activation") + 0.6
    assert mean("angry", "dominance") > mean("sad", "dominance") + 0.8


def test_mosei_holds_seven_labels_a_clip_in_thirds_and_every_video_in_a_fold(written: Callable[[str], Path]) -> None:
    root = written("cmu_mosei")
    folds = json.loads((root / "standard_folds.json").read_text())
    videos = [video for fold in ("train", "valid", "test") for video in folds[fold]]
    assert sorted(videos) == sorted(path.stem for path in (root / "Audio/Full/WAV_16000").iterdir())
    assert all(folds.values())
    with h5py.File(root / "CMU_MOSEI_Labels.csd") as file:
        assert "metadata" in file["All Labels"]
        for video in videos:
            labels, times_s = (file[f"All Labels/data/{video}/{name}"][()] for name in ("features", "intervals"))
            assert 3 <= len(labels) <= 5
            assert labels.shape[1] == 7
            np.testing.assert_allclose(3 * labels, np.rint(3 * labels), atol=1e-5)
            assert (times_s[:, 0] < times_s[:, 1]).all()
            assert times_s.max() < soundfile.info(root / f"Audio/Full/WAV_16000/{video}.wav").duration


@pytest.mark.slow
def test_a_sentiment_holds_on_in_a_video(tmp_path: Path) -> None:
    synthesize("cmu_mosei", tmp_path, sessions=60, workers=1)
    recordings = open_corpus("cmu_mosei", tmp_path).recordings()
    by_video: dict[str, list[float]] = {}
    for recording in recordings:
        by_video.setdefault(recording.participant, []).append(float(recording.labels["sentiment"]))
    within = np.mean([np.var(values) for values in by_video.values()])
    assert within < 0.6 * np.var([value for values in by_video.values() for value in values])


def test_e_daic_has_the_features_of_the_original(written: Callable[[str], Path]) -> None:
    features = written("e_daic") / "300_P" / "features"
    egemaps, mfcc = (
        pd.read_csv(features / f"300_OpenSMILE2.3.0_{kind}.csv", sep=";", quotechar="'") for kind in ("egemaps", "mfcc")
    )
    assert (egemaps.shape, mfcc.shape) == ((100 * DURATION_S, 2 + 23), (100 * DURATION_S, 2 + 39))
    assert list(egemaps.columns[:2]) == ["name", "frameTime"]
    assert egemaps["F0semitoneFrom27.5Hz_sma3nz"].max() > 20
    face = pd.read_csv(features / "300_OpenFace2.1.0_Pose_gaze_AUs.csv")
    assert face.shape == (30 * DURATION_S, 4 + 49)
    for bag in ("BoAW_openSMILE_2.3.0_eGeMAPS", "BoAW_openSMILE_2.3.0_MFCC", "BoVW_openFace_2.1.0_Pose_Gaze_AUs"):
        assert pd.read_csv(features / f"300_{bag}.csv", header=None).shape[1] == 100
    for network, width in (("densenet201", 1920), ("vgg16", 4096)):
        assert pd.read_csv(features / f"300_{network}.csv").shape[1] == 2 + width
    for network, width in (("ResNet", 2048), ("VGG", 4096)):
        assert scipy.io.loadmat(features / f"300_CNN_{network}.mat")["feature"].shape[1] == width


def test_e_daic_tells_no_speaker_and_has_no_word_of_the_interviewer(written: Callable[[str], Path]) -> None:
    root = written("e_daic")
    for folder in root.glob("*_P"):
        transcript = pd.read_csv(folder / f"{folder.name[:-2]}_Transcript.csv")
        assert list(transcript.columns) == ["Start_Time", "End_Time", "Text", "Confidence"]
        assert transcript.Confidence.between(0, 1).all()
        assert not transcript.Text.str.contains(r"ellie|<|\[|xxx|scrubbed").any()
    tables = [pd.read_csv(root / f"{split}_split.csv") for split in ("train", "dev", "test")]
    table = pd.concat(tables).set_index("Participant_ID")
    items = pd.read_csv(root / "Detailed_PHQ8_Labels.csv").set_index("Participant_ID")
    assert (items.filter(regex="PHQ_8(?!Total)").sum(axis=1) == table.PHQ_Score.loc[items.index]).all()


def test_the_interviews_of_e_daic_are_not_those_of_daic_woz(written: Callable[[str], Path]) -> None:
    wav = "300_P/300_AUDIO.wav"
    assert not filecmp.cmp(written("e_daic") / wav, written("daic_woz") / wav, shallow=False)


def test_librispeech_has_both_genders_in_each_subset_and_words_in_capitals(written: Callable[[str], Path]) -> None:
    root = written("librispeech")
    recordings = open_corpus("librispeech", root.parent).recordings()
    genders = {(one.split, one.participant, one.labels["gender"]) for one in recordings}
    counts = Counter((split, gender) for split, _, gender in genders)
    assert counts == {
        (split, gender): 2 if split == "train-clean-100" else 1
        for split in ("train-clean-100", "dev-clean", "test-clean")
        for gender in ("female", "male")
    }
    assert len(recordings) == 8 * 3
    assert all(one.segments[0].text.isupper() for one in recordings)
    lines = (root / "LibriSpeech/SPEAKERS.TXT").read_text().splitlines()
    listed = [line.split("|", 4) for line in lines if not line.startswith(";")]
    assert [cells[0].strip() for cells in listed] == sorted({one.participant for one in recordings}, key=int)
    seconds = sum(one.segments[0].stop_s for one in recordings)
    assert sum(60 * float(cells[3]) for cells in listed) == pytest.approx(seconds, abs=8 * 0.3)
    assert "|" in listed[0][4]


@pytest.mark.parametrize(("effect", "least", "most"), [(1.0, 1.4, 2.3), (0.0, 0.75, 1.33)])
def test_women_of_librispeech_speak_higher_where_there_is_an_effect(
    tmp_path: Path, effect: float, least: float, most: float
) -> None:
    synthesize("librispeech", tmp_path, sessions=12, turns=1, effect=effect, workers=1)
    pitch_hz: dict[object, list[float]] = {"female": [], "male": []}
    for one in open_corpus("librispeech", tmp_path).recordings():
        assert one.audio is not None
        samples, _ = soundfile.read(one.audio, dtype="float32")
        track = librosa.yin(samples, fmin=60, fmax=400, sr=16000, frame_length=1024, hop_length=1024)
        pitch_hz[one.labels["gender"]].append(float(np.median(track)))
    ratio = np.median(pitch_hz["female"]) / np.median(pitch_hz["male"])
    assert least < ratio < most


def test_recola_has_six_raters_that_differ_and_agree(written: Callable[[str], Path]) -> None:
    below = written("recola") / "RECOLA-Annotation/emotional_behaviour"
    for dimension in ("arousal", "valence"):
        tables = [pd.read_csv(path, sep=";") for path in sorted((below / dimension).iterdir())]
        assert len(tables) == 6
        for table in tables:
            assert list(table.columns) == ["time", "FM1 ", "FM2 ", "FM3 ", "FF1 ", "FF2 ", "FF3"]
            np.testing.assert_allclose(table.time, 0.04 * np.arange(251), atol=1e-9)
        ratings = pd.concat(tables).drop(columns="time")
        assert ratings.abs().max().max() <= 1.0
        apart = ratings.corr().to_numpy()[np.triu_indices(6, 1)]
        assert 0.6 < apart.min() < apart.max() < 0.999


def test_recola_of_avec_2016_is_the_same_with_the_raters_mean(written: Callable[[str], Path], tmp_path: Path) -> None:
    options = OPTIONS["recola"] | {"distribution": "avec2016", "workers": 1}
    original, challenge = written("recola"), synthesize("recola", tmp_path, **options)
    assert {path.stem for path in (challenge / "recordings_audio").iterdir()} == {
        f"{split}_{number}" for split in ("train", "dev", "test") for number in (1, 2)
    }
    assert not list(challenge.rglob("test_*.arff"))
    pairs = ("P16", "train_1"), ("P20", "dev_2")
    of = [{one.id: one for one in open_corpus("recola", root.parent).recordings()} for root in (original, challenge)]
    for name, again in pairs:
        assert of[0][f"{name}_0003"].labels == pytest.approx(of[1][f"{again}_0003"].labels, abs=1e-6)
    assert all(not one.labels for one in of[1].values() if one.split == "test")


@pytest.mark.parametrize("options", [{"duration_s": 4}, {"duration_s": 301}, {"distribution": "avec"}])
def test_an_option_of_recola_that_cannot_be(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"^{next(iter(options))}: found .*; use "):
        synthesize("recola", tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("effect", [1.0, 0.0])
def test_the_voice_of_recola_follows_arousal_more_than_valence(tmp_path: Path, effect: float) -> None:
    synthesize("recola", tmp_path, sessions=6, duration_s=60, effect=effect, workers=1)
    heard: dict[str, list[list[float]]] = {}
    for one in open_corpus("recola", tmp_path).recordings():
        assert one.audio is not None
        part = one.segments[0]
        samples, _ = soundfile.read(one.audio, start=round(16000 * part.start_s), stop=round(16000 * part.stop_s))
        loudness = np.log(np.sqrt(np.mean(samples**2)))
        heard.setdefault(one.participant, []).append([loudness, one.labels["arousal"], one.labels["valence"]])
    within = np.concatenate([np.array(rows) - np.mean(rows, axis=0) for rows in heard.values()])
    loudness, arousal, valence = within.T
    of_arousal, of_valence = np.corrcoef(loudness, arousal)[0, 1], np.corrcoef(loudness, valence)[0, 1]
    if effect:
        assert of_arousal > 0.6
        assert of_arousal > 2 * abs(of_valence)
    else:
        assert abs(of_arousal) < 0.35


def test_topical_chat_has_agents_in_turns_and_a_sentiment_each(written: Callable[[str], Path]) -> None:
    root = written("topical_chat")
    assert _files(root) == [SYNTHETIC_MARKER, "test_freq.json", "train.json", "valid_freq.json"]
    for name in ("train", "valid_freq", "test_freq"):
        for conversation in json.loads((root / f"{name}.json").read_text()).values():
            assert [turn["agent"] for turn in conversation["content"]] == [f"agent_{i % 2 + 1}" for i in range(5)]
            assert all(turn["message"].endswith(".") for turn in conversation["content"])


@pytest.mark.slow
def test_the_command_line_writes_every_corpus_with_its_own_options(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "input_pipeline.synthesize", "--corpus=topical_chat", f"--data_dir={tmp_path}"]
    refused = subprocess.run([*command, "--emotion=1"], capture_output=True, text=True, timeout=120, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("emotion: the stand-in of topical_chat has no such option")
    done = subprocess.run(
        [*command, "--sessions=10", "--turns=2"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "topical_chat" / SYNTHETIC_MARKER).is_file()
