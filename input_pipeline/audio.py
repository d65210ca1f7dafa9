"""Waveforms from audio files, and the checks that a file must pass before anything is computed from it.

The same checks serve the corpus readers (`header`: cheap, no samples are read), the validator (`check_waveform`) and
the features (`load`). Each raises a `RuleError` whose one line names the file.
"""

import contextlib
import dataclasses
import functools
import importlib
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import filelock
import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from input_pipeline.errors import RuleError

SILENT_PEAK = 1e-4  # of full scale: below the dither of a 16-bit recording
LOWEST_HZ, HIGHEST_HZ = 1000, 768_000  # of what can be speech; resampled, a second of far less would fill the memory
_BLOCK_FRAMES = 1 << 20
_COMPILING_MODULES = ("librosa.core.audio", "librosa.core.pitch", "librosa.util.utils")
_OGG, _LARGEST_OGG_PAGE = b"OggS", 65307
_UNKNOWN_FRAMES = (1 << 63) - 1  # libsndfile's SF_COUNT_MAX
_STREAMED_BYTES = 0x7FFFF000  # writers to a pipe cannot know the length and promise this much or more


@dataclasses.dataclass(frozen=True)
class Header:
    """What an audio file says of itself: `frames` samples a channel at `rate_hz`."""

    rate_hz: int
    channels: int
    frames: int

    @property
    def duration_s(self) -> float:
        return self.frames / self.rate_hz


def librosa_lock() -> filelock.BaseFileLock:
    """Held by the one process of this user and machine that imports librosa."""
    return filelock.FileLock(Path(tempfile.gettempdir()) / f"librosa-import-{Path.home().name}.lock")


@functools.cache
def load_librosa() -> ModuleType:
    """librosa, first imported by one process at a time.

    The import compiles functions into a cache on disk, and two processes that do so at once leave a cache in which
    functions crash when they are called (numba issue 10128).
    """
    with librosa_lock():
        for module in _COMPILING_MODULES:
            importlib.import_module(module)
    return importlib.import_module("librosa")


def header(path: Path) -> Header:
    """The header of an audio file, checked against the file's size.

    Raises:
        RuleError: missing-audio, unreadable-audio, truncated-audio (a wav promises more than it holds, an ogg has no last
            page), odd-rate, empty-audio, unknown-length.
    """
    try:
        if not path.is_file():
            raise RuleError("missing-audio", f"{path}: no such audio file; restore it from the corpus's archive")
        cut = _promised_and_held_bytes(path)
        with _quiet(path):
            info = soundfile.info(str(path))
        ends = _ogg_ends(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise _unreadable(path, error) from None
    if cut is not None and cut[0] > cut[1]:
        raise _truncated(path, f"{cut[0]} bytes of samples", str(cut[1]))
    if not ends:
        raise _truncated(path, "a last page", "none")
    if not LOWEST_HZ <= info.samplerate <= HIGHEST_HZ:
        raise RuleError(
            "odd-rate",
            f"{path}: {info.samplerate} samples a second, expected {LOWEST_HZ} to {HIGHEST_HZ}; copy the file again",
        )
    if info.frames == 0:
        raise RuleError("empty-audio", f"{path}: holds no samples; copy the file again")
    if info.frames == _UNKNOWN_FRAMES:
        what = "its header does not tell how long it is, as of sound that was piped into it"
        raise RuleError("unknown-length", f"{path}: {what}; write the file again")
    return Header(info.samplerate, info.channels, info.frames)


def load(
    path: Path, rate_hz: int = 16000, start_s: float = 0.0, stop_s: float | None = None
) -> Float32[np.ndarray, " samples"]:
    """A recording, or its stretch from `start_s` to `stop_s`, as one channel at `rate_hz`.

    Channels are averaged; another rate is resampled by soxr in its "HQ" quality. A `stop_s` past the end means the end.

    Raises:
        RuleError: as `header`; non-finite-audio; outside-audio where the stretch holds no sample; silent-audio where
            the whole recording is asked for and it moves by less than `SILENT_PEAK` (one silent stretch is no fault).
    """
    found = header(path)
    start = round(start_s * found.rate_hz)
    stop = found.frames if stop_s is None else min(round(stop_s * found.rate_hz), found.frames)
    if not 0 <= start < stop:
        end_s = found.duration_s if stop_s is None else stop_s
        raise RuleError(
            "outside-audio",
            f"{path}: no sample from {start_s:.3f} to {end_s:.3f} s of its {found.duration_s:.3f} s; correct the times",
        )
    mono = np.concatenate(list(_blocks(path, start, stop)))
    if start == 0 and stop_s is None:
        _refuse_silence(path, float(mono.min()), float(mono.max()))
    if found.rate_hz != rate_hz:
        mono = soxr.resample(mono, found.rate_hz, rate_hz)
    return np.ascontiguousarray(mono, dtype=np.float32)


def check_waveform(path: Path) -> Header:
    """Reads a whole file block by block and returns its header.

    Raises:
        RuleError: as `load` of the whole recording.
    """
    found = header(path)
    ends = [(float(block.min()), float(block.max())) for block in _blocks(path, 0, found.frames)]
    lowest, highest = zip(*ends, strict=True)
    _refuse_silence(path, min(lowest), max(highest))
    return found


def _blocks(path: Path, start: int, stop: int) -> Iterator[Float32[np.ndarray, " samples"]]:
    """The frames from `start` to `stop`, averaged over channels, in blocks; refuses what is not finite."""
    try:
        with _quiet(path):
            opened = soundfile.SoundFile(str(path))
            opened.seek(start)
        with opened as file:
            while start < stop:
                with _quiet(path):
                    block = file.read(min(_BLOCK_FRAMES, stop - start), dtype="float32", always_2d=True)
                if len(block) == 0:
                    raise _truncated(path, f"{stop} samples", str(start))
                if not np.isfinite(block).all():
                    at = start + int(np.argmin(np.isfinite(block).all(axis=1)))
                    what = f"sample {at} ({at / file.samplerate:.3f} s) is NaN or infinite"
                    raise RuleError("non-finite-audio", f"{path}: {what}; write the file again as 16-bit wav")
                start += len(block)
                yield block.mean(axis=1, dtype=np.float32)
    except (OSError, soundfile.LibsndfileError) as error:
        raise _unreadable(path, error) from None


def _refuse_silence(path: Path, lowest: float, highest: float) -> None:
    """A constant is as silent as zeros."""
    peak = (highest - lowest) / 2
    if peak < SILENT_PEAK:
        raise RuleError(
            "silent-audio", f"{path}: silent from start to end (peak {peak:.1e} of full scale); replace the recording"
        )


def _unreadable(path: Path, error: Exception) -> RuleError:
    reason = " ".join(str(error).split()).rstrip(".")
    return RuleError("unreadable-audio", f"{path}: cannot be read as audio ({reason}); copy the file again")


def _truncated(path: Path, promised: str, held: str) -> RuleError:
    return RuleError(
        "truncated-audio",
        f"{path}: truncated, its header promises {promised} and {held} are there; copy the file again",
    )


@contextlib.contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """Keeps libmpg123, which tells of a damaged mp3 on stderr by itself, off the terminal."""
    if path.suffix.lower() != ".mp3":
        yield
        return
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _ogg_ends(path: Path) -> bool:
    """Whether an ogg's last page is there whole and says that it is the last; a file of another kind ends anyhow.

    libsndfile silently takes what is left of a cut one.
    """
    with path.open("rb") as file:
        if file.read(4) != _OGG:
            return True
        file.seek(max(0, path.stat().st_size - _LARGEST_OGG_PAGE))
        tail = file.read()
    at = tail.rfind(_OGG)
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return False
    is_last = bool(page[5] & 4)
    return is_last and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _promised_and_held_bytes(path: Path) -> tuple[int, int] | None:
    """The size of a wav's data chunk by its header, and what the file really holds; None where it is not told.

    libsndfile silently believes the file's size, so that a cut wav would pass as a shorter one.
    """
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] not in (b"RIFF", b"RF64") or riff[8:] != b"WAVE":
            return None
        long_bytes = None  # RF64 keeps the true size in a chunk of its own
        while len(chunk := file.read(8)) == 8:
            tag, size = struct.unpack("<4sI", chunk)
            if tag == b"data":
                promised = size if long_bytes is None else long_bytes
                streamed = long_bytes is None and size >= _STREAMED_BYTES
                return None if streamed else (promised, path.stat().st_size - file.tell())
            body = file.tell()
            if tag == b"ds64" and len(sizes := file.read(16)) == 16:
                long_bytes = struct.unpack("<8xQ", sizes)[0]
            file.seek(body + size + size % 2)
    return None
