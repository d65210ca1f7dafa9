"""What an emotion is in the stand-in corpora, and what it does to a speaker's delivery and to the words.

An emotion has a place in the space of valence, activation and dominance, on IEMOCAP's scale of 1 to 5, and a turn's
affect is drawn around it. The affect alone, never the emotion's name, moves the delivery, relative to the speaker's own,
and the choice of words. Delivery follows activation and dominance most of all, words follow valence: by ear anger is
close to happiness, by its words to sadness, and both together tell more than either.

`effect` scales all of this. With 0 delivery and words still vary from turn to turn, but the affect has no part in it.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from input_pipeline.synthesis import wording
from input_pipeline.synthesis.voice import Delivery, Tract, Voice, bins_hz


class Affect(NamedTuple):
    """A state of mind on IEMOCAP's scale: 1 is negative, calm, weak; 5 is positive, excited, dominant."""

    valence: float
    activation: float
    dominance: float


MEANS = {
    "angry": Affect(1.9, 3.8, 3.9),
    "happy": Affect(3.9, 3.5, 3.3),
    "neutral": Affect(3.0, 2.8, 3.0),
    "sad": Affect(2.1, 2.2, 2.4),
}
EMOTIONS = tuple(MEANS)
SPREAD = 0.35  # standard deviation of each of the three around its mean
CENTRE = Affect(3.0, 3.0, 3.0)
# Change of the delivery a step of (valence, activation, dominance), and its deviation from turn to turn besides.
CUES: dict[str, tuple[Affect, float]] = {
    "pitch_semitones": (Affect(0.9, 2.8, 0.0), 1.4),
    "log_pitch_range": (Affect(0.15, 0.4, 0.0), 0.18),
    "log_rate": (Affect(0.0, 0.18, 0.0), 0.07),
    "log_pause": (Affect(0.0, -0.4, 0.0), 0.2),
    "loudness_db": (Affect(-0.6, 3.0, 2.0), 1.8),
    "tilt_db": (Affect(-0.4, 1.2, 0.8), 0.6),
}
WORD_PRECISION = Affect(8.0, 2.5, 0.5)  # how closely the words keep to each of the three
_SENTIMENT_MAX = 3.0


@dataclasses.dataclass(frozen=True)
class Expression:
    """How a turn's delivery differs from the speaker's own.

    Attributes:
        pitch_semitones: of the pitch contour's middle.
        log_pitch_range, log_rate, log_pause: natural logarithms of factors.
        loudness_db: of everything that is voiced or noisy.
        tilt_db: of the voice's spectrum, dB an octave: effort flattens it.
    """

    pitch_semitones: float
    log_pitch_range: float
    log_rate: float
    log_pause: float
    loudness_db: float
    tilt_db: float

    def applied(self, voice: Voice, delivery: Delivery, filters: Tract) -> tuple[Voice, Delivery, Tract]:
        """What `voice.speak` takes for a speaker's turn in this expression."""
        raised = dataclasses.replace(voice, pitch_hz=voice.pitch_hz * 2 ** (self.pitch_semitones / 12))
        changed = Delivery(
            pitch_range_semitones=delivery.pitch_range_semitones * float(np.exp(self.log_pitch_range)),
            rate_hz=delivery.rate_hz * float(np.exp(self.log_rate)),
            pause_s=delivery.pause_s * float(np.exp(self.log_pause)),
        )
        gain = 10 ** (self.loudness_db / 20)
        tilt = 10 ** (self.tilt_db * np.log2(np.maximum(bins_hz(), 60.0) / 500.0) / 20)
        voiced = (gain * tilt * filters.voiced).astype(np.complex64)
        return raised, changed, Tract(voiced, (gain * filters.noise).astype(np.complex64))


def draw_affect(mean: Affect, rng: np.random.Generator) -> Affect:
    """The affect of a turn in an emotion whose turns have this mean, as those in `MEANS` have."""
    return _on_scale(np.array(mean) + SPREAD * rng.standard_normal(3))


def affect_of_sentiment(sentiment: float, rng: np.random.Generator) -> Affect:
    """The affect of a turn of a sentiment on CMU-MOSEI's scale of -3 to 3, which is its valence.

    The two others lean towards the positive, as people sound livelier there; their spread leaves room for the angry.
    """
    step = sentiment / _SENTIMENT_MAX
    mean = np.array((3.0 + 2.0 * step, 2.9 + 1.0 * step, 3.0 + 0.5 * step))
    return _on_scale(mean + np.array((0.0, SPREAD, SPREAD)) * rng.standard_normal(3))


def draw_expression(affect: Affect, effect: float, rng: np.random.Generator) -> Expression:
    """The expression of a turn of this affect."""
    from_centre = np.subtract(affect, CENTRE)
    return Expression(
        **{
            cue: effect * float(np.dot(slopes, from_centre)) + spread * float(rng.standard_normal())
            for cue, (slopes, spread) in CUES.items()
        }
    )


def draw_words(affect: Affect, effect: float, rng: np.random.Generator) -> list[list[str]]:
    """What is said in a turn of this affect: one or two clauses, each of an emotion that is close to the affect."""
    shares = word_shares(affect, effect)
    return wording.remarks(lambda: str(rng.choice(EMOTIONS, p=shares)), rng)


def word_shares(affect: Affect, effect: float) -> Float[np.ndarray, " emotions"]:
    """The probability of each emotion's words in a turn of this affect; even where `effect` is 0."""
    apart = np.subtract(affect, np.array([MEANS[emotion] for emotion in EMOTIONS]))
    likely = np.exp(-0.5 * effect * apart**2 @ np.array(WORD_PRECISION))
    return likely / likely.sum()


def chain(turns: int, shares: Mapping[str, float], persistence: float, rng: np.random.Generator) -> list[str]:
    """The emotions of consecutive turns: each is the one before with probability `persistence`, else drawn anew.

    Every turn has the distribution `shares`.
    """
    emotions: list[str] = []
    for _ in range(turns):
        if emotions and rng.random() < persistence:
            emotions.append(emotions[-1])
        else:
            emotions.append(str(rng.choice(list(shares), p=list(shares.values()))))
    return emotions


def planted(effect: float) -> dict[str, object]:
    """What a marker file says of the emotions: where they are, and what they do."""
    return {
        "emotions_on_1_to_5": {emotion: mean._asdict() | {"spread": SPREAD} for emotion, mean in MEANS.items()},
        "planted_slopes": {
            cue: {name: effect * slope for name, slope in slopes._asdict().items()} | {"spread": spread}
            for cue, (slopes, spread) in CUES.items()
        },
        "planted_precision_of_words": {name: effect * value for name, value in WORD_PRECISION._asdict().items()},
    }


def _on_scale(values: Float[np.ndarray, " 3"]) -> Affect:
    return Affect(*(float(value) for value in np.clip(values, 1.0, 5.0)))
