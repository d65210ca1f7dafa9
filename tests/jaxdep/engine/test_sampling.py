"""Which examples an epoch has: how many of each recording and class, drawn evenly, the same in whatever company."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import config
from jaxdep.config import Sampling
from jaxdep.config.labels import Labels
from jaxdep.engine import sampling
from jaxdep.engine.epochs import filled, shuffled
from jaxdep.engine.resident import Part
from jaxdep.losses import Huber
from jaxdep.models.emotion_transfer import DirectText

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZES = (1, 5, 3, 8, 2, 4, 6)  # examples of each recording
TARGETS = (0, 1, 0, 0, 1, -1, 2)  # its class; one is not known
CLASSES = ("a", "b", "c")
CASES = [
    Sampling(per_recording=3),
    Sampling(balance="undersample"),
    Sampling(balance="oversample"),
    Sampling(per_recording=3, balance="undersample"),
    Sampling(per_recording=4, balance="oversample"),
]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.per_recording}, {case.balance}")


def make_part(buckets, fill=0):
    """The recordings' examples dealt out among buckets, example i at position i; `fill` more rows that are not valid."""
    units = np.repeat(np.arange(len(SIZES)), SIZES)
    dealt = [np.arange(bucket, len(units), buckets) for bucket in range(buckets)]
    return Part(
        positions=tuple(jnp.asarray(np.pad(rows, (0, fill))) for rows in dealt),
        valid=tuple(jnp.asarray(np.arange(len(rows) + fill) < len(rows)) for rows in dealt),
        units=tuple(jnp.asarray(np.pad(units[rows], (0, fill))) for rows in dealt),
        targets={"t": jnp.asarray(TARGETS)},
    )


@functools.partial(jax.jit, static_argnums=(1, 2))
def counts(part, per_recording, balance, keys):
    """[K, examples], how often each comes, by the draws of K keys."""

    def of_one(key):
        found = sampling.drawn(part, Sampling(per_recording, balance), "t", len(CLASSES), key)
        return jnp.zeros(sum(SIZES), int).at[jnp.concatenate(found.positions)].add(jnp.concatenate(found.valid))

    return jax.vmap(of_one)(keys)


def drawn(case, buckets=1, fill=0, n=500):
    part = make_part(buckets, fill)
    return np.asarray(counts(part, case.per_recording, case.balance, jax.random.split(jax.random.key(3), n)))


def by_example(values):
    """[..., examples], recording by recording."""
    return np.split(values, np.cumsum(SIZES)[:-1], axis=-1)


def by_recording(times):
    return np.stack([of_recording.sum(-1) for of_recording in by_example(times)], axis=-1)


def by_class(values):
    """[..., recordings] summed over the recordings of each class."""
    return np.stack([values[..., np.array(TARGETS) == index].sum(-1) for index in range(len(CLASSES))], axis=-1)


@pytest.mark.parametrize("buckets", [1, 3])
@EACH
def test_each_epoch_has_what_the_config_says_of_each_recording_and_class(case, buckets):
    times = drawn(case, buckets)
    left = np.minimum(SIZES, case.per_recording or 99)
    if case.balance == "none":
        np.testing.assert_array_equal(by_recording(times), np.tile(left, (len(times), 1)))
        assert times.max() == 1
        return
    assert (by_recording(times)[:, TARGETS.index(-1)] == 0).all()
    of_class = by_class(left)  # 12, 7, 6; with 3 a recording 7, 5, 3; with 4 a recording 8, 6, 4
    if case.balance == "undersample":
        np.testing.assert_array_equal(by_class(by_recording(times)), np.full((len(times), 3), of_class.min()))
        assert times.max() == 1
        assert (by_recording(times) <= left).all()
    else:
        total = of_class.sum()
        expected = np.array([total // 3 + (index < total % 3) for index in range(3)])
        np.testing.assert_array_equal(by_class(by_recording(times)), np.tile(expected, (len(times), 1)))
        for of_recording, target in zip(by_example(times), TARGETS, strict=True):
            assert (of_recording.max(0) == (-(-expected[target] // of_class[target]) if target >= 0 else 0)).all()
    assert len({tuple(row) for row in times.tolist()}) > 1  # drawn anew


@EACH
def test_within_a_class_and_a_recording_everybody_is_drawn_equally_often(case):
    n = 4000
    share = drawn(case, n=n).mean(0)
    left = np.minimum(SIZES, case.per_recording or 99)
    of_class, total = by_class(left), by_class(left).sum()
    for of_recording, size, kept, target in zip(by_example(share), SIZES, left, TARGETS, strict=True):
        expected = kept / size  # that it is left to draw from
        if case.balance == "undersample":
            expected *= of_class.min() / of_class[target] if target >= 0 else 0
        elif case.balance == "oversample":
            expected *= (total // 3 + (target < total % 3)) / of_class[target] if target >= 0 else 0
        np.testing.assert_allclose(of_recording, expected, atol=4.5 * 0.5 / np.sqrt(n))


@EACH
def test_what_fills_up_a_part_changes_no_draw(case):
    for buckets in (1, 3):
        np.testing.assert_array_equal(drawn(case, buckets, fill=7, n=20), drawn(case, buckets, n=20))


@EACH
def test_the_host_knows_how_many_there_are(case):
    for buckets in (1, 3):
        part = make_part(buckets)
        most = sampling.most(jax.tree.map(np.asarray, part), case, "t", CLASSES)
        found = [
            list(map(int, map(jnp.sum, sampling.drawn(part, case, "t", len(CLASSES), jax.random.key(key)).valid)))
            for key in range(30)
        ]
        if buckets == 1:
            np.testing.assert_array_equal(found, np.tile(most, (30, 1)))
        else:
            assert (np.array(found) <= most).all()
            assert (most <= np.array(list(map(len, part.positions))) * 2).all()  # no class comes thrice


def test_without_sampling_the_order_is_the_permutation_of_all():
    part, keys = make_part(3), jax.random.split(jax.random.key(0))
    assert sampling.drawn(part, Sampling(), "t", 3, keys[0]) is part
    np.testing.assert_array_equal(sampling.most(part, Sampling(), "t", CLASSES), list(map(len, part.positions)))
    places = jnp.array([-(-len(rows) // 2) for rows in part.positions])
    for limit in (places, places + 5):
        jax.tree.map(np.testing.assert_array_equal, shuffled(part, 2, *keys, limit), shuffled(part, 2, *keys))


def test_batches_that_nobody_needs_come_last_and_leave_the_others_order():
    part, keys = make_part(3), jax.random.split(jax.random.key(0))
    whole = np.asarray(shuffled(part, 2, *keys).plan).tolist()
    some = np.asarray(shuffled(part, 2, *keys, jnp.array([2, 0, 4])).plan).tolist()
    needed = [[bucket, place] for bucket, place in whole if place < (2, 0, 4)[bucket]]
    assert some[: len(needed)] == needed
    assert sorted(some) == sorted(whole)


@pytest.mark.parametrize("max_steps", [100, 5])
def test_steps_without_examples_are_left_out_and_the_others_keep_their_order(max_steps):
    part = make_part(3)
    part = part._replace(valid=tuple(valid & (jnp.arange(len(valid)) % 4 == 3) for valid in part.valid))
    order = shuffled(part, 2, *jax.random.split(jax.random.key(0)))
    plan, steps = filled(order, jnp.int32(max_steps))
    wanted = [
        [bucket, place]
        for bucket, place in np.asarray(order.plan)[:max_steps].tolist()
        if order.valid[bucket][place].any()
    ]
    assert 0 < len(wanted) < min(max_steps, len(order.plan))
    assert np.asarray(plan)[: int(steps)].tolist() == wanted
    assert sorted(np.asarray(plan).tolist()) == sorted(np.asarray(order.plan).tolist())


SAMPLED = {
    "windows": Sampling(per_recording=2),
    "under": Sampling(per_recording=3, balance="undersample"),
    "over": Sampling(balance="oversample"),
}


def schedule(name):
    return config.Training(epochs=3, batch_size=8, epochs_per_call=3, sampling=SAMPLED[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLED)
def test_a_seed_alone_is_the_same_seed_of_twenty(name, make_examples, mean_model, fit, assert_same_seed):
    """With splits of their own, which hold other numbers of examples, in several buckets."""
    splits = config.Splits(train=("train", "dev"), validation=(), validation_fraction=0.3)
    examples = make_examples(24, windows=4, buckets=2)
    options = {"model": mean_model(dropout=0.3), "splits": splits, "schedule": schedule(name)}
    twenty = fit(examples, count=20, **options)
    assert_same_seed(twenty, 7, fit(examples, first=7, mapper="map", **options), 0)


LAYOUTS = {
    "map": {"mapper": "map"},
    "loop": {"mapper": "loop"},
    "streamed": {"resident_gb": 1e-9},
    "streamed, one order": {"resident_gb": 1e-9, "vary": ("init",)},
    "two devices share batches": {"data_shards": 2, "devices": 2},
}


@pytest.mark.parametrize(
    ("name", "layout"),
    [pytest.param(name, layout, marks=pytest.mark.slow) for name in ("under", "over") for layout in LAYOUTS],
)
def test_layout_of_the_seeds_changes_no_result(name, layout, make_examples, mean_model, fit, assert_same_seed):
    examples, laid_out = make_examples(24, windows=4, buckets=2), {"vary": config.STREAMS} | LAYOUTS[layout]
    options = {"model": mean_model(), "count": 3, "schedule": schedule(name)}
    found, expected = fit(examples, **options, **laid_out), fit(examples, **options, vary=laid_out["vary"])
    for seed in range(3):
        assert_same_seed(found, seed, expected, seed)


@pytest.mark.parametrize(
    ("name", "buckets"),
    [(name, buckets) for name in SAMPLED for buckets in (1, 2)],
)
@pytest.mark.slow
def test_steps_that_are_left_out_are_empty_ones(name, buckets, make_examples, make_program, one_seed, mean_model):
    examples = make_examples(24, windows=4, buckets=buckets)
    program = make_program(examples, mean_model(), schedule=schedule(name))
    seed, resident, view = one_seed(examples, seed=3)
    places = program.places(view.parts["train"])
    resident = resident._replace(places=jnp.asarray(places))
    run = jax.jit(functools.partial(program.run_epochs, first_epoch=0, n_epochs=3))
    state = program.init(seed=seed)
    expected = run(state, seed=seed, resident=resident, max_steps=999)
    found = run(state, seed=seed, resident=resident, max_steps=places.sum())
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    fewer = run(state, seed=seed, resident=resident, max_steps=places.sum() - 1)
    if buckets == 1:  # there the number is exact
        assert not np.array_equal(fewer[1]["train/loss"], expected[1]["train/loss"])
    whole = make_program(examples, mean_model()).places(view.parts["train"])
    assert places.sum() < whole.sum() or name == "over"


@pytest.mark.slow
def test_only_the_chosen_examples_train(make_examples, make_program, one_seed):
    """One example of each recording: nothing of the others reaches the state, but through the normaliser."""
    examples = make_examples(24, windows=4)
    program = make_program(
        examples,
        DirectText(feature="audio", hidden=3),
        schedule=config.Training(epochs=1, batch_size=8, epochs_per_call=1, sampling=Sampling(per_recording=1)),
    )
    seed, resident, _ = one_seed(examples, seed=3)
    order = program.order(seed=seed, resident=resident, epoch=jnp.int32(0))
    chosen = np.asarray(order.positions[0])[np.asarray(order.valid[0])]
    np.testing.assert_array_equal(
        np.sort(examples.groups[chosen]), np.unique(examples.groups[examples.splits == "train"])
    )
    (bucket,) = resident.buckets
    values = bucket.features["audio"].values
    spoilt = bucket.features["audio"]._replace(values=jnp.full_like(values, jnp.nan).at[chosen].set(values[chosen]))
    other = resident._replace(buckets=(bucket._replace(features={"audio": spoilt}),))
    run = jax.jit(functools.partial(program.run_epochs, first_epoch=0, n_epochs=1, max_steps=99))
    found, expected = (
        run(program.init(seed=seed), seed=seed, resident=data)[1]["train/loss"] for data in (other, resident)
    )
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(expected).all()


def test_a_class_that_nobody_trains_on_is_named():
    part = make_part(1)._replace(targets={"t": np.where(np.array(TARGETS) == 1, 0, TARGETS)})
    with pytest.raises(DataError, match=r"tasks\.t: the training split has no example of class 'b'; set training"):
        sampling.most(part, Sampling(balance="undersample"), "t", CLASSES)


def test_a_score_cannot_be_balanced():
    stage = config.TrainStage(
        tasks={"score": config.Task(loss=Huber())},
        metrics=("mae",),
        training=config.Training(sampling=Sampling(balance="oversample")),
    )
    with pytest.raises(ConfigError, match=r"training\.sampling\.balance: 'oversample' needs classes, and 'score' is"):
        stage.check_labels(Labels("c", {}, ("score",), lambda classes: ("mae",)))
    with pytest.raises(ConfigError, match="per_recording: 0 or more, found -1"):
        Sampling(per_recording=-1).freeze()
