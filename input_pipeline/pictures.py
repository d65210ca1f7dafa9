"""Image files, and the checks that one must pass before anything is computed from it.

The same checks serve the corpus readers (`check_header`: cheap, no pixels are read) and the validator (`check_picture`).
"""

import warnings
from pathlib import Path

from input_pipeline.errors import RuleError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # others, as EPS, are run by programs of their own
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def check_header(path: Path) -> None:
    """Refuses what does not begin as a picture of one of `FORMATS` does.

    Raises:
        RuleError: missing-image, empty-image, broken-image.
    """
    _check(path, pixels=False)


def check_picture(path: Path) -> None:
    """Reads a picture to its end.

    Raises:
        RuleError: as `check_header`; broken-image also where the file is cut off or damaged.
    """
    _check(path, pixels=True)


def _check(path: Path, pixels: bool) -> None:
    from PIL import Image, UnidentifiedImageError  # as librosa, not needed by who reads texts alone

    try:
        if not path.is_file():
            raise RuleError("missing-image", f"{path}: no such picture; fetch it again")
        if not path.stat().st_size:
            raise RuleError("empty-image", f"{path}: holds no bytes; fetch the picture again")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of files that are damaged, or far larger than any photograph
            with Image.open(path, formats=FORMATS) as image:
                if pixels:
                    image.load()
    except RuleError:
        raise
    except UnidentifiedImageError:
        raise RuleError("broken-image", f"{path}: is none of {', '.join(FORMATS)}; fetch the picture again") from None
    except Exception as error:  # of a damaged file the decoders raise whatever they run into
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RuleError("broken-image", f"{path}: cannot be decoded ({reason}); fetch the picture again") from None
