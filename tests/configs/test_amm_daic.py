"""AMM on DAIC-WOZ: the rows of Tables III and V with their figures, what each reads, and whom it is tested on."""

import pytest

from configs.amm import _daic as daic
from configs.amm import table3_daic, table5
from input_pipeline.config import ConfigError
from input_pipeline.features import MetadataWord, Words
from jaxdep.config import ParticipantStage, ScoredStage, TrainStage
from jaxdep.models.amm import AMM

# Precision, recall and micro-F1 of Table III in percent.
TABLE_3 = {
    "SVM": (51.3, 49.7, 50.1),
    "Multi-modal DCNN": (55.1, 56.6, 56.5),
    "BiGRU": (53.9, 52.5, 52.8),
    "HAN": (58.7, 59.2, 59.0),
    "MHA-BiLSTM": (57.4, 58.5, 58.3),
    "BERT": (67.2, 66.8, 66.8),
    "RCNN-RoBERTa": (67.3, 66.9, 67.1),
    "Multi-modal Transformer": (66.5, 67.5, 67.5),
    "Text-AMM": (66.7, 67.2, 67.2),
    "Image-AMM": (63.6, 64.0, 64.0),
    "AMM": (69.4, 68.6, 68.5),
}
# Micro-F1 and "Acc" of Table V.
TABLE_5 = {
    "No Ie attention": (67.1, 66.9),
    "No It attention": (65.6, 65.6),
    "No attention": (64.4, 64.3),
    "AMM": (68.5, 68.5),
}


def rows(variant: str) -> dict[str, ScoredStage]:
    """Table III's rows by label, without the trivial ones."""
    found = table3_daic.get_config(variant).freeze().stages.items()
    return {one.label: one for name, one in found if isinstance(one, ScoredStage) and not name.startswith("depressed_")}


@pytest.mark.parametrize("variant", ["", "glove", "depression", "synthetic"])
def test_table_3_has_its_eleven_rows_in_order_and_the_figures_of_the_paper(variant):
    found = {label: stage for label, stage in rows(variant).items() if not isinstance(stage, ParticipantStage)}
    assert list(found) == list(TABLE_3)
    for label, stage in found.items():
        figures = tuple(round(100 * one.figure, 1) for one in stage.published)
        precision, recall, micro = TABLE_3[label]
        assert figures == (() if variant == "synthetic" else (micro, precision, recall))
        both = "AMM" in label and variant != "depression"
        assert list(stage.tasks) == (["depressed", "emotion"] if both else ["depressed"])


def test_table_5_has_the_paper_s_figures_of_both_corpora():
    stages = table5.get_config().freeze().stages.values()
    of_daic = {one.label.removeprefix("DAIC-WOZ: "): one for one in stages if one.data.corpus == "daic_woz_utterances"}
    for label, figures in TABLE_5.items():
        assert tuple(round(100 * one.figure, 1) for one in of_daic[label].published) == figures
    assert of_daic["No It attention, both tasks"].published == ()
    assert {one.data.corpus for one in stages} == {"daic_woz_utterances", "mgid", "mgid_repaired"}


@pytest.mark.parametrize("variant", ["", "synthetic"])
def test_nobody_stands_on_two_sides_and_the_gender_s_word_is_of_the_words_encoder(variant):
    for stage in rows(variant).values():
        splits = stage.data.splits
        assert (splits.train, splits.validation, splits.test) == (("train",), ("dev",), ("test",))
        assert not splits.leaky
        features = stage.data.features
        if "gender" in features:
            word, words = features["gender"], features["text"]
            assert isinstance(word, MetadataWord)
            assert isinstance(words, Words)
            assert (word.encoder, word.checkpoint) == (words.encoder, words.checkpoint)
            assert stage.data.unnormalized == ("gender",)


def test_amm_has_the_settings_of_table_2_for_daic():
    for label in ("AMM", "Text-AMM", "Image-AMM"):
        stage = rows("")[label]
        assert isinstance(stage, TrainStage)
        assert isinstance(stage.model, AMM)
        assert stage.model.dropout == 0.3
        assert (stage.optimizer.learning_rate, stage.training.batch_size, stage.training.epochs) == (0.001, 64, 100)
        assert bool(stage.model.gender) == ("Image" not in label)
        assert not stage.model.colour


def test_the_page_says_what_the_figures_are_of_where_they_stand():
    for module in (table3_daic, table5):
        assert daic.NOTE in module.get_config().description
        assert daic.NOTE not in module.get_config("synthetic").description


def test_another_variant_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"table3_daic\.py:real: .* there are glove, synthetic, depression$"):
        table3_daic.get_config("real")
