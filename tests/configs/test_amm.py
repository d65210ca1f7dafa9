"""The experiments of AMM: what Figure 3 compares and shows, and that no class weighs more than another."""

import pytest

from configs.amm import figure3, table4, table5
from jaxdep.config import CasesStage, ScoredStage


@pytest.mark.parametrize("variant", ["", "synthetic"])
def test_figure_3_compares_the_networks_of_table_4_where_nothing_stands_on_two_sides(variant):
    found, table = (module.get_config(variant).freeze().stages for module in (figure3, table4))
    cases = {stage.task: stage for stage in found.values() if isinstance(stage, CasesStage)}
    assert set(cases) == {"depressed", "emotion"}
    for task, stage in cases.items():
        assert stage.data.corpus == "mgid_repaired"
        assert tuple(found[stage.row].tasks) == ("depressed", "emotion")
        assert tuple(found[stage.against].tasks) == (task,)
        for name in (stage.row, stage.against):
            assert found[name].as_dict() == table[name].as_dict()


@pytest.mark.parametrize(("variant", "shown"), [("", False), ("synthetic", True)])
def test_words_and_pictures_are_shown_of_the_stand_in_alone(variant, shown):
    for task in ("depressed", "emotion"):
        stage = figure3.get_config(variant).stages[f"cases_{task}"]
        assert (stage.words, stage.pictures) == (shown, shown)


@pytest.mark.parametrize("module", [table4, table5, figure3])
def test_classes_weigh_alike_as_the_paper_names_no_weights(module):
    scored = [stage for stage in module.get_config("").stages.values() if isinstance(stage, ScoredStage)]
    assert scored
    assert {task.class_weights for stage in scored for task in stage.tasks.values()} == {"equal"}
