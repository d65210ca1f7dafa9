"""A seed's result depends on nothing but its id: not on the others, the mapper, the devices or the chunk."""

import functools

import jax
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.engine.lanes import seed_keys
from jaxdep.models.emotion_transfer import DirectAudio, DirectText, EmotionAudio, EmotionAudioText, EmotionText

pytestmark = pytest.mark.usefixtures("quick_compilation")

DRAWN = config.Splits(validation=(), validation_fraction=0.3)
EMOTION = EmotionAudio(
    width=8, splice=(-1, 0, 1), taps=((-1, 1),), frame_dim=8, attention_units=4, head_sharpness=(1.0, 0.2)
)
UTTERANCES = EmotionText("audio", 4, 4, "bias", head_sharpness=(1.0, 0.2), dropout=0.3)
SYSTEMS = {
    "text, two buckets": (DirectText(feature="audio", hidden=4, dropout=0.3), {"buckets": 2}, config.Splits()),
    "audio, drawn splits": (DirectAudio(frame_hidden=4, segment_hidden=4, dropout=0.3), {"levels": 2}, DRAWN),
    "emotion, windows, drawn splits": (EmotionAudioText(EMOTION, UTTERANCES, 8), {"windows": 2}, DRAWN),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(s, marks=[pytest.mark.slow] * (s != "text, two buckets")) for s in SYSTEMS],
)
def twenty(request, make_examples, fit, quick_compilation):
    """Twenty seeds of a system on eight devices, and a function that trains others of its seeds."""
    model, shape, splits = SYSTEMS[request.param]
    options = {"splits": splits, "optimizer": config.Optimizer(learning_rate=1e-3)}  # the rate of the configs
    train = functools.partial(fit, make_examples(**shape), model, **options)
    return train(count=20, devices=8), train


def test_a_seed_alone_is_the_same_seed_of_twenty(twenty, assert_same_seed):
    together, train = twenty
    alone = train(count=1, first=7)
    assert_same_seed(alone, 0, together, 7)
    first, other = (jax.tree.leaves(together.final.params)[0][seed] for seed in (7, 8))
    assert not np.allclose(first, other, atol=1e-3)


def assert_no_collective_and_no_convolution(ensemble):
    """Nothing crosses the seed axis; and mapped over seeds a convolution would become a slow grouped one."""
    (trainer,) = ensemble.trainers.values()
    (program,) = trainer.programs
    text = program.executable.as_text()
    assert " while(" in text
    for operation in ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter", "convolution("):
        assert operation not in text, operation


def test_the_program_has_no_collective_and_no_convolution(twenty):
    assert_no_collective_and_no_convolution(twenty[0].ensemble)


@pytest.mark.slow
def test_nor_has_the_program_of_the_mapper_map(make_examples, make_ensemble):
    model, shape, splits = SYSTEMS["emotion, windows, drawn splits"]
    ensemble = make_ensemble(make_examples(**shape), model, count=16, mapper="map", splits=splits, devices=8)
    assert_no_collective_and_no_convolution(ensemble)


@pytest.mark.slow
def test_a_seed_alone_is_the_same_where_drawn_splits_fill_the_buckets_differently(
    make_examples, mean_model, fit, assert_same_seed
):
    """The seeds' training splits then differ in how many batches a bucket gives."""
    examples = make_examples(n=48, windows=2, buckets=3)
    together = fit(examples, mean_model(dropout=0.3), count=20, splits=DRAWN)
    alone = fit(examples, mean_model(dropout=0.3), count=1, first=7, splits=DRAWN)
    sizes = {tuple(map(len, units["train"].groups[None])) for units in together.ensemble.units}
    assert len(sizes) == 1  # as many recordings train each seed; only their lengths differ
    assert_same_seed(alone, 0, together, 7)


LAYOUTS = {
    "map, group of 2": {"mapper": "map", "group": 2, "devices": 8},
    "loop": {"mapper": "loop", "devices": 8},
    "pmap": {"mapper": "pmap", "devices": 8},
    "vmap on 8 devices": {"mapper": "vmap", "devices": 8},
    "vmap on 3 devices": {"mapper": "vmap", "devices": 3},
    "a chunk": {"mapper": "map", "first": 5, "count": 3, "devices": 2},
}


@pytest.fixture(scope="module")
def eleven(make_examples, mean_model, fit, quick_compilation):
    return fit(make_examples(buckets=2), mean_model(dropout=0.3), count=11)


SLOW = {"loop", "pmap", "vmap on 8 devices", "vmap on 3 devices", "map, group of 2"}


@pytest.mark.parametrize(
    "layout", [pytest.param(layout, marks=[pytest.mark.slow] if layout in SLOW else []) for layout in LAYOUTS]
)
def test_layout_of_the_seeds_changes_no_result(layout, eleven, make_examples, mean_model, fit, assert_same_seed):
    options = {"count": 11, **LAYOUTS[layout]}
    run = fit(make_examples(buckets=2), mean_model(dropout=0.3), **options)
    assert run.test_predictions.shape[0] == run.final.params["heads"]["depressed"]["bias"].shape[0] == options["count"]
    for index, seed in enumerate(lane.seed for lane in run.ensemble.lanes):
        assert_same_seed(run, index, eleven, int(seed))


@pytest.fixture(scope="module")
def stopping(make_examples, mean_model, make_ensemble, quick_compilation):
    """Trains 11 seeds, most of which stop early, two epochs a call; gives the ensemble, states and history."""
    schedule = config.Training(epochs=20, batch_size=8, epochs_per_call=2, patience=2)

    def train(**options):
        ensemble = make_ensemble(
            make_examples(), mean_model(dropout=0.3), count=11, schedule=schedule,
            optimizer=config.Optimizer(learning_rate=0.1), **options,
        )  # fmt: skip
        states, history = ensemble.init(), []
        for first in range(0, 20, 2):
            states, rows = ensemble.run(states, first, 2)
            history.append(rows["train/loss"])
        return ensemble, ensemble.fetch(states), np.concatenate(history, axis=1)

    return train


@pytest.fixture(scope="module")
def unpacked(stopping):
    return stopping(mapper="map")


@pytest.mark.parametrize(
    ("options", "lanes"),
    [
        pytest.param({"mapper": "vmap"}, {11, 6, 3, 2, 1}, marks=pytest.mark.slow),
        pytest.param({"mapper": "vmap", "devices": 3}, {12, 6, 3}, marks=pytest.mark.slow),
        pytest.param({"mapper": "map", "group": 4}, {11, 6, 3, 2, 1}, marks=pytest.mark.slow),
        ({"mapper": "map", "devices": 3}, {12}),
    ],
)
def test_seeds_that_are_left_are_packed_and_nothing_changes(options, lanes, stopping, unpacked):
    """Under vmap in ever fewer lanes; elsewhere ended seeds cost nothing, and the others only spread over the devices."""
    _, expected, losses = unpacked
    ended = np.isnan(losses).sum(1)
    assert len(set(ended)) > 3  # the seeds stop at different epochs
    ensemble, found, found_losses = stopping(**options)
    np.testing.assert_array_equal(np.isnan(found_losses).sum(1), ended)
    np.testing.assert_allclose(found_losses, losses, atol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-5), found, expected)
    compiled = [count for count, _ in ensemble.trainers]
    assert set(compiled) <= lanes
    assert max(compiled) == max(lanes)
    if len(lanes) > 1:
        assert len(compiled) > 1


def test_active_seeds_are_dealt_out_evenly_among_the_devices(make_examples, mean_model, make_ensemble):
    ensemble = make_ensemble(make_examples(), mean_model(), count=8, mapper="map", devices=4)
    states = ensemble.init()
    assert ensemble._lanes(states) is None
    for stopped, each in (([0, 1, 2, 3], 1), ([4, 5, 6, 7], 1), ([0, 1], 2)):
        mask = np.isin(np.arange(8), stopped)
        lanes = ensemble._lanes(states._replace(stopped=mask))
        if lanes is None:  # they lie evenly enough
            lanes = np.arange(8)
        active = (~mask)[lanes].reshape(4, 2).sum(1)
        assert active.max() == each
        assert sorted(lanes) == list(range(8))


@pytest.mark.parametrize("mapper", ["vmap", "map"])
def test_features_lie_on_a_device_once_for_all_seeds(mapper, make_examples, mean_model, make_ensemble):
    """`lax.cond` under vmap would copy what its branches read for every seed."""
    examples = make_examples(1000, longest=60)
    features = sum(array.nbytes for array in examples.buckets[0].features["audio"])
    memory = make_ensemble(examples, mean_model(), count=16, mapper=mapper).memory_bytes()
    assert features < memory < 3 * features


@pytest.mark.slow
def test_seeds_in_one_order_share_their_batches(make_examples, make_ensemble):
    """The features of a step are then one array for all seeds, of which the gates alone are each seed's own."""
    examples = make_examples(400, longest=60, dim=64)
    model = DirectText(feature="audio", hidden=2)
    options = {"count": 16, "schedule": config.Training(batch_size=128, epochs_per_call=1)}
    own, shared = (
        make_ensemble(examples, model, vary=vary, **options).memory_bytes() for vary in (config.STREAMS, ("init",))
    )
    batches = 15 * 128 * 60 * 64 * 4  # of 15 seeds, in bytes
    assert own - shared > batches / 2


@pytest.mark.slow
def test_auto_measures_the_mappers_and_a_remembered_choice_is_kept(make_examples, mean_model, fit, eleven):
    run = fit(make_examples(buckets=2), mean_model(dropout=0.3), count=11, mapper="auto")
    timings = run.ensemble.timings
    assert set(timings) == {"vmap", "map", "loop"}
    assert run.ensemble.mapper == min(timings, key=lambda mapper: timings[mapper].epoch_s)
    np.testing.assert_allclose(run.test_predictions, eleven.test_predictions, atol=1e-5)


@pytest.mark.parametrize(
    ("shards", "mapper"), [pytest.param(2, "map", marks=pytest.mark.slow), (8, "vmap"), (4, "loop")]
)
def test_batches_shared_by_devices_give_the_same_as_whole_ones(
    shards, mapper, make_examples, mean_model, fit, assert_same_seed
):
    """20 examples train: the last batch of 8 is half full, so that the last devices' shares of it are empty."""
    whole = fit(make_examples(), mean_model(dropout=0.3), count=2)
    shared = fit(make_examples(), mean_model(dropout=0.3), count=2, data_shards=shards, mapper=mapper, devices=8)
    for seed in range(2):
        assert_same_seed(shared, seed, whole, seed)


@pytest.mark.parametrize("varying", config.STREAMS)
def test_only_the_varying_stream_has_keys_of_its_own(varying):
    keys = seed_keys(config.Seeds(count=4, first=3, vary=(varying,)))
    own = seed_keys(config.Seeds(count=4, first=3))
    zeroth = seed_keys(config.Seeds(count=1))
    for stream in config.STREAMS:
        expected = getattr(own, stream) if stream == varying else getattr(zeroth, stream)[np.zeros(4, int)]
        np.testing.assert_array_equal(
            jax.random.key_data(getattr(keys, stream)), jax.random.key_data(expected), err_msg=stream
        )


def test_all_streams_of_all_seeds_and_roots_are_different():
    keys = [jax.random.key_data(k) for root in (0, 1) for k in seed_keys(config.Seeds(count=50, root=root))]
    assert len(np.unique(np.concatenate(keys), axis=0)) == 2 * 4 * 50


def _is_alike(run):
    kernel = run.final.params["heads"]["depressed"]["kernel"]
    return bool((kernel == kernel[:1]).all())


@pytest.mark.slow
def test_no_stream_varies_and_all_seeds_are_equal(make_examples, mean_model, fit, eleven, assert_same_seed):
    run = fit(make_examples(buckets=2), mean_model(dropout=0.3), count=3, first=4, vary=())
    assert _is_alike(run)
    assert_same_seed(run, 2, eleven, 0)


@pytest.mark.parametrize(
    ("varying", "dropout", "batch_size", "splits", "alike"),
    [
        ("dropout", 0.0, 8, config.Splits(), True),
        ("dropout", 0.5, 8, config.Splits(), False),
        pytest.param("split", 0.0, 8, config.Splits(), True, marks=pytest.mark.slow),
        ("split", 0.0, 8, DRAWN, False),
        ("order", 0.0, 8, config.Splits(), False),
        pytest.param("init", 0.0, 8, config.Splits(), False, marks=pytest.mark.slow),
    ],
)
def test_a_stream_acts_only_where_it_is_used(
    varying, dropout, batch_size, splits, alike, make_examples, mean_model, fit
):
    run = fit(make_examples(), mean_model(dropout=dropout), count=3, vary=(varying,), splits=splits)
    start = run.ensemble.fetch(run.ensemble.init()).params["heads"]["depressed"]["kernel"]
    assert bool((start == start[:1]).all()) == (varying != "init")
    assert _is_alike(run) == alike
    who = [tuple(units["train"].participants) for units in run.ensemble.units]
    assert (len(set(who)) == 1) == (varying != "split" or alike)


@pytest.fixture(scope="session")
def compilations():
    found = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: found.append(event) if event.endswith("backend_compile_duration") else None
    )
    return found


@pytest.mark.parametrize(
    "mapper", ["vmap", "map", *(pytest.param(m, marks=pytest.mark.slow) for m in ("loop", "pmap"))]
)
def test_further_epochs_compile_nothing(mapper, compilations, make_examples, make_ensemble):
    ensemble = make_ensemble(make_examples(), count=3, mapper=mapper, devices=2)
    states, _ = ensemble.run(ensemble.init(), 0, 3)
    assert compilations
    compilations.clear()
    for first, count in ((3, 3), (6, 1), (7, 2)):
        states, _ = ensemble.run(states, first, count)
        assert not ensemble.all_ended(states)
        ensemble.fetch(states)
    assert compilations == []


def test_rows_tell_which_example_a_decision_is_of(make_examples, mean_model, make_ensemble):
    """Drawn splits of seeds fill the buckets differently, so that each seed's examples end in padding of its own."""
    examples = make_examples(windows=3, buckets=2)
    ensemble = make_ensemble(examples, mean_model(), count=3, splits=DRAWN)
    decided, rows = ensemble.predict(ensemble.init(), "validation")["depressed"], ensemble.rows("validation")
    for seed in range(3):
        groups, there = ensemble.units[seed]["validation"].groups, rows[seed] >= 0
        of_row = examples.groups[rows[seed][there]]
        assert sorted(set(of_row)) == groups.tolist()
        assert len(set(rows[seed][there])) == 3 * len(groups)
        means = [decided.examples[seed][there][of_row == group].mean(0) for group in groups]
        np.testing.assert_allclose(decided.units[seed][: len(groups)], means, atol=1e-6)


def test_history_names_and_abstract_states_are_those_of_a_run(eleven):
    assert eleven.ensemble.history_names == list(eleven.history)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), eleven.ensemble.abstract_states)
    assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), eleven.final)


def test_epochs_in_one_call_are_those_of_three_calls(eleven):
    states = eleven.ensemble.init()
    losses = []
    for epoch in range(3):
        states, history = eleven.ensemble.run(states, epoch, 1)
        losses.append(history["train/loss"])
    np.testing.assert_array_equal(np.concatenate(losses, axis=1), eleven.history["train/loss"])


def test_devices_that_do_not_divide_and_pmap_with_shared_batches_are_refused(examples, make_ensemble):
    with pytest.raises(ConfigError, match=r"data_shards: 2 does not divide the 3 devices"):
        make_ensemble(examples, data_shards=2, devices=3)
    with pytest.raises(ConfigError, match=r"pmap does not share batches"):
        make_ensemble(examples, mapper="pmap", data_shards=2, devices=2)
