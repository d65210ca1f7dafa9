"""From an emotion model to a vote: trained, fixed, applied to interviews, its features and outputs used and analysed."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxdep.stages import record as records

pytestmark = pytest.mark.slow  # a chain of twelve stages

CONFIG = """
import dataclasses

from input_pipeline.batching import Arrangement
from input_pipeline.features import Extracted, Sentences
from jaxdep.config import (
    AttentionStage, BaselineStage, CaseStudyStage, Data, Experiment, ExtractStage, FuseStage, Further, Mapping, Optimizer,
    ProfileStage, Seeds, Splits, StabilityStage, Task, Training, TrainStage,
)
from jaxdep.losses import Huber
from jaxdep.models.emotion_transfer import DirectText, EmotionText


def corpus(name, context, **labels):
    return Data(
        corpus=f"manifest:{name}.csv",
        features={"text": Sentences(dim=16, context=context)},
        arrangements={"text": Arrangement(level="frames" if name == "mood" else "segments")},
        unnormalized=("text",),
        file_format="array_record",
        **labels,
    )


def get_config(variant: str = "") -> Experiment:
    context = 0 if variant == "alone" else 1
    mood = corpus("mood", context, classes={"mood": ("sad", "glad"), "other": ("no", "yes")}, scores=("valence",))
    talk = corpus("talk", context, classes={"depressed": ("healthy", "depressed")})
    tasks, training = {"depressed": Task()}, Training(epochs=3, batch_size=4)
    emotion = {
        "data": mood,
        "tasks": {"mood": Task(), "valence": Task(loss=Huber(center=3.0))},
        "metrics": ("accuracy",),
        "training": Training(epochs=6, batch_size=8, plateau_patience=1, plateau_threshold=0.01),
        "optimizer": Optimizer(learning_rate=0.01),
        "further": (
            Further(label="valence", against="valence", task="valence", metrics=("mae",)),
            Further(label="other", against="other", task="mood", metrics=("accuracy", "f1")),
        ),
    }
    stages = {
        "median": BaselineStage(
            label="median", kind="median", data=mood, tasks={"valence": Task(loss=Huber())}, metrics=("mae",)
        ),
        "logistic": BaselineStage(label="logistic", kind="logistic", data=mood, tasks={"mood": Task()}, metrics=("f1",)),
    }
    for name, seed in (("one", 1), ("two", 2)):
        model = EmotionText(text_dim=4, attention_units=4, fusion_dim=4, head_sharpness=(1.0, 0.2))
        stages[name] = TrainStage(label=name, section="Emotion", model=model, **emotion)
        stages[f"of_{name}"] = ExtractStage(label=name, of=name, data=talk, seed=None if name == "one" else 0)
    for name in ("median", "logistic"):
        stages[name].section = "Emotion"
    for name in ("one", "two"):
        stages[f"{name}_detects"] = TrainStage(
            label=f"{name} detects",
            section="Depression",
            data=dataclasses.replace(
                talk,
                features={"emotion": Extracted(stage=f"of_{name}")},
                arrangements={"emotion": Arrangement(level="segments")},
                unnormalized=(),
            ),
            tasks=tasks,
            metrics=("f1",),
            model=DirectText(feature="emotion", hidden=3),
            training=training,
        )
    members = ("one_detects", "two_detects")
    for seeds in ("each", "best", "all"):
        stages[f"vote_{seeds}"] = FuseStage(
            label=f"vote {seeds}", section="Depression", data=talk, tasks=tasks, metrics=("f1",), members=members,
            rule="vote", seeds=seeds, calibration="none",
        )
    stages["spread"] = StabilityStage(label="Spread", data=talk, rows=members[:1], against=members[1:])
    stages["profile"] = ProfileStage(label="Profile", of=("of_one", "of_two"), data=talk)
    stages["case"] = CaseStudyStage(label="Case", of=("of_one", "of_two"), data=talk, count=1, words=True)
    chat = dataclasses.replace(
        mood,
        corpus="topical_chat",
        classes={},
        scores=(),
        features={"text": Sentences(dim=16, context=2)},
        splits=Splits(train=("valid_freq",), validation=(), test=("test_freq",), validation_fraction=0.2),
    )
    stages["chat"] = TrainStage(
        label="chat", section="Emotion", data=chat, tasks={"sentiment": Task()}, metrics=("accuracy",), model=model,
        training=Training(epochs=2, batch_size=8),
    )
    stages["attention"] = AttentionStage(label="Attention", of="chat", data=chat, shown=2)
    if variant == "alone":
        stages = {name: stages[name] for name in ("one", "of_one")}
    return Experiment(
        name="transfer", title="Transfer", description="All.", system="tiny", seeds=Seeds(count=3),
        mapping=Mapping(mapper="map"), stages=stages,
    )
"""
WORDS = {"sad": ("tired", "alone", "dark"), "glad": ("sun", "dog", "fine")}


def write_mood(folder):
    """Utterances of two moods with their valence, which the words tell; each is all that was said."""
    rng = np.random.default_rng(1)
    lines = ["id,participant,split,text,mood,other,valence,dialogue,turn"]
    for number in range(48):
        mood = ("sad", "glad")[number // 4 % 2]
        text = " ".join(rng.choice(WORDS[mood], 4))
        split = ("train", "train", "dev", "test")[number % 4]
        other = ("no", "yes", "")[number % 3]
        valence = (2 if mood == "sad" else 4) + rng.normal() / 4
        lines.append(f"m{number},q{number},{split},{text},{mood},{other},{valence:.2f},d{number},1")
    (folder / "data" / "mood.csv").write_text("\n".join(lines) + "\n")


def write_chat(folder):
    """Dialogues of four turns, whose sentiment the words tell."""
    (folder / "data/topical_chat").mkdir()
    for split, count in (("valid_freq", 10), ("test_freq", 3)):
        dialogues = {}
        for number in range(count):
            moods = ["Happy" if (number + turn) % 2 else "Sad" for turn in range(3)] + ["Neutral"]
            turns = [
                {"message": f"so {mood} {turn}", "agent": f"agent_{turn % 2 + 1}"} for turn, mood in enumerate(moods)
            ]
            dialogues[f"{split}{number}"] = {
                "content": [turn | {"sentiment": mood} for turn, mood in zip(turns, moods, strict=True)]
            }
        (folder / f"data/topical_chat/{split}.json").write_text(json.dumps(dialogues))


@pytest.fixture(scope="module")
def workdir(quick_compilation, jaxdep_main, tiny_of_module):
    (tiny_of_module / "transfer.py").write_text(CONFIG)
    write_mood(tiny_of_module)
    write_chat(tiny_of_module)
    ended = jaxdep_main("--config=transfer.py", "--workdir=t", cwd=tiny_of_module)
    assert ended.code == 0, ended.err
    return tiny_of_module / "t"


def read(workdir, stage, name):
    return pd.read_csv(workdir / "stages" / stage / name, keep_default_na=False)


def record(workdir, stage):
    return json.loads((workdir / f"stages/{stage}/stage.json").read_text())


def test_further_rows_score_other_tasks_and_the_first_one_against_another_label(workdir):
    table = pd.read_csv(workdir / "report/table.csv").set_index(["row", "metric"])
    assert table.loc[("one: valence", "mae"), "avg"] < table.loc[("median", "mae"), "avg"]
    mood, other = (read(workdir, "one", name) for name in ("predictions.csv", "predictions_other.csv"))
    assert set(other["target"]) == {"no", "yes"}
    labelled = mood[~mood["example"].str.removeprefix("m").astype(int).mod(3).eq(2)]  # every third has no such label
    assert len(other) == len(labelled) < len(mood)
    np.testing.assert_array_equal(other["p_yes"], labelled["p_glad"])  # the same decisions


def test_the_best_seed_is_that_of_the_best_validation_loss(workdir):
    metrics = read(workdir, "one", "metrics.csv")
    losses = metrics[(metrics["split"] == "validation") & (metrics["metric"] == "loss")]
    best = losses.groupby("seed")["value"].min().idxmin()
    assert record(workdir, "of_one")["seed"] == best
    assert record(workdir, "of_two")["seed"] == 0


def test_outputs_are_probabilities_and_scores_of_every_segment_of_every_recording(workdir):
    outputs = read(workdir, "of_one", "outputs.csv")
    assert len(outputs) == 16 * 3
    assert list(outputs.columns[6:]) == ["mood:sad", "mood:glad", "valence"]
    np.testing.assert_allclose(outputs["mood:sad"] + outputs["mood:glad"], 1, atol=1e-5)
    assert outputs["valence"].between(1, 5).all()


def test_extracted_segments_equal_the_same_words_as_utterances(workdir, jaxdep_main):
    """The model reads a turn of an interview as it reads an utterance with the same neighbours: nothing but the way in
    differs (padding, batches of 256, the corpus)."""
    folder = workdir.parent
    talk, mood = (pd.read_csv(folder / f"data/{name}.csv", keep_default_na=False) for name in ("talk", "mood"))
    # Each is a dialogue of its own, so that both are read without neighbours.
    turns = talk[talk["id"] == "r0"].assign(id=["x0", "x1", "x2"], participant="x", split="test")
    turns = turns.assign(mood="sad", other="", valence="3", dialogue=turns["id"], turn="1")[mood.columns]
    (folder / "alone/data").mkdir(parents=True)
    pd.concat([mood, turns]).to_csv(folder / "alone/data/mood.csv", index=False)
    talk.to_csv(folder / "alone/data/talk.csv", index=False)
    (folder / "alone/transfer.py").write_text(CONFIG)
    ended = jaxdep_main("--config=transfer.py:alone", "--workdir=t", cwd=folder / "alone")
    assert ended.code == 0, ended.err
    alone_dir = folder / "alone/t"
    seed = record(alone_dir, "of_one")["seed"]
    decided = read(alone_dir, "one", "predictions.csv")
    decided = decided[(decided["seed"] == seed) & decided["example"].str.startswith("x")].sort_values("example")
    outputs = read(alone_dir, "of_one", "outputs.csv")
    outputs = outputs[outputs["recording"] == "r0"].sort_values("segment")
    np.testing.assert_allclose(outputs["mood:glad"], decided["p_glad"], atol=2e-6)


def test_the_votes_are_of_each_seed_of_the_best_ones_and_of_all(workdir):
    members = [read(workdir, f"{name}_detects", "predictions.csv") for name in ("one", "two")]
    rows = [one[one["split"] == "test"].pivot(index="example", columns="seed", values="p_depressed") for one in members]
    votes = {
        seeds: read(workdir, f"vote_{seeds}", "predictions.csv").query("split == 'test'")
        for seeds in ("each", "best", "all")
    }
    assert sorted(votes["each"]["seed"].unique()) == [0, 1, 2]
    assert set(votes["best"]["seed"]) == set(votes["all"]["seed"]) == {0}
    everybody = pd.concat(rows, axis=1)
    shares = ((everybody >= 0.5).sum(axis=1) + everybody.mean(axis=1)) / 7
    found = votes["all"].set_index("example")["p_depressed"].reindex(shares.index)
    np.testing.assert_allclose(found, shares, atol=2e-6)
    fitted = read(workdir, "vote_best", "fusion.csv")
    chosen = [rows[place][seed] for place, seed in enumerate(fitted["seed"])]
    shares = (sum((one >= 0.5).astype(float) for one in chosen) + sum(chosen) / 2) / 3
    found = votes["best"].set_index("example")["p_depressed"].reindex(shares.index)
    np.testing.assert_allclose(found, shares, atol=2e-6)
    assert (
        "Seeds, by unweighted_accuracy on dev (manifest-talk): one detects " in record(workdir, "vote_best")["remark"]
    )


def test_conflicts_are_those_on_which_the_members_differ(workdir):
    members = {
        name: read(workdir, name, "predictions.csv").query("split == 'test'") for name in ("one_detects", "two_detects")
    }
    conflicts = read(workdir, "vote_each", "conflicts.csv").set_index(["seed", "member"])
    vote = read(workdir, "vote_each", "predictions.csv").query("split == 'test'")
    for seed in range(3):
        one, two, fused = (
            table[table["seed"] == seed].set_index("example")["prediction"] for table in (*members.values(), vote)
        )
        target = vote[vote["seed"] == seed].set_index("example")["target"]
        differ = one != two
        assert conflicts.loc[(seed, "one_detects"), "conflicts"] == differ.sum()
        assert conflicts.loc[(seed, "two_detects"), "right"] == (two == target)[differ].sum()
        assert conflicts.loc[(seed, "one_detects"), "followed"] == (one == fused)[differ].sum()
        assert conflicts.loc[(seed, "one_detects"), "vote_right"] == (fused == target)[differ].sum()


def test_the_profile_is_the_mean_over_a_groups_segments(workdir):
    outputs, profile = read(workdir, "of_one", "outputs.csv"), read(workdir, "profile", "profile.csv")
    talk = pd.read_csv(workdir.parent / "data/talk.csv").drop_duplicates("id").set_index("id")
    train = outputs[outputs["split"] == "train"]
    mean = train.groupby(train["recording"].map(talk["depressed"]))["mood:sad"].mean()
    row = profile[(profile["model"] == "one") & (profile["class"] == "sad")].set_index("group")
    assert row.loc["depressed", "mean"] == pytest.approx(mean["depressed"], abs=1e-5)
    assert (row["ci_low"].astype(float) <= row["mean"]).all()
    assert (row["mean"] <= row["ci_high"].astype(float)).all()
    assert (row["segments"] == 12).all()  # four recordings of three turns


def test_the_case_study_has_the_words_of_the_participant_who_disagrees_most(workdir):
    case = read(workdir, "case", "case_study.csv")
    assert case["participant"].nunique() == 1
    outputs = [read(workdir, f"of_{name}", "outputs.csv") for name in ("one", "two")]
    differ = (outputs[0]["mood:glad"] > 0.5) != (outputs[1]["mood:glad"] > 0.5)
    talk = pd.read_csv(workdir.parent / "data/talk.csv")
    depressed = set(talk[(talk["depressed"] == "depressed") & (talk["split"] == "train")]["participant"])
    share = differ.groupby(outputs[0]["participant"]).mean()
    assert share[case["participant"].iloc[0]] == share[share.index.isin(depressed)].max()
    words = talk[talk["participant"] == case["participant"].iloc[0]]["text"].tolist()
    assert case.drop_duplicates("segment").sort_values("segment")["words"].tolist() == words


def test_attention_rows_sum_to_one_and_count_from_the_current_utterance(workdir):
    rows, heads = read(workdir, "attention", "attention.csv"), read(workdir, "attention", "attention_heads.csv")
    np.testing.assert_allclose(rows.groupby(["example", "head"])["weight"].sum(), 1, atol=1e-5)
    turn = {example: int(example.rpartition(":")[2]) for example in rows["example"]}
    assert len(turn) == 2
    for example, found in rows[rows["head"] == 0].groupby(
        "example"
    ):  # of four turns, two to each side, where there are
        assert found["position"].tolist() == [p for p in range(-2, 3) if 0 <= turn[example] + p < 4]
    assert heads["examples"].tolist() == [12, 12]
    assert heads["sharpness"].tolist() == heads["target"].tolist() == [1.0, 0.2]
    squares = rows.assign(weight=rows["weight"] ** 2).groupby(["example", "head"])["weight"].sum()
    assert squares.min() >= 1 / 5
    assert heads["concentration"].between(1 / 5, 1).all()
    assert (heads["flatness"].between(0, 1) & (heads["peak"] >= 1)).all()


def test_the_page_has_every_table_and_analysis(workdir):
    page = (workdir / "report/report.html").read_text()
    for heading in ("Emotion", "Depression", "Profile", "Case", "Attention", "Spread"):
        assert heading in page


def test_an_extraction_that_was_killed_is_made_again_with_the_same_report(workdir, jaxdep_main):
    """Killed after the feature set was written; what follows stays finished, since it depends on the same content."""
    stage = workdir / "stages/of_one"
    before = (workdir / "report/report.html").read_bytes(), (stage / "outputs.csv").read_bytes()
    records.write(stage, records.read(stage) | {"status": "running"})
    (stage / "outputs.csv").unlink()
    ended = jaxdep_main("--config=transfer.py", "--workdir=t", cwd=workdir.parent)
    assert ended.code == 0, ended.err
    assert "of_one: finished in" in ended.out
    assert ended.out.count("finished in") == 1
    assert ((workdir / "report/report.html").read_bytes(), (stage / "outputs.csv").read_bytes()) == before


def test_a_corpus_that_is_not_there_is_told_before_anything_trains(workdir, jaxdep_main):
    gone = "--config.stages.logistic.data.corpus=manifest:gone.csv"
    ended = jaxdep_main("--config=transfer.py", "--workdir=gone", gone, cwd=workdir.parent)
    assert ended.code == 1
    assert "gone.csv: no such manifest" in ended.complaint
    assert not (workdir.parent / "gone").exists()


@pytest.mark.parametrize(
    ("override", "code", "line"),
    [
        ("of_one.of=median", 2, "config.stages.of_one.of: 'median' is a BaselineStage; name a TrainStage"),
        (
            "one_detects.data.features.emotion.stage=one",
            2,
            "data.features: 'one' is a TrainStage; name a stage that extracts features",
        ),
        (
            "profile.group_by=mood",
            1,
            "config.stages.profile.group_by: manifest:talk.csv has no label with classes 'mood'",
        ),
        ("case.group=ill", 1, "config.stages.case.group: 'ill' is no class of 'depressed'"),
        (
            "one_detects.data.features.emotion.stage=none",
            2,
            "config.stages.one_detects: it needs 'none'; the stages before",
        ),
        ("of_two.seed=7", 2, "config.stages.of_two.seed: 7 is none of the seeds 0-2"),
        (
            "spread.metric=accuracy",
            2,
            "config.stages.spread.metric: 'one_detects' is not scored by 'accuracy', but by f1",
        ),
        ("of_two.label=one", 2, "two of these stages have one label, ['one', 'one']; give each its own"),
        ("vote_best.data.splits.validation=", 2, "stages.vote_best"),
        ("of_two.layer=hidden", 1, "stages.of_two.layer: the model has no 'hidden'; it has emotion, text_attention"),
        ("of_two.data.features.text.context=2", 2, "it differs from that on which 'two' was trained"),
        ("case.of=('of_one',)", 2, "config.stages.case.of: two stages"),
        ("case.participants=('nobody',)", 1, "the corpus has no labelled participant 'nobody'"),
        ("profile.split=nowhere", 1, "no recording of split 'nowhere' has a label 'depressed'"),
        (
            "median.kind=majority",
            2,
            "'majority' does not fit 'valence', by its loss a score, whose baseline is the median",
        ),
        ("two.further[0].task=no", 2, "config.stages.two.further[0].task: 'no' is none of the tasks mood, valence"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(workdir, jaxdep_main, override, code, line):
    arguments = ("--config=transfer.py", "--workdir=t", "--overwrite", f"--config.stages.{override}")
    ended = jaxdep_main(*arguments, cwd=workdir.parent)
    assert ended.code == code, ended.err
    assert line in ended.complaint
