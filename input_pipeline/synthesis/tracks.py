"""The feature files beside a stand-in session: COVAREP, FORMANT and CLNF, in DAIC-WOZ's columns and rates.

Pitch, voicing and formants are those of the synthesised speech. The rest, and all of the face, is smooth noise around
plausible means that the label does not move.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

VOCAL_RATE_HZ = 100
FACE_RATE_HZ = 30
COVAREP_COLUMNS = 74
ACTION_UNITS = (
    *(f"AU{unit}_r" for unit in ("01", "02", "04", "05", "06", "09", "10", "12", "14", "15", "17", "20", "25", "26")),
    *(f"AU{unit}_c" for unit in ("04", "12", "15", "23", "28", "45")),
)
_GAZE = tuple(f"{axis}_{ray}" for ray in ("0", "1", "h0", "h1") for axis in "xyz")
_POSE = ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz")
_LANDMARKS = 68


def write_vocal(
    stem: Path,
    pitch_hz: Float[np.ndarray, " frames"],
    formants_hz: Float[np.ndarray, "frames 5"],
    rng: np.random.Generator,
) -> None:
    """Writes `<stem>_COVAREP.csv` and `<stem>_FORMANT.csv`, without headers, one row a VOCAL_RATE_HZ frame."""
    frames = len(pitch_hz)
    voiced = pitch_hz > 0
    covarep = 0.1 * rng.standard_normal((frames, COVAREP_COLUMNS))
    covarep[:, 0], covarep[:, 1] = np.round(pitch_hz), voiced
    covarep[:, 2:10] += (0.1, 0.4, 5.0, 0.3, 0.1, -0.3, 1.2, 0.6)  # NAQ, QOQ, H1H2, PSP, MDQ, peakSlope, Rd, Rd_conf
    covarep[:, 11:36] += np.geomspace(2.0, 0.02, 25)  # MCEP
    covarep[~voiced & (rng.random(frames) < 0.02), 7] = -np.inf
    write_rows(stem.with_name(f"{stem.name}_COVAREP.csv"), "", covarep, ["%d", "%d"] + ["%.1f"] * (COVAREP_COLUMNS - 2))
    write_rows(stem.with_name(f"{stem.name}_FORMANT.csv"), "", formants_hz, ["%.0f"] * 5)


def write_face(stem: Path, frames: int, rng: np.random.Generator) -> None:
    """Writes the CLNF files of `frames` video frames: landmarks in 2-d and 3-d, gaze, pose and action units."""
    lead = _lead(frames, rng)
    angle = np.linspace(0, 2 * np.pi, _LANDMARKS, endpoint=False)
    mean_face = np.stack([320 + 80 * np.cos(angle), 240 + 100 * np.sin(angle)])  # [2, 68] pixels
    flat = mean_face.reshape(-1) + drift(frames, 2 * _LANDMARKS, 2.0, rng)
    solid = np.concatenate([mean_face[0] - 320, mean_face[1] - 240, 600 + 20 * np.cos(angle)])
    solid = solid + drift(frames, 3 * _LANDMARKS, 2.0, rng)
    movement = _movement(frames, np.zeros((frames, len(ACTION_UNITS))), rng)
    axes_2d, axes_3d = ([f"{axis}{point}" for axis in axes for point in range(_LANDMARKS)] for axes in ("xy", "XYZ"))
    _write_clnf(stem, "features", lead, axes_2d, flat, "%.0f")
    _write_clnf(stem, "features3D", lead, axes_3d, solid, "%.0f")
    _write_movement(stem, lead, movement)


def write_expressions(stem: Path, raised: Float[np.ndarray, "frames units"], rng: np.random.Generator) -> None:
    """Writes gaze, pose and action units anew, of as many frames as `raised` has, which is added to the units."""
    lead = _lead(len(raised), rng)
    _write_movement(stem, lead, _movement(len(raised), raised, rng))


def write_rows(path: Path, header: str, rows: np.ndarray, formats: Sequence[str], separator: str = ",") -> None:
    """Writes a table of numbers, each column in its own format, below a header that ends its line."""
    line = separator.join(formats) + "\n"
    path.write_bytes((header + line * len(rows) % tuple(rows.reshape(-1))).encode())


def drift(frames: int, columns: int, size: float, rng: np.random.Generator) -> Float[np.ndarray, "frames columns"]:
    """Smooth random movement: values at one-second knots, joined by lines."""
    knots = size * rng.standard_normal((frames // FACE_RATE_HZ + 2, columns))
    position = np.arange(frames) / FACE_RATE_HZ
    left = position.astype(int)
    weight = (position - left)[:, None]
    return (1 - weight) * knots[left] + weight * knots[left + 1]


def _lead(frames: int, rng: np.random.Generator) -> Float[np.ndarray, "frames 4"]:
    """Number, time, confidence and success of each frame."""
    success = rng.random(frames) > 0.02
    time = np.arange(frames) / FACE_RATE_HZ
    return np.stack([np.arange(1, frames + 1), time, np.where(success, 0.95, 0.1), success], axis=1)


def _movement(
    frames: int, raised: Float[np.ndarray, "frames units"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaze, pose and action units."""
    gaze = np.tile((0.05, 0.1, -0.99), 4) + drift(frames, len(_GAZE), 0.05, rng)
    pose = np.array((0.0, 0.0, 600.0, 0.1, 0.0, 0.0)) + drift(frames, len(_POSE), 0.05, rng)
    units = np.abs(drift(frames, len(ACTION_UNITS), 0.6, rng))
    units[:, 14:] = units[:, 14:] > 0.9
    return gaze, pose, units + raised


def _write_movement(stem: Path, lead: np.ndarray, movement: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    gaze, pose, units = movement
    _write_clnf(stem, "gaze", lead, _GAZE, gaze, "%.2f")
    _write_clnf(stem, "pose", lead, _POSE, pose, "%.2f")
    _write_clnf(stem, "AUs", lead, ACTION_UNITS, units, "%.1f")


def _write_clnf(stem: Path, kind: str, lead: np.ndarray, columns: Sequence[str], values: np.ndarray, fmt: str) -> None:
    header = ", ".join(("frame", "timestamp", "confidence", "success", *columns)) + "\n"
    formats = ["%d", "%.3f", "%.2f", "%d", *[fmt] * len(columns)]
    write_rows(stem.with_name(f"{stem.name}_CLNF_{kind}.txt"), header, np.hstack([lead, values]), formats, ", ")
