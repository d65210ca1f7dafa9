"""Image files, and the checks that one must pass before anything is computed from it.

The same checks serve the corpus readers (`check_header`: cheap, no pixels are read) and the validator (`check_picture`).
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from input_pipeline.errors import RuleError

if TYPE_CHECKING:
    from PIL import Image

Picture = UInt8[np.ndarray, "height width 3"]  # red, green and blue

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # others, as EPS, are run by programs of their own
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def check_header(path: Path) -> None:
    """Refuses what does not begin as a picture of one of `FORMATS` does.

    Raises:
        RuleError: missing-image, empty-image, broken-image.
    """
    with _opened(path):
        pass


def check_picture(path: Path) -> None:
    """Reads a picture to its end.

    Raises:
        RuleError: as `check_header`; broken-image also where the file is cut off or damaged.
    """
    with _opened(path) as image:
        image.load()


def thumbnail(path: Path, longest: int) -> bytes:
    """A small copy of a picture as JPEG, turned as its EXIF data say, on white, without anything that is told beside it.

    Args:
        longest: the most pixels of its longer side; a smaller picture stays as small.

    Raises:
        RuleError: as `check_picture`.
    """
    from PIL import Image, ImageOps

    with _opened(path) as image:
        small = ImageOps.exif_transpose(image).convert("RGBA")
        small.thumbnail((longest, longest))
        # A picture of its own: comments, places and dates of the file stay behind.
        bare = Image.new("RGB", small.size, "white")
        bare.paste(small, mask=small.getchannel("A"))
    found = io.BytesIO()
    bare.save(found, "JPEG", quality=80)
    return found.getvalue()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """The picture, of which the header alone is read; what goes wrong with it inside is a RuleError."""
    from PIL import Image, UnidentifiedImageError  # as librosa, not needed by who reads texts alone

    try:
        if not path.is_file():
            raise RuleError("missing-image", f"{path}: no such picture; fetch it again")
        if not path.stat().st_size:
            raise RuleError("empty-image", f"{path}: holds no bytes; fetch the picture again")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of files that are damaged, or far larger than any photograph
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except RuleError:
        raise
    except UnidentifiedImageError:
        raise RuleError("broken-image", f"{path}: is none of {', '.join(FORMATS)}; fetch the picture again") from None
    except Exception as error:  # of a damaged file the decoders raise whatever they run into
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RuleError("broken-image", f"{path}: cannot be decoded ({reason}); fetch the picture again") from None
