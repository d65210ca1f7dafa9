"""Whose a workdir is: a later field of the code at its default is no difference, everything else is one and is named."""

import dataclasses
import json
import subprocess
import sys

import pytest

from input_pipeline.batching import Arrangement
from input_pipeline.config import Config, ConfigError
from input_pipeline.features import LogMel
from jaxdep import config
from jaxdep.config import Published
from jaxdep.experiment import claim
from jaxdep.experiment.claim import Claim
from jaxdep.models.emotion_transfer import DirectAudio, DirectText


def make(**stage):
    data = config.Data(features={"text": LogMel()}, arrangements={"text": Arrangement()})
    options = {"label": "Text", "data": data, "tasks": {"depressed": config.Task()}, "model": DirectText(hidden=3)}
    options |= {"published": (Published(metric="f1", avg=0.5),)}
    return config.Experiment(name="x", stages={"text": config.TrainStage(**(options | stage))}).freeze()


@pytest.fixture
def taken(tmp_path):
    claim.take(tmp_path, make())
    return tmp_path


def refusal(workdir, experiment) -> str:
    with pytest.raises(ConfigError) as error:
        claim.check(workdir, experiment, overwrite=False)
    claim.check(workdir, experiment, overwrite=True)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_same_config_may_go_on(taken):
    claim.check(taken, make(), overwrite=False)
    claim.check(taken / "unused", make(), overwrite=False)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"model": DirectText(hidden=4)}, "config.stages.text.model.hidden: 3 there, 4 now"),
        ({"model": DirectAudio()}, "config.stages.text.model.type: 'DirectText' there, 'DirectAudio' now"),
        (
            {"metrics": ("f1",)},
            "config.stages.text.metrics: ['f1', 'accuracy', 'unweighted_accuracy', 'f1_macro'] there",
        ),
        (
            {"published": (Published(metric="f1", avg=0.6),)},
            "config.stages.text.published[0].avg: 0.5 there, 0.6 now",
        ),
        ({"published": ()}, "config.stages.text.published: [{'type': 'Published', "),
        ({"tasks": {"score": config.Task()}}, "config.stages.text.tasks.depressed: {'type': 'Task', "),
    ],
)
def test_a_difference_is_named_with_both_values(taken, changed, line):
    assert line in refusal(taken, make(**changed))


def test_what_is_deleted_is_counted_and_how_to_keep_it_is_told():
    line = claim.loss("text", {"trained": [[0, 20], [20, 5]], "train_s": 61.4}, config.Seeds(count=40))
    assert line.startswith("text: its 25 trained seeds (61 s of training) are deleted")
    assert "--config.seeds.count=40 without --overwrite trains further seeds only" in line
    assert "\n" not in line
    assert "--config.seeds.count=21" in claim.loss("text", {"trained": [[0, 20]]}, config.Seeds(count=20))
    assert claim.loss("text", {}, config.Seeds()) == ""


def edit(workdir, change) -> None:
    file = workdir / "config.json"
    plain = json.loads(file.read_text())
    change(plain["stages"]["text"])
    file.write_text(json.dumps(plain))


def test_a_field_that_the_code_did_not_have_counts_as_its_default(taken):
    def forget(stage):
        for part, field in ((stage["model"], "dtype"), (stage["training"], "patience"), (stage, "further")):
            del part[field]
        del stage["optimizer"]
        del stage["data"]["arrangements"]["text"]["buckets"]

    edit(taken, forget)
    claim.check(taken, make(), overwrite=False)
    line = refusal(taken, make(training=config.Training(patience=3)))
    assert "(config.stages.text.training.patience: 0 there, 3 now)" in line
    line = refusal(taken, make(optimizer=config.Optimizer(learning_rate=0.1)))
    assert "config.stages.text.optimizer" in line


def test_a_field_that_the_code_has_no_more_is_a_difference(taken):
    edit(taken, lambda stage: stage["training"].update(momentum=0.5))
    assert "config.stages.text.training.momentum: 0.5 there, None now" in refusal(taken, make())


@dataclasses.dataclass
class Inner(Config):
    size: int = 3


@dataclasses.dataclass
class Outer(Config):
    name: str
    inner: Inner = dataclasses.field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()
    rate: float = float("nan")


def test_compact_leaves_out_what_stands_at_its_default_and_tags_types():
    assert Outer("a").freeze().compact() == {"type": "Outer", "name": "a"}
    changed = Outer("a", inner=Inner(4), parts=(Inner(), Inner(5)), rate=1.0)
    assert changed.freeze().compact() == {
        "type": "Outer",
        "name": "a",
        "inner": {"type": "Inner", "size": 4},
        "parts": [{"type": "Inner"}, {"type": "Inner", "size": 5}],
        "rate": 1.0,
    }
    assert changed.as_dict()["parts"][0] == {"type": "Inner", "size": 3}


def test_compact_has_the_version_of_a_class_that_makes_other_results_now_also_at_its_defaults(monkeypatch):
    before = Outer("a").compact()
    monkeypatch.setattr(Inner, "version", 2)
    assert Outer("a").compact() == before | {"inner": {"type": "Inner", "version": 2}}
    assert Outer("a", parts=(Inner(1),)).compact()["parts"] == [{"type": "Inner", "version": 2, "size": 1}]


def test_one_process_at_a_time_and_no_folder_before_it_is_taken(tmp_path):
    workdir = tmp_path / "w"
    with Claim(workdir, make(), overwrite=False) as first:
        assert not workdir.exists()
        with Claim(workdir, make(), overwrite=False) as second:
            first.take()
            with pytest.raises(ConfigError, match="another process is at work in it"):
                second.take()
        with (
            pytest.raises(ConfigError, match=f"^{workdir}: another process is at work in it"),
            Claim(workdir, make(), overwrite=True),
        ):
            pass
        first.take()
    with Claim(workdir, make(), overwrite=False) as third:
        third.take()


def test_who_comes_after_another_config_was_quicker_is_refused(tmp_path):
    workdir = tmp_path / "w"
    with Claim(workdir, make(), overwrite=False) as late:
        with Claim(workdir, make(label="Quicker"), overwrite=False) as quick:
            quick.take()
        with pytest.raises(ConfigError, match="another config"):
            late.take()


def test_a_dead_holder_holds_nothing(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import filelock, sys, time; a = filelock.FileLock(sys.argv[1]); a.acquire(); print(1, flush=True); time.sleep(60)",
            tmp_path / ".lock",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline()
    with pytest.raises(ConfigError, match="at work"), Claim(tmp_path, make(), overwrite=False):
        pass
    holder.kill()
    holder.wait()
    with Claim(tmp_path, make(), overwrite=False) as mine:
        mine.take()
