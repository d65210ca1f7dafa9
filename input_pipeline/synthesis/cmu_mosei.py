"""Writes a small stand-in for CMU-MOSEI in the very layout of the original, every sound and word of it synthetic.

A video has one speaker and a sentiment about which that of its clips varies. Three annotators rate a clip, so its
sentiment is a multiple of a third, and so are the six emotions. Differences from the original, beside the sizes: there
are the labels, the waveforms and the transcripts, and neither videos nor computed features. What a sentiment changes
stands in `emotion`.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import soundfile

from input_pipeline.synthesis import emotion
from input_pipeline.synthesis.emotion import Affect, draw_expression, draw_words
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.speaker import draw_speaker
from input_pipeline.synthesis.voice import RATE_HZ
from input_pipeline.synthesis.wording import written
from input_pipeline.synthesis.writing import check, marker_of, write_all

VERSION = 1  # of the generator: another one writes other bytes
ROOT = "All Labels"
LABELS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
FOLDS = {"train": 0.7, "valid": 0.1, "test": 0.2}
FEWEST, MOST = 10, 5000
CLIPS = (3, 5)
SPREAD_OF_VIDEOS, SPREAD_OF_CLIPS = 1.2, 0.8  # standard deviations of the sentiment
_ANNOTATORS = 3
_ANNOTATOR_SPREAD = 0.4
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))


class Clip(NamedTuple):
    """A clip of a video: its labels in the order of `LABELS`, and the affect that they rate."""

    labels: tuple[float, ...]
    affect: Affect


def synthesize_cmu_mosei(
    data_dir: Path | str,
    *,
    sessions: int = 120,
    seed: int = 0,
    effect: float = 1.0,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/cmu_mosei` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: videos, of three to five clips and a speaker each.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: how far the sentiment moves delivery and words; 0: not at all.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, FEWEST, MOST, seed, why="three folds", effect=effect)
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect)}
    rng = np.random.default_rng([seed, 0])
    videos = _names(sessions, rng)
    clips = [_clips(rng) for _ in videos]
    root = Path(data_dir) / "cmu_mosei"

    def write(folder: Path) -> None:
        for below in ("Audio/Full/WAV_16000", "Transcript/Segmented/Combined"):
            (folder / below).mkdir(parents=True)
        items = list(enumerate(zip(videos, clips, strict=True)))
        write_all(partial(_write_video, folder, effect, seed), items, workers, root, "videos")
        _write_labels(folder, dict(zip(videos, clips, strict=True)))
        (folder / "standard_folds.json").write_text(json.dumps(_folds(videos), indent=1) + "\n")

    planted = {
        "spread_of_sentiment_between_videos": SPREAD_OF_VIDEOS,
        "spread_of_sentiment_in_a_video": SPREAD_OF_CLIPS,
        **emotion.planted(effect),
    }
    publish(root, marker_of("cmu_mosei", VERSION, parameters, **planted), write, overwrite)
    return root


def _names(sessions: int, rng: np.random.Generator) -> list[str]:
    """Ids like those of the platform that the original's videos are from."""
    names: dict[str, None] = {}
    while len(names) < sessions:
        names["".join(rng.choice(_LETTERS, 11))] = None
    return list(names)


def _folds(videos: list[str]) -> dict[str, list[str]]:
    ends = np.rint(np.cumsum(list(FOLDS.values())) * len(videos)).astype(int)
    return {fold: videos[start:stop] for fold, start, stop in zip(FOLDS, [0, *ends], ends, strict=False)}


def _clips(rng: np.random.Generator) -> list[Clip]:
    of_video = SPREAD_OF_VIDEOS * float(rng.standard_normal())
    return [
        _clip(of_video + SPREAD_OF_CLIPS * float(rng.standard_normal()), rng) for _ in range(rng.integers(*CLIPS) + 1)
    ]


def _clip(sentiment: float, rng: np.random.Generator) -> Clip:
    sentiment = float(np.clip(sentiment, -3.0, 3.0))
    affect = emotion.affect_of_sentiment(sentiment, rng)
    anger = 1.0 / (1.0 + np.exp(-3.0 * (affect.activation - 3.0)))  # what of a bad mood is anger, not sadness
    strength = np.array(
        (max(sentiment, 0.0), max(-sentiment, 0.0) * (1 - anger), max(-sentiment, 0.0) * anger, 0, 0, 0)
    )
    seen = strength + _ANNOTATOR_SPREAD * rng.standard_normal((_ANNOTATORS, 6))
    rated = np.clip(np.rint(seen - 0.2), 0, 3).mean(axis=0)  # an annotator sooner sees no emotion than a weak one
    score = np.clip(np.rint(sentiment + _ANNOTATOR_SPREAD * rng.standard_normal(_ANNOTATORS)), -3, 3).mean()
    return Clip((float(score), *(float(value) for value in rated)), affect)


def _write_video(folder: Path, effect: float, seed: int, item: tuple[int, tuple[str, list[Clip]]]) -> None:
    """The video's waveform and its transcript by clips; `_write_labels` finds the clips' times there."""
    number, (name, clips) = item
    rng = np.random.default_rng([seed, 1, number])
    speaker = draw_speaker(bool(rng.random() < 0.5), rng)
    sounds, lines, now = [], [], 0
    for index, clip in enumerate(clips):
        clauses = draw_words(clip.affect, effect, rng)
        silence = speaker.silence(int(rng.uniform(0.1, 0.4) * RATE_HZ), rng)
        samples = speaker.say(clauses, draw_expression(clip.affect, effect, rng), rng)
        start = now + len(silence)
        now = start + len(samples)
        sounds += [silence, samples]
        lines.append("___".join((name, str(index), _seconds(start), _seconds(now), written(clauses))) + "\n")
    sounds.append(speaker.silence(int(0.3 * RATE_HZ), rng))
    soundfile.write(folder / f"Audio/Full/WAV_16000/{name}.wav", np.concatenate(sounds), RATE_HZ, subtype="PCM_16")
    (folder / f"Transcript/Segmented/Combined/{name}.txt").write_bytes("".join(lines).encode())


def _seconds(samples: int) -> str:
    return f"{samples / RATE_HZ:.4f}"


def _write_labels(folder: Path, videos: dict[str, list[Clip]]) -> None:
    """The computational sequence of labels, as the SDK of the original reads it."""
    with h5py.File(folder / "CMU_MOSEI_Labels.csd", "w") as file:
        data = file.create_group(f"{ROOT}/data")
        for name, clips in videos.items():
            lines = (folder / f"Transcript/Segmented/Combined/{name}.txt").read_text(encoding="utf-8").splitlines()
            times = [[float(seconds) for seconds in line.split("___")[-3:-1]] for line in lines]
            data[f"{name}/features"] = np.array([clip.labels for clip in clips], np.float32)
            data[f"{name}/intervals"] = np.array(times, np.float32)
        metadata = file.create_group(f"{ROOT}/metadata")
        for key, value in (("root name", ROOT), ("dimension names", LABELS), ("computational sequence version", "1.0")):
            metadata[key] = np.array([json.dumps(value).encode()])
