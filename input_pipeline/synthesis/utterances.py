"""The emotions of a stand-in's answers one by one: who is sad in how many of them, and what words and face tell of it.

The depressed are sad in more of their answers than others. An answer's emotion has a cue in a remark beside what is said
about the topic, and one in the face's action units while it is said, each right more often than not. In some answers the
words tell nothing and the face decides, in some it is the other way round: neither has all that both have. What the
label changes in the words about the topic comes besides, and the best scores that are told here know nothing of it.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from input_pipeline.corpora.utterance_emotions import EMOTIONS
from input_pipeline.synthesis.population import PREVALENCE
from input_pipeline.synthesis.tracks import ACTION_UNITS, FACE_RATE_HZ

CASES = {"both tell": 0.4, "the face decides": 0.3, "the words decide": 0.3}
STRENGTH = 3.0  # log odds of a right cue
SHIFT = 1.5  # log odds of sadness among the depressed; among the others they are the negative
REMARKS = {"sad": "sad", "not_sad": "happy", None: "neutral"}  # by what the words tell, the emotion of the remark
UNITS = {
    "sad": ("AU01_r", "AU04_r", "AU15_r"),
    "not_sad": ("AU06_r", "AU12_r"),
    None: (),
}  # raised, by what a face tells
RAISED, RAISED_SPREAD = 1.5, 0.3  # intensities of 0 to 5, and their deviation from answer to answer

Cue = str | None
Modality = Literal["text", "face", "both"]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The emotion of an answer, and what its words and its face say; None where they tell nothing."""

    emotion: str
    said: Cue
    shown: Cue

    @property
    def remark(self) -> str:
        """The emotion of the remark that the answer ends with."""
        return REMARKS[self.said]


def draw_answers(depressed: bool, turns: int, strength: float, rng: np.random.Generator) -> list[Answer]:
    """So many answers of a participant; with a strength of 0 neither label nor emotion has a part in anything."""

    def cue(emotion: str) -> str:
        (other,) = (name for name in EMOTIONS if name != emotion)
        return emotion if rng.random() < _logistic(STRENGTH * strength) else other

    answers = []
    for _ in range(turns):
        emotion = "sad" if rng.random() < _sad(depressed, strength) else "not_sad"
        said, shown, case = cue(emotion), cue(emotion), rng.choice(list(CASES), p=list(CASES.values()))
        answers.append(
            Answer(emotion, None if case == "the face decides" else said, None if case == "the words decide" else shown)
        )
    return answers


def raised_units(
    answers: Sequence[Answer], times_s: Sequence[tuple[float, float]], frames: int, rng: np.random.Generator
) -> Float[np.ndarray, "frames units"]:
    """How far each of `ACTION_UNITS` is raised in each video frame, while the answers are said at these times."""
    raised = np.zeros((frames, len(ACTION_UNITS)))
    for answer, (start_s, stop_s) in zip(answers, times_s, strict=True):
        rows = slice(round(start_s * FACE_RATE_HZ), round(stop_s * FACE_RATE_HZ))
        for unit in UNITS[answer.shown]:
            raised[rows, ACTION_UNITS.index(unit)] = max(0.0, rng.normal(RAISED, RAISED_SPREAD))
    return raised


def planted(strength: float) -> dict[str, Any]:
    """What a marker file says of the answers' emotions, and of the best accuracies that their cues allow."""
    modalities: tuple[Modality, ...] = ("text", "face", "both")
    return {
        "planted_cases_of_answers": CASES,
        "right_cues": round(_logistic(STRENGTH * strength), 3),
        "share_of_sad_answers": {
            name: round(_sad(label, strength), 3) for name, label in (("depressed", True), ("healthy", False))
        },
        "bayes_accuracy_on_cues": {
            task: {modality: round(bayes_accuracy(strength, task, modality), 3) for modality in modalities}
            for task in ("depressed", "emotion")
        },
    }


def bayes_accuracy(strength: float, task: str, modality: Modality) -> float:
    """The accuracy, on an answer, of the Bayes rule that sees the cues of a modality themselves."""
    likely: dict[tuple[Cue, ...], dict[object, float]] = {}
    for depressed, emotion in itertools.product((True, False), EMOTIONS):
        is_sad = _sad(depressed, strength)
        prior = (PREVALENCE if depressed else 1 - PREVALENCE) * (is_sad if emotion == "sad" else 1 - is_sad)
        for said, shown, share in _observations(_cues(emotion, strength)):
            seen = {"text": (said,), "face": (shown,), "both": (said, shown)}[modality]
            label = depressed if task == "depressed" else emotion
            of_seen = likely.setdefault(seen, {})
            of_seen[label] = of_seen.get(label, 0.0) + prior * share
    return sum(max(of_label.values()) for of_label in likely.values())


def _observations(cues: Mapping[str, float]) -> Iterator[tuple[Cue, Cue, float]]:
    """What words and face say, and how likely that is, where each cue has the probability in `cues`."""
    both, by_face, by_words = CASES.values()
    for one, share in cues.items():
        yield None, one, by_face * share
        yield one, None, by_words * share
        for other, also in cues.items():
            yield one, other, both * share * also


def _cues(emotion: str, strength: float) -> dict[str, float]:
    right = _logistic(STRENGTH * strength)
    return {name: right if name == emotion else 1 - right for name in EMOTIONS}


def _sad(depressed: bool, strength: float) -> float:
    """The share of sad answers."""
    return _logistic(SHIFT * strength * (1 if depressed else -1))


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))
