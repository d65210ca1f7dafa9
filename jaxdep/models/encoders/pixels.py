"""What a published image encoder was trained to see: size, resampling and scale, as preprocessor_config.json has them."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from input_pipeline.errors import DataError
from jaxdep.models.encoders.checkpoint import read_json

PREPROCESSOR = "preprocessor_config.json"


class Pixels(NamedTuple):
    """How an image is made an encoder's input: resized as bytes, then value * scale + shift.

    Attributes:
        size: height and width, whatever the image's proportions.
        resampling: Pillow's filter.
        scale, shift: by channel.
    """

    size: tuple[int, int]
    resampling: Image.Resampling
    scale: Float32[np.ndarray, " channels"]
    shift: Float32[np.ndarray, " channels"]

    def resize(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """The image in the encoder's size."""
        return np.asarray(Image.fromarray(image).resize(self.size[::-1], self.resampling))


def read_pixels(folder: Path) -> Pixels:
    """The preprocessing of a checkpoint's preprocessor_config.json, as transformers' image processor for EfficientNet.

    With `include_top`, which is its default and stands in the released files, values are divided by the standard
    deviation a second time.

    Raises:
        DataError: the file is absent or damaged, or asks for what is not known here; one line.
    """
    file = folder / PREPROCESSOR
    fields = read_json(file)
    for name, known in (("do_resize", True), ("do_center_crop", False)):
        if (found := fields.get(name, known)) is not known:
            raise DataError(f"{file}: {name} is {found!r}; only {str(known).lower()} is known")
    mean, std = (_channels(fields, name, file) for name in ("image_mean", "image_std"))
    if len(mean) != len(std) or not std.all():
        raise DataError(f"{file}: image_std is {std.tolist()}; expected a number other than 0 for each of image_mean")
    scale, shift = np.ones_like(mean), np.zeros_like(mean)
    if fields.get("do_rescale", True):
        scale = scale * _number(fields.get("rescale_factor", 1 / 255), "rescale_factor", file)
        shift = shift - float(bool(fields.get("rescale_offset", False)))
    if fields.get("do_normalize", True):
        scale, shift = scale / std, (shift - mean) / std
    if fields.get("include_top", True):
        scale, shift = scale / std, shift / std
    return Pixels(_size(fields, file), _resampling(fields, file), scale.astype(np.float32), shift.astype(np.float32))


def _size(fields: dict[str, Any], file: Path) -> tuple[int, int]:
    size = fields.get("size")
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise DataError(f"{file}: size is {size!r}; expected a height and a width in pixels")
    return height, width


def _resampling(fields: dict[str, Any], file: Path) -> Image.Resampling:
    try:
        return Image.Resampling(fields.get("resample", -1))
    except ValueError:
        known = ", ".join(f"{one.value} ({one.name.lower()})" for one in Image.Resampling)
        raise DataError(f"{file}: resample is {fields.get('resample')!r}; expected one of {known}") from None


def _channels(fields: dict[str, Any], name: str, file: Path) -> np.ndarray:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) != 3:
        raise DataError(f"{file}: {name} is {values!r}; expected three numbers, of red, green and blue")
    return np.array([_number(value, name, file) for value in values])


def _number(value: Any, name: str, file: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{file}: {name} holds {value!r}; expected a number")
    return float(value)
