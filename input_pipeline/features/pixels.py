"""Features of a recording's pictures as they are: the pixels themselves, and gradients of small patches of them."""

import dataclasses
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from input_pipeline.config import ConfigError
from input_pipeline.features.base import PerRecording, RecordingFeature
from input_pipeline.features.images import ImageFeature, Picture, RgbSquares
from input_pipeline.recording import Recording

_CLIP = 0.2  # of a descriptor of unit length: no entry is larger (Lowe 2004, section 6.1)


@dataclasses.dataclass
class Squares(ImageFeature, PerRecording):
    """Base: pictures that are scaled, with their sides by factors of their own, to squares of one size.

    Attributes:
        size: of both sides, in pixels.
    """

    size: int = 64

    def check(self) -> None:
        super().check()
        if self.size < 1:
            raise ConfigError(f"size: expected 1 pixel or more, found {self.size!r}")

    def square(self, picture: Picture) -> UInt8[np.ndarray, "size size 3"]:
        """The scaled picture; what is made smaller is averaged (bilinear, antialiased)."""
        from PIL import Image

        image = Image.fromarray(picture).resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(image)


@dataclasses.dataclass
class Pixels(RgbSquares, Squares):
    """The pictures themselves, red, green and blue."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "pixels"

    def extract(self, recording: Recording) -> RecordingFeature:
        squares = [self.square(picture) for picture in self.pictures(recording)]
        values = np.array(squares, np.uint8).reshape(-1, *self.shape)
        return RecordingFeature(values, np.array([len(values)], np.int32))


@dataclasses.dataclass
class GradientPatches(Squares):
    """Local descriptors on a regular grid, to be counted in visual words: of each patch the gradients' directions.

    The descriptor of Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints", section 6, on a dense grid
    as Fei-Fei and Perona 2005 lay it, and without its weighting by distance and interpolation between cells: of each of
    4 x 4 cells of a gray patch, how much gradient has each of 8 directions; scaled to length 1, cut at 0.2 and scaled
    again. A patch without any gradient is the zero vector.

    Attributes:
        patch: of both sides of a patch, in pixels; a multiple of 4.
        step: pixels from one patch to the next.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "gradient_patches"
    cells: ClassVar[int] = 4
    directions: ClassVar[int] = 8

    size: int = 128
    patch: int = 32
    step: int = 16

    @property
    def dim(self) -> int:
        return self.cells**2 * self.directions

    @property
    def per_side(self) -> int:
        """Patches in a row of the grid, and rows of it."""
        return len(range(0, self.size - self.patch + 1, self.step))

    def check(self) -> None:
        super().check()
        if self.patch < self.cells or self.patch % self.cells or self.patch > self.size:
            raise ConfigError(
                f"patch: expected a multiple of {self.cells}, up to the picture's {self.size}, found {self.patch!r}"
            )
        if self.step < 1:
            raise ConfigError(f"step: expected 1 pixel or more, found {self.step!r}")

    def extract(self, recording: Recording) -> RecordingFeature:
        found = [self.descriptors(self.square(picture)) for picture in self.pictures(recording)]
        values = np.concatenate([np.zeros((0, self.dim), np.float32), *found])
        return RecordingFeature(values, np.array([len(values)], np.int32))

    def descriptors(self, picture: Picture) -> Float32[np.ndarray, "patches dim"]:
        """Of the patches row by row, from the upper left one on."""
        votes = self._votes(picture)
        cell = self.patch // self.cells
        # Sums over squares of cell x cell pixels that begin at each pixel, from the sums over all that is above and left.
        total = np.pad(votes.cumsum(0).cumsum(1), [(1, 0), (1, 0), (0, 0)])
        sums = total[cell:, cell:] - total[:-cell, cell:] - total[cell:, :-cell] + total[:-cell, :-cell]
        corners = np.arange(0, self.size - self.patch + 1, self.step)
        rows = (corners[:, None] + cell * np.arange(self.cells)).ravel()  # of the cells' upper edges, patch by patch
        of_cells = sums[np.ix_(rows, rows)].reshape(len(corners), self.cells, len(corners), self.cells, -1)
        vectors = of_cells.transpose(0, 2, 1, 3, 4).reshape(-1, self.dim).clip(0)
        return _unit(np.minimum(_unit(vectors), _CLIP)).astype(np.float32)

    def _votes(self, picture: Picture) -> Float64[np.ndarray, "size size directions"]:
        """Of each pixel the length of its gradient, at the direction it has."""
        gray = picture @ np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
        down, right = np.gradient(gray)
        turns = np.arctan2(down, right) / (2 * np.pi) % 1  # from 0, to the right, to 1
        direction = np.rint(turns * self.directions).astype(int) % self.directions
        return np.hypot(down, right)[..., None] * np.eye(self.directions)[direction]


def _unit(vectors: Float64[np.ndarray, "n dim"]) -> Float64[np.ndarray, "n dim"]:
    """Scaled to length 1; what is as short as rounding is zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, vectors / np.maximum(lengths, 1e-6), 0)
