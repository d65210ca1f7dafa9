"""EfficientNet: the reading of checkpoints and of their preprocessing, and its arithmetic, on a small checkpoint made here."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from scipy.special import expit

from input_pipeline.errors import DataError
from jaxdep.models.encoders.efficientnet import load_efficientnet, load_image_encoder
from jaxdep.models.encoders.pixels import read_pixels

pytestmark = pytest.mark.usefixtures("quick_compilation")

CONFIG = {  # one block without expansion, and no image is made smaller but by the first convolution
    "model_type": "efficientnet",
    "width_coefficient": 0.01,
    "depth_coefficient": 1.0,
    "depth_divisor": 2,
    "hidden_dim": 12,
    "kernel_sizes": [3],
    "in_channels": [32],
    "out_channels": [400],
    "strides": [1],
    "num_block_repeats": [1],
    "expand_ratios": [1],
    "squeeze_expansion_ratio": 0.5,
}
PREPROCESSING = {
    "size": {"height": 6, "width": 4},
    "resample": 2,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.5, 0.25, 0.2],
    "include_top": False,
}


def published_weights() -> dict[str, np.ndarray]:
    """Random weights and statistics under the names of a released EfficientNet."""
    convolutions = {
        "embeddings.convolution": (2, 3, 3, 3),
        "encoder.blocks.0.depthwise_conv.depthwise_conv": (2, 1, 3, 3),
        "encoder.blocks.0.squeeze_excite.reduce": (1, 2, 1, 1),
        "encoder.blocks.0.squeeze_excite.expand": (2, 1, 1, 1),
        "encoder.blocks.0.projection.project_conv": (4, 2, 1, 1),
        "encoder.top_conv": (12, 4, 1, 1),
    }
    norms = {
        "embeddings.batchnorm": 2,
        "encoder.blocks.0.depthwise_conv.depthwise_norm": 2,
        "encoder.blocks.0.projection.project_bn": 4,
        "encoder.top_bn": 12,
    }
    rng = np.random.default_rng(0)
    weights = {f"{name}.weight": rng.normal(0, 0.7, shape) for name, shape in convolutions.items()}
    squeezes = [name for name in convolutions if "squeeze" in name]
    weights |= {f"{name}.bias": rng.normal(0, 0.5, convolutions[name][0]) for name in squeezes}
    for name, size in norms.items():
        leaves = ("weight", "bias", "running_mean", "running_var")
        weights |= {f"{name}.{leaf}": rng.uniform(0.3, 1.5, size) for leaf in leaves}
    counts = {f"{name}.num_batches_tracked": np.array(7) for name in norms}
    return {name: array.astype(np.float32) for name, array in weights.items()} | counts


def write_checkpoint(folder: Path, weights: Mapping[str, np.ndarray] | None = None, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    save_file(dict(published_weights() if weights is None else weights), folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny")


def numpy_efficientnet(w: Mapping[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """The network of `CONFIG` for one image, place by place in float64: [H, W, 3] -> [D]."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scale, shift, mean, var = (w[f"{name}.{leaf}"] for leaf in ("weight", "bias", "running_mean", "running_var"))
        return (x - mean) / np.sqrt(var + 1e-3) * scale + shift

    def swish(x: np.ndarray) -> np.ndarray:
        return x * expit(x)

    padded = np.pad(image.astype(np.float64), ((0, 1), (0, 1), (0, 0)))
    kernel = w["embeddings.convolution.weight"].transpose(2, 3, 1, 0)
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    x = np.array(
        [
            [np.einsum("ijc,ijcd", padded[2 * r : 2 * r + 3, 2 * c : 2 * c + 3], kernel) for c in range(columns)]
            for r in range(rows)
        ]
    )
    x = swish(norm(x, "embeddings.batchnorm"))
    block = "encoder.blocks.0."
    kernel = w[block + "depthwise_conv.depthwise_conv.weight"][:, 0].transpose(1, 2, 0)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    x = np.array([[(padded[r : r + 3, c : c + 3] * kernel).sum((0, 1)) for c in range(columns)] for r in range(rows)])
    x = swish(norm(x, block + "depthwise_conv.depthwise_norm"))
    squeeze, expand = (block + f"squeeze_excite.{name}" for name in ("reduce", "expand"))
    squeezed = swish(w[squeeze + ".weight"][..., 0, 0] @ x.mean((0, 1)) + w[squeeze + ".bias"])
    x = x * expit(w[expand + ".weight"][..., 0, 0] @ squeezed + w[expand + ".bias"])
    x = norm(x @ w[block + "projection.project_conv.weight"][..., 0, 0].T, block + "projection.project_bn")
    return swish(norm(x @ w["encoder.top_conv.weight"][..., 0, 0].T, "encoder.top_bn")).mean((0, 1))


def test_a_vector_is_the_papers_whatever_the_images_size_and_batch(folder):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (height, 9, 3), np.uint8) for height in (6, 13, 20)]
    found = list(load_image_encoder(str(folder), batch_size=2)(iter(images)))
    assert len(found) == 3
    for image, vector in zip(images, found, strict=True):
        resized = np.asarray(Image.fromarray(image).resize((4, 6), Image.Resampling.BILINEAR)) / 255
        expected = numpy_efficientnet(published_weights(), (resized - [0.5, 0.4, 0.3]) / [0.5, 0.25, 0.2])
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_no_images_give_no_vectors_and_those_of_a_batch_are_read_only(folder):
    encoder = load_image_encoder(str(folder), batch_size=2)
    assert list(encoder(())) == []
    read: list[int] = []

    def images():
        for index in range(9):
            read.append(index)
            yield np.full((5, 5, 3), index, np.uint8)

    first = next(encoder(images()))
    assert first.shape == (encoder.dim,) == (12,)
    assert len(read) <= 4  # a batch, and the one that was read meanwhile


def without(name: str) -> dict[str, np.ndarray]:
    return {key: array for key, array in published_weights().items() if key != name}


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (without("encoder.top_bn.running_var"), r"1 missing \(the first is encoder\.top_bn\.running_var\)"),
        (
            published_weights() | {"encoder.blocks.1.x": np.zeros(2)},
            r"1 unexpected \(the first is encoder\.blocks\.1\.x\)",
        ),
        (published_weights() | {"encoder.top_bn.bias": np.zeros(3)}, r"encoder\.top_bn\.bias has shape \(3,\)"),
        (published_weights() | {"encoder.top_bn.bias": np.zeros(12, int)}, r"encoder\.top_bn\.bias holds int64"),
        (
            published_weights() | {"efficientnet.encoder.top_bn.bias": np.zeros(12)},
            r"encoder\.top_bn\.bias is stored twice",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named_in_one_line(tmp_path, weights, told):
    with pytest.raises(DataError, match=told) as caught:
        load_efficientnet(str(write_checkpoint(tmp_path / "damaged", weights)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("model_type", "bert", "model_type is 'bert', expected 'efficientnet'"),
        ("hidden_act", "tanh", "hidden_act is 'tanh'"),
        ("pooling_type", "min", "pooling_type is 'min'"),
        ("strides", [3], "strides are 3; only 1 and 2"),
        ("strides", [], "0 strides"),
        ("expand_ratios", [0], "expand_ratios are 0"),
        ("expand_ratios", [1, 6], "2 expand_ratios"),
        ("kernel_sizes", "three", "kernel_sizes"),
        ("in_channels", [900], "block 0 takes 10 channels by in_channels, and 2 come before it"),
        ("hidden_dim", 1280, "hidden_dim is 1280; with width_coefficient it is 12"),
        ("width_coefficient", 0.0, r"width_coefficient is 0\.0"),
    ],
)
def test_a_config_of_another_architecture_is_refused_in_one_line(tmp_path, field, value, told):
    with pytest.raises(DataError, match=told) as caught:
        load_efficientnet(str(write_checkpoint(tmp_path / "other", **{field: value})))
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("size", {"shortest_edge": 224}, "size is {'shortest_edge': 224}; expected a height and a width"),
        ("size", None, "size is None"),
        ("size", {"height": 0, "width": 4}, "size is"),
        ("resample", 9, r"resample is 9; expected one of 0 \(nearest\)"),
        ("resample", None, "resample is None"),
        ("image_mean", [0.5], r"image_mean is \[0\.5\]; expected three numbers"),
        ("image_mean", [0.5, "x", 0.5], "image_mean holds 'x'"),
        ("image_std", [0.5, 0, 0.5], "image_std is"),
        ("rescale_factor", "1/255", "rescale_factor holds '1/255'"),
        ("do_center_crop", True, "do_center_crop is True; only false is known"),
        ("do_resize", False, "do_resize is False; only true is known"),
    ],
)
def test_preprocessing_that_is_not_known_is_refused_in_one_line(folder, field, value, told):
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | {field: value}))
    with pytest.raises(DataError, match=told) as caught:
        read_pixels(folder)
    assert "preprocessor_config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_that_vanish_in_the_network_are_refused(tmp_path):
    folder = write_checkpoint(tmp_path / "tiny")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | {"size": {"height": 1, "width": 4}}))
    with pytest.raises(DataError, match=r"preprocessor_config\.json: images of 1 x 4 pixels are too small"):
        load_image_encoder(str(folder))


def test_gray_images_are_not_for_an_encoder_of_pictures(tmp_path):
    weights = published_weights() | {"embeddings.convolution.weight": np.zeros((2, 1, 3, 3), np.float32)}
    with pytest.raises(DataError, match="images have 1 channels by the config, 3 by preprocessing"):
        load_image_encoder(str(write_checkpoint(tmp_path / "gray", weights, num_channels=1)))


def test_a_pickle_is_refused_unopened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model.bin: a pickle.*convert it to safetensors"):
        load_efficientnet(str(folder))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_an_absent_or_truncated_file_is_named(folder, name):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=name) as caught:
        load_image_encoder(str(folder))
    assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(DataError, match=name):
        load_image_encoder(str(folder))
