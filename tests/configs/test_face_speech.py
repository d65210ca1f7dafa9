"""The experiments of system 5: the paper's figures, the two stages of training, who is divided, and the whole page."""

import pytest

from configs.face_speech import _shared, figure2, paper, table2, table3, table4, table5
from jaxdep.config import BaselineStage, EvaluateStage, GroupsStage, ScoredStage, TrainStage
from jaxdep.losses import BinaryCrossEntropy

MODULES = {"table2": table2, "figure2": figure2, "table3": table3, "table4": table4, "table5": table5}
# Kumari and Tiwari 2021, as printed: accuracy, precision, recall, F1 (Table 2); accuracy, F1 (Tables 3 and 4).
TABLE2 = {
    "svm": "0.753 0.761 0.740 0.750",
    "visual": "0.813 0.825 0.797 0.811",
    "audio": "0.800 0.812 0.783 0.797",
    "both": "0.895 0.903 0.885 0.894",
}
TABLE3 = {
    "all_features": "0.895 0.894",
    "no_face": "0.823 0.820",
    "no_speech": "0.837 0.835",
    "static": "0.801 0.798",
    "prosody": "0.789 0.785",
}
TABLE4 = {
    "male": "0.888 0.887",
    "female": "0.901 0.900",
    "18-30": "0.903 0.902",
    "31-50": "0.891 0.890",
    "51+": "0.884 0.883",
    "White": "0.897 0.896",
    "Black": "0.885 0.884",
    "Asian": "0.892 0.891",
    "Hispanic/Latino": "0.889 0.888",
}


def stages(file, variant=""):
    module = paper if file == "paper" else MODULES[file]
    return module.get_config(variant).freeze().stages


def printed(figures):
    return " ".join(f"{figure.figure:.3f}" for figure in figures)


def test_the_figures_are_the_papers():
    whole = stages("paper")
    assert {name: printed(whole[name].published) for name in TABLE2} == TABLE2
    assert {name: printed(whole[name].published) for name in TABLE3} == TABLE3
    of_groups = {g: printed(x) for name in whole if name.startswith("by_") for g, x in whole[name].figures.items()}
    assert of_groups == TABLE4 | {"mild": "0.867", "moderate": "0.901", "severe": "0.932"}


@pytest.mark.parametrize("file", [*MODULES, "paper"])
def test_on_the_stand_in_no_published_figure_stands_anywhere(file):
    for stage in stages(file, "synthetic").values():
        assert stage.data.stand_in is not None
        assert not getattr(stage, "published", ())
        assert not getattr(stage, "figures", {})


@pytest.mark.parametrize("variant", ["", "small", "synthetic"])
def test_each_stream_learns_emotions_of_other_people_first(variant):
    found = stages("paper", variant)
    for name, streams in {"visual": ["visual"], "audio": ["audio"], "both": ["visual", "audio"]}.items():
        assert [(one.stage, one.part, one.seed) for one in found[name].start] == [
            (f"emotion_{stream}", stream, "each") for stream in streams
        ]
    assert found["emotion_visual"].data.corpus == "emotion_faces"
    assert found["emotion_audio"].data.corpus == ("emotion_faces" if variant == "synthetic" else "emodb")
    published = [one.checkpoint for one in found["emotion_visual"].start]
    assert published == {"": ["microsoft/resnet-50"], "small": ["microsoft/resnet-18"], "synthetic": []}[variant]


def test_sizes_and_schedule_are_the_papers():
    """Sections 4.2 to 4.5."""
    found = stages("paper")
    both = found["both"]
    assert isinstance(both, TrainStage)
    assert both.model.visual.backbone == "resnet50"
    assert (both.model.visual.widths, both.model.visual.dropout) == ((1024, 512), 0.5)
    assert (both.model.visual.flip, both.model.visual.degrees) == (0.5, 10.0)
    assert (both.model.audio.hidden, both.model.audio.layers, both.model.audio.units) == (128, 2, 256)
    assert (both.model.audio.pooling, both.model.widths) == ("mean_std", (512, 256))
    for name in ("emotion_visual", "emotion_audio", "visual", "audio", "both", "static", "prosody"):
        stage = found[name]
        assert (stage.optimizer.name, stage.optimizer.learning_rate, stage.optimizer.weight_decay) == (
            "adam",
            1e-4,
            1e-4,
        )
        training = stage.training
        assert (training.batch_size, training.epochs, training.patience, training.monitor) == (32, 100, 10, "loss")
    assert found["both"].data.features["face"].shape == (224, 224, 3)
    assert isinstance(both.tasks["depressed"].loss, BinaryCrossEntropy)  # one unit with a sigmoid


@pytest.mark.parametrize("variant", ["", "synthetic"])
def test_the_splits_are_the_corpuss_own_for_everybody_who_is_scored(variant):
    for stage in stages("paper", variant).values():
        if stage.data.corpus == "talking_faces":
            assert (stage.data.splits.train, stage.data.splits.test) == (("train",), ("test",))
            assert not stage.data.splits.leaky


def test_what_is_taken_away_is_masked_for_everybody_who_is_tested():
    found = stages("table3")
    masked = {name: [(one.of, one.share) for one in found[name].missing] for name in table3.MASKED}
    assert masked == {"all_features": [], "no_face": [("face", 1.0)], "no_speech": [("speech", 1.0)]}
    assert all(isinstance(found[name], EvaluateStage) for name in masked)
    assert found["static"].data.features["static"].max_frames == 1


def test_every_table_has_trivial_baselines_or_the_rows_of_one_that_has():
    for name, stage in stages("paper", "synthetic").items():
        if isinstance(stage, TrainStage):
            beside = [one for one in stages("paper", "synthetic").values() if isinstance(one, ScoredStage)]
            trivial = [one for one in beside if isinstance(one, BaselineStage) and one.is_trivial]
            assert stage.section in {one.section for one in trivial}, name


def test_groups_are_all_that_the_corpus_knows():
    found = stages("paper")
    assert isinstance(found["by_gender"], GroupsStage)
    assert found["of_healthy"].groups == ("none", "mild", "moderate", "severe")


@pytest.mark.parametrize("variant", ["", "small", "synthetic"])
def test_the_papers_page_has_every_stage_of_the_other_configs(variant):
    whole = stages("paper", variant)
    for file in MODULES:
        for name, stage in stages(file, variant).items():
            assert repr(whole[name]) == repr(stage)  # from Python 3.13 on a NaN makes equal dataclasses differ


def test_a_variant_that_is_none_is_one_line():
    with pytest.raises(
        Exception, match=r"configs/face_speech/table2\.py:big: there is no such variant; there are small, synthetic$"
    ):
        table2.get_config("big")


def test_single_figures_are_labelled_so_and_say_how_many_were_scored():
    for name in TABLE2:
        figures = stages("table2")[name].published
        assert [figure.scored for figure in figures] == [(), (75, 75), (), ()]
        assert all(figure.figure == figure.figure and figure.max != figure.max for figure in figures)
    assert _shared.SCORED == (75, 75)
