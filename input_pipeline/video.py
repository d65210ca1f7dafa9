"""Video files: when each frame is shown, and the frames themselves, upright; with the checks that a file must pass.

OpenCV reads them, with FFmpeg, which is told to open nothing but the file and to print nothing.
"""

import contextlib
import functools
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float64

from input_pipeline.errors import RuleError
from input_pipeline.pictures import Picture

_ISO_TYPES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")  # with one of which an mp4 or mov begins
_LEAST_READ = 0.5  # of the frames that an mp4 lists; one that was trimmed without being written anew lists more
_UNKNOWN_HZ = 25.0  # of files that tell neither times nor a rate


def check_header(path: Path) -> None:
    """Refuses what is no whole file; no frame is read.

    Raises:
        RuleError: missing-video, empty-video, unreadable-video, truncated-video (an mp4 promises more than it holds).
    """
    if not path.is_file():
        raise RuleError("missing-video", f"{path}: no such video; restore it from the corpus's archive")
    if not path.stat().st_size:
        raise RuleError("empty-video", f"{path}: holds no bytes; copy the video again")
    try:
        promised, held = max(_parts(path).values(), default=0), path.stat().st_size
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise RuleError("unreadable-video", f"{path}: {what}; copy the video again") from None
    if promised > held:
        what = f"truncated, its parts promise {promised} bytes and {held} are there"
        raise RuleError("truncated-video", f"{path}: {what}; copy the video again")


def times_s(path: Path) -> Float64[np.ndarray, " frames"]:
    """When each frame is shown, in seconds of the file's own time stamps, rising; at least one.

    A frame without a time of its own, or with one that does not rise, follows the one before at the file's rate.

    Raises:
        RuleError: as `check_header`; unreadable-video where there is no video that can be read, or no frame of it;
            damaged-video where frames that an mp4 lists cannot be read.
    """
    cv2 = load_opencv()
    with _opened(path) as video:
        rate_hz, listed = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        step_s = 1 / (rate_hz if 0 < rate_hz < float("inf") else _UNKNOWN_HZ)
        found: list[float] = []
        while video.grab():
            time_s = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            found.append(time_s if not found or time_s > found[-1] else found[-1] + step_s)
    if not found:
        raise RuleError("unreadable-video", f"{path}: no frame of its video can be read; copy the video again")
    parts = _parts(path)
    # Without a list, as in fragments and files of other kinds, the number is guessed from the sound's length too.
    if b"moov" in parts and b"moof" not in parts and len(found) < _LEAST_READ * listed:
        what = f"lists {listed:.0f} frames, and {len(found)} of them can be read"
        raise RuleError("damaged-video", f"{path}: {what}; copy the video again, or write it anew with ffmpeg")
    return np.array(found)


def pictures(path: Path, chosen: Sequence[int]) -> Iterator[Picture]:
    """The frames of these numbers, which rise, turned upright as the file says; each is read when it is asked for.

    Raises:
        RuleError: as `times_s`.
    """
    cv2, wanted = load_opencv(), iter(chosen)
    number = next(wanted, None)
    with _opened(path) as video:
        for index in range(max(chosen, default=-1) + 1):
            if not video.grab():
                raise RuleError("damaged-video", f"{path}: frame {index} can no longer be read; copy the video again")
            if index == number:
                yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
                number = next(wanted, None)


@functools.cache
def load_opencv() -> ModuleType:
    """OpenCV, which reads what it shall print, and what FFmpeg may open, when it is imported or first used."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")  # a playlist names other files
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # where it was imported before
    return cv2


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    check_header(path)
    cv2 = load_opencv()
    # By FFmpeg alone, as OpenCV takes some names for those of many pictures; absolute, as FFmpeg takes "a:b" for a protocol.
    video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            what = "no video stream that can be read is in it"
            raise RuleError("unreadable-video", f"{path}: {what}; give an mp4, mov, mkv, webm or avi, or leave it out")
        video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        yield video
    finally:
        video.release()


def _parts(path: Path) -> dict[bytes, int]:
    """Of an mp4 or mov where each kind of part ends for the last time, by the parts' own sizes; nothing of other files."""
    parts: dict[bytes, int] = {}
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if not kind.isalnum() or (at == 0 and kind not in _ISO_TYPES):  # also what was left behind the last part
                break
            if length == 1 and len(longer := file.read(8)) == 8:
                length = struct.unpack(">Q", longer)[0]
            at = size if length == 0 else at + max(length, 8)  # 0: to the end of the file
            parts[kind] = at
    return parts
