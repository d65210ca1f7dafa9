"""A config says which field is wrong, in one line, and cannot be changed once it is frozen."""

import dataclasses
import json

import pytest

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep import config
from jaxdep.config import Data, EvaluateStage, Folds, FuseStage, Missing, Published, Splits, Task
from jaxdep.config.rows import Row
from jaxdep.config.stages.base import Finished
from jaxdep.config.stages.missing import check_missing
from jaxdep.losses import CrossEntropy, Huber
from jaxdep.models.emotion_transfer import DirectText, EmotionAudio, EmotionText


def experiment(**stage):
    data = config.Data(features={"text": LogMel()}, arrangements={"text": Arrangement()})
    published = (Published(metric="f1", avg=0.5),)
    options = {"data": data, "tasks": {"depressed": config.Task()}, "model": DirectText(), "published": published}
    return config.Experiment(name="x", stages={"text": config.TrainStage(**(options | stage))})


def line_of(wrong):
    with pytest.raises(ConfigError) as error:
        wrong.freeze()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (experiment(label=3), "config.stages.text.label: expected str, found 3"),
        (
            experiment(training=config.Training(epochs=1.5)),
            "config.stages.text.training.epochs: expected int, found 1.5",
        ),
        (
            experiment(training=config.Training(epochs=True)),
            "config.stages.text.training.epochs: expected int, found True",
        ),
        (experiment(metrics=["f1"]), "config.stages.text.metrics: expected tuple[str, ...], found ['f1']"),
        (experiment(tasks={"d": "cross_entropy"}), "config.stages.text.tasks: expected dict[str, "),
        (
            experiment(tasks={"d": config.Task(weight="1")}),
            "config.stages.text.tasks.d.weight: expected float, found '1'",
        ),
        (
            experiment(tasks={"d": config.Task(loss="huber")}),
            "config.stages.text.tasks.d.loss: expected Loss, found 'huber'",
        ),
        (experiment(model=config.Task()), "config.stages.text.model: expected ModelConfig, found Task("),
        (experiment(report=("train",)), "config.stages.text.report: expected tuple"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_by_its_path(wrong, line):
    assert line_of(wrong).startswith(line)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (config.Seeds(count=0), "config.count: at least one seed is needed, found 0"),
        (config.Seeds(first=-1), "config.first: seed ids start at 0, found -1"),
        (
            config.Seeds(vary=("int",)),
            "config.vary: no random stream is called 'int'; there are init, order, dropout, split",
        ),
        (
            config.Splits(validation_fraction=0.2),
            "config.validation_fraction: give either it or the names in `validation`",
        ),
        (config.Splits(validation=(), validation_fraction=1.0), "config.validation_fraction: a share of"),
        (config.Splits(validation_draw=0), "config.validation_draw: nobody is drawn; give validation_fraction"),
        (
            config.Splits(validation=(), validation_fraction=0.2, validation_draw=-1),
            "config.validation_draw: the number of a draw, 0 to 2^32 - 1, found -1",
        ),
        (config.Splits(test=("dev",)), "config.test: 'dev' is listed twice"),
        (config.Splits(test_fraction=0.2), "config.test_fraction: give either it or the names in `test`"),
        (config.Splits(test=(), test_fraction=-0.1), "config.test_fraction: a share of"),
        (config.Splits(test=(), test_draw=3), "config.test_draw: nobody is drawn; give test_fraction, found 3"),
        (config.Splits(leaky=True), "config.leaky: nothing is drawn; give test_fraction or"),
        (config.Training(batch_size=0), "config.batch_size: at least 1, found 0"),
        (config.Data(), "config.features: at least one feature is needed"),
        (config.Data(features={"a": LogMel()}), "config.arrangements: has [], the features are ['a']"),
        (config.TrainStage(data=experiment().stages["text"].data), "config.tasks: at least one task is needed"),
        (
            config.TrainStage(
                data=experiment().stages["text"].data,
                tasks={"depressed": Task()},
                model=DirectText(),
                published=(Published("f1", figure=0.5, windows=True),),
            ),
            "config.published[0].windows: no windows are scored here",
        ),
        (config.Experiment(), "config.stages: the experiment has none"),
        (config.Experiment(stages={"../x": experiment().stages["text"]}), "config.stages: '../x' names a folder"),
        (config.Mapping(mapper="vmpa"), "config.mapper: expected "),
        (Published(metric="f1"), "config.max: none of max, avg, std, figure of 'f1' is given"),
    ],
)
def test_values_that_do_not_fit_are_one_line(wrong, line):
    assert line_of(wrong).startswith(line)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (config.Mapping(data_shards=-1), "data_shards"),
        (config.Mapping(group=-1), "group"),
        (config.Optimizer(learning_rate=-1.0), "learning_rate"),
        (config.Optimizer(learning_rate=float("nan")), "learning_rate"),
        (config.Training(patience=-1), "patience"),
        (config.Training(plateau_factor=0.0), "plateau_factor"),
        (config.Training(schedule=config.Cosine(floor=2.0)), "schedule.floor"),
        (config.Training(schedule=config.StepDecay(every=0)), "schedule.every"),
        (config.Training(schedule=config.StepDecay(factor=0.0)), "schedule.factor"),
        (config.Training(schedule=config.Constant(warmup_epochs=-1)), "schedule.warmup_epochs"),
        (config.Training(schedule=config.Newbob(factor=0.0)), "schedule.factor"),
        (config.Training(schedule=config.Newbob(threshold=-1.0)), "schedule.threshold"),
        (config.Training(schedule=config.Newbob(ramp_from=-1)), "schedule.ramp_from"),
        (config.Training(schedule=config.Newbob(), plateau_patience=1), "plateau_patience"),
        (EmotionAudio(head_sharpness=(1.0, 1.5)), "head_sharpness"),
        (EmotionText(head_sharpness=()), "head_sharpness"),
        (config.Optimizer(accumulate=0), "accumulate"),
        (config.Task(loss=Huber(delta=0.0)), "loss.delta"),
        (config.Task(loss=Huber(center=float("nan"))), "loss.center"),
        (config.Task(loss=CrossEntropy(label_smoothing=1.0)), "loss.label_smoothing"),
        (DirectText(hidden=0), "hidden"),
        (DirectText(dropout=1.0), "dropout"),
    ],
)
def test_a_number_that_no_training_can_have_is_named(wrong, field):
    assert line_of(wrong).startswith(f"config.{field}: ")


@pytest.mark.parametrize(
    ("where", "field", "near"),
    [(config.Seeds(), "cuont", "count"), (config.Training(), "epoch", "epochs"), (experiment(), "stage", "stages")],
)
def test_an_unknown_field_names_the_nearest(where, field, near):
    with pytest.raises(
        ConfigError, match=rf"^{field}: {type(where).__name__} has no such field; did you mean '{near}'\?"
    ):
        setattr(where, field, 1)


def test_a_frozen_config_is_closed_at_every_depth():
    frozen = experiment().freeze()
    for where, field in ((frozen, "name"), (frozen.seeds, "count"), (frozen.stages["text"].training, "epochs")):
        with pytest.raises(ConfigError, match=rf"{type(where).__name__}.{field}: the config is frozen"):
            setattr(where, field, getattr(where, field))
    changed = dataclasses.replace(frozen.seeds, count=3)
    changed.first = 5
    assert (changed.count, changed.first, frozen.seeds.count) == (3, 5, 20)


def test_a_dictionary_of_a_frozen_config_is_closed_too():
    frozen = experiment().freeze()
    with pytest.raises((ConfigError, TypeError)):
        frozen.stages["other"] = frozen.stages["text"]


def test_as_dict_is_strict_json_with_the_types_of_configs():
    plain = experiment().freeze().as_dict()
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    stage = plain["stages"]["text"]
    assert (plain["type"], stage["type"], stage["model"]["type"]) == ("Experiment", "TrainStage", "DirectText")
    assert stage["metrics"] == ["f1", "accuracy", "unweighted_accuracy", "f1_macro"]


def test_whole_numbers_are_fine_where_numbers_are_wanted():
    assert config.Optimizer(learning_rate=1).freeze().learning_rate == 1


def test_gender_baseline_stands_only_where_genders_are_known():
    data, tasks = experiment().stages["text"].data, {"depressed": config.Task()}
    assert list(config.trivial_baselines(data, tasks)) == ["majority", "all_positive", "gender"]
    rows = config.trivial_baselines(data, tasks, genders=False, metrics=("accuracy",))
    assert list(rows) == ["majority", "all_positive"]
    assert {row.metrics for row in rows.values()} == {("accuracy",)}


def started(start, *, here=None, there=None):
    """An experiment whose second stage starts from the first one."""
    (first,) = experiment(label="first").stages.values()
    second = dataclasses.replace(first, label="second", start=(start,))
    stages = []
    for stage, splits in ((first, there), (second, here or there)):
        data = dataclasses.replace(stage.data, splits=splits or config.Splits())
        stages.append(dataclasses.replace(stage, data=data))
    return config.Experiment(name="x", stages=dict(zip(("first", "second"), stages, strict=True)))


DRAWN = config.Splits(validation=(), validation_fraction=0.2)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (started(config.Start(stage="first"), here=DRAWN), "config.stages.second.data.splits: it differs from that of"),
        (
            started(config.Start(stage="first", seed="best"), there=DRAWN),
            "config.stages.second.start: each seed of 'first'",
        ),
        (
            started(config.Start(stage="first", seed="0"), there=DRAWN),
            "config.stages.second.start: each seed of 'first'",
        ),
        (started(config.Start(stage="third")), "config.stages.second: it needs 'third'"),
        (
            started(config.Start(stage="first", seed="best"), there=config.Splits(folds=config.Folds(count=3))),
            "config.stages.second.start: 'first' trains folds, each with a best seed of its own",
        ),
    ],
)
def test_a_start_from_those_who_are_tested_or_validate_here_is_refused(wrong, line):
    assert line_of(wrong).startswith(line)


def test_each_seed_may_start_from_itself_where_validation_is_drawn():
    started(config.Start(stage="first"), there=DRAWN).freeze()
    started(config.Start(stage="first", seed="best")).freeze()
    started(config.Start(stage="first", seed="best"), there=dataclasses.replace(DRAWN, validation_draw=0)).freeze()


def test_the_lanes_of_the_stage_with_most_decide_how_many_devices_are_used():
    small, large = experiment(), experiment()
    (stage,) = small.stages.values()
    small.seeds.count = 1
    assert small.most_lanes(1) == 1
    large.seeds.count = 2
    (name,) = large.stages
    large.stages["folded"] = dataclasses.replace(
        stage, data=dataclasses.replace(stage.data, splits=config.Splits(folds=config.Folds(count=5)))
    )
    large.sweep("folded", "optimizer.learning_rate", ("1e-3", "1e-4", "1e-5"))
    assert large.most_lanes(2) == 2 * 5 * 3
    large.stages[name].data.splits = config.Splits(folds=config.Folds())
    assert large.most_lanes(2) == float("inf")


def test_a_stage_that_draws_several_times_is_no_member_of_a_fusion():
    common = {"data": Data(), "tasks": {"depressed": Task()}}
    source = EvaluateStage(of="a", missing=(Missing("b", share=0.5, draws=3),), **common)
    fusion = FuseStage(members=("drawn",), **common)
    with pytest.raises(ConfigError, match="members: 'drawn' draws several times"):
        fusion.check_need("drawn", source)
    with pytest.raises(ConfigError, match=r"missing: draws: the same for each, found \[1, 2\]"):
        check_missing((Missing("b", share=0.5), Missing("a", draws=2)), ("a", "b"), ("test",))
    with pytest.raises(ConfigError, match="draws: at least 1, found 0"):
        Missing("b", draws=0).freeze()


@pytest.mark.parametrize(
    ("splits", "names"),
    [
        (Splits(), {"validation": "dev (daic_woz)"}),
        (Splits(validation=(), test=("dev",), validation_fraction=0.2), {"test": "dev (daic_woz)"}),
        (
            Splits(validation=("test",), test=("dev", "extra")),
            {"validation": "test (daic_woz)", "test": "dev + extra (daic_woz)"},
        ),
        (Splits(by="participant", validation=(), test=("300",), train=()), {}),
        (Splits(folds=Folds(count=3)), {}),
    ],
)
def test_the_parts_are_called_as_the_corpus_calls_them(splits, names):
    data = Data(splits=splits)
    assert data.split_names == names
    assert data.called("train") == "train"


def test_rows_of_leaky_splits_say_so():
    splits = Splits(validation=(), test=(), test_fraction=0.2, leaky=True)
    stage = config.TrainStage(
        label="A model",
        data=Data(splits=splits),
        tasks={"depressed": Task()},
        score_windows=True,
        sweep={"optimizer.learning_rate": ("1e-3", "1e-4")},
    )
    record = {"classes": {"depressed": ("healthy", "depressed")}}
    rows = stage.table_rows(Finished("a", {"a": stage}, {"a": record}))
    assert len(rows) == 6  # recordings, windows, and two values on two splits
    assert all(row.label.startswith("A model (LEAKY)") for row in rows)
    assert all("who is tested was also trained on" in row.note for row in rows[:1])


def test_a_figure_stands_beside_the_split_and_the_unit_that_it_was_printed_of():
    figures = (
        Published("accuracy", figure=0.9, split="validation"),
        Published("accuracy", figure=0.8, split="test"),
        Published("f1", figure=0.7),
        Published("accuracy", figure=0.6, split="test", windows=True),
    )
    stage = config.TrainStage(
        label="A model",
        tasks={"depressed": Task()},
        report=("validation", "test"),
        score_windows=True,
        published=figures,
    )
    record = {"classes": {"depressed": ("healthy", "depressed")}}
    rows = stage.table_rows(Finished("a", {"a": stage}, {"a": record}))
    found = {(row.label, row.split): [figure.figure for figure in row.published] for row in rows}
    assert found == {
        ("A model", "validation"): [0.9, 0.7],
        ("A model", "test"): [0.8, 0.7],
        ("A model, windows", "validation"): [],
        ("A model, windows", "test"): [0.6],
    }


def test_two_figures_of_a_metric_on_one_split_are_refused():
    row = Row("a", "A model", "", ("f1",), "yes", ("no", "yes"))
    twice = (Published("f1", figure=0.5, split="test"), Published("f1", figure=0.6))
    with pytest.raises(ConfigError, match=r"row 'A model': published: more than one entry for a metric"):
        dataclasses.replace(row, published=twice)


@pytest.mark.parametrize(("select", "chosen"), [("best", "Value and epoch"), ("last", "Value")])
def test_the_row_of_a_sweep_says_what_was_chosen(select, chosen):
    stage = config.TrainStage(
        label="A model",
        tasks={"depressed": Task()},
        sweep={"optimizer.learning_rate": ("1e-3", "1e-4")},
        training=config.Training(select=select),
    )
    record = {"classes": {"depressed": ("healthy", "depressed")}}
    row, *tried = stage.table_rows(Finished("a", {"a": stage}, {"a": record}))
    assert (row.selected_on, row.selected) == ("validation", chosen)
    told = {(one.selected_on, one.selected) for one in tried}
    assert told == {("validation" if select == "best" else "", "Epoch")}
