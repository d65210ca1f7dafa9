"""Who takes part in a stand-in corpus: labels, the planted effect of depression on each speaker, and what it allows.

A participant has five latent variables, each normal with unit variance around a mean that depends on the label:

    speech: pitch_range, rate, pause       words: negative, first_person

Healthy participants have mean 0. Depressed ones have mean `effect * SHIFTS[name] * severity_factor(score)`, so the two
groups overlap in every variable, and severer cases lie somewhat further out. Given the label and the score the five
are independent of each other and of all nuisance (gender, anatomy, loudness, microphone, noise, topics), and gender is
balanced within each label. With `effect=0` the label says nothing about the recording.

Where answers have emotions, a participant has a sixth, their outlook, which makes a climate: the shares of the emotions.
A bleak one has more sadness and anger and less happiness, but some of each.

`bayes_score` tells the best score anyone can reach who sees the latent variables themselves. A recording shows them
through a dozen turns only, so a detector stays below it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.synthesis import emotion

SPEECH = ("pitch_range", "rate", "pause")
WORDS = ("negative", "first_person")
SHIFTS = {"pitch_range": -1.2, "rate": -1.25, "pause": 1.4, "negative": 1.75, "first_person": 1.45}
PREVALENCE = 0.35
OUTLOOK_SHIFT = 1.0  # of the depressed, towards the bleak
OUTLOOK_SPREAD = 0.4
MIDDLE_CLIMATE = {"angry": 0.15, "happy": 0.3, "neutral": 0.4, "sad": 0.15}  # of an outlook of 0
_BLEAKNESS = {"angry": 0.8, "happy": -0.8, "neutral": 0.0, "sad": 1.0}  # change of log odds a unit of the outlook
PHQ8_ITEMS = ("NoInterest", "Depressed", "Sleep", "Tired", "Appetite", "Failure", "Concentrating", "Moving")
CUT_OFF = 10  # PHQ-8: depressed from here on
SPLIT_SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}
MIN_SESSIONS, WHY_MIN = 10, "three splits, two classes"  # below, a split may lack a class

Climate = Mapping[str, float]  # the share of a participant's answers in each emotion
Modality = Literal["audio", "text", "both"]
_LATENTS = {"audio": SPEECH, "text": WORDS, "both": SPEECH + WORDS}
_SCORES = np.arange(25)
_HEALTHY_SCORE = np.where(_SCORES < CUT_OFF, np.exp(-0.18 * _SCORES), 0.0)
_HEALTHY_SCORE /= _HEALTHY_SCORE.sum()
_DEPRESSED_SCORE = np.where(_SCORES >= CUT_OFF, np.exp(-0.2 * (_SCORES - CUT_OFF)), 0.0)
_DEPRESSED_SCORE /= _DEPRESSED_SCORE.sum()


@dataclasses.dataclass(frozen=True)
class Participant:
    """One speaker of the stand-in: what the split files say, and the latent variables that shape the recording.

    Attributes:
        split: "train", "dev" or "test".
        depressed: the binary label, score >= 10.
        items: the eight PHQ-8 items, 0 to 3 each.
        female: the gender.
        latents: by the names in SPEECH and WORDS, in standard deviations of the healthy.
    """

    split: str
    depressed: bool
    items: tuple[int, ...]
    female: bool
    latents: dict[str, float]

    @property
    def score(self) -> int:
        """The PHQ-8 score, 0 to 24: the sum of the items."""
        return sum(self.items)

    @property
    def pitch_range_semitones(self) -> float:
        """Standard deviation of the pitch contour."""
        return 2.6 * float(np.exp(0.45 * self.latents["pitch_range"]))

    @property
    def rate_hz(self) -> float:
        """Syllables a second, pauses not counted."""
        return 5.2 * float(np.exp(0.17 * self.latents["rate"]))

    @property
    def pause_s(self) -> float:
        """Median pause between two clauses."""
        return min(0.2 * float(np.exp(0.6 * self.latents["pause"])), 1.5)

    @property
    def negative_share(self) -> float:
        """Probability that a clause is negative."""
        return _logistic(-1.5 + 1.2 * self.latents["negative"])

    @property
    def first_person_share(self) -> float:
        """Probability that a clause is in the first person."""
        return _logistic(-1.0 + 1.2 * self.latents["first_person"])


def draw_population(sessions: int, effect: float, seed: int) -> list[Participant]:
    """The participants of a stand-in, in an order that says nothing; the same for the same arguments.

    Each split has `PREVALENCE` depressed participants, rounded, and each label as many men as women, up to one.
    """
    rng = np.random.default_rng([seed, 0])
    population = []
    for split, size in _split_sizes(sessions).items():
        depressed = round(PREVALENCE * size)
        for label, count in ((True, depressed), (False, size - depressed)):
            women = rng.permutation((np.arange(count) + rng.integers(2)) % 2 == 0)
            population += [_participant(split, label, bool(female), effect, rng) for female in women]
    return [population[index] for index in rng.permutation(sessions)]


def severity_factor(score: Int[np.ndarray, "..."] | int) -> Float[np.ndarray, "..."]:
    """How much of the effect a depressed participant of this PHQ-8 score shows: 0.84 at 10, 1 at 14, 1.4 at 24."""
    return 1.0 + 0.04 * (np.asarray(score) - 14.0)


def bayes_score(effect: float, modality: Modality = "both", draws: int = 200_000, seed: int = 0) -> dict[str, float]:
    """The score of the Bayes rule on the latent variables of `modality`, by Monte Carlo.

    The rule says "depressed" where the posterior, given the latent variables and `PREVALENCE`, exceeds one half; that
    maximises the accuracy. A rule that is allowed another threshold has a higher F1: `best_f1`.

    Returns:
        accuracy, unweighted_accuracy, f1 (positive class) of the rule, and best_f1 over all thresholds. F1 is that of
        expected counts, without the bias of a small test set.
    """
    rng = np.random.default_rng(seed)
    shifts = effect * np.array([SHIFTS[name] for name in _LATENTS[modality]])
    label = rng.random(draws) < PREVALENCE
    score = rng.choice(_SCORES, size=draws, p=_DEPRESSED_SCORE)  # matters where the label is positive
    mean = np.where(label, severity_factor(score), 0.0)
    along = rng.standard_normal(draws) * np.linalg.norm(shifts) + mean * (shifts @ shifts)
    posterior = _log_odds(along, float(shifts @ shifts))
    decision = posterior > 0
    recall, specificity = decision[label].mean(), 1 - decision[~label].mean()
    return {
        "accuracy": float((decision == label).mean()),
        "unweighted_accuracy": float((recall + specificity) / 2),
        "f1": float(2 * (decision & label).sum() / max(decision.sum() + label.sum(), 1)),
        "best_f1": _best_f1(posterior, label),
    }


def planted(effect: float, participants: Sequence[Participant]) -> dict[str, Any]:
    """What a marker file says of the effect on the five latent variables, and of the best score that they allow."""
    modalities: tuple[Modality, ...] = ("audio", "text", "both")
    bayes = {name: bayes_score(effect, name) for name in modalities}
    women = {label: [one.female for one in participants if one.depressed == label] for label in (True, False)}
    return {
        "planted_shifts_in_standard_deviations": {name: effect * shift for name, shift in SHIFTS.items()},
        "prevalence": sum(one.depressed for one in participants) / len(participants),
        "women_among_depressed": sum(women[True]) / len(women[True]),
        "women_among_healthy": sum(women[False]) / len(women[False]),
        "bayes_score_on_latents": {name: {k: round(v, 3) for k, v in score.items()} for name, score in bayes.items()},
    }


def draw_climates(
    participants: Mapping[int, Participant], effect: float, strength: float, seed: int
) -> dict[int, Climate]:
    """The climate of each session's participant, by the session's id; none where `strength` is 0.

    `effect * strength` scales how far the label shifts the outlook.
    """
    if strength == 0:
        return {}
    climates: dict[int, Climate] = {}
    for session_id, one in participants.items():
        outlook = OUTLOOK_SPREAD * float(np.random.default_rng([seed, 3, session_id]).standard_normal())
        if one.depressed:
            outlook += effect * strength * OUTLOOK_SHIFT * float(severity_factor(one.score))
        odds = {name: share * float(np.exp(outlook * _BLEAKNESS[name])) for name, share in MIDDLE_CLIMATE.items()}
        climates[session_id] = {name: odd / sum(odds.values()) for name, odd in odds.items()}
    return climates


def planted_climates(participants: Mapping[int, Participant], climates: Mapping[int, Climate]) -> dict[str, Any]:
    """What a marker file says of the climates: the mean share of each emotion by label; nothing where there are none."""
    if not climates:
        return {}
    shares: dict[str, dict[str, float]] = {}
    for name, label in (("depressed", True), ("healthy", False)):
        of_label = [climates[session_id] for session_id, one in participants.items() if one.depressed == label]
        shares[name] = {mood: round(float(np.mean([c[mood] for c in of_label])), 3) for mood in MIDDLE_CLIMATE}
    return {"planted_shares_of_emotions": shares, **emotion.planted(effect=1.0)}


def _log_odds(along: Float[np.ndarray, " draws"], power: float) -> Float[np.ndarray, " draws"]:
    """Log posterior odds from `along` = shifts . latents, which is sufficient; the score is summed out."""
    odds = np.full_like(along, 0.0)
    for score in _SCORES[CUT_OFF:]:
        factor = float(severity_factor(score))
        odds += _DEPRESSED_SCORE[score] * np.exp(factor * along - 0.5 * factor**2 * power)
    return np.log(odds) + np.log(PREVALENCE / (1 - PREVALENCE))


def _best_f1(posterior: Float[np.ndarray, " draws"], label: np.ndarray) -> float:
    if np.ptp(posterior) < 1e-9:  # nothing to go by: saying "depressed" always is best
        return 2 * PREVALENCE / (1 + PREVALENCE)
    found = np.cumsum(label[np.argsort(-posterior, kind="stable")])
    return float(np.max(2 * found / (np.arange(1, len(found) + 1) + found[-1])))


def _participant(split: str, depressed: bool, female: bool, effect: float, rng: np.random.Generator) -> Participant:
    score = int(rng.choice(_SCORES, p=_DEPRESSED_SCORE if depressed else _HEALTHY_SCORE))
    items = np.bincount(rng.choice(24, size=score, replace=False) // 3, minlength=8)
    scale = effect * float(severity_factor(score)) if depressed else 0.0
    latents = {name: float(rng.standard_normal()) + scale * shift for name, shift in SHIFTS.items()}
    return Participant(split, depressed, tuple(int(item) for item in items), female, latents)


def _split_sizes(sessions: int) -> dict[str, int]:
    sizes = {split: round(share * sessions) for split, share in SPLIT_SHARES.items()}
    sizes["train"] += sessions - sum(sizes.values())
    return sizes


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))
