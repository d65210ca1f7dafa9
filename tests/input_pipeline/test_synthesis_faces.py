"""The stand-in of faces and speech: who takes part, and the planted effect in looks, pictures, sound and files."""

import itertools
import json
from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import cross_val_score

from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.synthesis import synthesize
from input_pipeline.synthesis.expressions import FPS, POSTURES, bayes_accuracy_of_emotions, draw_posture, watching
from input_pipeline.synthesis.faces import SIZE, Look, draw_frames, draw_identity
from input_pipeline.synthesis.talking_faces import write_video
from input_pipeline.synthesis.volunteers import (
    HEALTHY,
    MODALITIES,
    SEVERITIES,
    SHIFTS,
    SPLIT_SHARES,
    bayes_accuracy,
    draw_volunteers,
)

STRONG = 3.0  # an effect that few participants show plainly


@pytest.fixture(scope="module", params=[STRONG, 0.0])
def written(request, tmp_path_factory):
    """The effect, and the folder of a small stand-in with it."""
    data_dir = tmp_path_factory.mktemp("data")
    return request.param, synthesize(
        "talking_faces", data_dir, sessions=40, effect=request.param, duration_s=4, workers=1
    )


def _frames(path):
    """[frames, height, width, rgb] as OpenCV reads them."""
    video = cv2.VideoCapture(str(path))
    frames = list(itertools.takewhile(lambda frame: frame is not None, (video.read()[1] for _ in itertools.count())))
    video.release()
    return np.stack(frames)[..., ::-1]


def _fitted_accuracy(people, names):
    inputs, labels = _latents(people, names)
    half = len(people) // 2
    return LogisticRegression().fit(inputs[:half], labels[:half]).score(inputs[half:], labels[half:])


def _latents(people, names):
    return np.array([[one.latents[name] for name in names] for one in people]), np.array(
        [one.depressed for one in people]
    )


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_best_accuracy_is_what_a_fitted_classifier_reaches(modality):
    people = draw_volunteers(20_000, 1.0, seed=1)
    assert _fitted_accuracy(people, MODALITIES[modality]) == pytest.approx(bayes_accuracy(1.0, modality), abs=0.012)


def test_the_best_accuracy_grows_with_the_effect_and_with_both_modalities():
    assert bayes_accuracy(0.0, "both") == 0.5
    for modality in MODALITIES:
        of_effects = [bayes_accuracy(effect, modality) for effect in (0.0, 0.01, 0.5, 1.0, 2.0, 4.0)]
        assert of_effects == sorted(of_effects)
        assert of_effects[1] < 0.51
    assert bayes_accuracy(1.0, "both") > max(bayes_accuracy(1.0, one) for one in ("face", "speech")) + 0.05


@pytest.mark.parametrize("name", SHIFTS)
def test_latents_differ_by_the_planted_shift_and_with_the_severity(name):
    people = draw_volunteers(6000, 1.0, seed=2)
    means = {
        severity: np.mean([one.latents[name] for one in people if one.severity == severity])
        for severity in (HEALTHY, *SEVERITIES)
    }
    assert means[HEALTHY] == pytest.approx(0.0, abs=0.06)
    for severity, planted in SEVERITIES.items():
        assert means[severity] == pytest.approx(planted.factor * SHIFTS[name], abs=0.12)


@pytest.mark.parametrize("count", [20, 21, 47, 100])
def test_nobody_is_in_two_splits_and_each_has_the_shares(count):
    people = draw_volunteers(count, 1.0, seed=0)
    assert [one.place for one in people] == list(range(count))
    for split, share in SPLIT_SHARES.items():
        inside = [one for one in people if one.split == split]
        assert len(inside) == pytest.approx(share * count, abs=1)
        assert abs(sum(one.depressed for one in inside) - len(inside) / 2) <= 0.5
        for label in (True, False):
            women = [one.female for one in inside if one.depressed == label]
            assert abs(2 * sum(women) - len(women)) <= 1


def test_who_somebody_is_tells_nothing_of_the_label():
    people = draw_volunteers(5000, STRONG, seed=3)
    for of_one in ("female", "age_band", "ethnicity"):
        table = pd.crosstab([getattr(one, of_one) for one in people], [one.depressed for one in people])
        assert stats.chi2_contingency(table).pvalue > 0.01, of_one
    ages = {band: [one.age for one in people if one.age_band == band] for band in ("18-30", "31-50", "51+")}
    assert [(min(found), max(found)) for found in ages.values()] == [(18, 30), (31, 50), (51, 75)]


def test_faces_move_less_the_more_depression_shows():
    rng = np.random.default_rng(0)
    still, lively = (watching(dict.fromkeys(SHIFTS, latent), 200.0, rng) for latent in (-2.0, 2.0))
    for part, least in (("smile", 2.5), ("brow", 2.5)):
        spread = [np.std([getattr(look, part) for look in looks]) for looks in (still, lively)]
        assert spread[1] > least * spread[0], part
    shares = [np.mean([look.closed > 0.5 for look in looks]) for looks in (still, lively)]
    assert shares == pytest.approx([0.3 / FPS] * 2, abs=0.015)


def test_a_picture_changes_where_the_look_does():
    rng = np.random.default_rng(1)
    rows = {"hair": slice(0, 24), "brows": slice(29, 38), "eyes": slice(40, 46), "mouth": slice(56, 74)}
    looks = [(Look(smile=1.0), {"mouth", "eyes"}), (Look(brow=1.5), {"brows"}), (Look(closed=1.0), {"eyes"})]
    for _ in range(5):
        rest, *moved = draw_frames(draw_identity(rng), [Look(), *(look for look, _ in looks)], rng).astype(float)
        for (_, expected), picture in zip(looks, moved, strict=True):
            change = np.abs(picture - rest).mean(axis=(1, 2))
            of_rows = {name: change[where].mean() for name, where in rows.items()}
            assert of_rows["hair"] < 3.5  # the camera's noise
            assert {name for name, found in of_rows.items() if found > 1.3 * of_rows["hair"]} == expected, of_rows


@pytest.mark.parametrize("effect", [1.0, 0.0])
def test_emotions_are_read_off_a_face_as_well_as_told(effect):
    rng = np.random.default_rng(2)
    labels = np.tile(list(POSTURES), 60)
    postures = [draw_posture(str(label), effect, rng) for label in labels]
    looks = [Look(*one._replace(open=max(one.open, 0.0), closed=max(one.closed, 0.0))) for one in postures]
    identity = draw_identity(rng)
    best = bayes_accuracy_of_emotions(effect)
    seen = draw_frames(identity, looks, rng)[:, 28:76, 20:76:2].mean(axis=-1).reshape(len(looks), -1) / 32
    reached = cross_val_score(RidgeClassifier(alpha=10.0), seen, labels, cv=4).mean()
    assert reached <= best + 0.06
    assert reached > best - 0.2 if effect else best == pytest.approx(0.25, abs=0.01)


def test_the_effect_is_seen_in_videos_and_heard_in_waveforms(written):
    effect, root = written
    found = {"moves": {}, "loudness": {}}
    for one in open_corpus("talking_faces", root.parent).recordings():
        frames = _frames(one.tracks["video"])
        assert frames.shape == (4 * FPS, SIZE, SIZE, 3)
        samples, rate_hz = soundfile.read(one.audio)
        assert len(samples) == 4 * rate_hz
        label = one.labels["depressed"]
        grey = frames.mean(axis=-1)
        change, mouth = np.abs(np.diff(grey, axis=0)), (slice(None), slice(54, 76), slice(30, 66))
        moves = (change[mouth].mean() - change[:, :, :8].mean()) / grey[mouth].mean()  # over the noise, of the light
        found["moves"].setdefault(label, []).append(moves)
        found["loudness"].setdefault(label, []).append(np.std(samples))
    for name, of_label in found.items():
        p = stats.mannwhitneyu(of_label["depressed"], of_label["healthy"], alternative="less").pvalue
        assert p < 0.05 if effect else 0.01 < p < 0.99, (name, p)  # in four seconds few smile, whatever their group


def test_the_manifests_list_people_once_and_each_file(written):
    _, root = written
    recordings = {name: open_corpus(name, root.parent).recordings() for name in ("talking_faces", "emotion_faces")}
    assert len(recordings["talking_faces"]) == len({one.participant for one in recordings["talking_faces"]}) == 40
    assert Counter(one.labels["emotion"] for one in recordings["emotion_faces"]) == dict.fromkeys(POSTURES, 20)
    people = {name: {one.participant for one in found} for name, found in recordings.items()}
    assert not people["talking_faces"] & people["emotion_faces"]
    for one in itertools.chain(*recordings.values()):
        assert one.split in SPLIT_SHARES
        assert one.metadata["gender"] in ("female", "male")
    for one in recordings["talking_faces"]:
        assert (one.labels["severity"] == "none") == (one.labels["depressed"] == "healthy")
        assert {"age", "age_band", "ethnicity"} < set(one.metadata)
    listed = {path for one in itertools.chain(*recordings.values()) for path in (one.audio, one.tracks["video"])}
    tables = {root / "manifest.csv", root / "emotion_faces.csv", root / "SYNTHETIC.json"}
    assert {path for path in root.rglob("*") if path.is_file()} == listed | tables


def test_the_marker_tells_the_best_accuracy_of_each_modality(written):
    effect, root = written
    marker = json.loads((root / "SYNTHETIC.json").read_text())
    best = marker["bayes_accuracy_on_latents"]
    assert best == {modality: pytest.approx(bayes_accuracy(effect, modality), abs=5e-4) for modality in MODALITIES}
    assert marker["planted_shifts_in_standard_deviations"]["smile_rate"] == effect * SHIFTS["smile_rate"]
    assert marker["prevalence"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", ["talking_faces", "emotion_faces"])
def test_a_corpus_that_is_not_there_is_told_with_the_command_that_writes_it(tmp_path, name):
    with pytest.raises(DataError, match=f"synthesize --corpus={name} --data_dir="):
        open_corpus(name, tmp_path)
    (tmp_path / "talking_faces").mkdir()
    with pytest.raises(DataError, match=r"talking_faces/\w+\.csv: no such manifest"):
        open_corpus(name, tmp_path)


@pytest.mark.parametrize("duration_s", [0, 61])
def test_a_duration_that_cannot_be(tmp_path, duration_s):
    with pytest.raises(DataError, match=r"^duration_s: found"):
        synthesize("talking_faces", tmp_path, duration_s=duration_s)


def test_a_video_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DataError, match=r"gone/a\.mp4: OpenCV cannot write"):
        write_video(tmp_path / "gone" / "a.mp4", np.zeros((1, SIZE, SIZE, 3), np.uint8))
