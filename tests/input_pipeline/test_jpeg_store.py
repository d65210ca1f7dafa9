"""Pictures that are stored as JPEG: what is read is what was decoded, by one library, in both formats and everywhere."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline import builder
from input_pipeline.batching import read
from input_pipeline.builder import ensure
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import DataError
from input_pipeline.features import FaceCrops
from input_pipeline.jpeg import from_jpeg, to_jpeg

FORMATS = ("tfrecord", "array_record")
SHAPE = (32, 32, 3)


def smooth(count: int) -> np.ndarray:
    """Pictures in colours that change from place to place, as those of photographs do."""
    small = np.random.default_rng(0).integers(0, 256, (count, 5, 5, 3), np.uint8)
    return np.stack([Image.fromarray(one).resize(SHAPE[:2], Image.Resampling.BICUBIC) for one in small])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two clips of four and of one frame, and a recording without one."""
    root = tmp_path_factory.mktemp("clips")
    for name, count in (("a", 4), ("b", 1)):
        (root / name).mkdir()
        for index, picture in enumerate(smooth(count)):
            Image.fromarray(picture).save(root / name / f"{index}.png")
    (root / "own.csv").write_text("id,participant,video,image\na,p,a,\nb,q,b,\nc,r,,a/0.png\n")
    return Manifest(root / "own.csv")


def stored(corpus: Manifest, features_dir: Path, file_format: str = "array_record", **fields) -> Path:
    feature = FaceCrops(size=SHAPE[0], detector="none", **fields).freeze()
    return ensure(feature, corpus, features_dir=features_dir, file_format=file_format, workers=1)


def values(folder: Path) -> dict[str, np.ndarray]:
    return {one.id: one.values for one in read(folder).recordings}


# one picture


def test_at_the_default_quality_a_picture_is_nearly_what_it_was():
    pictures = smooth(8)
    errors = {q: np.abs(from_jpeg(to_jpeg(pictures, q), SHAPE).astype(int) - pictures).mean() for q in (50, 95)}
    assert 0 < errors[95] < 1.5 < errors[50]


def test_colours_are_kept_at_every_pixel():
    """Stripes of colours of one lightness, a pixel wide, would be gray if each four pixels shared one colour."""
    striped = np.zeros((1, *SHAPE), np.uint8)
    striped[:, ::2], striped[:, 1::2] = (200, 60, 60), (20, 135, 135)
    assert np.abs(from_jpeg(to_jpeg(striped, 95), SHAPE).astype(int) - striped).max() < 12


def test_it_is_what_pillow_decodes():
    (encoded,) = to_jpeg(smooth(1), 95)
    np.testing.assert_array_equal(from_jpeg([encoded], SHAPE)[0], np.asarray(Image.open(io.BytesIO(encoded))))


def test_what_is_no_jpeg_of_that_shape_is_told():
    (whole,) = to_jpeg(smooth(1), 95)
    gray, png = io.BytesIO(), io.BytesIO()
    Image.fromarray(smooth(1)[0, ..., 0]).save(gray, "JPEG")
    Image.fromarray(smooth(1)[0]).save(png, "PNG")
    for encoded, told in (
        (whole[: len(whole) // 2], f"of {len(whole) // 2} bytes that cannot be decoded"),
        (whole[:30] + whole[-2:], "of 32 bytes that cannot be decoded"),
        (b"", "of 0 bytes that cannot be decoded"),
        (png.getvalue(), "that cannot be decoded"),
        (gray.getvalue(), "that is of 32 x 32$"),
        (to_jpeg(np.zeros((1, 16, 32, 3), np.uint8), 95)[0], "that is of 16 x 32 x 3$"),
    ):
        with pytest.raises(ValueError, match=rf"^expected a JPEG of 32 x 32 x 3, found one .*{told}"):
            from_jpeg([whole, encoded], SHAPE)
    assert from_jpeg([], SHAPE).shape == (0, *SHAPE)


# shards


def test_both_formats_give_the_bytes_that_the_jpegs_decode_to(corpus, tmp_path):
    found, again = (values(stored(corpus, tmp_path, name)) for name in FORMATS)
    plain = values(stored(corpus, tmp_path, jpeg_quality=0))
    assert {name: len(one) for name, one in found.items()} == {"a": 4, "b": 1, "c": 0}
    for name, crops in plain.items():
        expected = from_jpeg(to_jpeg(crops, 95), SHAPE)
        for one in (found[name], again[name]):
            assert (one.dtype, one.shape) == (np.uint8, crops.shape)
            np.testing.assert_array_equal(one, expected)
    np.testing.assert_array_equal(plain["a"], smooth(4))
    assert (found["a"] != plain["a"]).any()


def test_another_quality_is_another_feature_set(corpus, tmp_path):
    folders = [stored(corpus, tmp_path, "tfrecord", jpeg_quality=quality) for quality in (95, 60, 0)]
    assert len(set(folders)) == 3
    sizes = [sum(file.stat().st_size for file in folder.glob("*.tfrecord*")) for folder in folders]
    assert sizes[1] < sizes[0] < sizes[2]


def test_array_records_are_decoded_where_tensorflow_is_not_installed(corpus, tmp_path, where_absent):
    folder = stored(corpus, tmp_path)
    script = f"""
        import hashlib
        from pathlib import Path
        from input_pipeline.batching import read
        for one in read(Path({str(folder)!r})).recordings:
            print(one.id, one.values.shape[0], hashlib.sha256(one.values.tobytes()).hexdigest())
    """
    expected = [
        f"{name} {len(one)} {hashlib.sha256(one.tobytes()).hexdigest()}" for name, one in values(folder).items()
    ]
    assert where_absent(("tensorflow", "librosa", "mtcnn"), script).splitlines() == expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_damaged_jpeg_in_a_shard_is_told_in_one_line(corpus, tmp_path, monkeypatch, file_format):
    monkeypatch.setattr(builder, "to_jpeg", lambda crops, quality: [one[:-40] for one in to_jpeg(crops, quality)])
    folder = stored(corpus, tmp_path, file_format)
    with pytest.raises(DataError) as raised:
        read(folder)
    told = str(raised.value)
    assert told.startswith(
        f"{folder}: a shard cannot be read (a frame of a: expected a JPEG of 32 x 32 x 3, found one of "
    )
    assert "bytes that cannot be decoded); " in told
    assert told.endswith("delete the folder and prepare it again")
    assert "\n" not in told
