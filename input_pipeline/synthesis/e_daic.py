"""Writes a small stand-in for E-DAIC in the very layout of the original, every sound and word of it synthetic.

The interviews are those of the stand-in of DAIC-WOZ, of other participants: what the label changes in them stands in
`population`. Differences from the original, each stated in the marker file: interviews take a minute or two; the features
cover the first `e_daic_tracks.DURATION_S` seconds; the recogniser heard every word, and nothing of the interviewer.
PTSD goes with depression, as it does in the original, and has no effect of its own.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from input_pipeline.synthesis import e_daic_tracks, population, tracks
from input_pipeline.synthesis.population import Climate, Participant
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.session import PARTICIPANT, SCRUBBED, Row, interview
from input_pipeline.synthesis.session import tracks as spoken_tracks
from input_pipeline.synthesis.voice import RATE_HZ
from input_pipeline.synthesis.writing import check, marker_of, write_all, write_csv

VERSION = 1  # of the generator: another one writes other bytes
FIRST_ID, LAST_ID = 300, 999  # a folder's name has three digits
PTSD_FROM_SEVERITY = 44
_LABELLED = ("Participant_ID", "Gender", "PHQ_Binary", "PHQ_Score", "PCL-C (PTSD)", "PTSD Severity")
_MARKS = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\bxxx\b")  # of DAIC-WOZ's transcribers; a recogniser writes none


def synthesize_e_daic(
    data_dir: Path | str,
    *,
    sessions: int = 120,
    seed: int = 0,
    effect: float = 1.0,
    emotion: float = 0.0,
    turns: int = 12,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/e_daic` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: interviews, one a participant; half train, a fifth dev, the rest test.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: the size of the planted effect; 0 plants none.
        emotion: above 0, every answer has an emotion, and `effect * emotion` scales how far the label shifts the shares
            of the emotions.
        turns: answers a session.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    fewest, most = population.MIN_SESSIONS, LAST_ID - FIRST_ID + 1
    check(sessions, fewest, most, seed, why=population.WHY_MIN, turns=turns, effect=effect, emotion=emotion)
    parameters: dict[str, Any] = {
        "sessions": sessions,
        "seed": seed,
        "effect": float(effect),
        "emotion": float(emotion),
        "turns": turns,
    }
    own_seed = int(np.random.SeedSequence([seed, 4]).generate_state(1)[0])  # not the people of DAIC-WOZ's stand-in
    participants = dict(enumerate(population.draw_population(sessions, effect, own_seed), start=FIRST_ID))
    climates = population.draw_climates(participants, effect, emotion, own_seed)
    root = Path(data_dir) / "e_daic"

    def write(folder: Path) -> None:
        _write_labels(folder, participants, np.random.default_rng([own_seed, 5]))
        items = [(number, one, climates.get(number)) for number, one in participants.items()]
        write_all(partial(_write_session, folder, turns, own_seed), items, workers, root, "sessions")

    planted = {
        "tracks_s": e_daic_tracks.DURATION_S,
        **population.planted(effect, list(participants.values())),
        **population.planted_climates(participants, climates),
    }
    publish(root, marker_of("e_daic", VERSION, parameters, **planted), write, overwrite)
    return root


def _write_session(folder: Path, turns: int, seed: int, item: tuple[int, Participant, Climate | None]) -> None:
    session_id, participant, climate = item
    session = interview(participant, session_id, turns, seed, climate)
    rng = np.random.default_rng([seed, 2, session_id])
    below = folder / f"{session_id}_P"
    (below / "features").mkdir(parents=True)
    soundfile.write(below / f"{session_id}_AUDIO.wav", session.samples, RATE_HZ, subtype="PCM_16")
    header = ("Start_Time", "End_Time", "Text", "Confidence")
    write_csv(below / f"{session_id}_Transcript.csv", header, _recognised(session.rows, rng))
    pitch_hz, formants_hz = spoken_tracks(session, tracks.VOCAL_RATE_HZ, e_daic_tracks.DURATION_S)
    e_daic_tracks.write(below / "features" / str(session_id), pitch_hz, formants_hz, rng)


def _recognised(rows: Sequence[Row], rng: np.random.Generator) -> list[tuple[str, str, str, str]]:
    """The participant's turns as the speech recogniser gives them: words without marks, and its confidence."""
    found = []
    for row in rows:
        words = " ".join(_MARKS.sub(" ", row.value).split())
        if row.speaker == PARTICIPANT and words and words != SCRUBBED:
            found.append((f"{row.start_s:.1f}", f"{row.stop_s:.1f}", words, f"{rng.beta(12, 1.5):.9f}"))
    return found


def _write_labels(folder: Path, participants: Mapping[int, Participant], rng: np.random.Generator) -> None:
    """The split files and the items, with the original's headers and file names."""
    severities = {number: _ptsd_severity(one, rng) for number, one in participants.items()}
    for split in population.SPLIT_SHARES:
        rows = [
            (
                number,
                "female" if one.female else "male",
                int(one.depressed),
                one.score,
                int(severities[number] >= PTSD_FROM_SEVERITY),
                severities[number],
            )
            for number, one in participants.items()
            if one.split == split
        ]
        write_csv(folder / f"{split}_split.csv", _LABELLED, rows)
    items = [(number, *one.items, one.score) for number, one in participants.items()]
    columns = ("Participant_ID", *(f"PHQ_8{item}" for item in population.PHQ8_ITEMS), "PHQ_8Total")
    write_csv(folder / "Detailed_PHQ8_Labels.csv", columns, items)


def _ptsd_severity(participant: Participant, rng: np.random.Generator) -> int:
    """The sum of the PCL-C's 17 items of 1 to 5, which rises with the PHQ-8 score."""
    return int(np.clip(round(24 + 2.0 * participant.score + 7.0 * float(rng.standard_normal())), 17, 85))
