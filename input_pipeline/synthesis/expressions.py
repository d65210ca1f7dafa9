"""How faces move in time: of somebody who watches something, and of somebody who shows an emotion.

Blinks, the head, the corners of the mouth at rest and lips that part are drawn alike for everybody.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from input_pipeline.synthesis.faces import Look

FPS = 10  # frames a second
SMILE_RATE_HZ, SMILE_SIZE, BROW = 0.5, 0.6, 0.4  # of a healthy face: how often, how far, how far
_SMILE_S = 0.9
_RATE_SPREAD, _SIZE_SPREAD, _BROW_SPREAD = 0.45, 0.35, 0.4  # of the logarithms, a unit of the latent variables
_REGULARITY = 4.0  # of the pauses between smiles, a gamma distribution's shape


class Posture(NamedTuple):
    """What an emotion does to a face, as `Look` has it."""

    smile: float
    open: float
    brow: float
    frown: float
    closed: float


POSTURES = {
    "neutral": Posture(0.0, 0.0, 0.0, 0.0, 0.0),
    "happiness": Posture(0.8, 0.25, 0.15, -0.05, 0.1),
    "sadness": Posture(-0.5, 0.0, 0.2, -0.6, 0.3),
    "anger": Posture(-0.2, 0.1, -0.4, 0.7, 0.0),
}
POSTURE_SPREAD = Posture(0.22, 0.12, 0.2, 0.25, 0.12)  # standard deviations from clip to clip


def watching(latents: Mapping[str, float], duration_s: float, rng: np.random.Generator) -> list[Look]:
    """Somebody who smiles now and then and moves the brows, as often and as far as `volunteers.FACE` has it."""
    times_s = _times_s(duration_s)
    rate_hz = SMILE_RATE_HZ * float(np.exp(_RATE_SPREAD * latents["smile_rate"]))
    size = SMILE_SIZE * float(np.exp(_SIZE_SPREAD * latents["smile_size"]))
    brow = BROW * float(np.exp(_BROW_SPREAD * latents["brow"]))
    looks = _idle(times_s, rng)
    smiles, brows = size * _smiles(times_s, rate_hz, rng), brow * _wander(times_s, 0.4, rng)
    return [
        dataclasses.replace(look, smile=look.smile + float(smile), brow=float(raised))
        for look, smile, raised in zip(looks, smiles, brows, strict=True)
    ]


def showing(posture: Posture, duration_s: float, rng: np.random.Generator) -> list[Look]:
    """Somebody who goes from rest to a posture and stays there."""
    times_s = _times_s(duration_s)
    onset_s = rng.uniform(0.1, 0.3) * duration_s
    strength = np.clip((times_s - onset_s) / 0.4, 0.0, 1.0)
    return [
        dataclasses.replace(
            look,
            smile=look.smile + float(share) * posture.smile,
            open=look.open + float(share) * max(posture.open, 0.0),
            brow=float(share) * posture.brow,
            frown=float(share) * posture.frown,
            closed=min(look.closed + float(share) * max(posture.closed, 0.0), 1.0),
        )
        for look, share in zip(_idle(times_s, rng), strength, strict=True)
    ]


def draw_posture(emotion: str, effect: float, rng: np.random.Generator) -> Posture:
    """The posture of a clip of this emotion; `effect` is how far emotions are from a face at rest."""
    return Posture(*(effect * np.array(POSTURES[emotion]) + POSTURE_SPREAD * rng.standard_normal(5)).tolist())


def bayes_accuracy_of_emotions(effect: float, draws: int = 40_000) -> float:
    """The accuracy of the Bayes rule that sees clips' postures, emotions being equally frequent, by Monte Carlo."""
    rng = np.random.default_rng(0)
    means = effect * np.array(list(POSTURES.values())) / POSTURE_SPREAD
    label = np.arange(draws) % len(means)
    seen = means[label] + rng.standard_normal((draws, len(POSTURE_SPREAD)))
    nearest = np.argmin(((seen[:, None] - means) ** 2).sum(axis=-1), axis=1)
    return float((nearest == label).mean())


def _idle(times_s: Float[np.ndarray, " frames"], rng: np.random.Generator) -> list[Look]:
    """What a face does that says nothing of any label."""
    rest, middle = 0.1 * rng.standard_normal(), 0.04 * rng.standard_normal(2)
    turn, nod = (0.35 * rng.standard_normal() + 0.2 * _wander(times_s, 0.8, rng) for _ in range(2))
    roll = 3.0 * rng.standard_normal() + 2.0 * _wander(times_s, 0.8, rng)
    x, y = (where + 0.02 * _wander(times_s, 1.0, rng) for where in middle)
    parted = np.clip(0.25 * _wander(times_s, 0.3, rng) - 0.1, 0.0, 1.0)
    blinks = _blinks(times_s, rng)
    return [
        Look(rest, float(o), 0.0, 0.0, float(c), float(t), float(n), float(r), (float(dx), float(dy)))
        for o, c, t, n, r, dx, dy in zip(parted, blinks, turn, nod, roll, x, y, strict=True)
    ]


def _times_s(duration_s: float) -> Float[np.ndarray, " frames"]:
    return np.arange(round(duration_s * FPS)) / FPS


def _smiles(
    times_s: Float[np.ndarray, " frames"], rate_hz: float, rng: np.random.Generator
) -> Float[np.ndarray, " frames"]:
    """Smiles of size 1 that come and go, so many a second in the mean, at nearly even distances."""
    height = np.zeros(len(times_s))
    now_s = -float(rng.uniform(0.0, 1.0 / rate_hz))
    while now_s < times_s[-1]:
        phase = (times_s - now_s) / _SMILE_S
        height = np.maximum(height, np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase), 0.0))
        now_s += float(rng.gamma(_REGULARITY, 1.0 / (_REGULARITY * rate_hz)))
    return height


def _blinks(times_s: Float[np.ndarray, " frames"], rng: np.random.Generator) -> Float[np.ndarray, " frames"]:
    """A closed eye for a tenth of a second or two, every three seconds or so."""
    return (rng.random(len(times_s)) < 0.3 / FPS).astype(float)


def _wander(
    times_s: Float[np.ndarray, " frames"], every_s: float, rng: np.random.Generator
) -> Float[np.ndarray, " frames"]:
    """Lines between normal values of unit variance, one every so many seconds."""
    knots_s = np.arange(0.0, times_s[-1] + 2 * every_s, every_s)
    return np.interp(times_s, knots_s, rng.standard_normal(len(knots_s)))
