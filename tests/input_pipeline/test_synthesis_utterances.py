"""The emotions of a stand-in's answers: what is planted in words and face, as classifiers find it that know nothing of it."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_score

from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.features import Tracks
from input_pipeline.synthesis import synthesize
from input_pipeline.synthesis.utterances import bayes_accuracy, draw_answers

MODALITIES = ("text", "face", "both")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    synthesize("daic_woz_utterances", data_dir, sessions=16, utterance_emotions=1.0, workers=1)
    return open_corpus("daic_woz_utterances", data_dir)


def test_every_answer_is_an_utterance_with_its_emotion_and_a_face(corpus):
    recordings = corpus.recordings()
    assert len(recordings) == 16 * 12
    assert all(one.labels["emotion"] in ("not_sad", "sad") for one in recordings)
    assert not [one for session in corpus.scan() for one in session.findings if one.severity != "applied"]
    feature = Tracks(of=("clnf_aus", "clnf_gaze", "clnf_pose"), rate_hz=2.0, mask_invalid=True)
    assert all(len(one.values) for one in feature.compute(recordings, encoders={}, workers=1))


def test_words_and_face_tell_the_emotion_of_others_and_both_tell_more(corpus):
    recordings = corpus.recordings()
    labels = np.array([one.labels["emotion"] == "sad" for one in recordings])
    words = CountVectorizer().fit_transform(one.segments[0].text for one in recordings).toarray()
    units = [one.values.mean(0) for one in Tracks(of=("clnf_aus",)).compute(recordings, encoders={}, workers=1)]
    inputs = {"text": words, "face": 3 * np.array(units), "both": np.hstack([words, 3 * np.array(units)])}
    groups = [one.participant for one in recordings]
    reached = {
        modality: cross_val_score(RidgeClassifier(alpha=3.0), found, labels, groups=groups, cv=GroupKFold(4)).mean()
        for modality, found in inputs.items()
    }
    chance = max(labels.mean(), 1 - labels.mean())
    assert reached["text"] > chance + 0.08, reached
    assert reached["face"] > chance + 0.15, reached
    assert reached["both"] > max(reached["text"], reached["face"]) + 0.02, reached
    for modality in MODALITIES:
        assert reached[modality] < bayes_accuracy(1.0, "emotion", modality) + 0.06, reached


def test_the_depressed_are_sad_more_often_and_without_a_strength_nobody_is(corpus):
    rng = np.random.default_rng(0)
    shares = {
        (strength, label): np.mean([one.emotion == "sad" for one in draw_answers(label, 4000, strength, rng)])
        for strength in (0.0, 1.0)
        for label in (True, False)
    }
    assert shares[1.0, True] == pytest.approx(0.818, abs=0.03)
    assert shares[1.0, False] == pytest.approx(0.182, abs=0.03)
    assert shares[0.0, True] == pytest.approx(0.5, abs=0.03)
    assert shares[0.0, False] == pytest.approx(0.5, abs=0.03)
    marker = json.loads((corpus.root / "SYNTHETIC.json").read_text())
    assert marker["share_of_sad_answers"] == {"depressed": 0.818, "healthy": 0.182}
    assert marker["parameters"]["utterance_emotions"] == 1.0


def test_the_best_accuracies_are_what_follows_from_the_cases():
    right = 1 / (1 + np.exp(-3.0))
    # Of both labels together sadness is the rarer: .35 of .818 and .65 of .182. Where the words are silent it is "not_sad".
    sad = 0.35 / (1 + np.exp(-1.5)) + 0.65 / (1 + np.exp(1.5))
    assert bayes_accuracy(1.0, "emotion", "text") == pytest.approx(0.7 * right + 0.3 * (1 - sad), abs=1e-6)
    assert bayes_accuracy(0.0, "emotion", "both") == pytest.approx(0.5)
    assert bayes_accuracy(0.0, "depressed", "both") == pytest.approx(0.65)
    for task in ("depressed", "emotion"):
        assert bayes_accuracy(1.0, task, "text") == pytest.approx(bayes_accuracy(1.0, task, "face"))
        assert bayes_accuracy(1.0, task, "both") > bayes_accuracy(1.0, task, "text") + 0.03


def test_a_stand_in_that_is_not_asked_has_no_emotions_and_two_kinds_of_them_are_refused(tmp_path):
    root = synthesize("daic_woz", tmp_path, sessions=10, turns=2, workers=1)
    assert not (root / "utterance_emotions.csv").exists()
    assert "utterance_emotions" not in json.loads((root / "SYNTHETIC.json").read_text())["parameters"]
    with pytest.raises(DataError, match=r"^utterance_emotions: found 1\.0 beside emotion=1\.0; give one of the two$"):
        synthesize("daic_woz", tmp_path / "other", sessions=10, emotion=1.0, utterance_emotions=1.0)
