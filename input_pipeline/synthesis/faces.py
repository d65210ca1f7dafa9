"""Drawn faces: who somebody is (`Face`), what the face does at one moment (`Look`), and the picture of both.

Identity, skin, hair, light and background are drawn alike for everybody and tell nothing of any label. Lengths are in
halves of the picture's side, from its middle, x to the right and y down.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SIZE = 96  # pixels, of either side of a picture
_FINE = 2 * SIZE  # pixels of the drawing before it is made smaller, which smooths its edges
_SHIFT = 4  # OpenCV's binary places of a coordinate
_DARK, _LIGHT = np.array((92, 58, 42)), np.array((246, 212, 190))  # ends of the scale of skin, RGB
_HAIR = ((28, 22, 20), (70, 46, 30), (120, 82, 48), (196, 160, 104), (140, 62, 34), (168, 166, 164))
_IRIS = ((58, 38, 24), (92, 66, 36), (84, 110, 84), (86, 120, 158))
_WHITE, _TEETH, _THROAT = (236, 234, 230), (228, 222, 212), (58, 20, 24)
_NOISE = 2.5  # of the camera, standard deviation in grey levels
_EYE_Y, _BROW_Y, _NOSE_Y, _MOUTH_Y = -0.1, -0.27, 0.12, 0.34

Colour = Sequence[float]
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Face:
    """Somebody before a camera: shape of the face, colours, and the light.

    Attributes:
        width, height: of the head, half of each.
        eyes_apart: from the middle to an eye.
        eye, brow, mouth: sizes, relative to the average.
        hairline: where the hair ends, y.
        skin, hair, iris, background: RGB, 0 to 255.
        spectacles: whether there are any.
        light: factors by which the picture is multiplied.
    """

    width: float
    height: float
    eyes_apart: float
    eye: float
    brow: float
    mouth: float
    hairline: float
    skin: Colour
    hair: Colour
    iris: Colour
    background: Colour
    spectacles: bool
    light: Float[np.ndarray, "size size 1"]


@dataclasses.dataclass(frozen=True)
class Look:
    """A face at one moment; 0 throughout is a face at rest that looks into the camera.

    Attributes:
        smile: how far the corners of the mouth are up, 1 a broad smile; below 0 they are down.
        open: how far the mouth is, 0 to 1.
        brow: how far the brows are raised, about -1 to 1.
        frown: how far the brows' inner ends are down, 1 in anger; below 0 they are up, as in grief.
        closed: how far the eyes are, 0 to 1.
        turn, nod: of the head, 1 about 20 degrees.
        roll_degrees: of the head's side.
        shift: of the head in the picture.
    """

    smile: float = 0.0
    open: float = 0.0
    brow: float = 0.0
    frown: float = 0.0
    closed: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    roll_degrees: float = 0.0
    shift: Point = (0.0, 0.0)


def draw_identity(rng: np.random.Generator) -> Face:
    """Somebody who was not there before, and the light on them."""
    skin = _DARK + rng.uniform() * (_LIGHT - _DARK) + rng.normal(0.0, 4.0, 3)
    return Face(
        width=0.52 * float(np.exp(0.06 * rng.standard_normal())),
        height=0.7 * float(np.exp(0.05 * rng.standard_normal())),
        eyes_apart=0.2 * float(np.exp(0.06 * rng.standard_normal())),
        eye=float(np.exp(0.1 * rng.standard_normal())),
        brow=float(np.exp(0.2 * rng.standard_normal())),
        mouth=float(np.exp(0.1 * rng.standard_normal())),
        hairline=float(rng.uniform(-0.5, -0.36)),
        skin=tuple(np.clip(skin, 0, 255)),
        hair=tuple(np.array(_HAIR[rng.integers(len(_HAIR))]) * rng.uniform(0.8, 1.2)),
        iris=_IRIS[rng.integers(len(_IRIS))],
        background=tuple(rng.uniform(40, 200) + rng.normal(0.0, 15.0, 3)),
        spectacles=bool(rng.random() < 0.2),
        light=_light(rng),
    )


def draw_frames(
    face: Face, looks: Sequence[Look], rng: np.random.Generator
) -> UInt8[np.ndarray, "frames size size rgb"]:
    """The pictures of a face in these looks, with a camera's noise."""
    still = _head(face)
    frames = np.empty((len(looks), SIZE, SIZE, 3), np.uint8)
    for index, look in enumerate(looks):
        drawing = still.copy()
        _features(drawing, face, look)
        picture = cv2.resize(_posed(drawing, look), (SIZE, SIZE), interpolation=cv2.INTER_AREA) * face.light
        picture += _NOISE * rng.standard_normal(picture.shape, dtype=np.float32)
        frames[index] = np.clip(np.rint(picture), 0, 255)
    return frames


def _light(rng: np.random.Generator) -> Float[np.ndarray, "size size 1"]:
    """Brighter on one side, in one direction, and darker towards the edges; as bright or dark as the room is."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j].astype(np.float32)
    angle, slope = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.0, 0.25)
    light = rng.uniform(0.75, 1.1) * (1 + slope * (np.cos(angle) * x + np.sin(angle) * y)) * (1 - 0.15 * (x**2 + y**2))
    return light[..., None].astype(np.float32)


def _head(face: Face) -> UInt8[np.ndarray, "fine fine rgb"]:
    """What does not move within the head: hair, neck, ears, the head itself, and what is behind it."""
    drawing = np.empty((_FINE, _FINE, 3), np.uint8)
    drawing[:] = np.clip(face.background, 0, 255)
    shade = _darker(face.skin, 0.85)
    _ellipse(drawing, (0.0, -0.12), (face.width + 0.08, face.height + 0.02), face.hair)
    _polygon(drawing, [(-0.22, 0.5), (0.22, 0.5), (0.26, 1.3), (-0.26, 1.3)], shade)
    _ellipse(drawing, (0.0, 1.35), (0.8, 0.5), _darker(face.background, 0.6))
    for side in (-1, 1):
        _ellipse(drawing, (side * face.width, -0.02), (0.07, 0.13), shade)
    _ellipse(drawing, (0.0, 0.02), (face.width, face.height), face.skin)
    _polygon(drawing, _above(face), face.hair)
    return drawing


def _above(face: Face) -> list[Point]:
    """The outline of the head above the hairline."""
    around = np.linspace(np.pi, 2 * np.pi, 25)
    x, y = 1.02 * face.width * np.cos(around), 0.02 + 1.02 * face.height * np.sin(around)
    return [(float(out), float(up)) for out, up in zip(x, y, strict=True) if up <= face.hairline]


def _features(drawing: UInt8[np.ndarray, "fine fine rgb"], face: Face, look: Look) -> None:
    """Eyes, brows, nose, mouth, where the turned head has them."""
    x, y = 0.13 * look.turn, 0.1 * look.nod
    _eyes(drawing, face, look, x, y + _EYE_Y)
    _brows(drawing, face, look, x, y + _BROW_Y)
    _line(drawing, [(x - 0.02, y - 0.08), (1.25 * x + 0.05, y + _NOSE_Y)], _darker(face.skin, 0.8), 0.015)
    nose = [(1.25 * x + step, y + _NOSE_Y + lower) for step, lower in ((0.06, 0.0), (0.0, 0.03), (-0.06, 0.0))]
    _line(drawing, nose, _darker(face.skin, 0.65), 0.02)
    _mouth(drawing, face, look, x, y + _MOUTH_Y)


def _eyes(drawing: UInt8[np.ndarray, "fine fine rgb"], face: Face, look: Look, x: float, y: float) -> None:
    width = 0.105 * face.eye
    height = 0.055 * face.eye * max(1.0 - look.closed, 0.06) * (1.0 - 0.3 * min(max(look.smile, 0.0), 1.0))
    lid = _darker(face.skin, 0.6)
    for side in (-1, 1):
        middle = (x + side * face.eyes_apart, y)
        _ellipse(drawing, middle, (width + 0.012, height + 0.014), lid)
        _ellipse(drawing, middle, (width, height), _WHITE)
        _ellipse(drawing, middle, (0.05 * face.eye, min(0.05 * face.eye, height)), face.iris)
        _ellipse(drawing, middle, (0.022, min(0.022, height)), (12, 10, 10))
        if face.spectacles:
            _ellipse(drawing, middle, (0.15, 0.12), (30, 30, 34), width=0.02)
    if face.spectacles:
        inner = face.eyes_apart - 0.15
        _line(drawing, [(x - inner, y), (x + inner, y)], (30, 30, 34), 0.02)


def _brows(drawing: UInt8[np.ndarray, "fine fine rgb"], face: Face, look: Look, x: float, y: float) -> None:
    raised, frown = y - 0.06 * look.brow, 0.07 * look.frown
    for side in (-1, 1):
        inner, outer = face.eyes_apart - 0.11 - 0.15 * max(frown, 0.0), face.eyes_apart + 0.12
        points = [(inner, raised + frown), (face.eyes_apart, raised - 0.025 + 0.3 * frown), (outer, raised + 0.02)]
        _line(drawing, [(x + side * out, down) for out, down in points], _darker(face.hair, 0.8), 0.035 * face.brow)


def _mouth(drawing: UInt8[np.ndarray, "fine fine rgb"], face: Face, look: Look, x: float, y: float) -> None:
    """Lips between corners that a smile lifts and draws apart, teeth and throat where they part, and a smile's folds."""
    across = np.linspace(-1.0, 1.0, 13)
    bulge = 1.0 - across**2
    line = y - 0.1 * look.smile * (across**2 - 0.4)
    out = x + 0.17 * face.mouth * (1.0 + 0.3 * look.smile) * across
    gap = (0.012 * max(look.smile, 0.0) + 0.09 * max(look.open, 0.0)) * bulge
    lips = tuple(np.array(face.skin) * (0.78, 0.55, 0.55))
    upper, lower = line - 0.3 * gap, line + 0.7 * gap
    _polygon(drawing, _outline(out, upper - 0.025 * bulge - 0.006, lower + 0.035 * bulge + 0.006), lips)
    _polygon(drawing, _outline(out, upper, lower), _THROAT)
    _polygon(drawing, _outline(out, upper, upper + np.minimum(lower - upper, 0.03 * bulge)), _TEETH)
    if look.smile > 0.1:
        fold = _darker(face.skin, 1.0 - 0.25 * min(look.smile, 1.0))
        for side in (-1, 1):
            _line(drawing, [(x + side * 0.12, y - 0.2), (x + side * 0.24 * face.mouth, y - 0.04)], fold, 0.015)


def _posed(drawing: UInt8[np.ndarray, "fine fine rgb"], look: Look) -> UInt8[np.ndarray, "fine fine rgb"]:
    turned = cv2.getRotationMatrix2D((_FINE / 2, _FINE / 2), -look.roll_degrees, 1.0)
    turned[:, 2] = turned[:, 2] + 0.5 * _FINE * np.array(look.shift)
    return cv2.warpAffine(drawing, turned, (_FINE, _FINE), borderMode=cv2.BORDER_REPLICATE)


def _outline(
    out: Float[np.ndarray, " points"], upper: Float[np.ndarray, " points"], lower: Float[np.ndarray, " points"]
) -> list[Point]:
    """From left to right above, and back below."""
    return [
        *zip(out.tolist(), upper.tolist(), strict=True),
        *zip(out[::-1].tolist(), lower[::-1].tolist(), strict=True),
    ]


def _ellipse(drawing: np.ndarray, middle: Point, axes: Point, colour: Colour, width: float = 0.0) -> None:
    """Filled, or a ring of a width."""
    (x, y), (wide, high) = (
        _pixels([middle])[0].tolist(),
        [max(round(0.5 * _FINE * part * 2**_SHIFT), 1) for part in axes],
    )
    stroke = max(round(0.5 * _FINE * width), 1) if width else cv2.FILLED
    cv2.ellipse(drawing, (x, y), (wide, high), 0.0, 0.0, 360.0, tuple(colour), stroke, cv2.LINE_AA, _SHIFT)


def _polygon(drawing: np.ndarray, points: Sequence[Point], colour: Colour) -> None:
    cv2.fillPoly(drawing, [_pixels(points)], tuple(colour), cv2.LINE_AA, _SHIFT)


def _line(drawing: np.ndarray, points: Sequence[Point], colour: Colour, width: float) -> None:
    stroke = max(round(0.5 * _FINE * width), 1)
    cv2.polylines(drawing, [_pixels(points)], False, tuple(colour), stroke, cv2.LINE_AA, _SHIFT)


def _pixels(points: Sequence[Point]) -> np.ndarray:
    """In OpenCV's fixed-point pixels."""
    return np.rint((0.5 * np.array(points) + 0.5) * _FINE * 2**_SHIFT).astype(np.int32)


def _darker(colour: Colour, factor: float) -> Colour:
    return tuple(factor * np.array(colour))
