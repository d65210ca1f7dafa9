"""Pictures as JPEG, and what that decodes to, by OpenCV both ways: the same bytes wherever they are read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import UInt8

from input_pipeline.pictures import Picture
from input_pipeline.video import load_opencv

_START, _END = b"\xff\xd8", b"\xff\xd9"  # the markers between which a JPEG lies


def to_jpeg(pictures: UInt8[np.ndarray, "n height width 3"], quality: int) -> list[bytes]:
    """Each picture as JPEG, its colours at every pixel as its light is (no chroma subsampling).

    Args:
        quality: 1 to 100, by the scale of libjpeg.
    """
    cv2 = load_opencv()
    settings = (
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    )

    def encoded(picture: Picture) -> bytes:
        return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)[1].tobytes()

    with ThreadPoolExecutor() as pool:  # OpenCV releases the interpreter's lock
        return list(pool.map(encoded, pictures))


def from_jpeg(encoded: Sequence[bytes], shape: tuple[int, ...]) -> UInt8[np.ndarray, "n height width 3"]:
    """The pictures of `to_jpeg`, as they come out of it.

    Args:
        shape: (height, width, 3), that of each.

    Raises:
        ValueError: one is no whole JPEG, or of another shape.
    """
    cv2, pictures = load_opencv(), np.empty((len(encoded), *shape), np.uint8)

    def decode(one: bytes, picture: Picture) -> None:
        whole = one.startswith(_START) and one.endswith(_END)  # what is cut off is decoded as far as it goes, else
        found = cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None
        if found is None or found.shape != shape:
            what = "cannot be decoded" if found is None else f"is of {_written(found.shape)}"
            raise ValueError(f"expected a JPEG of {_written(shape)}, found one of {len(one)} bytes that {what}")
        cv2.cvtColor(found, cv2.COLOR_BGR2RGB, dst=picture)

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, encoded, pictures))
    return pictures


def _written(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
