"""The feature files beside a stand-in session of E-DAIC: low-level descriptors, bags of words, deep features.

Pitch and formants are those of the synthesised speech. The rest, and all of the face, is noise around plausible means
that no label moves.
"""

import io
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Float

from input_pipeline.synthesis.tracks import FACE_RATE_HZ, VOCAL_RATE_HZ, drift, write_rows

DURATION_S = 3.0
BAG_RATE_HZ = 10
BAG_WORDS = 100
DEEP_TABLES = {"densenet201": 1920, "vgg16": 4096}
DEEP_MATRICES = {"CNN_ResNet": 2048, "CNN_VGG": 4096}
EGEMAPS = (
    "Loudness_sma3", "alphaRatio_sma3", "hammarbergIndex_sma3", "slope0-500_sma3", "slope500-1500_sma3",
    "spectralFlux_sma3", "mfcc1_sma3", "mfcc2_sma3", "mfcc3_sma3", "mfcc4_sma3", "F0semitoneFrom27.5Hz_sma3nz",
    "jitterLocal_sma3nz", "shimmerLocaldB_sma3nz", "HNRdBACF_sma3nz", "logRelF0-H1-H2_sma3nz",
    "logRelF0-H1-A3_sma3nz", "F1frequency_sma3nz", "F1bandwidth_sma3nz", "F1amplitudeLogRelF0_sma3nz",
    "F2frequency_sma3nz", "F2amplitudeLogRelF0_sma3nz", "F3frequency_sma3nz", "F3amplitudeLogRelF0_sma3nz",
)  # fmt: skip
MFCC = tuple(f"pcm_fftMag_mfcc{suffix}[{index}]" for suffix in ("", "_de", "_de_de") for index in range(13))
_UNITS = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
OPENFACE = (
    *(f"pose_{axis}" for axis in ("Tx", "Ty", "Tz", "Rx", "Ry", "Rz")),
    *(f"gaze_{eye}_{axis}" for eye in range(2) for axis in "xyz"),
    "gaze_angle_x",
    "gaze_angle_y",
    *(f"AU{unit}_r" for unit in _UNITS),
    *(f"AU{unit}_c" for unit in sorted((*_UNITS, "28"))),
)
_MAT_TEXT = b"MATLAB 5.0 MAT-file of a synthetic stand-in".ljust(116)  # in place of the date of writing


def write(
    stem: Path,
    pitch_hz: Float[np.ndarray, " frames"],
    formants_hz: Float[np.ndarray, "frames 5"],
    rng: np.random.Generator,
) -> None:
    """Writes the feature files `<stem>_*`: one row of descriptors a frame of `tracks.VOCAL_RATE_HZ`."""
    _write_descriptors(stem, "OpenSMILE2.3.0_egemaps", EGEMAPS, _egemaps(pitch_hz, formants_hz, rng))
    mfcc = rng.standard_normal((len(pitch_hz), len(MFCC))) * np.repeat((8.0, 2.0, 1.0), len(MFCC) // 3)
    _write_descriptors(stem, "OpenSMILE2.3.0_mfcc", MFCC, mfcc)
    _write_face(stem, rng)
    for bag in ("BoAW_openSMILE_2.3.0_eGeMAPS", "BoAW_openSMILE_2.3.0_MFCC", "BoVW_openFace_2.1.0_Pose_Gaze_AUs"):
        counts = np.log10(1 + rng.poisson(0.3, (round(DURATION_S * BAG_RATE_HZ), BAG_WORDS)))
        write_rows(_beside(stem, f"{bag}.csv"), "", counts, ["%.3f"] * BAG_WORDS)
    seconds = int(DURATION_S)
    for network, width in DEEP_TABLES.items():
        lead = np.stack([np.arange(1, seconds + 1), np.arange(seconds)], axis=1)
        header = ",".join(("name", "timeStamp", *(f"neuron_{index}" for index in range(1, width + 1)))) + "\n"
        values = np.hstack([lead, _rectified(seconds, width, rng)])
        write_rows(_beside(stem, f"{network}.csv"), header, values, ["%d", "%d", *["%.1f"] * width])
    for network, width in DEEP_MATRICES.items():
        file = io.BytesIO()
        scipy.io.savemat(file, {"feature": _rectified(seconds, width, rng).round(1).astype(np.float32)})
        _beside(stem, f"{network}.mat").write_bytes(_MAT_TEXT + file.getvalue()[len(_MAT_TEXT) :])


def _egemaps(
    pitch_hz: Float[np.ndarray, " frames"], formants_hz: Float[np.ndarray, "frames 5"], rng: np.random.Generator
) -> Float[np.ndarray, "frames 23"]:
    values = 0.1 * rng.standard_normal((len(pitch_hz), len(EGEMAPS)))
    voiced = pitch_hz > 0
    values[:, EGEMAPS.index("F0semitoneFrom27.5Hz_sma3nz")] = np.where(
        voiced, 12 * np.log2(np.where(voiced, pitch_hz, 27.5) / 27.5), 0.0
    )
    for number in range(3):
        values[:, EGEMAPS.index(f"F{number + 1}frequency_sma3nz")] = np.where(voiced, formants_hz[:, number], 0.0)
    return values


def _write_descriptors(stem: Path, kind: str, names: tuple[str, ...], values: np.ndarray) -> None:
    """A table of openSMILE: semicolons, and every row begins with the instance's name and the time."""
    header = ";".join(("name", "frameTime", *names)) + "\n"
    times_s = np.arange(len(values))[:, None] / VOCAL_RATE_HZ
    formats = ["'unknown';%.2f", *["%.3f"] * len(names)]
    write_rows(_beside(stem, f"{kind}.csv"), header, np.hstack([times_s, values]), formats, ";")


def _write_face(stem: Path, rng: np.random.Generator) -> None:
    frames = round(DURATION_S * FACE_RATE_HZ)
    success = rng.random(frames) > 0.02
    time_s = np.arange(frames) / FACE_RATE_HZ
    lead = np.stack([np.arange(1, frames + 1), time_s, np.where(success, 0.98, 0.1), success], axis=1)
    values = drift(frames, len(OPENFACE), 0.3, rng)
    values[:, 2] += 600.0  # the distance from the camera in millimetres
    rated = [index for index, name in enumerate(OPENFACE) if name.endswith("_r")]
    values[:, rated] = np.abs(values[:, rated])
    present = [index for index, name in enumerate(OPENFACE) if name.endswith("_c")]
    values[:, present] = values[:, present] > 0.4
    header = ", ".join(("frame", "timestamp", "confidence", "success", *OPENFACE)) + "\n"
    formats = ["%d", "%.3f", "%.2f", "%d", *["%.2f"] * len(OPENFACE)]
    path = _beside(stem, "OpenFace2.1.0_Pose_gaze_AUs.csv")
    write_rows(path, header, np.hstack([lead, values]), formats, ", ")


def _rectified(rows: int, width: int, rng: np.random.Generator) -> Float[np.ndarray, "rows width"]:
    return np.maximum(rng.standard_normal((rows, width)), 0.0)


def _beside(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}_{name}")
