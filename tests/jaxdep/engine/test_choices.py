"""What `auto` chose is remembered for the same program and devices, and a damaged memory costs a measurement."""

import jax
import numpy as np
import pytest

from jaxdep import config
from jaxdep.engine.choices import Choice, Choices, Timing
from jaxdep.engine.choosing import Chooser
from jaxdep.engine.ensemble import Ensemble, make_mesh
from jaxdep.engine.mappers import Layout
from jaxdep.engine.resident import Viewer

CHOICE = Choice("map", {"map": Timing(1.0, 2.0), "vmap": Timing(3.0, float("inf"))})


def test_what_is_kept_is_found_by_the_same_words_alone(tmp_path):
    choices = Choices(tmp_path / "a" / "b")
    assert choices.find("program") is None
    choices.keep("program", CHOICE)
    assert Choices(tmp_path / "a" / "b").find("program") == CHOICE
    assert choices.find("program ") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "null", '{"mapper": "map"}', '{"mapper": "map", "timings": {"map": {"s": 1}}}']
)
def test_a_damaged_choice_counts_as_none(content, tmp_path):
    choices = Choices(tmp_path)
    choices.keep("program", CHOICE)
    next(tmp_path.iterdir()).write_text(content)
    assert choices.find("program") is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    choices = Choices(tmp_path / "file" / "folder")
    choices.keep("program", CHOICE)
    assert choices.find("program") is None


@pytest.fixture
def auto(make_examples, mean_model, make_program, quick_compilation, tmp_path):
    """Makes ensembles under `auto` that share a memory."""

    def make(count=2, dropout=0.0, n=40, remembered=None):
        examples, tasks = make_examples(n), {"depressed": config.Task()}
        program = make_program(examples, mean_model(dropout=dropout))
        viewer = Viewer(examples, tasks, config.Splits())
        seeds, choices = config.Seeds(count=count), Choices(tmp_path)
        return Ensemble(program, viewer, seeds, config.Mapping(), choices=choices, remembered=remembered)

    return make


def test_auto_measures_a_program_once(auto, monkeypatch):
    def measure(chooser, run, steps):
        chooser.timings = dict(CHOICE.timings)
        return Layout(CHOICE.mapper)

    monkeypatch.setattr(Chooser, "_quickest", measure)
    auto()
    monkeypatch.setattr(Chooser, "_quickest", lambda *_: pytest.fail("measured again"))
    second = auto()
    assert second.mapper == CHOICE.mapper
    assert second.timings == CHOICE.timings


@pytest.mark.parametrize("other", [{"count": 9}, {"dropout": 0.5}])
def test_another_program_is_measured_by_itself(other, auto, monkeypatch):
    measured = []
    monkeypatch.setattr(Chooser, "_quickest", lambda *_: measured.append(1) or Layout("map"))
    auto()
    auto()
    assert measured == [1]
    auto(**other)
    assert measured == [1, 1]


def test_a_named_mapper_goes_before_a_remembered_one(make_examples, mean_model, make_program, quick_compilation):
    """A run that died under one mapper can be taken up under another."""
    examples, tasks = make_examples(), {"depressed": config.Task()}
    viewer = Viewer(examples, tasks, config.Splits())
    for mapper, expected in (("map", "map"), ("auto", "loop")):
        mapping = config.Mapping(mapper=mapper)
        ensemble = Ensemble(
            make_program(examples, mean_model()), viewer, config.Seeds(count=2), mapping, remembered="loop"
        )
        assert ensemble.mapper == expected


def test_a_remembered_kernel_of_a_tpu_is_not_taken_elsewhere(auto, monkeypatch):
    monkeypatch.setattr(Chooser, "_quickest", lambda *_: Layout("map"))
    assert auto(remembered="loop").mapper == "loop"
    assert auto(remembered="vmap pallas").mapper == "map"


@pytest.mark.parametrize(("group", "expected"), [(1, ["map cudnn", "loop cudnn"]), (4, ["loop cudnn"])])
def test_on_a_gpu_what_has_no_seed_axis_is_tried_one_seed_at_a_time(group, expected, monkeypatch):
    monkeypatch.setattr(Chooser, "_platform", "gpu")
    mapping = config.Mapping(recurrence="auto", group=group)
    chooser = Chooser(mapping, make_mesh(1, jax.devices()[:1]), 8, np.inf, "", lambda _: pytest.fail("compiled"))
    tried = list(map(str, chooser._candidates()))
    assert [name for name in tried if "cudnn" in name] == expected
    assert {"vmap", "vmap unrolled", "vmap graph"} <= set(tried)
