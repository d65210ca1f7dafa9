"""Features of pictures: zones of images, frames of clips, vectors from an encoder, and histograms of colours."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.builder import ensure, find
from input_pipeline.config import ConfigError
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import HsvHistogram, ImageFeature, ImageStates, RecordingFeature, Segmentation
from input_pipeline.recording import Recording, Segment


def noise(height: int = 7, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def recording(name: str = "r0", **tracks: Path) -> Recording:
    return Recording(name, "p", "", (Segment(0, 1), Segment(2, 3)), tracks=tracks)


@pytest.fixture
def picture(tmp_path):
    """Writes an image without loss and returns its path."""

    def write(pixels: np.ndarray, name: str = "picture.png") -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    return write


def of_one(feature: ImageFeature, one: Recording, **encoders) -> RecordingFeature:
    (found,) = extract(feature, [one], encoders=encoders, workers=1, progress=False)
    return found


def refusal(feature: ImageFeature, one: Recording) -> str:
    with pytest.raises(DataError) as raised:
        of_one(feature, one)
    assert str(raised.value).startswith("recording r0: ")
    assert "\n" not in str(raised.value)
    return str(raised.value)


# pictures


@pytest.mark.parametrize(("zones", "heights"), [(1, [7]), (2, [4, 3]), (3, [3, 2, 2]), (7, [1] * 7)])
def test_zones_lie_one_below_the_other_and_are_the_whole_image(picture, zones, heights):
    pixels = noise()
    found = list(HsvHistogram(zones=zones).pictures(recording(image=picture(pixels))))
    assert [len(one) for one in found] == heights
    np.testing.assert_array_equal(np.concatenate(found), pixels)


def test_frames_are_in_the_order_of_their_numbers_and_nothing_else_is_one(picture, tmp_path):
    for number in (2, 10, 1):
        picture(np.full((2, 2, 3), number, np.uint8), f"clip/frame_{number}.PNG")
    (tmp_path / "clip" / "times.csv").write_text("0.1\n")
    (tmp_path / "clip" / "._frame_1.PNG").write_bytes(b"of an archive")
    feature, one = HsvHistogram(of="video"), recording(video=tmp_path / "clip")
    assert [frame[0, 0, 0] for frame in feature.pictures(one)] == [1, 2, 10]
    assert feature.count(one) == 3


def test_gray_transparent_and_turned_images_are_rgb_and_upright(tmp_path):
    pixels, exif = noise(), Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([pixels, pixels[..., :1]])).save(tmp_path / "transparent.png")
    found = {
        name: next(HsvHistogram().pictures(recording(image=tmp_path / f"{name}.png")))
        for name in ("turned", "gray", "transparent")
    }
    np.testing.assert_array_equal(found["turned"], np.rot90(pixels, -1))
    np.testing.assert_array_equal(found["gray"], np.repeat(pixels[..., :1], 3, axis=2))
    np.testing.assert_array_equal(found["transparent"], pixels)


def test_what_is_no_image_is_named_in_one_line(picture, tmp_path):
    whole = picture(noise(64, 64))
    cut, text, deep = (tmp_path / name for name in ("cut.png", "text.jpg", "deep.png"))
    cut.write_bytes(whole.read_bytes()[:-3000])
    text.write_text("no image")
    Image.fromarray(np.full((3, 3), 60000, np.uint16)).save(deep)
    for path in (cut, text, deep, tmp_path / "gone.png"):
        assert f"{path} cannot be read as an image (" in refusal(HsvHistogram(), recording(image=path))
    assert "its mode is I;16; store it with 8 bits a channel" in refusal(HsvHistogram(), recording(image=deep))
    assert "is 64 pixels high, and zones=65" in refusal(HsvHistogram(zones=65), recording(image=whole))


def test_a_clip_that_is_no_folder_of_frames_is_told_before_anything_is_computed(tmp_path):
    film, empty = tmp_path / "clip.mp4", tmp_path / "empty"
    film.write_bytes(b"")
    empty.mkdir()
    for path, told in ((film, "is no folder; a clip is read from a folder of its frames"), (empty, "has no frame")):
        with pytest.raises(DataError, match=told):
            HsvHistogram(of="video").check_recordings([recording(video=path)])


def test_recordings_without_pictures_are_masked_and_counted(picture):
    both, feature = [recording("r0", image=picture(noise())), recording("r1")], HsvHistogram(zones=2)
    feature.check_recordings(both)
    first, second = extract(feature, both, workers=1, progress=False)
    assert (first.lengths.tolist(), second.lengths.tolist()) == ([2], [0])
    assert second.values.shape == (0, feature.dim)
    (left_out,) = feature.left_out(both)
    assert left_out.sentence == "1 of 2 recordings (50.0 %) have no image and are masked."
    with pytest.raises(ConfigError, match="of: no recording has a file 'video'; there are image"):
        HsvHistogram(of="video").check_recordings(both)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (HsvHistogram(zones=0), "zones: expected 1 or more"),
        (HsvHistogram(of="video", zones=2), "zones: has a meaning for of='image' alone"),
        (HsvHistogram(bins=(8, 0, 4)), "bins: expected 1 or more"),
        (HsvHistogram(segmentation=Segmentation(min_s=1)), "segmentation: pictures are of the whole recording"),
        (ImageStates(), "checkpoint: encoder 'efficientnet' needs the path"),
        (ImageStates(checkpoint="b0", dim=0), "dim: expected 1 or more"),
    ],
)
def test_impossible_settings_are_named(config, told):
    with pytest.raises(ConfigError, match=f"config.{told}"):
        config.freeze()


# an encoder's vectors


def means(feature: ImageStates):
    return lambda pictures: (one.mean(axis=(0, 1)) for one in pictures)


def test_a_vector_a_picture_over_all_recordings_in_one_stream(picture):
    first, second = noise(6, 4), noise(5, 9, seed=1)
    recordings = [
        recording("r0", image=picture(first, "a.png")),
        recording("r1"),
        recording("r2", image=picture(second, "b.png")),
    ]
    calls = []

    def counting(feature):
        calls.append(feature)
        return means(feature)

    feature = ImageStates(zones=3, checkpoint="b0", dim=3)
    found = list(extract(feature, recordings, encoders={"efficientnet": counting}, progress=False))
    assert [one.lengths.tolist() for one in found] == [[3], [0], [3]]
    assert calls == [feature]
    for one, pixels in ((found[0], first), (found[2], second)):
        expected = [zone.mean(axis=(0, 1)) for zone in np.array_split(pixels, 3)]
        np.testing.assert_allclose(one.values, expected, rtol=1e-6)


def test_an_encoder_that_is_absent_or_of_another_length_is_named(picture):
    one = recording(image=picture(noise()))
    with pytest.raises(ConfigError, match="encoder: 'efficientnet' was not handed in; there are bert"):
        of_one(ImageStates(checkpoint="b0"), one, bert=means)
    with pytest.raises(ConfigError, match=r"dim: 4, but the encoder made an array of \(3,\) for a picture"):
        of_one(ImageStates(checkpoint="b0", dim=4), one, efficientnet=means)


def test_a_checkpoint_of_the_data_folder_is_found_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    feature = ImageStates(checkpoint="b0")
    assert feature.located(tmp_path / "data") is feature
    assert feature.files() == ()
    (tmp_path / "data/b0").mkdir(parents=True)
    assert feature.located(tmp_path / "data").files() == (tmp_path / "data/b0",)


# colours


@pytest.mark.parametrize("bins", [(8, 4, 4), (1, 5, 2), (7, 3, 9)])
def test_a_histogram_is_that_of_the_standard_library_pixel_by_pixel(picture, bins):
    pixels = noise(9, 11)
    pixels[0] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [128, 128, 128], [0, 255, 0], [0, 0, 255]] + [[9, 9, 9]] * 5
    expected = np.zeros(bins)
    for pixel in pixels.reshape(-1, 3):
        hsv = colorsys.rgb_to_hsv(*(pixel / 255).tolist())
        expected[tuple(min(int(x * n), n - 1) for x, n in zip(hsv, bins, strict=True))] += 1 / 99
    found = of_one(HsvHistogram(bins=bins), recording(image=picture(pixels)))
    np.testing.assert_allclose(found.values, expected.reshape(1, -1), atol=1e-6)


def test_each_zone_and_each_frame_has_a_histogram_of_its_own(picture, tmp_path):
    red, blue = np.full((2, 4, 3), [255, 0, 0], np.uint8), np.full((2, 4, 3), [0, 0, 255], np.uint8)
    one = recording(image=picture(np.concatenate([red, blue])), video=tmp_path / "clip")
    picture(red, "clip/1.png")
    picture(blue, "clip/2.png")
    both = [of_one(HsvHistogram(bins=(3, 1, 1), zones=2), one), of_one(HsvHistogram(bins=(3, 1, 1), of="video"), one)]
    for found in both:
        assert found.values.tolist() == [[1, 0, 0], [0, 0, 1]]
        assert found.lengths.tolist() == [2]
    (whole,) = of_one(HsvHistogram(bins=(3, 1, 1)), one).values
    assert whole.tolist() == [0.5, 0, 0.5]


# from a manifest to shards


def test_pictures_of_a_manifest_are_kept_by_their_content(picture, tmp_path):
    frames = [picture(noise(seed=seed), f"clip/{seed}.png") for seed in range(2)]
    picture(noise())
    (tmp_path / "mine.csv").write_text("id,participant,image,video\nr0,p0,picture.png,clip\nr1,p1,,clip\n")

    def shards(feature: ImageFeature) -> Path:
        return ensure(feature, Manifest(tmp_path / "mine.csv"), features_dir=tmp_path / "features", workers=1)

    of_image, of_video = HsvHistogram(), HsvHistogram(of="video")
    first = shards(of_image), shards(of_video)
    assert find(tmp_path / "features", "manifest-mine", of_image) == first[0]
    assert (shards(of_image), shards(of_video)) == first
    frames[1].rename(frames[1].with_name("00.png"))  # of the same content in another order
    assert shards(of_image) == first[0]
    assert shards(of_video) != first[1]
