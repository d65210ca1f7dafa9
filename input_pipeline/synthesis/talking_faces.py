"""Writes a small stand-in of faces and speech: two manifests, and the videos and waveforms that they list, all made up.

`manifest.csv` has a row a participant, as the corpus of Kumari and Tiwari (2021, section 3) would: somebody is filmed
while watching something, and then talks, so that picture and sound are of one person and not of one moment. Labels are
depression and its severity; gender, age and ethnicity stand beside them. What depression changes stands in `volunteers`.

`emotion_faces.csv` has a row a clip of other people, actors who say something in each of four emotions, as in the public
corpora on which a network learns expressions before it sees depression. What an emotion changes stands in `emotion`
(voice) and `expressions` (face). Both splits are by person.

The face fills the picture: no detector is needed, and MTCNN, which learnt photographs, finds only some of these drawings.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from jaxtyping import Float32, UInt8

from input_pipeline.errors import DataError
from input_pipeline.synthesis import emotion, wording
from input_pipeline.synthesis.expressions import (
    FPS,
    POSTURES,
    bayes_accuracy_of_emotions,
    draw_posture,
    showing,
    watching,
)
from input_pipeline.synthesis.faces import draw_frames, draw_identity
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.session import draw_channel, draw_voice, room_noise
from input_pipeline.synthesis.speaker import draw_speaker
from input_pipeline.synthesis.voice import RATE_HZ, Delivery, speak, tract
from input_pipeline.synthesis.volunteers import (
    MIN_SESSIONS,
    SPLIT_SHARES,
    WHY_MIN,
    Volunteer,
    draw_volunteers,
    planted,
)
from input_pipeline.synthesis.writing import check, marker_of, write_all, write_csv

VERSION = 2  # of the generator: another one writes other bytes
MOST = 5000
LONGEST_S = 60
SPOKEN_AS = {"neutral": "neutral", "happiness": "happy", "sadness": "sad", "anger": "angry"}  # in `emotion.MEANS`
EMOTION_CLIP_S = 2.0
PARTICIPANT_COLUMNS = (
    *("id", "participant", "split", "video", "audio", "depressed", "severity"),
    *("gender", "age", "age_band", "ethnicity"),
)
EMOTION_COLUMNS = ("id", "participant", "split", "video", "audio", "emotion", "gender")
_LOUDNESS_DB, _LOUDNESS_SPREAD_DB = -27.0, 3.0
_NEGATIVE, _FIRST_PERSON = 0.3, 0.5  # shares of clauses, the same for everybody


@dataclasses.dataclass(frozen=True)
class Actor:
    """Who shows emotions, by the place in the list, which decides face and voice."""

    place: int
    split: str
    female: bool

    @property
    def name(self) -> str:
        return f"a{self.place + 1:04}"


def synthesize_talking_faces(
    data_dir: Path | str,
    *,
    sessions: int = 60,
    seed: int = 0,
    effect: float = 1.0,
    duration_s: int = 5,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/talking_faces` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: participants; there are half as many actors.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: how far depression shows in participants, and emotions in actors; 0: not at all.
        duration_s: of a participant's video, and of the waveform.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, MIN_SESSIONS, MOST, seed, why=WHY_MIN, effect=effect)
    if not 1 <= duration_s <= LONGEST_S:
        raise DataError(f"duration_s: found {duration_s}; use 1 to {LONGEST_S}")
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "duration_s": duration_s}
    root = Path(data_dir) / "talking_faces"
    people, actors = draw_volunteers(sessions, effect, seed), _draw_actors(sessions // 2, seed)

    def write(folder: Path) -> None:
        for below in ("video", "audio", "emotion"):
            (folder / below).mkdir()
        write_csv(folder / "manifest.csv", PARTICIPANT_COLUMNS, map(_participant_row, people))
        write_csv(folder / "emotion_faces.csv", EMOTION_COLUMNS, (row for one in actors for row in _actor_rows(one)))
        write_all(partial(_write_participant, folder, duration_s, seed), people, workers, root, "participants")
        write_all(partial(_write_actor, folder, effect, seed), actors, workers, root, "actors")

    of_emotions = {
        "planted_postures": {
            name: {part: effect * value for part, value in one._asdict().items()} for name, one in POSTURES.items()
        },
        "bayes_accuracy_of_emotions_on_postures": round(bayes_accuracy_of_emotions(effect), 3),
        **emotion.planted(effect),
    }
    publish(
        root,
        marker_of("talking_faces", VERSION, parameters, **planted(effect, people), **of_emotions),
        write,
        overwrite,
    )
    return root


def write_video(path: Path, frames: UInt8[np.ndarray, "frames height width rgb"]) -> None:
    """An MPEG-4 video without sound, `FPS` frames a second.

    Raises:
        DataError: OpenCV cannot write it.
    """
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write MPEG-4 videos here; install the wheel opencv-python-headless")
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def _participant_row(one: Volunteer) -> Sequence[str | int]:
    """The cells below `PARTICIPANT_COLUMNS`."""
    label, files = "depressed" if one.depressed else "healthy", (f"video/{one.name}.mp4", f"audio/{one.name}.wav")
    known = _gender(one.female), one.age, one.age_band, one.ethnicity
    return one.name, one.name, one.split, *files, label, one.severity, *known


def _draw_actors(count: int, seed: int) -> list[Actor]:
    """As many women as men, up to one, and splits in the participants' shares, in an order that says nothing."""
    rng = np.random.default_rng([seed, 2])
    ends = np.rint(np.cumsum(list(SPLIT_SHARES.values())) * count)
    splits = rng.permutation(np.searchsorted(ends, np.arange(count), side="right"))
    women = rng.permutation(np.arange(count) % 2 == 0)
    names = list(SPLIT_SHARES)
    return [Actor(place, names[splits[place]], bool(women[place])) for place in range(count)]


def _actor_rows(one: Actor) -> list[tuple[str, ...]]:
    """The cells below `EMOTION_COLUMNS`, a row an emotion."""
    clips = {mood: f"{one.name}_{mood}" for mood in POSTURES}
    return [
        (clip, one.name, one.split, f"emotion/{clip}.mp4", f"emotion/{clip}.wav", mood, _gender(one.female))
        for mood, clip in clips.items()
    ]


def _write_participant(folder: Path, duration_s: int, seed: int, one: Volunteer) -> None:
    """The participant's video and waveform."""
    rng = np.random.default_rng([seed, 1, one.place])
    looks = watching(one.latents, duration_s, rng)
    write_video(folder / "video" / f"{one.name}.mp4", draw_frames(draw_identity(rng), looks, rng))
    soundfile.write(folder / "audio" / f"{one.name}.wav", _talk(one, duration_s, rng), RATE_HZ, subtype="PCM_16")


def _talk(one: Volunteer, duration_s: int, rng: np.random.Generator) -> Float32[np.ndarray, " samples"]:
    """So many seconds out of what the participant says, in a pitch range, a rate and a loudness of their own."""
    delivery = Delivery(
        pitch_range_semitones=2.6 * float(np.exp(0.45 * one.latents["pitch_range"])),
        rate_hz=5.2 * float(np.exp(0.17 * one.latents["rate"])),
        pause_s=0.2 * float(np.exp(0.3 * rng.standard_normal())),
    )
    loudness = 10 ** ((_LOUDNESS_DB + _LOUDNESS_SPREAD_DB * one.latents["loudness"]) / 20)
    voice = draw_voice(one.female, rng)
    filters = tract(voice, loudness * draw_channel(rng))
    length, spoken = duration_s * RATE_HZ, np.zeros(0, np.float32)
    while len(spoken) < length:
        (topic, _), *_ = wording.agenda(1, rng)
        clauses = wording.answer(topic, _NEGATIVE, _FIRST_PERSON, rng)
        spoken = np.concatenate([spoken, speak(clauses, voice, delivery, filters, rng).samples])
    noise = float(10 ** ((_LOUDNESS_DB - rng.uniform(26.0, 40.0)) / 20))
    return np.clip(spoken[:length] + room_noise(length, noise, rng), -0.99, 0.99)


def _write_actor(folder: Path, effect: float, seed: int, one: Actor) -> None:
    """The actor's clips, one an emotion."""
    rng = np.random.default_rng([seed, 3, one.place])
    face, speaker = draw_identity(rng), draw_speaker(one.female, rng)
    for mood in POSTURES:
        looks = showing(draw_posture(mood, effect, rng), EMOTION_CLIP_S, rng)
        clip = folder / "emotion" / f"{one.name}_{mood}"
        write_video(clip.with_suffix(".mp4"), draw_frames(face, looks, rng))
        affect = emotion.draw_affect(emotion.MEANS[SPOKEN_AS[mood]], rng)
        (topic, _), *_ = wording.agenda(1, rng)
        clauses = wording.answer(topic, _NEGATIVE, _FIRST_PERSON, rng)  # the words tell nothing
        samples = speaker.say(clauses, emotion.draw_expression(affect, effect, rng), rng)
        soundfile.write(clip.with_suffix(".wav"), samples, RATE_HZ, subtype="PCM_16")


def _gender(female: bool) -> str:
    return "female" if female else "male"
