"""Faces in real clips: MTCNN finds the one that is there, follows it, and none where there is none."""

import os
from pathlib import Path

import numpy as np
import pytest

from input_pipeline import video
from input_pipeline.errors import DataError
from input_pipeline.features import FaceCrops
from input_pipeline.features.face_detection import detect
from input_pipeline.features.images import read_picture
from input_pipeline.recording import Recording, Segment

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def folder():
    data = os.environ.get("JAXDEP_DATA")
    if not data or not (Path(data) / "faces").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with faces")
    return Path(data) / "faces"


def recording(clip: Path) -> Recording:
    return Recording("r0", "p", "", (Segment(0, 1),), tracks={"video": clip})


def test_every_frame_of_a_clip_of_one_face_has_it_with_level_eyes(folder):
    one = recording(folder / "single_face.mp4")
    assert len(video.times_s(one.tracks["video"])) == 72
    found = FaceCrops(max_frames=4).extract(one)
    assert found.values.shape == (4, 224, 224, 3)
    assert found.skipped == 0
    for crop in found.values:
        (again,) = detect(crop, 224, 0.9)
        (left_x, left_y), (right_x, right_y) = again.eyes
        assert abs(right_y - left_y) < 0.1 * (right_x - left_x)
        assert np.hypot(again.centre[0] - 112, again.centre[1] - 112) < 20


def test_a_clip_without_a_face_is_named(folder):
    with pytest.raises(DataError, match=r"^recording r0: .*no_face\.mp4 shows no face in any of 3 frames; "):
        FaceCrops(max_frames=3).extract(recording(folder / "no_face.mp4"))


def test_several_faces_are_found_in_one_picture(folder):
    picture = read_picture(folder / "multi_face.jpg", recording(folder))
    assert len(detect(picture, 667, 0.9)) == 5
