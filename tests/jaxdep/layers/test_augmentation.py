"""Augmentation changes what exists, in training alone, as often and as far as it says; rotation against SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from jaxdep.models.layers import augmentation
from jaxdep.models.layers.draws import shared_over

KEY = jax.random.key(3)
LENGTHS = np.array([0, 1, 7, 12])
MASK = jnp.asarray(np.arange(12) < LENGTHS[:, None])


def sequences(dtype=jnp.float32):
    """[4, 12, 5], nowhere zero where it is valid."""
    values = np.random.default_rng(0).uniform(1, 2, (4, 12, 5))
    return jnp.where(MASK[..., None], jnp.asarray(values, dtype), 0)


def images(dtype=jnp.float32, n=6):
    """[n, 9, 8, 3], nowhere zero, but the last one, which is missing."""
    values = np.random.default_rng(1).uniform(1, 2, (n, 9, 8, 3))
    values[-1] = 0
    return jnp.asarray(values, dtype)


OF_SEQUENCES = {
    "mask_time": lambda x, key: augmentation.mask_time(x, MASK, 4, key, count=2),
    "mask_frequency": lambda x, key: augmentation.mask_frequency(x, 3, key),
    "add_noise": lambda x, key: augmentation.add_noise(x, MASK, 0.5, key),
}
OF_IMAGES = {
    "flip": augmentation.flip,
    "rotate": lambda x, key: augmentation.rotate(x, 30, key),
    "brighten": lambda x, key: augmentation.brighten(x, 0.3, key),
    "shift": lambda x, key: augmentation.shift(x, 2, key),
}
ALL = [(augment, sequences) for augment in OF_SEQUENCES.values()] + [(a, images) for a in OF_IMAGES.values()]
NAMES = [*OF_SEQUENCES, *OF_IMAGES]


@pytest.mark.parametrize(("augment", "make"), ALL, ids=NAMES)
def test_in_evaluation_nothing_is_done(augment, make):
    x = make()
    assert augment(x, None) is x


@pytest.mark.parametrize(("augment", "make"), ALL, ids=NAMES)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_one_key_gives_one_result_of_the_same_type_under_jit_and_vmap_too(augment, make, dtype):
    x, keys = make(dtype), jax.random.split(KEY, 3)
    found = jax.jit(jax.vmap(augment, in_axes=(None, 0)))(x, keys)
    assert (found.dtype, found.shape) == (dtype, (3, *x.shape))
    tolerance = 1e-6 if dtype == jnp.float32 else 0.02
    np.testing.assert_allclose(found[1].astype(float), augment(x, keys[1]).astype(float), atol=tolerance)
    assert not np.array_equal(found[1], found[2])
    assert not np.array_equal(found[1], x)


@pytest.mark.parametrize("name", NAMES)
def test_shares_of_a_batch_are_augmented_as_the_whole_one(name):
    x = sequences() if name in OF_SEQUENCES else images()
    of_masked = {
        "mask_time": lambda x, mask: augmentation.mask_time(x, mask, 4, KEY, count=2),
        "add_noise": lambda x, mask: augmentation.add_noise(x, mask, 0.5, KEY),
    }
    augment = of_masked.get(name) or (lambda x, _: (OF_SEQUENCES | OF_IMAGES)[name](x, KEY))
    mask = MASK if name in OF_SEQUENCES else jnp.ones(len(x), bool)

    def of_share(x, mask):
        with shared_over("data"):
            return augment(x, mask)

    shares = jax.vmap(of_share, axis_name="data")(*(y.reshape(2, -1, *y.shape[1:]) for y in (x, mask)))
    np.testing.assert_allclose(shares.reshape(x.shape), augment(x, mask), atol=1e-6)


@pytest.mark.parametrize(("augment", "make"), ALL, ids=NAMES)
def test_what_is_masked_stays_zero(augment, make):
    x = make()
    found = jax.vmap(augment, in_axes=(None, 0))(x, jax.random.split(KEY, 20))
    missing = ~MASK if make is sequences else (x == 0).all((1, 2, 3))
    assert (found[:, missing] == 0).all()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["mask_time", "add_noise"])
def test_more_padding_changes_nothing(name):
    augment = {
        "mask_time": partial(augmentation.mask_time, width=4, key=KEY),
        "add_noise": partial(augmentation.add_noise, deviation=0.5, key=KEY),
    }[name]
    x = sequences()
    more = augment(jnp.pad(x, [(0, 0), (0, 5), (0, 0)]), jnp.pad(MASK, [(0, 0), (0, 5)]))
    np.testing.assert_array_equal(more[:, :12], augment(x, MASK))


def runs_of(is_zero):
    """The first cell and the length of each row's only block of zeros, (-1, 0) where it has none."""
    found = []
    for row in is_zero:
        (cells,) = np.nonzero(row)
        assert len(cells) == 0 or cells[-1] - cells[0] + 1 == len(cells)
        found.append((cells[0] if len(cells) else -1, len(cells)))
    return np.array(found)


def test_blocks_of_time_have_any_length_up_to_the_width_and_stand_anywhere_in_the_sequence():
    n, length, width = 4000, 12, 3
    mask = jnp.asarray(np.broadcast_to(np.arange(20) < length, (n, 20)))
    zeroed = augmentation.mask_time(jnp.stack([mask * 1.0, mask * 2.0], -1), mask, width, KEY)[:, :length] == 0
    assert (zeroed[..., 0] == zeroed[..., 1]).all()
    starts, lengths = runs_of(np.asarray(zeroed[..., 0])).T
    np.testing.assert_allclose(np.bincount(lengths) / n, np.full(width + 1, 1 / 4), atol=0.03)
    for found in range(1, width + 1):
        places = np.bincount(starts[lengths == found], minlength=length - found + 1)
        assert len(places) == length - found + 1
        np.testing.assert_allclose(places / places.sum(), 1 / len(places), atol=0.04)


def test_no_block_of_time_is_longer_than_its_share_of_the_sequence():
    lengths = np.repeat([3, 10], 500)
    mask = jnp.asarray(np.arange(10) < lengths[:, None])
    zeroed = augmentation.mask_time(mask * 1.0, mask, 8, KEY, share=0.4) == 0
    _, found = runs_of(np.asarray(zeroed & mask)).T
    assert (found[lengths == 3].max(), found[lengths == 10].max()) == (1, 4)


def test_blocks_of_frequency_are_those_of_an_example_throughout():
    n, dim, width = 4000, 8, 4
    zeroed = np.asarray(augmentation.mask_frequency(jnp.ones((n, 3, dim)), width, KEY) == 0)
    assert (zeroed == zeroed[:, :1]).all()
    _, lengths = runs_of(zeroed[:, 0]).T
    np.testing.assert_allclose(np.bincount(lengths) / n, np.full(width + 1, 1 / 5), atol=0.03)


@pytest.mark.slow
def test_several_blocks_are_drawn_apart():
    one, three = (
        augmentation.mask_time(jnp.ones((700, 300)), jnp.ones((700, 300), bool), 10, KEY, count=count) == 0
        for count in (1, 3)
    )
    assert float(three.sum() / one.sum()) == pytest.approx(3, rel=0.1)


def test_noise_has_its_deviation():
    x = jnp.full((200, 50, 4), 2.0)
    noise = augmentation.add_noise(x, jnp.ones((200, 50), bool), 0.3, KEY) - x
    assert float(noise.std()) == pytest.approx(0.3, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 1, 0])[0, 1]) < 0.3


def test_images_are_mirrored_as_often_as_asked_for():
    x = images(n=2001)
    found, mirrored = augmentation.flip(x, KEY, 0.3), np.asarray(x)[..., ::-1, :]
    is_mirrored = (found == mirrored).all((1, 2, 3))[:-1]
    np.testing.assert_array_equal(is_mirrored, ~(found == x).all((1, 2, 3))[:-1])
    assert float(is_mirrored.mean()) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("shape", [(9, 9, 2), (12, 7, 1), (3, 8, 8, 1)])
@pytest.mark.parametrize("degrees", [-140.0, -20.0, 0.0, 7.5, 90.0])
def test_rotation_is_scipys(shape, degrees):
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    axes = (len(shape) - 2, len(shape) - 3)
    expected = scipy.ndimage.rotate(x, degrees, axes=axes, reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(augmentation.rotated(x, jnp.deg2rad(degrees)), expected, atol=1e-4)


@pytest.mark.slow
def test_images_turn_either_way_up_to_the_limit():
    """A spot to the right of the middle tells the angle by its centre of mass."""
    x = jnp.zeros((1500, 21, 21, 1)).at[:, 9:12, 16:19].set(1.0)
    found = np.asarray(augmentation.rotate(x, 25, KEY))[..., 0]
    places = np.arange(21) - 10
    y, x = (np.tensordot(found.sum(axis), places, (1, 0)) for axis in (2, 1))
    angles = np.rad2deg(np.arctan2(-y, x))
    assert np.abs(angles).max() <= 25.5
    np.testing.assert_allclose(np.quantile(angles, [0.0, 0.25, 0.5, 0.75, 1.0]), [-25, -12.5, 0, 12.5, 25], atol=1.5)


def test_brightness_is_a_factor_of_the_whole_image():
    x = images(n=2001)
    factor = np.asarray(augmentation.brighten(x, 0.4, KEY) / x)[:-1]
    np.testing.assert_allclose(factor, factor[:, :1, :1, :1] * np.ones_like(factor), rtol=1e-5)
    np.testing.assert_allclose(np.quantile(factor[:, 0, 0, 0], [0, 0.5, 1]), [0.6, 1, 1.4], atol=0.03)


def test_a_shift_moves_whole_pixels_any_way():
    x = jnp.zeros((2500, 9, 8, 1)).at[:, 4, 3].set(1.0)
    found = np.asarray(augmentation.shift(x, 2, KEY))[..., 0]
    assert (found.sum((1, 2)) == 1).all()
    counts = found.mean(0)[2:7, 1:6]
    np.testing.assert_allclose(counts, np.full((5, 5), 1 / 25), atol=0.02)
    edge = np.asarray(augmentation.shift(jnp.ones((50, 9, 8, 1)), 2, KEY))
    assert (edge[:, 4, 4] == 1).all()
    assert (edge == 0).any()  # what comes in is zero


@pytest.mark.parametrize("name", OF_IMAGES)
def test_frames_of_a_video_share_what_their_example_draws(name):
    x = images()
    video = jnp.stack([x, 2 * x], axis=1)
    found = OF_IMAGES[name](video, KEY)
    np.testing.assert_allclose(found[:, 1], 2 * found[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 0], OF_IMAGES[name](x, KEY), rtol=1e-5, atol=1e-6)
