"""The corpora's own feature files as numbers in time, with what the files themselves mark as invalid.

DAIC-WOZ: COVAREP and FORMANT (Degottex et al., "COVAREP", ICASSP 2014), CLNF (Baltrušaitis et al., OpenFace, WACV 2016).
E-DAIC: openSMILE's descriptors, OpenFace 2.1, bags of words, and deep features (Ringeval et al., AVEC 2019, section 4).
"""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from input_pipeline.errors import DataError

_VOICED = 1  # COVAREP's column VUV
_OF_VOICE = (0, *range(2, 9))  # F0, NAQ, QOQ, H1H2, PSP, MDQ, peakSlope, Rd: they mean nothing where VUV is 0
_SHOWN = 40  # characters of a broken cell


class Track(NamedTuple):
    """Rows in order of time, each of which lasts until the next.

    Attributes:
        times_s: when each row begins, in seconds from the start of the recording.
        valid: which cells count. `values` is 0 elsewhere.
    """

    times_s: Float64[np.ndarray, " R"]
    values: Float64[np.ndarray, "R D"]
    valid: Bool[np.ndarray, "R D"]


@dataclasses.dataclass(frozen=True)
class Format:
    """How the file of one kind is written.

    Attributes:
        width: columns of the feature.
        header: whether the first line names the columns.
        separator: between cells.
        lead: what the columns before the feature are: a "name" is text, "time" is seconds, "success" and "confidence" are
            those of the face tracker, "number" is counted and not used.
        rate_hz: rows a second where no column tells the time; 0: they are spread evenly over the recording's audio.
        matlab: a .mat file with the matrix `feature` [R, width] instead.
    """

    width: int
    header: bool = False
    separator: str = ","
    lead: tuple[Literal["name", "number", "time", "confidence", "success"], ...] = ()
    rate_hz: float = 0.0
    matlab: bool = False


def _face(width: int) -> Format:
    return Format(width, header=True, lead=("number", "time", "confidence", "success"))


def _opensmile(width: int) -> Format:
    return Format(width, header=True, separator=";", lead=("name", "time"))


FORMATS = {
    "covarep": Format(74, rate_hz=100.0),
    "formant": Format(5, rate_hz=100.0),
    "clnf_features": _face(136),
    "clnf_features3d": _face(204),
    "clnf_gaze": _face(12),
    "clnf_pose": _face(6),
    "clnf_aus": _face(20),
    "egemaps": _opensmile(23),
    "mfcc": _opensmile(39),
    "openface": _face(49),
    **{name: Format(100, rate_hz=10.0) for name in ("boaw_egemaps", "boaw_mfcc", "bovw_openface")},
    "densenet201": Format(1920, header=True, lead=("name", "time")),
    "vgg16": Format(4096, header=True, lead=("name", "time")),
    "cnn_resnet": Format(2048, matlab=True),
    "cnn_vgg": Format(4096, matlab=True),
}


def read_track(kind: str, path: Path, duration_s: Callable[[], float], min_confidence: float) -> Track:
    """The file's rows.

    Args:
        kind: one of `FORMATS`.
        duration_s: tells how long the recording's audio is; asked where nothing else tells the rows' times.
        min_confidence: of the face tracker; rows below it are invalid, as are those of no success.

    Raises:
        DataError: the file cannot be read; the line names the file, and the line of a broken row.
    """
    form = FORMATS[kind]
    table = _matrix(path, form) if form.matlab else _table(path, form)
    lead, values = table[:, : len(form.lead)], table[:, len(form.lead) :]
    columns = dict(zip(form.lead, lead.T, strict=True))
    times_s = columns.get("time")
    if times_s is None:
        rate_hz = form.rate_hz or len(values) / duration_s()
        times_s = np.arange(len(values)) / rate_hz
    _check_times(path, form, times_s)
    valid = np.isfinite(values)
    if "success" in columns:
        valid &= ((columns["success"] > 0) & (columns["confidence"] >= min_confidence))[:, None]
    if kind == "covarep":
        valid[:, _OF_VOICE] &= (values[:, _VOICED] > 0)[:, None]
    return Track(times_s, np.where(valid, values, 0.0), valid)


def _table(path: Path, form: Format) -> Float64[np.ndarray, "R C"]:
    """The cells of a text file as numbers; a name is 0."""
    names: dict[int | str, Callable[[str], float]] = {
        index: lambda _: 0.0 for index, what in enumerate(form.lead) if what == "name"
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is told below
            table = np.loadtxt(
                path,
                delimiter=form.separator,
                skiprows=int(form.header),
                converters=names or None,
                comments=None,
                ndmin=2,
                encoding="utf-8",
            )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); restore the file") from None
    except ValueError as error:  # that of bytes that are no UTF-8 among them
        raise DataError(_complaint(path, form) or f"{path}: cannot be read as numbers ({error})") from None
    if not table.size:
        raise DataError(f"{path}: holds no row; restore the file from the corpus's archive")
    if table.shape[1] != len(form.lead) + form.width:
        raise DataError(
            f"{path}: has {table.shape[1]} columns, {len(form.lead) + form.width} are expected; restore the file"
        )
    return table


def _complaint(path: Path, form: Format) -> str:
    """The first line that is no row of the format; "" where all are."""
    expected = len(form.lead) + form.width
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            cells = line.rstrip("\r\n").split(form.separator)
            if (number == 1 and form.header) or not line.strip():
                continue
            if len(cells) != expected:
                return f"{path}, line {number}: {len(cells)} columns, {expected} are expected; restore the file"
            for index, cell in enumerate(cells):
                if form.lead[index : index + 1] != ("name",) and not _is_number(cell):
                    found = f"column {index + 1} is {cell.strip()[:_SHOWN]!r}, no number"
                    return f"{path}, line {number}: {found}; correct the row"
    return ""


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _matrix(path: Path, form: Format) -> Float64[np.ndarray, "R C"]:
    import scipy.io  # loads slowly, and few kinds need it

    try:
        found = scipy.io.loadmat(path, variable_names=["feature"])
    except (OSError, ValueError, TypeError, NotImplementedError, scipy.io.matlab.MatReadError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a .mat file ({reason}); restore the file") from None
    matrix = found.get("feature")
    if matrix is None or matrix.ndim != 2 or matrix.shape[1] != form.width or not matrix.size:
        what = "no matrix 'feature'" if matrix is None else f"a matrix 'feature' of {'x'.join(map(str, matrix.shape))}"
        raise DataError(f"{path}: holds {what}, rows of {form.width} numbers are expected; restore the file")
    return matrix.astype(np.float64)


def _check_times(path: Path, form: Format, times_s: Float64[np.ndarray, " R"]) -> None:
    wrong = ~np.isfinite(times_s)
    wrong[1:] |= ~(np.diff(times_s) >= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{path}, row {row + 1} below the header: its time is {times_s[row]:g} s, which does not follow the row before; "
            "restore the file"
        )
