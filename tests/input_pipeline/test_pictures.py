"""Small copies of pictures: size, colours and turn of every kind of file, and nothing of what is told beside them."""

import io

import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import RuleError
from input_pipeline.pictures import thumbnail

RED = {"RGB": (200, 30, 30), "L": 90, "CMYK": (55, 225, 225, 0), "RGBA": (200, 30, 30, 255), "1": 1}


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("size", "expected"), [((600, 300), (240, 120)), ((30, 3000), (2, 240)), ((20, 10), (20, 10))])
def test_the_longer_side_is_limited_and_small_pictures_stay(tmp_path, size, expected):
    Image.new("RGB", size).save(tmp_path / "a.png")
    assert opened(thumbnail(tmp_path / "a.png", 240)).size == expected


@pytest.mark.parametrize("mode", RED)
def test_colours_are_those_of_the_picture(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.new(mode, (40, 40), RED[mode]).save(path)
    expected = {"L": (90, 90, 90), "1": (255, 255, 255)}.get(mode, (200, 30, 30))
    with opened(thumbnail(path, 30)) as found:
        assert (found.format, found.mode) == ("JPEG", "RGB")
        np.testing.assert_allclose(np.asarray(found)[15, 15], expected, atol=4)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (16, 16), (200, 30, 30, 0)).save(tmp_path / "a.png")
    np.testing.assert_allclose(np.asarray(opened(thumbnail(tmp_path / "a.png", 16))), 255, atol=2)


def test_it_is_turned_as_its_data_say_and_keeps_none_of_them(tmp_path):
    picture = Image.new("RGB", (80, 40), "blue")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "Jane at home"  # turned by a quarter; a description
    picture.save(tmp_path / "a.jpg", exif=exif, comment=b"Jane, 2021")
    content = thumbnail(tmp_path / "a.jpg", 60)
    with opened(content) as found:
        assert found.size == (30, 60)
        assert not found.getexif()
    assert b"Jane" not in content


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"", "empty-image"), (b"not a picture", "broken-image"), (None, "missing-image"), ("cut off", "broken-image")],
)
def test_what_is_no_picture_is_refused_by_its_rule(tmp_path, content, rule):
    path = tmp_path / "a.png"
    if content == "cut off":
        noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype(np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:5000])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(RuleError) as error:
        thumbnail(path, 240)
    assert error.value.rule == rule
    assert str(path) in str(error.value)
