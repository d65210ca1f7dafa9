"""Where faces lie in a picture, by MTCNN, whose is followed from frame to frame, and how one is cut out of it."""

import contextlib
import functools
import math
import multiprocessing
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from input_pipeline import video
from input_pipeline.pictures import Picture

LEAST_PX, _MOST = 40, 4  # of a picture's shorter side, and how often it may go into the longer, for MTCNN


class Face(NamedTuple):
    """Where a face lies in a picture, in pixels from its upper left corner.

    Attributes:
        left, top, width, height: of its box.
        eyes: x and y of the eye that is to the left in the picture, and of the other.
    """

    left: float
    top: float
    width: float
    height: float
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether a point lies in the box."""
        return 0 <= point[0] - self.left <= self.width and 0 <= point[1] - self.top <= self.height


def detect(picture: Picture, search_px: int, min_confidence: float) -> list[Face]:
    """The faces in a picture; none in a strip of which the copy would be less than 40 pixels wide.

    Args:
        search_px, min_confidence: as of `FaceCrops`.
    """
    height, width = picture.shape[:2]
    scale = min(search_px / min(height, width), _MOST * search_px / max(height, width))
    if scale * min(height, width) < LEAST_PX:
        return []
    # MTCNN's own `min_face_size` fails at sizes far above its 20: it counts its steps as if there were none.
    found = _detector().detect_faces(_resized(picture, scale))
    return [_face(one, scale) for one in found if one["confidence"] >= min_confidence and min(one["box"][2:]) > 0]


def followed(faces: Sequence[Face], last: Face | None) -> Face | None:
    """The face that goes on from the last frame's, or the largest; None where there is none."""
    near = [face for face in faces if last is not None and last.holds(face.centre)]
    if last is not None and near:
        centre = last.centre
        return min(near, key=lambda face: math.dist(face.centre, centre))
    return max(faces, key=lambda face: face.width * face.height, default=None)


def aligned(picture: Picture, face: Face, size: int, margin: float) -> Picture:
    """The square about a face, its eyes level, [size, size, 3].

    Args:
        margin: as of `FaceCrops`.
    """
    cv2 = video.load_opencv()
    side = max(1, round(max(face.width, face.height) * (1 + 2 * margin)))
    (left_x, left_y), (right_x, right_y) = face.eyes
    turn = cv2.getRotationMatrix2D(face.centre, math.degrees(math.atan2(right_y - left_y, right_x - left_x)), 1.0)
    turn[:, 2] += side / 2 - np.array(face.centre)
    return _resized(cv2.warpAffine(picture, turn, (side, side), flags=cv2.INTER_LINEAR), size / side)


def middle(picture: Picture, size: int) -> Picture:
    """The largest square in the middle of a picture, [size, size, 3]."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(picture[top : top + side, left : left + side], size / side)


def _resized(picture: Picture, scale: float) -> Picture:
    """A picture of another size; by areas where it shrinks, so that pixels between those that a line looks at count too."""
    cv2, (height, width) = video.load_opencv(), picture.shape[:2]
    sides = max(1, round(scale * width)), max(1, round(scale * height))
    return cv2.resize(picture, sides, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _face(found: dict[str, Any], scale: float) -> Face:
    left, top, width, height = (float(number) / scale for number in found["box"])
    points = (found["keypoints"][name] for name in ("left_eye", "right_eye"))
    first, second = sorted((float(x) / scale, float(y) / scale) for x, y in points)
    return Face(left, top, width, height, (first, second))


@functools.cache
def _detector() -> Any:
    """MTCNN, in this process; in a worker on one core, as there are others of it."""
    from input_pipeline.tensorflow import load_tensorflow

    tensorflow = load_tensorflow()
    if multiprocessing.parent_process() is not None:
        with contextlib.suppress(RuntimeError):  # it runs already
            tensorflow.config.threading.set_intra_op_parallelism_threads(1)
            tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        video.load_opencv().setNumThreads(1)
    from mtcnn import MTCNN

    return MTCNN(device="CPU:0")
