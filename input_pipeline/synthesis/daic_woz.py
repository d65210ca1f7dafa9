"""Writes a small stand-in for DAIC-WOZ in the very layout of the original, every sound and word of it synthetic.

Differences from the original, each stated in the marker file: interviews take a minute or two; the COVAREP, FORMANT
and CLNF files cover the first `TRACKS_S` seconds, in coarse decimals; the HOG files are left out; none of the original's
known defects is planted, and the ids of the sessions that have them are not used. What the label changes in a recording,
and the best score that this allows, stands in `population`. With the option `emotion` every answer has an emotion
besides, of which that best score knows nothing. With the option `utterance_emotions` every answer is sad or not by its
words and by the face, whose gaze, pose and action units are then those of the whole interview, and a file tells which
(`utterances`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from input_pipeline.corpora.utterance_emotions import COLUMNS, EMOTIONS_FILE
from input_pipeline.errors import DataError
from input_pipeline.synthesis import population, tracks, utterances
from input_pipeline.synthesis.population import Climate, Participant
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.session import PARTICIPANT, Session, interview, transcript
from input_pipeline.synthesis.session import tracks as spoken_tracks
from input_pipeline.synthesis.utterances import Answer
from input_pipeline.synthesis.voice import RATE_HZ
from input_pipeline.synthesis.writing import check, marker_of, write_all, write_csv

VERSION = 1  # of the generator: another one writes other bytes
TRACKS_S = 3.0
FIRST_ID, LAST_ID = 300, 999  # a folder's name has three digits
# Absent from the original, or with a defect of its own.
_UNUSED_IDS = {318, 321, 341, 342, 362, 373, 394, 398, 402, 409, 444, 451, 458, 460, 480}
_LABELLED = (
    "Participant_ID",
    "PHQ8_Binary",
    "PHQ8_Score",
    "Gender",
    *(f"PHQ8_{item}" for item in population.PHQ8_ITEMS),
)


def synthesize_daic_woz(
    data_dir: Path | str,
    *,
    sessions: int = 120,
    seed: int = 0,
    effect: float = 1.0,
    emotion: float = 0.0,
    utterance_emotions: float = 0.0,
    turns: int = 12,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/daic_woz` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: interviews, one a participant; half train, a fifth dev, the rest test.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: the size of the planted effect; 0 plants none.
        emotion: above 0, every answer has an emotion, and `effect * emotion` scales how far the label shifts the shares
            of the emotions.
        utterance_emotions: above 0, every answer is sad or not, `utterance_emotions.csv` tells which, and `effect *
            utterance_emotions` scales what words and face tell of it, and how far the label shifts the share of the sad.
        turns: answers a session.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    most = LAST_ID - FIRST_ID + 1 - len(_UNUSED_IDS)
    check(
        sessions,
        population.MIN_SESSIONS,
        most,
        seed,
        why=population.WHY_MIN,
        turns=turns,
        effect=effect,
        emotion=emotion,
        utterance_emotions=utterance_emotions,
    )
    if emotion > 0 and utterance_emotions > 0:
        raise DataError(f"utterance_emotions: found {utterance_emotions} beside emotion={emotion}; give one of the two")
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "turns": turns}
    if emotion > 0:
        parameters["emotion"] = float(emotion)
    if utterance_emotions > 0:
        parameters["utterance_emotions"] = float(utterance_emotions)
    participants = dict(zip(_ids(sessions), population.draw_population(sessions, effect, seed), strict=True))
    climates = population.draw_climates(participants, effect, emotion, seed)
    strength = effect * utterance_emotions
    answers = _draw_answers(participants, turns, strength, seed) if utterance_emotions > 0 else {}
    root = Path(data_dir) / "daic_woz"

    def write(folder: Path) -> None:
        _write_splits(folder, participants)
        if answers:
            _write_emotions(folder, answers)
        items = [(number, one, climates.get(number), answers.get(number, ())) for number, one in participants.items()]
        write_all(partial(_write_session, folder, turns, seed), items, workers, root, "sessions")

    planted = _planted(effect, list(participants.values())) | population.planted_climates(participants, climates)
    if answers:
        planted |= {"whole_tracks": ["CLNF_gaze", "CLNF_pose", "CLNF_AUs"], **utterances.planted(strength)}
    publish(root, marker_of("daic_woz", VERSION, parameters, **planted), write, overwrite)
    return root


def _ids(sessions: int) -> list[int]:
    return [number for number in range(FIRST_ID, LAST_ID + 1) if number not in _UNUSED_IDS][:sessions]


def _draw_answers(
    participants: Mapping[int, Participant], turns: int, strength: float, seed: int
) -> dict[int, list[Answer]]:
    """The answers of each session, by its id."""
    return {
        number: utterances.draw_answers(one.depressed, turns, strength, np.random.default_rng([seed, 4, number]))
        for number, one in participants.items()
    }


def _write_session(
    folder: Path, turns: int, seed: int, item: tuple[int, Participant, Climate | None, Sequence[Answer]]
) -> None:
    session_id, participant, climate, answers = item
    session = interview(participant, session_id, turns, seed, climate, [answer.remark for answer in answers])
    rng = np.random.default_rng([seed, 2, session_id])
    stem = folder / f"{session_id}_P" / str(session_id)
    stem.parent.mkdir()
    soundfile.write(stem.with_name(f"{session_id}_AUDIO.wav"), session.samples, RATE_HZ, subtype="PCM_16")
    stem.with_name(f"{session_id}_TRANSCRIPT.csv").write_bytes(transcript(session.rows, rng).encode())
    pitch_hz, formants_hz = spoken_tracks(session, tracks.VOCAL_RATE_HZ, TRACKS_S)
    tracks.write_vocal(stem, pitch_hz, formants_hz, rng)
    tracks.write_face(stem, round(TRACKS_S * tracks.FACE_RATE_HZ), rng)
    if answers:
        _write_expressions(stem, session, answers, rng)


def _write_expressions(stem: Path, session: Session, answers: Sequence[Answer], rng: np.random.Generator) -> None:
    """The face of the whole interview; the answers are the last of what the participant says."""
    frames = round(len(session.samples) / RATE_HZ * tracks.FACE_RATE_HZ)
    rows = [row for row in session.rows if row.speaker == PARTICIPANT][-len(answers) :]
    raised = utterances.raised_units(answers, [(row.start_s, row.stop_s) for row in rows], frames, rng)
    tracks.write_expressions(stem, raised, rng)


def _write_emotions(folder: Path, answers: Mapping[int, Sequence[Answer]]) -> None:
    """The file that users put there themselves: the reader's numbers of turns are those of the answers."""
    rows = [(number, turn, one.emotion) for number, said in answers.items() for turn, one in enumerate(said)]
    write_csv(folder / EMOTIONS_FILE, COLUMNS, rows)


def _write_splits(folder: Path, participants: dict[int, Participant]) -> None:
    """The split files, with the original's headers and file names."""
    for split in ("train", "dev"):
        rows = [
            (number, int(one.depressed), one.score, int(one.female), *one.items)
            for number, one in participants.items()
            if one.split == split
        ]
        write_csv(folder / f"{split}_split_Depression_AVEC2017.csv", _LABELLED, rows)
    test = {number: one for number, one in participants.items() if one.split == "test"}
    rows = [(number, int(one.female)) for number, one in test.items()]
    write_csv(folder / "test_split_Depression_AVEC2017.csv", ("participant_ID", "Gender"), rows)
    full = [(number, int(one.depressed), one.score, int(one.female)) for number, one in test.items()]
    write_csv(folder / "full_test_split.csv", ("Participant_ID", "PHQ_Binary", "PHQ_Score", "Gender"), full)


def _planted(effect: float, participants: Sequence[Participant]) -> dict[str, Any]:
    """What the marker file says of this stand-in alone."""
    return {
        "defects": False,
        "tracks_s": TRACKS_S,
        "left_out": ["CLNF_hog.bin"],
        **population.planted(effect, participants),
    }
