"""Table III of AMM: eleven rows, the paper's figures beside the authors' splits alone, and who takes which words."""

import pytest

from configs.amm import table3_mgid
from input_pipeline.features import Words
from jaxdep.config import BaselineStage, ScoredStage, TrainStage

ROWS = (
    "SVM", "Multi-modal DCNN", "BiGRU", "HAN", "MHA-BiLSTM", "BERT", "RCNN-RoBERTa", "Multi-modal Transformer",
    "Text-AMM", "Image-AMM", "AMM",
)  # fmt: skip
OF_GLOVE = ROWS[:5]


def rows(variant: str, end: str) -> dict[str, ScoredStage]:
    """The table's rows in one protocol, by label."""
    found = table3_mgid.get_config(variant).freeze().stages.items()
    ours = [stage for name, stage in found if isinstance(stage, ScoredStage) and not name.startswith("depressed_")]
    corpus = "mgid" if end else "mgid_repaired"
    return {stage.label.removesuffix(end): stage for stage in ours if stage.data.corpus == corpus}


@pytest.mark.parametrize("variant", ["", "glove", "synthetic"])
@pytest.mark.parametrize("end", ["", ", the authors' splits"])
def test_the_table_has_its_eleven_rows_in_order_with_figures_beside_the_authors_splits(variant, end):
    found = rows(variant, end)
    assert tuple(found) == ROWS
    for label, stage in found.items():
        figures = {figure.metric: figure.figure for figure in stage.published}
        assert set(figures) == (
            {"f1_micro", "precision_macro", "recall_macro"} if end and not variant.startswith("s") else set()
        )
        assert set(stage.tasks) == ({"depressed", "emotion"} if "AMM" in label else {"depressed"})
        assert stage.task == "depressed"
        assert {"f1_micro", "f1_macro", "accuracy", "balanced_accuracy", "precision_macro", "recall_macro"} <= set(
            stage.metrics
        )
    if end and variant == "":
        assert [figure.figure for figure in found["AMM"].published] == [0.741, 0.744, 0.740]


@pytest.mark.parametrize("variant", ["", "glove"])
def test_who_takes_which_words(variant):
    for label, stage in rows(variant, "").items():
        words = {feature.encoder for feature in stage.data.features.values() if isinstance(feature, Words)}
        if label in OF_GLOVE:
            assert words == {"glove" if variant else "hashing"}
        else:
            assert words == {"Image-AMM": set(), "RCNN-RoBERTa": {"roberta"}}.get(label, {"bert"})


@pytest.mark.parametrize("variant", ["", "synthetic"])
def test_pictures_are_as_large_as_the_convolutions_expect(variant):
    found = rows(variant, "")
    for label in ("Multi-modal DCNN", "BERT"):
        stage = found[label]
        assert isinstance(stage, TrainStage)
        picture = stage.model.picture
        assert stage.data.features["pixels"].size == picture.image_size
        assert len(picture.channels) == 6
    svm = found["SVM"]
    assert isinstance(svm, BaselineStage)
    assert (svm.kind, svm.deviation, list(svm.visual_words)) == ("svm", False, ["patches"])
