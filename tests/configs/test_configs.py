"""Every experiment that is shipped can be run as its file says, and prints no figure without its source."""

import dataclasses
import importlib.util
import math
import re
import shlex
from pathlib import Path

import pytest

import jaxdep
from input_pipeline.config import ConfigError
from input_pipeline.features import Sentences
from jaxdep.config import Experiment, Published, ScoredStage, StageConfig, TrainStage
from jaxdep.config.published import FIELDS
from jaxdep.experiment.data import declared

ROOT = Path(jaxdep.__file__).parents[1]
FILES = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "configs").rglob("[!_]*.py"))]


def get_config(file: str):
    spec = importlib.util.spec_from_file_location("config_under_test", ROOT / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config, module.__doc__


def commands(file: str) -> list[list[str]]:
    """The command lines in a file's docstring, as words."""
    lines = get_config(file)[1].replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip().startswith("python ")]


def variants(file: str) -> list[str]:
    """Those that the docstring's commands or prose name, and the one without a name."""
    return sorted({"", *re.findall(r"(?:\.py|`):(\w+)", get_config(file)[1])})


VARIANTS = [(file, variant) for file in FILES for variant in variants(file)]


def experiment(file: str, variant: str) -> Experiment:
    try:
        return get_config(file)[0](*([variant] if variant else []))
    except ConfigError as error:
        if "is not installed" not in str(error):
            raise
        pytest.skip(str(error))


def published(file: str, variant: str) -> list[tuple[StageConfig, Published, tuple[str, ...]]]:
    """Every published figure with its stage and the metrics of its row."""
    found = []
    for stage in experiment(file, variant).stages.values():
        if isinstance(stage, ScoredStage):
            found += [(stage, figure, stage.metrics) for figure in stage.published]
        if isinstance(stage, TrainStage):
            found += [(stage, figure, row.metrics) for row in stage.further for figure in row.published]
    return found


def test_the_quickstart_is_there():
    assert "configs/quickstart.py" in FILES
    assert ("configs/quickstart.py", "no_effect") in VARIANTS


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_each_variant_freezes_and_says_what_it_is(file, variant):
    frozen = experiment(file, variant).freeze()
    assert frozen.name
    assert frozen.title
    assert frozen.description
    assert frozen.system
    assert all(stage.label for stage in frozen.stages.values())


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_no_variant_asks_for_what_its_corpora_do_not_have(file, variant):
    for stage in experiment(file, variant).freeze().stages.values():
        stage.check_labels(declared(stage.data))


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_each_variant_is_json_and_each_call_makes_its_own(file, variant):
    first, second = experiment(file, variant), experiment(file, variant)
    assert first.as_dict() == second.as_dict()
    first.seeds.count = 999
    assert second.seeds.count != 999


@pytest.mark.parametrize("file", FILES)
def test_an_unknown_variant_is_refused_with_those_there_are(file):
    with pytest.raises(ConfigError, match=r"no such variant; there (is|are) ") as raised:
        get_config(file)[0]("this_is_no_variant")
    told = str(raised.value)
    assert "this_is_no_variant" in told
    assert all(variant in told for variant in variants(file))


@pytest.mark.parametrize("file", FILES)
def test_the_docstring_says_how_it_is_run(file):
    (line, *others) = commands(file)
    for words in (line, *others):
        assert words[:2] == ["python", "-m"]
        assert importlib.util.find_spec(words[2]) is not None
        given = dict(word.removeprefix("--").partition("=")[::2] for word in words[3:])
        if words[2] == "jaxdep.main":
            assert given["workdir"]
            assert (ROOT / given["config"].partition(":")[0]).is_file()
    assert any(f"--config={file}" in words for words in (line, *others))


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_published_figures_have_a_source_and_are_no_percentages(file, variant):
    for _, figure, metrics in published(file, variant):
        assert figure.source
        assert set(figure.metrics) <= set(metrics)  # each reading stands beside a score of its own
        figures = [value for field in FIELDS if not math.isnan(value := getattr(figure, field))]
        assert figures
        if figure.metric not in ("mae", "rmse"):
            assert all(-1 <= value <= 1 for value in figures)


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_no_variant_shows_published_figures_beside_a_stand_in(file, variant):
    assert not any(stage.data.stand_in for stage, *_ in published(file, variant))


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_each_row_has_a_label_of_its_own(file, variant):
    stages = experiment(file, variant).stages.values()
    rows = [(stage.label, split) for stage in stages if isinstance(stage, ScoredStage) for split in stage.report]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_nobody_who_is_tested_chooses_the_epoch(file, variant):
    for stage in experiment(file, variant).stages.values():
        if isinstance(stage, TrainStage):
            splits = stage.data.splits
            assert stage.training.select == "last" or splits.validation or splits.validation_fraction
            assert not set(splits.validation) & set(splits.test)


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_sentences_in_context_are_not_standardised(file, variant):
    """A vector of zeros stands for no utterance; standardised it would be one."""
    for stage in experiment(file, variant).stages.values():
        for name, feature in stage.data.features.items():
            if isinstance(feature, Sentences) and feature.context:
                assert name in stage.data.unnormalized


@pytest.mark.parametrize("part", ["table2", "table3", "paper"])
def test_the_figures_of_the_detectors_stand_beside_seeds_of_one_draw_and_wider_rows_beside_those(part):
    """Wu et al. 2022, section 3.3: the seeds vary the initialisation; a draw of their own would add to the STD."""
    stages = experiment(f"configs/emotion_transfer/{part}.py", "").stages
    compared = {name: x for name, x in stages.items() if isinstance(x, ScoredStage) and x.published}
    detectors = {name: stage for name, stage in compared.items() if stage.data.corpus == "daic_woz"}
    assert len(detectors) >= 6
    for name, stage in detectors.items():
        assert not stage.data.splits.drawn_by_seed
        wider = stages[f"{name}_drawn"]
        assert wider.data.splits.drawn_by_seed
        assert dataclasses.replace(wider.data, splits=stage.data.splits) == stage.data
        assert not wider.published
        assert all(stages[needed].data.splits.drawn_by_seed for needed in wider.needs() if needed.endswith("_drawn"))


def test_the_papers_page_has_every_table_figure_and_control_of_the_other_configs():
    whole = experiment("configs/emotion_transfer/paper.py", "synthetic")
    labels = {stage.label for stage in whole.stages.values()}
    for part in ("table1_iemocap", "table1_mosei", "table2", "table3", "figure2", "figure3", "case_study"):
        stages = experiment(f"configs/emotion_transfer/{part}.py", "synthetic").stages.values()
        assert {stage.label for stage in stages} <= labels, part
