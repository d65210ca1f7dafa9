"""Crops of faces: which frames are taken, whose face is followed, how it is cut out; MTCNN itself is tried on real clips."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import describe, ensure
from input_pipeline.config import ConfigError
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import (
    FaceCrops,
    FaceGradients,
    GradientPatches,
    Perturbation,
    RecordingFeature,
    Segmentation,
    face_detection,
)
from input_pipeline.features.face_detection import Face, aligned, detect, followed
from input_pipeline.recording import Recording, Segment

SMALL = {"size": 16, "search_px": 40}


class WhiteSquares:
    """In place of MTCNN: a face is what is white in a column of 40 pixels; its eyes are level."""

    def detect_faces(self, picture):
        found = []
        for left in range(0, picture.shape[1], 40):
            rows, columns = np.nonzero(picture[:, left : left + 40].min(-1) > 200)
            if len(rows):
                x, y, width, height = columns.min() + left, rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
                eyes = {"left_eye": [x, y + height // 3], "right_eye": [x + width, y + height // 3]}
                found.append({"box": [x, y, width, height], "confidence": 0.99, "keypoints": eyes})
        return found


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    monkeypatch.setattr(face_detection, "_detector", WhiteSquares)


@pytest.fixture
def clip(tmp_path):
    """Writes a folder of frames of 40 x 80, each with white squares of so many pixels in its left and its right half."""

    def write(sizes: list[tuple[int, int]], name: str = "clip") -> Path:
        (tmp_path / name).mkdir()
        for index, of_halves in enumerate(sizes):
            frame = np.zeros((40, 80, 3), np.uint8)
            for half, size in enumerate(of_halves):
                frame[10 : 10 + size, 40 * half + 5 : 40 * half + 5 + size] = 255
            Image.fromarray(frame).save(tmp_path / name / f"{index:04}.png")
        return tmp_path / name

    return write


def recording(path: Path | None = None, name: str = "r0") -> Recording:
    return Recording(name, "p", "", (Segment(0, 1), Segment(2, 3)), tracks={"video": path} if path else {})


def of_one(feature: FaceCrops, one: Recording) -> RecordingFeature:
    (found,) = extract(feature, [one], workers=1, progress=False)
    return found


# which frames are taken


@pytest.mark.parametrize(
    ("clip_hz", "rate_hz", "expected"),
    [
        (30, 30, list(range(60))),
        (60, 30, list(range(0, 120, 2))),
        (1, 30, [0, 1]),
        (24, 30, list(range(48))),
        (24, 10, [0, 2, 5, 7, 9, 12]),
        (30000 / 1001, 30, list(range(60))),
    ],
)
def test_the_first_frame_of_each_slot_is_taken(clip_hz, rate_hz, expected):
    found = FaceCrops(rate_hz=rate_hz).taken(np.arange(round(2 * clip_hz)) / clip_hz)
    assert found[: len(expected)].tolist() == expected
    assert np.diff(found).max(initial=1) <= max(1, np.ceil(clip_hz / rate_hz))


def test_times_in_whole_milliseconds_lose_no_frame():
    times_s = np.round(np.arange(300) / 30, 3)
    assert len(FaceCrops(rate_hz=30).taken(times_s)) == 300


def test_a_rate_that_changes_is_followed_by_the_times():
    times_s = np.concatenate([np.arange(30) / 30, 1 + np.arange(10) / 10])
    found = times_s[FaceCrops(rate_hz=10).taken(times_s)]
    np.testing.assert_allclose(np.diff(found), 0.1, atol=1 / 30)
    assert len(found) == 20


def test_of_more_than_max_frames_so_many_are_taken_evenly():
    found = FaceCrops(max_frames=5).taken(np.arange(101) / 30)
    assert found.tolist() == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(("frames", "expected"), [(1, 0), (2, 0), (3, 1), (61, 30)])
def test_a_single_frame_is_the_one_in_the_middle(frames, expected):
    assert FaceCrops(max_frames=1).taken(np.arange(frames) / 30).tolist() == [expected]


# whose face, and how


def face(left, top, width, height):
    return Face(left, top, width, height, ((left, top), (left + width, top)))


def test_the_face_of_the_last_frame_is_followed_and_else_the_largest_is_taken():
    small, large = face(0, 0, 10, 10), face(40, 0, 20, 20)
    assert followed([small, large], None) == large
    assert followed([small, large], face(2, 1, 10, 10)) == small
    assert followed([small, large], face(100, 100, 10, 10)) == large
    assert followed([], large) is None


def test_a_crop_has_level_eyes_and_the_same_pixels():
    """A square of a picture that was turned by 20 degrees is found as it was before."""
    rng = np.random.default_rng(0)
    upright = Image.fromarray(rng.integers(0, 256, (10, 10, 3), np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
    tilted = upright.rotate(20, Image.Resampling.BICUBIC, center=(100, 100))  # against the clock: the right eye is up
    offset = 20 * np.array([np.cos(np.radians(20)), -np.sin(np.radians(20))])
    eyes = ((100 - offset[0], 90 - offset[1]), (100 + offset[0], 90 + offset[1]))
    found = aligned(np.asarray(tilted), Face(70, 70, 60, 60, eyes), 60, 0.0)
    expected = np.asarray(upright)[70:130, 70:130]
    assert np.abs(found.astype(int) - expected).mean() < 4
    assert np.abs(np.asarray(tilted)[70:130, 70:130].astype(int) - expected).mean() > 20


def test_the_margin_is_of_the_longer_side_and_what_lies_outside_is_black():
    picture = np.full((100, 100, 3), 200, np.uint8)
    found = aligned(picture, face(0, 30, 20, 40), 60, 0.25)  # 60 pixels about (10, 50): 20 of them are outside
    assert (found[:, :20] == 0).all()
    assert (found[:, 21:] == 200).all()


def test_a_large_face_shrinks_by_areas():
    checks = np.indices((200, 200)).sum(0) % 2 * 255
    found = aligned(np.repeat(checks[..., None], 3, 2).astype(np.uint8), face(0, 0, 200, 200), 20, 0.0)
    np.testing.assert_allclose(found[1:-1, 1:-1], 127.5, atol=3)


# recordings


def test_a_frame_without_a_face_is_skipped_and_counted(clip):
    one = recording(clip([(20, 0), (0, 0), (20, 0)]))
    found = of_one(FaceCrops(**SMALL), one)
    assert found.values.shape == (2, 16, 16, 3)
    assert found.values.dtype == np.uint8
    assert (found.lengths.tolist(), found.skipped) == ([2], 1)
    times = [(time_s, crop is None) for time_s, crop in FaceCrops(**SMALL, folder_hz=10.0).crops(one)]
    assert times == [(0.0, False), (0.1, True), (0.2, False)]


def test_one_person_is_followed_though_another_comes_nearer(clip):
    one = recording(clip([(14, 10), (14, 20), (14, 25)]))
    alone = recording(clip([(14, 0)] * 3, "alone"))
    feature = FaceCrops(**SMALL)
    np.testing.assert_array_equal(of_one(feature, one).values, of_one(feature, alone).values)


def test_a_clip_without_a_face_is_named_or_masked(clip):
    one = recording(clip([(0, 0), (0, 0)]))
    with pytest.raises(DataError, match=rf"^recording r0: {one.tracks['video']} shows no face in any of 2 frames; .*$"):
        of_one(FaceCrops(**SMALL), one)
    found = of_one(FaceCrops(**SMALL, without_face="mask"), one)
    assert (found.values.shape, found.lengths.tolist(), found.skipped) == ((0, 16, 16, 3), [0], 2)


def test_without_a_detector_the_middle_of_each_frame_is_the_face(clip):
    path = clip([(20, 0), (0, 0)])
    found = of_one(FaceCrops(size=40, detector="none"), recording(path))
    middles = [np.asarray(Image.open(path / f"{index:04}.png"))[:, 20:60] for index in range(2)]
    np.testing.assert_array_equal(found.values, middles)
    assert FaceCrops(detector="none").files() == ()


def test_a_recording_without_a_clip_is_masked_and_counted():
    feature = FaceCrops(**SMALL)
    found = of_one(feature, recording())
    assert (found.values.shape, found.lengths.tolist()) == ((0, 16, 16, 3), [0])
    (told,) = feature.left_out([recording()])
    assert told.sentence == "1 of 1 recordings (100.0 %) have no video and are masked."


def test_what_is_wrong_with_a_clip_is_told_before_anything_is_computed(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=rf"^recording r0: {tmp_path}/a.mp4: holds no bytes; copy the video again$"):
        FaceCrops().check_recordings([recording(tmp_path / "a.mp4")])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"^recording r0: {tmp_path}/folder has no frame; "):
        FaceCrops().check_recordings([recording(tmp_path / "folder")])
    with pytest.raises(ConfigError, match=r"no recording has a file 'video'; there are none$"):
        FaceCrops().check_recordings([recording()])
    (tmp_path / "text.mp4").write_text("no video" * 100)
    with pytest.raises(DataError, match=rf"^recording r0: {tmp_path}/text.mp4: no video stream"):
        of_one(FaceCrops(), recording(tmp_path / "text.mp4"))


def test_the_store_holds_the_crops_and_how_many_frames_had_none(clip, tmp_path):
    clip([(20, 0), (0, 0), (20, 0), (20, 0)], "a")
    clip([(20, 0)], "b")
    (tmp_path / "own.csv").write_text("id,participant,video\na,p,a\nb,q,b\n")
    feature, corpus = FaceCrops(**SMALL).freeze(), Manifest(tmp_path / "own.csv")
    folder = ensure(feature, corpus, features_dir=tmp_path / "features", workers=1)
    (told,) = describe(folder).left_out
    assert told.sentence == "1 of 5 frames (20.0 %) have no face and are skipped, in 1 of 2 recordings."
    examples = arrange({"face": read(folder)}, {"face": Arrangement(level="images")})
    frames, mask = examples.buckets[0].features["face"]
    assert frames.shape == (2, 3, 16, 16, 3)
    assert mask.tolist() == [[True] * 3, [True, False, False]]


@pytest.mark.parametrize("feature", [FaceCrops(), FaceGradients()])
def test_sound_has_no_part_in_it(feature):
    assert feature.perturbed(Perturbation(noise=0.1)) == feature


# gradients


def test_gradients_are_those_of_the_patches_of_each_crop(clip):
    one = recording(clip([(14, 0), (0, 0), (25, 0)]))
    found = of_one(FaceGradients(search_px=40), one)
    assert (found.values.shape, found.values.dtype, found.lengths.tolist()) == ((2, 1152), np.float32, [2])
    assert found.skipped == 1
    patches = GradientPatches(size=64, patch=32, step=16)
    crops = of_one(FaceCrops(size=64, search_px=40), one).values
    np.testing.assert_array_equal(found.values, [patches.descriptors(crop).ravel() for crop in crops])


def test_of_a_face_that_moves_the_gradients_change_where_it_moves(tmp_path):
    """A mouth, a white bar, opens and shuts in the lower half; nothing moves in the patches of the upper third."""
    frames = np.full((6, 64, 64, 3), 60, np.uint8)
    frames[:, 10:14, 20:44] = 220
    for index in range(6):
        frames[index, 48 : 50 + 2 * (index % 3), 20:44] = 220
    for name, shown in (("moving", frames), ("still", frames[:1].repeat(6, 0))):
        (tmp_path / name).mkdir()
        for index, frame in enumerate(shown):
            Image.fromarray(frame).save(tmp_path / name / f"{index}.png")
    moving, still = (
        np.ptp(of_one(FaceGradients(detector="none"), recording(tmp_path / name)).values, axis=0).reshape(3, 3, 128)
        for name in ("moving", "still")
    )
    assert still.max() == 0
    assert moving[0].max() == 0
    assert moving[2].max() > 0.02


@pytest.mark.parametrize(("fields", "length"), [({}, 1152), ({"size": 48, "step": 8}, 1152), ({"step": 32}, 512)])
def test_as_many_numbers_as_patches_have(fields, length, clip):
    feature = FaceGradients(detector="none", **fields).freeze()
    assert feature.dim == length
    assert of_one(feature, recording(clip([(20, 0)]))).values.shape == (1, length)
    assert of_one(feature, recording()).values.shape == (0, length)


def test_gradients_are_stored_as_they_are(clip, tmp_path):
    clip([(20, 0), (0, 0), (12, 0)], "a")
    (tmp_path / "own.csv").write_text("id,participant,video\na,p,a\n")
    feature, corpus = FaceGradients(detector="none").freeze(), Manifest(tmp_path / "own.csv")
    found = read(ensure(feature, corpus, features_dir=tmp_path / "features", workers=1))
    np.testing.assert_array_equal(found.recordings[0].values, of_one(feature, corpus.recordings()[0]).values)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"patch": 30}, "patch: expected a multiple of 4, up to the picture's 64, found 30"),
        ({"size": 16}, "patch: expected a multiple of 4, up to the picture's 16, found 32"),
        ({"step": 0}, "step: expected 1 pixel or more, found 0"),
        ({"size": 0}, "size: expected 1 or more, found 0"),
        ({"rate_hz": 0.0}, "rate_hz: expected a number above 0, found 0.0"),
    ],
)
def test_wrong_fields_of_gradients_are_named(fields, line):
    with pytest.raises(ConfigError, match=f"^config.{line}"):
        FaceGradients(**fields).freeze()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"size": 0}, "size: expected 1 or more, found 0"),
        ({"max_frames": -1}, "max_frames: expected 0 or more, found -1"),
        ({"search_px": 8}, "search_px: expected 40 or more, found 8"),
        ({"rate_hz": 0.0}, "rate_hz: expected a number above 0, found 0.0"),
        ({"folder_hz": float("inf")}, "folder_hz: expected a number above 0, found inf"),
        ({"margin": 2.0}, "margin: expected 0 to 1, found 2.0"),
        ({"jpeg_quality": 101}, r"jpeg_quality: expected 0 \(not as JPEG\) to 100, found 101"),
        ({"segmentation": Segmentation(min_s=1.0)}, "segmentation: pictures are of the whole recording"),
    ],
)
def test_wrong_fields_are_named(fields, line):
    with pytest.raises(ConfigError, match=f"^config.{line}"):
        FaceCrops(**fields).freeze()


def test_mtcnn_finds_no_face_in_noise_nor_in_a_strip(monkeypatch):
    monkeypatch.undo()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert detect(noise, 60, 0.9) == []
    assert detect(np.zeros((60, 80, 3), np.uint8), 60, 0.9) == []
    assert detect(np.zeros((2, 900, 3), np.uint8), 60, 0.9) == []
    (weights,) = FaceCrops().files()
    assert sorted(path.name for path in weights.glob("*.lz4")) == ["onet.lz4", "pnet.lz4", "rnet.lz4"]
