"""The experiments of EmoAudioNet: the paper's figures, who is divided, and where the pretrained networks start."""

import math

import pytest

from configs.emoaudionet import _shared, figure2, paper, severity, table3, table4, table5, table6
from input_pipeline.config import ConfigError
from jaxdep.config import ScoredStage, TrainStage
from jaxdep.config.stages.base import Finished
from jaxdep.statistics.readings import recalls

MODULES = {
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "table6": table6,
    "figure2": figure2,
    "severity": severity,
}
# Othmani et al. 2020, Tables III to VI, as they are printed: accuracy in per cent, CC and RMSE of the development set and of
# the test set.
PRINTED = {
    ("table3", "arousal_mfcc"): "81.93 0.8130 0.1501 70.23 0.6981 0.2065",
    ("table3", "arousal_spectrogram"): "80.20 0.8157 0.1314 75.65 0.7673 0.2099",
    ("table3", "arousal_emoaudionet"): "94.49 0.9521 0.0082 89.30 0.9069 0.1229",
    ("table3", "arousal_pretrained"): "95.16 0.9555 0.07895 90.37 0.9156 0.1180",
    ("table4", "valence_mfcc"): "83.37 0.8289 0.1405 71.12 0.6965 0.2082",
    ("table4", "valence_spectrogram"): "78.32 0.7984 0.1446 73.81 0.7598 0.2132",
    ("table4", "valence_emoaudionet"): "95.42 0.9568 0.0625 91.44 0.9221 0.1118",
    ("table4", "valence_pretrained"): "87.55 0.9028 0.1222 83.07 0.8624 0.1508",
    ("table5", "depressed_emoaudionet"): "81.96 0.601 0.394 73.25 0.482 0.467",
    ("table6", "depressed_pretrained"): "86.21 0.642 0.60 74.13 0.507 0.47",
}
ROMAN = {"table3": "Table III", "table4": "Table IV", "table5": "Table V", "table6": "Table VI"}


def stages(file: str, variant: str = "") -> dict[str, ScoredStage]:
    return MODULES[file].get_config(variant).freeze().stages


@pytest.mark.parametrize(("file", "name"), PRINTED)
def test_the_figures_are_the_papers_and_stand_beside_the_papers_protocol_alone(file, name):
    found = stages(file)
    assert not found[name].published
    figures = [figure for figure in found[f"{name}_leaky"].published if figure.source == ROMAN[file]]
    given = {(figure.split, metric): figure.figure for figure in figures for metric in figure.metrics}
    printed = list(map(float, PRINTED[file, name].split()))
    for split, (accuracy, correlation, error) in {"validation": printed[:3], "test": printed[3:]}.items():
        assert given[split, "accuracy"] == pytest.approx(accuracy / 100)
        assert given[split, "pearson_one_hot"] == correlation
        assert given[split, "rmse_one_hot"] == error


def test_figures_of_samples_stand_beside_windows():
    found = stages("table6")
    for name in ("depressed_emoaudionet_leaky", "depressed_pretrained_leaky"):
        assert found[name].published
        assert all(figure.windows for figure in found[name].published)
    (figure,) = stages("severity")["severity_24_emoaudionet_leaky"].published
    assert (figure.metric, figure.figure, figure.split, figure.windows) == ("rmse_one_hot", 0.18, "test", True)


@pytest.mark.parametrize("variant", ["", "synthetic"])
@pytest.mark.parametrize("file", MODULES)
def test_nobody_stands_on_two_sides_but_in_rows_that_say_leaky(file, variant):
    found = stages(file, variant)
    leaky = {name for name in found if name.endswith("_leaky")}
    assert leaky
    for name, stage in found.items():
        assert stage.data.splits.leaky == (name in leaky)
        assert ("LEAKY" in stage.title) == (name in leaky)
        assert ("windows divided" in stage.section) == (name in leaky)
    assert {name.removesuffix("_leaky") for name in leaky} | {name for name in found if name.startswith("gender")} == (
        set(found) - leaky
    )  # each row in both protocols


@pytest.mark.parametrize(
    ("file", "name"), [("table3", "arousal"), ("table5", "depressed"), ("severity", "severity_25")]
)
def test_the_protocols_differ_in_who_is_divided_alone(file, name):
    found = stages(file)
    disjoint, leaky = found[f"{name}_emoaudionet"].as_dict(), found[f"{name}_emoaudionet_leaky"].as_dict()
    for stage in (disjoint, leaky):
        stage["data"].pop("splits")
        for field in ("label", "section", "published"):
            stage.pop(field)
    assert disjoint == leaky


def test_windows_and_participants_are_divided_in_the_papers_shares():
    """Section IV.B: 80 % and 20 %, and of the training part a tenth."""
    for splits in (_shared.PEOPLE, _shared.WINDOWS):
        assert (splits.test_fraction, splits.validation_fraction) == (0.2, 0.1)
        assert splits.drawn_by_seed


@pytest.mark.parametrize(("variant", "seed"), [("", "each"), ("one", "best"), ("synthetic_one", "best")])
@pytest.mark.parametrize(
    ("file", "name"), [("table3", "arousal"), ("table4", "valence"), ("table6", "depressed"), ("figure2", "depressed")]
)
def test_the_pretrained_network_starts_from_gender_with_a_decision_of_its_own(file, name, variant, seed):
    found = stages(file, variant)
    for end in ("", "_leaky"):
        ours, source = found[f"{name}_pretrained{end}"], found["gender"]
        assert isinstance(ours, TrainStage)
        assert isinstance(source, TrainStage)
        (start,) = ours.start
        assert (start.stage, start.seed, start.without, start.part) == ("gender", seed, ("heads",), "")
        assert source.data.corpus == "librispeech"
        assert source.model == ours.model
        assert not found[f"{name}_emoaudionet{end}"].start
        assert list(found).index("gender") < list(found).index(f"{name}_pretrained{end}")


def test_only_what_pretrains_has_the_variant_of_one_model():
    for file in ("table5", "severity"):
        with pytest.raises(ConfigError, match=r"there is no such variant; there is synthetic$"):
            MODULES[file].get_config("one")


def test_a_window_is_the_same_for_image_and_vector_and_ratings_keep_their_pauses():
    for name, stage in paper.get_config("").freeze().stages.items():
        features = stage.data.features
        pause_s = 0.0 if stage.data.corpus == "recola" else 0.5
        assert {(x.windows.window_s, x.windows.hop_s, x.windows.pause_s) for x in features.values()} == {
            (2.5, 0.5, pause_s)
        }, name


def test_severity_is_in_points_of_the_phq_8():
    levels = stages("severity")["severity_25_emoaudionet"].data.levels
    assert levels["severity_25"].classes == tuple(str(score) for score in range(25))
    assert levels["severity_24"].classes == tuple(str(score) for score in range(24))


@pytest.mark.parametrize("variant", ["", "one", "synthetic"])
def test_the_papers_page_has_every_row_of_the_other_configs(variant):
    whole = paper.get_config(variant).freeze().stages
    for file in MODULES:
        known = variant if file not in ("table5", "severity") else variant.removesuffix("one")
        for name, stage in stages(file, known).items():
            if file in ("table5", "table6"):  # Figure 2 shows the same rows with the recalls too
                assert set(stage.metrics) <= set(whole[name].metrics)
                assert repr(stage.published) == repr(whole[name].published)
            else:
                assert repr(whole[name]) == repr(stage)  # from Python 3.13 on a NaN makes equal dataclasses differ


def test_what_the_text_determines_of_figure_2_is_what_the_notes_say():
    """Section IV.D.1: shares of windows in per cent; the printed F1 follow from them."""
    right_healthy, right_depressed, precision = 0.6052, 0.1273, 0.5171
    taken = right_depressed / precision - right_depressed
    missed = 1 - right_healthy - right_depressed - taken
    assert round(2 * right_depressed / (2 * right_depressed + taken + missed), 2) == 0.49
    assert round(2 * right_healthy / (2 * right_healthy + taken + missed), 2) == 0.82
    prevalence = right_depressed + missed
    of_depressed, of_healthy = right_depressed / prevalence, right_healthy / (1 - prevalence)
    told = recalls(0.7325, (of_depressed + of_healthy) / 2, prevalence)
    assert told == pytest.approx((of_depressed, of_healthy), abs=1e-3)
    note = stages("figure2")["depressed_emoaudionet_leaky"].note
    shares = (f"{100 * taken:.2f} %", f"{100 * missed:.2f} %", f"{of_healthy:.3f}"[1:], f"{of_depressed:.3f}"[1:])
    assert all(share in note for share in shares)
    products = right_depressed * right_healthy - taken * missed
    sides = (right_depressed + taken, prevalence, 1 - prevalence, right_healthy + missed)
    assert f"{products / math.sqrt(math.prod(sides)):.2f}"[1:] in note


def test_a_pretrained_row_says_leaky_where_windows_were_divided():
    stage = stages("table3")["arousal_pretrained_leaky"]
    record = {"classes": {"arousal_level": stage.data.levels["arousal_level"].classes}}
    config = table3.get_config("").freeze()
    rows = stage.table_rows(Finished("arousal_pretrained_leaky", config.stages, dict.fromkeys(config.stages, record)))
    assert [row.split for row in rows] == ["validation", "test"]
    for row in rows:
        assert row.label == "Arousal, windows divided: EmoAudioNet pretrained (LEAKY)"
        assert {figure.split for figure in row.published} == {row.split}
