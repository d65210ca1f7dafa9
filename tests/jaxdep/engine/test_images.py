"""Images and indices through the engine: normalised by channel, kept as they are stored, padded and streamed."""

import dataclasses

import jax
import numpy as np
import pytest

from input_pipeline.batching import Bucket, Padded
from jaxdep import config
from jaxdep.engine import training
from jaxdep.engine.resident import Viewer
from jaxdep.models import Masked

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, FRAMES, SIDE, CHANNELS = 40, 3, 5, 3
TASKS = {"depressed": config.Task()}
NOTHING = 1e-12  # no feature set fits into so many GB


@pytest.fixture
def faces(make_examples):
    """Makes examples with an image, or images, and a gender; some lack the one or the other."""

    def make(layout="images", *, as_float=False, index=True):
        examples, rng = make_examples(N), np.random.default_rng(1)
        mask = np.arange(FRAMES) < rng.integers(0, FRAMES + 1, (N, 1))
        mask = mask if layout == "images" else mask[:, 0]
        there = mask[..., None, None, None]
        pixels = rng.integers(0, 128, (*mask.shape, SIDE, SIDE, CHANNELS)) + np.array([40, 0, 90])
        pixels += 30 * examples.labels["depressed"].reshape(-1, *(1,) * (pixels.ndim - 1))
        pixels = np.where(there, pixels, 0).astype(np.uint8)
        gender, known = np.arange(N) % 2, np.arange(N) % 5 != 1
        gender = (gender[:, None] if index else np.eye(2)[gender]) * known[:, None]
        features = {
            "face": Padded((pixels / 255).astype(np.float32) if as_float else pixels, mask),
            "gender": Padded(gender.astype(np.int32 if index else np.float32), known),
        }
        rows = np.arange(N, dtype=np.int32)
        return dataclasses.replace(
            examples, buckets=(Bucket(features, rows),), fingerprints=dict.fromkeys(features, "")
        )

    return make


@pytest.mark.parametrize("layout", ["image", "images"])
@pytest.mark.parametrize("as_float", [False, True])
def test_the_normaliser_of_an_image_is_that_of_its_channels_in_the_training_split_alone(faces, layout, as_float):
    examples = faces(layout, as_float=as_float)
    mean, scale = Viewer(examples, TASKS, config.Splits()).view(0).normalizers["face"]
    values, mask = examples.buckets[0].features["face"]
    train = examples.splits == "train"
    pixels = values[train][mask[train]].reshape(-1, CHANNELS).astype(np.float64) / (1 if as_float else 255)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, 1 / pixels.std(0), rtol=1e-6)


def test_indices_have_no_normaliser_and_what_is_taken_as_it_is_moves_nothing(faces):
    normalizers = Viewer(faces(), TASKS, config.Splits(), ("face", "gender")).view(0).normalizers
    assert set(normalizers) == {"face"}
    assert [x.tolist() for x in normalizers["face"]] == [[0] * CHANNELS, [1] * CHANNELS]


def test_a_modality_that_nobody_in_training_has_is_not_a_number_divided_by_zero(faces):
    examples = faces("image")
    mask = examples.buckets[0].features["face"].mask
    mask[examples.splits == "train"] = False
    mean, scale = Viewer(examples, TASKS, config.Splits()).view(0).normalizers["face"]
    assert (mean.tolist(), scale.tolist()) == ([0] * CHANNELS, [1] * CHANNELS)


def test_a_step_sees_standardised_images_and_indices_as_they_are(faces, one_seed):
    examples = faces()
    seed, resident, view = one_seed(examples)
    assert resident.buckets[0].features["face"].values.dtype == np.uint8
    seen = training._normalized(resident.buckets[0].features, seed.normalizers)
    (values, mask), (mean, scale) = examples.buckets[0].features["face"], view.normalizers["face"]
    expected = np.where(mask[..., None, None, None], (values / 255 - mean) * scale, 0)
    np.testing.assert_allclose(seen["face"].values, expected, atol=1e-5)
    gender = examples.buckets[0].features["gender"].values
    assert seen["gender"].values.dtype == np.int32
    np.testing.assert_array_equal(seen["gender"].values, gender)


@pytest.mark.parametrize("layout", ["image", pytest.param("images", marks=pytest.mark.slow)])
def test_uint8_trains_as_the_same_numbers_in_float(layout, faces, image_model, fit, assert_same_seed):
    model = image_model(layout=layout)
    found, expected = (fit(faces(layout, as_float=as_float), model, count=2) for as_float in (False, True))
    assert found.history["train/loss"][0, -1] < found.history["train/loss"][0, 0]
    for seed in range(2):
        assert_same_seed(found, seed, expected, seed, atol=1e-6)


@pytest.mark.parametrize("vary", [config.STREAMS, pytest.param(("init",), marks=pytest.mark.slow)])
@pytest.mark.slow
def test_streamed_images_and_indices_train_as_resident_ones(vary, faces, image_model, fit, assert_same_seed):
    examples, model = faces(), image_model(layout="images")
    found, expected = (fit(examples, model, count=2, vary=vary, resident_gb=gb) for gb in (NOTHING, 0.0))
    assert (found.ensemble.streams, expected.ensemble.streams) == (True, False)
    for seed in range(2):
        assert_same_seed(found, seed, expected, seed)


@pytest.mark.slow
def test_more_padded_images_change_nothing(faces, image_model, fit, assert_same_seed):
    examples = faces(index=False)
    values, mask = examples.buckets[0].features["face"]
    more = [np.pad(array, [(0, 0), (0, 4), *[(0, 0)] * (array.ndim - 2)]) for array in (values, mask)]
    features = examples.buckets[0].features | {"face": Padded(*more)}
    padded = dataclasses.replace(examples, buckets=(Bucket(features, examples.buckets[0].rows),))
    found, expected = (fit(one, image_model(layout="images")) for one in (padded, examples))
    assert_same_seed(found, 0, expected, 0)


@pytest.mark.slow
def test_what_is_said_of_examples_from_elsewhere_is_what_is_predicted(faces, image_model, fit):
    examples = faces("image")
    run = fit(examples, image_model())
    tested = np.flatnonzero(examples.splits == "test")
    features = {name: Masked(x.values[tested], x.mask[tested]) for name, x in examples.buckets[0].features.items()}
    logits = run.ensemble.responder(run.states, 0)(features).logits["depressed"]
    np.testing.assert_allclose(jax.nn.softmax(logits), run.test_predictions[0], atol=1e-5)
