"""Pictures as they are, and the descriptors of their patches."""

import numpy as np
import pytest
from PIL import Image

from input_pipeline.config import ConfigError
from input_pipeline.extraction import extract
from input_pipeline.features import GradientPatches, Pixels
from input_pipeline.recording import Recording, Segment

SMALL = GradientPatches(size=8, patch=8, step=8)  # one patch, of cells of 2 x 2


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def gray(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2).astype(np.uint8)


def recorded(tmp_path, *pictures: np.ndarray) -> list[Recording]:
    """One recording a picture, and one without."""
    found = [Recording("none", "p", "", (Segment(0, 1),))]
    for index, pixels in enumerate(pictures):
        path = tmp_path / f"{index}.png"
        Image.fromarray(pixels).save(path)
        found.append(Recording(f"r{index}", "p", "", (Segment(0, 1),), tracks={"image": path}))
    return found


def test_a_picture_of_the_size_is_as_it_is_and_others_are_averaged_to_it(tmp_path):
    whole, halves = noise(6, 6), np.zeros((4, 6, 3), np.uint8)
    halves[:, 3:] = 200
    none, same, scaled = extract(Pixels(size=6), recorded(tmp_path, whole, halves), workers=1, progress=False)
    np.testing.assert_array_equal(same.values, whole[None])
    np.testing.assert_array_equal(scaled.values[0], np.repeat(halves[:1], 6, axis=0))
    assert (none.values.shape, none.values.dtype, none.lengths.tolist()) == ((0, 6, 6, 3), np.uint8, [0])
    (_, single) = extract(Pixels(size=1), recorded(tmp_path, halves), workers=1, progress=False)
    np.testing.assert_allclose(single.values[0, 0, 0], 100, atol=1)


@pytest.mark.parametrize(("turned", "direction"), [(0, 0), (1, 6), (2, 4), (3, 2)])
def test_a_ramp_has_its_direction_in_every_cell(turned, direction):
    """16 cells alike: 1 / 4 each, also when cut at 0.2 and scaled again. Turned to the left, what rose to the right rises up."""
    ramp = gray(np.rot90(np.tile(np.arange(8) * 10, (8, 1)), turned))
    expected = np.zeros((16, 8))
    expected[:, direction] = 0.25
    np.testing.assert_allclose(SMALL.descriptors(ramp)[0].reshape(16, 8), expected, atol=1e-6)


def test_a_picture_of_one_colour_has_no_gradients():
    np.testing.assert_array_equal(SMALL.descriptors(np.full((8, 8, 3), 90, np.uint8)), np.zeros((1, 128)))


def test_patches_are_those_of_a_loop_over_them():
    feature, pixels = GradientPatches(size=24, patch=12, step=5), noise(24, 24) // 4
    pixels[:, 14:] += 190  # an edge, whose entries are cut
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    down, right = np.gradient(luma)
    expected, largest = [], []
    for top in (0, 5, 10):
        for left in (0, 5, 10):
            vector = np.zeros((4, 4, 8))
            for y in range(12):
                for x in range(12):
                    dy, dx = down[top + y, left + x], right[top + y, left + x]
                    vector[y // 3, x // 3, round(np.degrees(np.arctan2(dy, dx)) / 45) % 8] += np.hypot(dx, dy)
            vector = vector.ravel() / np.linalg.norm(vector)
            largest.append(vector.max())
            vector = np.minimum(vector, 0.2)
            expected.append(vector / np.linalg.norm(vector))
    found = feature.descriptors(pixels)
    assert found.dtype == np.float32
    assert max(largest) > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_recordings_without_a_picture_have_no_descriptors(tmp_path):
    none, one = extract(GradientPatches(), recorded(tmp_path, noise(40, 90)), workers=1, progress=False)
    assert (none.values.shape, none.lengths.tolist()) == ((0, 128), [0])
    assert (one.values.shape, one.lengths.tolist()) == ((49, 128), [49])


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (Pixels(size=0), r"^config\.size: expected 1 pixel or more, found 0$"),
        (GradientPatches(patch=30), r"^config\.patch: expected a multiple of 4, up to the picture's 128, found 30$"),
        (GradientPatches(patch=0), r"^config\.patch: .* found 0$"),
        (GradientPatches(size=16), r"^config\.patch: .* up to the picture's 16, found 32$"),
        (GradientPatches(step=0), r"^config\.step: expected 1 pixel or more, found 0$"),
    ],
)
def test_wrong_sizes_are_refused(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.freeze()
