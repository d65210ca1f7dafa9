"""The planted effect: it is there in sound and words, in the size that is told, and not where it must not be."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from input_pipeline import audio
from input_pipeline.synthesis import population, wording
from input_pipeline.synthesis.phones import INDEX, PHONES, pronounce
from input_pipeline.synthesis.population import PREVALENCE, SHIFTS, Participant, bayes_score, draw_population
from input_pipeline.synthesis.session import ELLIE, PARTICIPANT, Row, interview
from input_pipeline.synthesis.voice import RATE_HZ, Delivery, Speech, Voice, bins_hz, speak, tract

librosa = audio.load_librosa()

WORDS = "the beach was warm and we all sang along for a very long time".split()  # noqa: SIM905


def _says(voice: Voice, delivery: Delivery, clauses: int = 4, seed: int = 0) -> Speech:
    flat = np.full(len(bins_hz()), 0.1)
    return speak([WORDS] * clauses, voice, delivery, tract(voice, flat), np.random.default_rng(seed))


def _measured_pitch_hz(speech: Speech) -> np.ndarray:
    """By librosa, from the waveform, where the generator meant voicing for five frames on end."""
    pitch_hz = librosa.yin(speech.samples, fmin=60, fmax=400, sr=RATE_HZ, frame_length=1024, hop_length=128)
    voiced = np.convolve(speech.pitch_hz > 0, np.ones(7), "same") == 7
    n = min(len(voiced), len(pitch_hz))
    return pitch_hz[:n][voiced[:n]]


@pytest.mark.parametrize("wanted_hz", [110.0, 210.0])
def test_the_voice_has_the_pitch_that_was_asked_for(wanted_hz: float) -> None:
    speech = _says(Voice(wanted_hz, 1.0), Delivery(0.5, 4.5, 0.3))
    assert np.median(_measured_pitch_hz(speech)) == pytest.approx(wanted_hz, rel=0.04)


def test_a_narrower_pitch_range_is_heard() -> None:
    narrow, wide = (
        np.log2(_measured_pitch_hz(_says(Voice(150.0, 1.0), Delivery(semitones, 4.5, 0.2)))) for semitones in (0.8, 3.0)
    )
    assert 12 * stats.iqr(narrow) < 0.5 * 12 * stats.iqr(wide)


def test_syllables_come_at_the_rate_and_pauses_have_the_length() -> None:
    syllables = 4 * sum(PHONES[name].nucleus for word in WORDS for name in [list(PHONES)[i] for i in pronounce(word)])
    for rate_hz, pause_s in ((3.5, 0.2), (5.5, 0.8)):
        runs = [_says(Voice(120.0, 1.0), Delivery(2.0, rate_hz, pause_s), seed=seed) for seed in range(8)]
        spoken_s = np.mean([(run.phone != INDEX["pause"]).mean() * len(run.phone) * 128 / RATE_HZ for run in runs])
        assert spoken_s == pytest.approx(syllables / rate_hz, rel=0.12)
        longest_s = np.median([_longest_pause_s(run) for run in runs])
        assert pause_s < longest_s < 3.5 * pause_s


def _longest_pause_s(speech: Speech) -> float:
    talks = np.flatnonzero(speech.phone != INDEX["pause"])
    return max(after - before for before, after in pairwise(talks)) * 128 / RATE_HZ


def test_formants_stand_where_the_vowel_has_them() -> None:
    response = np.abs(tract(Voice(120.0, 1.2), np.ones(len(bins_hz()))).voiced[INDEX["i"]])
    hz = bins_hz()
    for formant_hz in PHONES["i"].formants_hz[:2]:
        near = np.abs(hz - 1.2 * formant_hz) < 200
        assert hz[near][np.argmax(response[near])] == pytest.approx(1.2 * formant_hz, abs=2 * hz[1])


def test_every_word_of_the_interview_can_be_pronounced() -> None:
    rng = np.random.default_rng(0)
    words = {
        w
        for topic in wording.TOPICS
        for _ in range(60)
        for clause in wording.answer(topic, 0.5, 0.5, rng)
        for w in clause
    }
    words |= {word for topic in wording.TOPICS for prompt in topic.prompts for word in prompt.split()}
    assert 250 < len(words) < 700
    for word in words:
        assert any(PHONES[list(PHONES)[index]].nucleus for index in pronounce(word)), word


def test_shares_of_wording_are_those_asked_for() -> None:
    rng = np.random.default_rng(1)
    first_person = re.compile(r"\b(?:i|my|me|myself)\b")

    def share(wanted: float) -> float:
        answers = [
            clause for topic in wording.TOPICS for _ in range(40) for clause in wording.answer(topic, 0.3, wanted, rng)
        ]
        said = [" ".join(word for word in clause) for clause in answers]
        return float(np.mean([bool(first_person.search(text.replace("i mean", ""))) for text in said]))

    assert share(0.0) == 0.0
    assert share(1.0) == 1.0
    assert share(0.4) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("name", SHIFTS)
def test_latents_differ_by_the_planted_shift_and_overlap(name: str) -> None:
    people = draw_population(4000, 1.0, seed=3)
    depressed, healthy = (np.array([p.latents[name] for p in people if p.depressed == d]) for d in (True, False))
    assert healthy.mean() == pytest.approx(0.0, abs=0.06)
    assert depressed.mean() == pytest.approx(SHIFTS[name], abs=0.12)
    assert 1 - abs(stats.mannwhitneyu(depressed, healthy).statistic / len(depressed) / len(healthy) - 0.5) * 2 > 0.05


def test_with_effect_zero_the_label_tells_nothing() -> None:
    people = draw_population(4000, 0.0, seed=4)
    for name in SHIFTS:
        depressed, healthy = ([p.latents[name] for p in people if p.depressed == d] for d in (True, False))
        assert stats.ks_2samp(depressed, healthy).pvalue > 0.01


def test_severity_raises_the_effect() -> None:
    people = [p for p in draw_population(6000, 1.0, seed=5) if p.depressed]
    assert stats.spearmanr([p.score for p in people], [p.latents["pause"] for p in people]).pvalue < 0.01


@pytest.mark.parametrize("sessions", [10, 11, 37, 120])
def test_splits_have_both_classes_and_gender_is_balanced_within_each(sessions: int) -> None:
    people = draw_population(sessions, 1.0, seed=0)
    assert len(people) == sessions
    for split in population.SPLIT_SHARES:
        for depressed in (True, False):
            women = [p.female for p in people if p.split == split and p.depressed == depressed]
            assert len(women) > 0
            assert abs(2 * sum(women) - len(women)) <= 1


def test_bayes_score_without_an_effect_is_chance() -> None:
    score = bayes_score(0.0)
    assert score["accuracy"] == pytest.approx(1 - PREVALENCE, abs=0.005)
    assert score["unweighted_accuracy"] == 0.5
    assert score["f1"] == 0.0
    assert score["best_f1"] == pytest.approx(2 * PREVALENCE / (1 + PREVALENCE))  # everybody called depressed


def test_bayes_score_grows_with_the_effect_and_stays_below_one() -> None:
    accuracy = [bayes_score(effect, "audio")["accuracy"] for effect in (0.0, 0.5, 1.0, 2.0)]
    assert accuracy == sorted(accuracy)
    assert accuracy[-1] < 0.995


@pytest.mark.parametrize(("modality", "names"), [("audio", population.SPEECH), ("text", population.WORDS)])
def test_bayes_score_is_what_a_fitted_classifier_reaches(modality: population.Modality, names: tuple[str, ...]) -> None:
    people = draw_population(20_000, 1.0, seed=6)
    X = np.array([[p.latents[name] for name in names] for p in people])
    y = np.array([p.depressed for p in people])
    reached = LogisticRegression().fit(X[:10_000], y[:10_000]).score(X[10_000:], y[10_000:])
    best = bayes_score(1.0, modality)["accuracy"]
    assert 0.85 <= best <= 0.9
    assert reached == pytest.approx(best, abs=0.012)


@pytest.fixture(scope="module")
def extremes() -> list[dict[str, list[float]]]:
    """Seconds a word of every turn in ten sessions of healthy and ten of plainly depressed people, by speaker."""
    healthy = Participant("train", False, (0,) * 8, True, dict.fromkeys(SHIFTS, 0.0))
    depressed = dataclasses.replace(healthy, depressed=True, items=(2,) * 8, latents=SHIFTS)
    found = []
    for participant, first_id in ((healthy, 300), (depressed, 400)):
        rows = [row for n in range(10) for row in interview(participant, first_id + n, 8, seed=0).rows]
        spoken = [row for row in rows if not re.match(r"[<\[]|scrubbed|okay$", row.value)]
        found.append({who: [_pace_s(r) for r in spoken if r.speaker == who] for who in (ELLIE, PARTICIPANT)})
    return found


def _pace_s(row: Row) -> float:
    return (row.stop_s - row.start_s) / len(row.value.split("(")[-1].split())


@pytest.mark.slow
def test_depressed_speakers_take_longer_for_a_word(extremes: list[dict[str, list[float]]]) -> None:
    healthy, depressed = extremes
    assert stats.mannwhitneyu(depressed[PARTICIPANT], healthy[PARTICIPANT], alternative="greater").pvalue < 1e-4


def test_the_interviewer_speaks_alike_to_both(extremes: list[dict[str, list[float]]]) -> None:
    healthy, depressed = extremes
    assert stats.mannwhitneyu(depressed[ELLIE], healthy[ELLIE]).pvalue > 0.05


def test_prompts_have_names_from_session_364_on() -> None:
    healthy = Participant("train", False, (0,) * 8, False, dict.fromkeys(SHIFTS, 0.0))
    for session_id, named in ((363, False), (364, True)):
        prompts = [row.value for row in interview(healthy, session_id, 2, seed=0).rows if row.speaker == ELLIE]
        assert all(bool(re.fullmatch(r"\S+\d \(.+\)", prompt)) == named for prompt in prompts)
