"""Writes a small stand-in for DAIC-WOZ in the very layout of the original, every sound and word of it synthetic.

Differences from the original, each stated in the marker file: interviews take a minute; the COVAREP, FORMANT and CLNF
files cover the first `TRACKS_S` seconds, in coarse decimals; the HOG files are left out; none of the original's known
defects is planted, and the ids of the sessions that have them are not used. What the label changes in a recording, and
the best score that this allows, stands in `population`.
"""

import concurrent.futures
import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import soundfile

from input_pipeline.errors import DataError
from input_pipeline.progress import progress
from input_pipeline.synthesis import population, tracks
from input_pipeline.synthesis.population import Participant
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.session import interview, transcript
from input_pipeline.synthesis.session import tracks as spoken_tracks
from input_pipeline.synthesis.voice import RATE_HZ

VERSION = 1  # of the generator: another one writes other bytes
TRACKS_S = 3.0
FIRST_ID, LAST_ID = 300, 999  # a folder's name has three digits
# Absent from the original, or with a defect of its own.
_UNUSED_IDS = {318, 321, 341, 342, 362, 373, 394, 398, 402, 409, 444, 451, 458, 460, 480}
_ITEMS = ("NoInterest", "Depressed", "Sleep", "Tired", "Appetite", "Failure", "Concentrating", "Moving")
_LABELLED = ("Participant_ID", "PHQ8_Binary", "PHQ8_Score", "Gender", *(f"PHQ8_{item}" for item in _ITEMS))


def synthesize_daic_woz(
    data_dir: Path | str,
    *,
    sessions: int = 120,
    seed: int = 0,
    effect: float = 1.0,
    turns: int = 12,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/daic_woz` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: interviews, one a participant; half train, a fifth dev, the rest test.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: the size of the planted effect; 0 plants none.
        turns: answers a session.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    _check(sessions, seed, effect, turns)
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "turns": turns}
    participants = dict(zip(_ids(sessions), population.draw_population(sessions, effect, seed), strict=True))
    root = Path(data_dir) / "daic_woz"

    def write(folder: Path) -> None:
        _write_splits(folder, participants)
        task = partial(_write_session, folder, turns, seed)
        for _ in progress(
            _parallel(task, list(participants.items()), workers), sessions, f"writing {root}", "sessions"
        ):
            pass

    publish(root, _marker(parameters, list(participants.values())), write, overwrite)
    return root


def _check(sessions: int, seed: int, effect: float, turns: int) -> None:
    most = LAST_ID - FIRST_ID + 1 - len(_UNUSED_IDS)
    if not population.MIN_SESSIONS <= sessions <= most:
        raise DataError(
            f"sessions: found {sessions}; use {population.MIN_SESSIONS} (three splits, two classes) to {most}"
        )
    if turns < 1:
        raise DataError(f"turns: found {turns}; a session has at least 1")
    if seed < 0:
        raise DataError(f"seed: found {seed}; use 0 or more")
    if not 0.0 <= effect <= 4.0:
        raise DataError(f"effect: found {effect}; use 0 (none) to 4")


def _ids(sessions: int) -> list[int]:
    return [number for number in range(FIRST_ID, LAST_ID + 1) if number not in _UNUSED_IDS][:sessions]


def _parallel(
    task: Callable[[tuple[int, Participant]], None], items: Sequence[tuple[int, Participant]], workers: int | None
) -> Iterator[None]:
    """Runs `task` on every item, yielding as items finish; in fresh processes, as a fork of a threaded one may hang."""
    workers = min(workers or joblib.cpu_count(), len(items))
    if workers == 1:
        yield from map(task, items)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(task, item) for item in items]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_session(folder: Path, turns: int, seed: int, item: tuple[int, Participant]) -> None:
    session_id, participant = item
    session = interview(participant, session_id, turns, seed)
    rng = np.random.default_rng([seed, 2, session_id])
    stem = folder / f"{session_id}_P" / str(session_id)
    stem.parent.mkdir()
    soundfile.write(stem.with_name(f"{session_id}_AUDIO.wav"), session.samples, RATE_HZ, subtype="PCM_16")
    stem.with_name(f"{session_id}_TRANSCRIPT.csv").write_bytes(transcript(session.rows, rng).encode())
    pitch_hz, formants_hz = spoken_tracks(session, tracks.VOCAL_RATE_HZ, TRACKS_S)
    tracks.write_vocal(stem, pitch_hz, formants_hz, rng)
    tracks.write_face(stem, round(TRACKS_S * tracks.FACE_RATE_HZ), rng)


def _write_splits(folder: Path, participants: dict[int, Participant]) -> None:
    """The split files, with the original's headers and file names."""
    for split in ("train", "dev"):
        rows = [
            (number, int(one.depressed), one.score, int(one.female), *one.items)
            for number, one in participants.items()
            if one.split == split
        ]
        _write_csv(folder / f"{split}_split_Depression_AVEC2017.csv", _LABELLED, rows)
    test = {number: one for number, one in participants.items() if one.split == "test"}
    rows = [(number, int(one.female)) for number, one in test.items()]
    _write_csv(folder / "test_split_Depression_AVEC2017.csv", ("participant_ID", "Gender"), rows)
    full = [(number, int(one.depressed), one.score, int(one.female)) for number, one in test.items()]
    _write_csv(folder / "full_test_split.csv", ("Participant_ID", "PHQ_Binary", "PHQ_Score", "Gender"), full)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[int]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _marker(parameters: dict[str, Any], participants: Sequence[Participant]) -> dict[str, Any]:
    """What the marker file says of this stand-in."""
    effect = parameters["effect"]
    modalities: tuple[population.Modality, ...] = ("audio", "text", "both")
    bayes = {name: population.bayes_score(effect, name) for name in modalities}
    women = {label: [one.female for one in participants if one.depressed == label] for label in (True, False)}
    return {
        "corpus": "daic_woz",
        "synthetic": "every voice, word and label here is made up; no person was recorded",
        "generator": "input_pipeline.synthesis.daic_woz",
        "version": VERSION,
        "parameters": parameters,
        "defects": False,
        "tracks_s": TRACKS_S,
        "left_out": ["CLNF_hog.bin"],
        "planted_shifts_in_standard_deviations": {name: effect * shift for name, shift in population.SHIFTS.items()},
        "prevalence": sum(one.depressed for one in participants) / len(participants),
        "women_among_depressed": sum(women[True]) / len(women[True]),
        "women_among_healthy": sum(women[False]) / len(women[False]),
        "bayes_score_on_latents": {name: {k: round(v, 3) for k, v in score.items()} for name, score in bayes.items()},
    }
