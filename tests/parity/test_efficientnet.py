"""EfficientNet against transformers' PyTorch model and image processor, with random weights and statistics."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from input_pipeline.extraction import extract
from input_pipeline.features import ImageStates
from input_pipeline.recording import Recording, Segment
from jaxdep.models.encoders import ENCODERS
from jaxdep.models.encoders.efficientnet import EfficientNet, load_efficientnet, plan_blocks
from jaxdep.models.encoders.pixels import read_pixels

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.parity

# Widths and depths by the paper's coefficients; three stages of B0's seven, but for B0 itself.
SMALL = {
    "width_coefficient": 0.25,
    "depth_coefficient": 0.6,
    "hidden_dim": 320,
    "kernel_sizes": [3, 5, 3],
    "in_channels": [32, 16, 24],
    "out_channels": [16, 24, 40],
    "strides": [1, 2, 2],
    "num_block_repeats": [1, 2, 3],
    "expand_ratios": [1, 6, 4],
}
B0 = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280, "depthwise_padding": [16]}


def save(folder: Path, model_class: type | None = None, **config: object):
    """A random PyTorch model, saved in `folder`; statistics, scales and shifts are random too, so that each matters."""
    torch.manual_seed(0)
    model = (model_class or transformers.EfficientNetModel)(transformers.EfficientNetConfig(**config)).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
            elif getattr(module, "bias", None) is not None:
                module.bias.normal_(0, 0.3)
    model.save_pretrained(folder, safe_serialization=True)
    assert (folder / "model.safetensors").exists()
    return model


def pictures(height: int, width: int, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype(np.float32)


def check(reference, model: EfficientNet, images: np.ndarray) -> None:
    """Within 1e-5 of the greatest value."""
    with torch.no_grad():
        expected = reference(torch.tensor(images.transpose(0, 3, 1, 2))).pooler_output.numpy()
    found = np.asarray(jax.jit(lambda model: model(images))(model))
    assert expected.std() > 1e-3
    assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()  # it depends on the image
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("size", "square"), [((32, 32), []), ((31, 45), [1]), ((9, 18), [1, 2])])
def test_vectors_of_even_and_odd_images_are_those_of_pytorch(tmp_path, size, square):
    reference = save(tmp_path, **SMALL, depthwise_padding=square)
    check(reference, load_efficientnet(str(tmp_path)), pictures(*size))


@pytest.mark.parametrize(
    "changes",
    [
        {"width_coefficient": 0.35, "depth_coefficient": 1.1, "hidden_dim": 448},
        {"hidden_act": "relu", "batch_norm_eps": 0.1, "squeeze_expansion_ratio": 0.5},
        {"hidden_act": "gelu", "pooling_type": "max"},
        {"hidden_act": "silu", "depth_divisor": 4},
    ],
)
def test_what_a_config_can_say_is_said_to_both(tmp_path, changes):
    check(save(tmp_path, **SMALL | changes), load_efficientnet(str(tmp_path)), pictures(32, 24))


def test_b0_and_the_number_of_its_parameters(tmp_path):
    reference = save(tmp_path, **B0)
    model = load_efficientnet(str(tmp_path))
    check(reference, model, pictures(64, 64))
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
    assert (
        count == sum(parameter.numel() for parameter in reference.parameters()) == 4_007_548
    )  # without the classifier


@pytest.mark.parametrize(
    ("width", "depth", "dim"),
    [
        (1.0, 1.1, 1280),
        (1.1, 1.2, 1408),
        (1.2, 1.4, 1536),
        (1.4, 1.8, 1792),
        (1.6, 2.2, 2048),
        (1.8, 2.6, 2304),
        (2.0, 3.1, 2560),
    ],
)
def test_the_blocks_of_b1_to_b7_are_pytorchs(width, depth, dim):
    from transformers.models.efficientnet.modeling_efficientnet import EfficientNetEncoder

    config = transformers.EfficientNetConfig(width_coefficient=width, depth_coefficient=depth, hidden_dim=dim)
    with torch.device("meta"):
        blocks = EfficientNetEncoder(config).blocks
    plans = plan_blocks(config)
    assert len(plans) == len(blocks)
    for plan, block in zip(plans, blocks, strict=True):
        depthwise, project = block.depthwise_conv.depthwise_conv, block.projection.project_conv
        assert plan.inputs * plan.expansion == depthwise.in_channels == project.in_channels
        assert (plan.outputs, plan.kernel, plan.stride) == (
            project.out_channels,
            *depthwise.kernel_size[:1],
            *depthwise.stride[:1],
        )
        assert plan.residual == block.projection.apply_dropout


def test_an_encoder_saved_below_a_classifier_is_found(tmp_path):
    reference = save(tmp_path, transformers.EfficientNetForImageClassification, **SMALL, num_labels=5)
    check(reference.efficientnet, load_efficientnet(str(tmp_path)), pictures(32, 32))


PREPROCESSING = {  # as released beside B0, but for the size
    "size": {"height": 40, "width": 36},
    "resample": 0,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.47853944, 0.4732864, 0.47434163],
    "rescale_factor": 0.00392156862745098,
    "do_resize": True,
    "do_center_crop": False,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resample": 2, "include_top": False},
        {"resample": 3, "rescale_offset": True, "rescale_factor": 1 / 127.5},
        {"do_normalize": False, "resample": 1},
        {"do_rescale": False, "include_top": False},
    ],
)
def test_images_are_prepared_as_transformers_does(tmp_path, changes):
    module = pytest.importorskip("transformers.models.efficientnet.image_processing_pil_efficientnet")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | changes))
    reference = module.EfficientNetImageProcessorPil.from_pretrained(tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (51, 70, 3), np.uint8)
    expected = reference(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    pixels = read_pixels(tmp_path)
    found = pixels.resize(image) * pixels.scale + pixels.shift
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_zones_of_image_files_have_pytorchs_vectors(tmp_path):
    """Each zone on its own in PyTorch; in ours all in batches, from the files to the feature."""
    reference = save(tmp_path, **SMALL)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    rng, pixels = np.random.default_rng(0), read_pixels(tmp_path)
    images = [rng.integers(0, 256, (50 + 9 * index, 50, 3), np.uint8) for index in range(2)]
    recordings = []
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
        recordings.append(
            Recording(f"r{index}", "p", "", (Segment(0, 1),), tracks={"image": tmp_path / f"{index}.png"})
        )
    feature = ImageStates(checkpoint=str(tmp_path), dim=320, zones=3)
    found = extract(feature, recordings, encoders=ENCODERS, progress=False)
    for image, of_image in zip(images, found, strict=True):
        assert of_image.lengths.tolist() == [3]
        for zone, vector in zip(np.array_split(image, 3), of_image.values, strict=True):
            seen = (pixels.resize(zone) * pixels.scale + pixels.shift).transpose(2, 0, 1)[None]
            with torch.no_grad():
                expected = reference(torch.tensor(seen)).pooler_output[0].numpy()
            np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
