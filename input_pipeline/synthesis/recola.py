"""Writes a small stand-in for RECOLA in the very layout of the original or of AVEC 2016, every sound of it synthetic.

Arousal and valence of a participant are smooth curves. Each remark is said in the affect of its moment, which moves the
delivery as `emotion` has it: pitch, its range, rate and loudness grow with arousal, and less with valence. Six raters
see the curves, each with a gain, an offset and a slow error of their own; AVEC 2016's gold standard is their mean.
Differences from the original, beside the sizes: the words are English, nobody answers, the raters do not lag behind,
the gold standard is not centred, the sound is at 16 kHz, and there are no video, physiology or social ratings.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import soundfile
from jaxtyping import Float, Float32

from input_pipeline.errors import DataError
from input_pipeline.synthesis import emotion
from input_pipeline.synthesis.emotion import CENTRE, Affect, draw_expression, draw_words
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.speaker import Speaker, draw_speaker
from input_pipeline.synthesis.voice import RATE_HZ
from input_pipeline.synthesis.writing import check, marker_of, write_all

VERSION = 1  # of the generator: another one writes other bytes
DISTRIBUTIONS = ("original", "avec2016")
DIMENSIONS = ("arousal", "valence")
RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
SPLITS = ("train", "dev", "test")  # of AVEC 2016, in turns
FEWEST, MOST = 6, 90
SHORTEST_S, LONGEST_S = 5, 300
STEPS_OF_AFFECT = 2.0  # of the scale of 1 to 5, for a rating of 1
_FIRST_ID = 16
_ROW_HZ = 25
_SMOOTH_S = 2.0  # standard deviation of the curves' Gaussian filter
_CURVE, _MIDDLE = 0.55, 0.25  # deviation of a curve, and of the participants' middles
_OFFSET, _GAIN, _ERROR = 0.1, 0.15, 0.08  # deviations between raters
_MIDST_S = 0.8  # seconds from a remark's start to where its affect is taken

Curves = Mapping[str, Float[np.ndarray, " rows"]]


def synthesize_recola(
    data_dir: Path | str,
    *,
    sessions: int = 12,
    seed: int = 0,
    effect: float = 1.0,
    duration_s: int = 30,
    distribution: str = "original",
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/recola` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: participants.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: how far arousal and valence move delivery and words; 0: not at all.
        duration_s: seconds of each participant.
        distribution: "original", or "avec2016" with its splits and gold standard.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, FEWEST, MOST, seed, why="two participants a split", effect=effect)
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise DataError(f"duration_s: found {duration_s}; use {SHORTEST_S} to {LONGEST_S}")
    if distribution not in DISTRIBUTIONS:
        raise DataError(f"distribution: found {distribution!r}; use {' or '.join(DISTRIBUTIONS)}")
    parameters: dict[str, Any] = {
        "sessions": sessions,
        "seed": seed,
        "effect": float(effect),
        "duration_s": duration_s,
        "distribution": distribution,
    }
    root = Path(data_dir) / "recola"
    write_one = partial(_WRITERS[distribution], seed=seed, effect=effect, duration_s=duration_s)

    def write(folder: Path) -> None:
        write_all(partial(write_one, folder), range(sessions), workers, root, "participants")

    planted = {"steps_of_affect_for_a_rating_of_1": STEPS_OF_AFFECT, **emotion.planted(effect)}
    publish(root, marker_of("recola", VERSION, parameters, **planted), write, overwrite)
    return root


def _write_original(folder: Path, participant: int, *, seed: int, effect: float, duration_s: int) -> None:
    name = f"P{_FIRST_ID + participant}"
    samples, rated = _session(participant, seed, effect, duration_s)
    _write_wav(folder / "RECOLA-Audio-recordings", name, samples)
    header = ";".join(("time", *(f"{rater} " for rater in RATERS[:-1]), RATERS[-1]))  # its names end in spaces
    for dimension, ratings in rated.items():
        rows = [";".join(f"{value:.2f}" for value in (row / _ROW_HZ, *ratings[row])) for row in range(len(ratings))]
        below = folder / "RECOLA-Annotation" / "emotional_behaviour" / dimension
        _write_text(below / f"{name}.csv", [header, *rows])


def _write_avec2016(folder: Path, participant: int, *, seed: int, effect: float, duration_s: int) -> None:
    split = SPLITS[participant % len(SPLITS)]
    name = f"{split}_{participant // len(SPLITS) + 1}"
    samples, rated = _session(participant, seed, effect, duration_s)
    _write_wav(folder / "recordings_audio", name, samples)
    for dimension, ratings in rated.items() if split != "test" else ():
        header = [
            f"@relation GOLDSTANDARD_{dimension.upper()}",
            "",
            "@attribute Instance_name string",
            "@attribute frameTime numeric",
            "@attribute GoldStandard numeric",
            "",
            "@data",
            "",
        ]
        rows = [f"{name},{row / _ROW_HZ:.2f},{mean:.6f}" for row, mean in enumerate(ratings.mean(axis=1))]
        _write_text(folder / "ratings_gold_standard" / dimension / f"{name}.arff", [*header, *rows])


_WRITERS = dict(zip(DISTRIBUTIONS, (_write_original, _write_avec2016), strict=True))


def _session(
    participant: int, seed: int, effect: float, duration_s: int
) -> tuple[Float32[np.ndarray, " samples"], dict[str, Float[np.ndarray, "rows raters"]]]:
    """What a participant says, and what the raters see; women and men in turns."""
    rng = np.random.default_rng([seed, 1, participant])
    curves = {dimension: draw_curve(duration_s, rng) for dimension in DIMENSIONS}
    samples = _talk(draw_speaker(participant % 2 == 0, rng), curves, effect, duration_s, rng)
    return samples, {dimension: _rated(curve, rng) for dimension, curve in curves.items()}


def draw_curve(duration_s: int, rng: np.random.Generator) -> Float[np.ndarray, " rows"]:
    """A participant's arousal or valence, within -1..1, at 25 rows a second from 0 to `duration_s`."""
    return np.tanh(_MIDDLE * rng.standard_normal() + _CURVE * _smooth(duration_s * _ROW_HZ + 1, rng))


def _smooth(rows: int, rng: np.random.Generator) -> Float[np.ndarray, " rows"]:
    """Slow noise of unit variance."""
    sigma = _SMOOTH_S * _ROW_HZ
    white = scipy.ndimage.gaussian_filter1d(rng.standard_normal(rows + round(8 * sigma)), sigma)
    return white[round(4 * sigma) : round(4 * sigma) + rows] * np.sqrt(2 * sigma * np.sqrt(np.pi))


def _rated(curve: Float[np.ndarray, " rows"], rng: np.random.Generator) -> Float[np.ndarray, "rows raters"]:
    """What each rater answers, in hundredths."""
    seen = [
        curve * np.exp(_GAIN * rng.standard_normal())
        + _OFFSET * rng.standard_normal()
        + _ERROR * _smooth(len(curve), rng)
        for _ in RATERS
    ]
    return np.clip(np.round(np.stack(seen, axis=1), 2), -1.0, 1.0) + 0.0  # so that no zero is negative


def _talk(
    speaker: Speaker, curves: Curves, effect: float, duration_s: int, rng: np.random.Generator
) -> Float32[np.ndarray, " samples"]:
    """Remark after remark, each in the affect of its moment, with pauses between."""
    parts = [speaker.silence(int(rng.uniform(0.1, 0.6) * RATE_HZ), rng)]
    spoken, length = len(parts[0]), duration_s * RATE_HZ
    while spoken < length:
        affect = affect_at(curves, spoken / RATE_HZ + _MIDST_S)
        remark = speaker.say(draw_words(affect, effect, rng)[:1], draw_expression(affect, effect, rng), rng)
        parts += [remark, speaker.silence(int(rng.uniform(0.1, 0.4) * RATE_HZ), rng)]
        spoken += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[:length]


def affect_at(curves: Curves, at_s: float) -> Affect:
    """The affect of a moment; one after the end is that of the end."""
    row = min(round(at_s * _ROW_HZ), len(curves["arousal"]) - 1)
    return CENTRE._replace(
        valence=CENTRE.valence + STEPS_OF_AFFECT * float(curves["valence"][row]),
        activation=CENTRE.activation + STEPS_OF_AFFECT * float(curves["arousal"][row]),
    )


def _write_wav(folder: Path, name: str, samples: Float32[np.ndarray, " samples"]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", samples, RATE_HZ, subtype="PCM_16")


def _write_text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
