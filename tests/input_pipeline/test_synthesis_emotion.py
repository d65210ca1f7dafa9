"""The planted emotions: what they do to delivery and words, how much of it can be found, and that 0 plants nothing."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from input_pipeline import audio
from input_pipeline.corpora import open_corpus
from input_pipeline.synthesis import synthesize, wording
from input_pipeline.synthesis.emotion import (
    CUES,
    EMOTIONS,
    MEANS,
    Affect,
    Expression,
    affect_of_sentiment,
    chain,
    draw_affect,
    draw_expression,
    draw_words,
    word_shares,
)
from input_pipeline.synthesis.phones import PHONES, pronounce
from input_pipeline.synthesis.population import MIDDLE_CLIMATE, SHIFTS, Participant, draw_climates, draw_population
from input_pipeline.synthesis.session import PARTICIPANT, interview
from input_pipeline.synthesis.speaker import draw_speaker
from input_pipeline.synthesis.voice import RATE_HZ

librosa = audio.load_librosa()

HEALTHY = Participant("train", False, (0,) * 8, True, dict.fromkeys(SHIFTS, 0.0))
NEUTRAL_SPOKEN = Expression(**dict.fromkeys(CUES, 0.0))


def test_every_word_of_every_emotion_can_be_pronounced() -> None:
    rng = np.random.default_rng(0)
    said = [draw_words(MEANS[emotion], 1.0, rng) for emotion in EMOTIONS for _ in range(300)]
    words = {word for clauses in said for clause in clauses for word in clause}
    assert words >= {"furious", "happy", "tuesday", "lonely"}
    for word in words:
        assert any(PHONES[list(PHONES)[index]].nucleus for index in pronounce(word)), word


def test_emotions_have_no_clause_in_common() -> None:
    clauses = [clause for lexicon in wording.LEXICON.values() for clause in lexicon.clauses]
    assert len(set(clauses)) == len(clauses)
    assert set(wording.LEXICON) == set(EMOTIONS)


def test_a_sentence_is_written_with_capitals_and_punctuation() -> None:
    assert wording.written([["i", "know", "i'm", "sad"], ["and", "i", "am", "ill"]]) == "I know I'm sad, and I am ill."


def test_words_are_likeliest_of_the_affects_own_emotion_and_even_without_an_effect() -> None:
    for index, emotion in enumerate(EMOTIONS):
        shares = word_shares(MEANS[emotion], 1.0)
        assert shares.sum() == pytest.approx(1.0)
        assert np.argmax(shares) == index
        np.testing.assert_allclose(word_shares(MEANS[emotion], 0.0), 0.25)


def test_without_an_effect_the_expression_does_not_depend_on_the_affect() -> None:
    angry, sad = (draw_expression(MEANS[emotion], 0.0, np.random.default_rng(0)) for emotion in ("angry", "sad"))
    assert angry == sad
    angry, sad = (draw_expression(MEANS[emotion], 1.0, np.random.default_rng(0)) for emotion in ("angry", "sad"))
    assert angry.loudness_db > sad.loudness_db + 5
    assert angry.log_rate > sad.log_rate + 0.2
    assert angry.log_pause < sad.log_pause


def test_delivery_tells_activation_better_and_words_tell_valence_better() -> None:
    rng = np.random.default_rng(0)
    affects = [draw_affect(MEANS[emotion], rng) for emotion in EMOTIONS for _ in range(300)]
    delivery = np.array([list(vars(draw_expression(affect, 1.0, rng)).values()) for affect in affects])
    said = [" ".join(word for clause in draw_words(affect, 1.0, rng) for word in clause) for affect in affects]
    words = CountVectorizer(token_pattern=r"\S+").fit_transform(said).toarray().astype(float)
    shown = {}
    for name, X in (("delivery", delivery / delivery.std(axis=0)), ("words", words)):
        Y = np.array(affects)
        fitted = Ridge(alpha=3.0).fit(X[::2], Y[::2]).predict(X[1::2])
        shown[name] = Affect(*(np.corrcoef(fitted[:, i], Y[1::2, i])[0, 1] for i in range(3)))
    assert shown["delivery"].activation > shown["words"].activation + 0.1
    assert shown["words"].valence > shown["delivery"].valence + 0.05


def test_a_sentiment_is_a_valence_and_drives_the_words() -> None:
    rng = np.random.default_rng(0)
    sentiments = np.linspace(-3, 3, 61)
    affects = [affect_of_sentiment(float(sentiment), rng) for sentiment in sentiments]
    np.testing.assert_allclose([affect.valence for affect in affects], 3 + 2 / 3 * sentiments)
    assert stats.spearmanr(sentiments, [affect.activation for affect in affects]).statistic > 0.5
    happy = [word_shares(affect, 1.0)[EMOTIONS.index("happy")] for affect in affects]
    assert stats.spearmanr(sentiments, happy).statistic > 0.95


def test_a_chain_has_the_shares_and_holds_on() -> None:
    shares = {"angry": 0.1, "happy": 0.2, "neutral": 0.3, "sad": 0.4}
    emotions = chain(20_000, shares, 0.7, np.random.default_rng(0))
    for emotion, share in shares.items():
        assert emotions.count(emotion) / len(emotions) == pytest.approx(share, abs=0.02)
    stays = np.mean([before == after for before, after in pairwise(emotions)])
    assert stays == pytest.approx(0.7 + 0.3 * sum(share**2 for share in shares.values()), abs=0.01)


def _says(**changes: float) -> np.ndarray:
    speaker = draw_speaker(False, np.random.default_rng(5))
    expression = Expression(**(vars(NEUTRAL_SPOKEN) | changes))
    words = ["we all sang along for a very long time".split()] * 3  # noqa: SIM905
    return speaker.say(words, expression, np.random.default_rng(1))


def _pitch_hz(samples: np.ndarray) -> float:
    return float(np.median(librosa.yin(samples, fmin=60, fmax=400, sr=RATE_HZ, frame_length=1024)))


def test_an_expression_is_heard() -> None:
    plain = _says()
    assert _pitch_hz(_says(pitch_semitones=4.0)) == pytest.approx(_pitch_hz(plain) * 2 ** (4 / 12), rel=0.05)
    assert _says(loudness_db=6.0).std() == pytest.approx(2 * plain.std(), rel=0.05)
    assert len(_says(log_rate=np.log(1.25))) < 0.87 * len(plain)
    assert len(_says(log_pause=np.log(3.0))) > len(plain) + 0.2 * RATE_HZ
    assert _brightness(_says(tilt_db=3.0)) > 2 * _brightness(plain)


def _brightness(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return float(power[(hz > 1000) & (hz < 4000)].sum() / power[hz < 500].sum())


def _measured(path: Path) -> list[float]:
    """Pitch, its range, loudness, brightness and length of an utterance, from the waveform."""
    samples, _ = soundfile.read(path, dtype="float32")
    semitones = 12 * np.log2(librosa.yin(samples, fmin=60, fmax=500, sr=RATE_HZ, frame_length=1024, hop_length=512))
    rms = librosa.feature.rms(y=samples, frame_length=1024, hop_length=512)[0]
    loud = rms > 0.3 * np.quantile(rms, 0.9)
    quartiles = np.quantile(semitones[loud], (0.25, 0.5, 0.75))
    length = np.log(len(samples))
    loudness, brightness = np.log(np.quantile(rms, 0.9)), np.log(_brightness(samples))
    return [quartiles[1], quartiles[2] - quartiles[0], loudness, brightness, float(length), float(loud.mean())]


def _found(root: Path) -> dict[str, float]:
    """Unweighted accuracy of a logistic regression by what it is given, one session of IEMOCAP left out in turns."""
    recordings = open_corpus("iemocap", root.parent).recordings()
    y = np.array([one.labels["emotion"] for one in recordings])
    session = np.array([one.split for one in recordings])
    heard = np.array([_measured(one.audio) for one in recordings if one.audio])
    read = CountVectorizer(token_pattern=r"\S+", min_df=2).fit_transform([one.segments[0].text for one in recordings])
    given = {"audio": heard, "text": read.toarray().astype(float)}
    given["both"] = np.hstack([(heard - heard.mean(axis=0)) / heard.std(axis=0), given["text"]])
    scores = {}
    for name, X in given.items():
        scale = () if name == "text" else (StandardScaler(),)
        model = make_pipeline(*scale, LogisticRegression(class_weight="balanced", max_iter=2000))
        decided = np.empty_like(y)
        for held_out in np.unique(session):
            here = session == held_out
            decided[here] = model.fit(X[~here], y[~here]).predict(X[here])
        scores[name] = float(balanced_accuracy_score(y, decided))
    return scores


@pytest.mark.slow
def test_emotions_can_be_learnt_but_not_wholly_and_from_both_modalities_best(tmp_path: Path) -> None:
    scores = _found(synthesize("iemocap", tmp_path, sessions=20, workers=1))
    assert 0.55 < scores["audio"] < 0.8
    assert 0.6 < scores["text"] < 0.88
    assert max(scores["audio"], scores["text"]) < scores["both"] < 0.92


@pytest.mark.slow
def test_without_an_effect_nothing_can_be_learnt(tmp_path: Path) -> None:
    scores = _found(synthesize("iemocap", tmp_path, sessions=15, effect=0.0, workers=1))
    assert all(score < 0.38 for score in scores.values())


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_climates_differ_by_label_where_there_is_an_effect(effect: float) -> None:
    people = dict(enumerate(draw_population(1000, 0.0, seed=1), start=300))
    climates = draw_climates(people, effect, 1.0, seed=1)
    shares = {
        label: {mood: [climates[n][mood] for n, one in people.items() if one.depressed == label] for mood in EMOTIONS}
        for label in (True, False)
    }
    for mood in ("angry", "sad"):
        test = stats.mannwhitneyu(shares[True][mood], shares[False][mood], alternative="greater")
        assert (test.pvalue < 1e-6) == (effect > 0)
    assert all(sum(climate.values()) == pytest.approx(1.0) for climate in climates.values())
    assert min(shares[True]["happy"]) > 0.0
    assert (np.mean(shares[True]["happy"]) < 0.5 * np.mean(shares[False]["happy"])) == (effect > 0)


def test_without_emotion_there_is_no_climate() -> None:
    assert draw_climates({300: HEALTHY}, 1.0, 0.0, seed=0) == {}


@pytest.mark.slow
def test_a_bleak_climate_is_heard_in_the_words_of_an_interview() -> None:
    bleak = {"angry": 0.35, "happy": 0.05, "neutral": 0.2, "sad": 0.4}
    negative = {
        name: np.mean([_negative_share(session_id, climate) for session_id in range(300, 305)])
        for name, climate in (("middle", MIDDLE_CLIMATE), ("bleak", bleak))
    }
    assert negative["bleak"] > negative["middle"] + 0.2


def _negative_share(session_id: int, climate: dict[str, float]) -> float:
    """The share of angry and sad clauses among those that one emotion alone has."""
    said = " ".join(r.value for r in interview(HEALTHY, session_id, 10, 0, climate).rows if r.speaker == PARTICIPANT)
    counts = {
        emotion: sum(len(re.findall(re.escape(clause), said)) for clause in lexicon.clauses)
        for emotion, lexicon in wording.LEXICON.items()
    }
    return (counts["angry"] + counts["sad"]) / max(sum(counts.values()), 1)


def test_an_interview_without_emotion_is_that_of_version_1() -> None:
    assert [row.value for row in interview(HEALTHY, 300, 2, seed=0).rows] == [
        "[syncing]",
        "okay",
        "hi i'm ellie thanks for coming in",
        "tell me about a trip",
        "that part is stressful these days and the food was amazing",
        "what do you do to relax",
        "i walk my dog by the lake",
        "okay",
        "okay thanks for sharing goodbye",
    ]
