"""Bags of visual words, and the SVM on them: the words are of those who train alone."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from input_pipeline.batching import Arrangement, Bucket, Examples, Padded
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import GradientPatches, Words
from jaxdep import config
from jaxdep.stages import StageRun, baseline
from jaxdep.stages.sources import Sources
from jaxdep.stages.visual_words import VisualWords

N, TRAIN = 24, np.arange(12)
TASKS = {"depressed": config.Task()}


def examples(seed: int = 0) -> Examples:
    """Recordings with descriptors about (0, 0) and (9, 9), of recording r so many of the second kind as r % 4; the last one
    has no picture. Half of them train."""
    rng = np.random.default_rng(seed)
    mask = np.ones((N, 5), bool)
    mask[:, 4] = np.arange(N) % 3 == 0
    mask[-1] = False
    second = np.arange(5)[None] < (np.arange(N) % 4)[:, None]
    patches = np.where(mask[..., None], 9 * second[..., None] + 0.1 * rng.normal(size=(N, 5, 2)), 0)
    words = rng.normal(size=(N, 3, 4))
    features = {
        "words": Padded(words.astype(np.float32), np.ones((N, 3), bool)),
        "patches": Padded(patches.astype(np.float32), mask),
    }
    names = np.array([f"r{index}" for index in range(N)])
    return Examples(
        buckets=tuple(
            Bucket({name: Padded(x.values[rows], x.mask[rows]) for name, x in features.items()}, rows)
            for rows in (np.arange(0, N, 2, dtype=np.int32), np.arange(1, N, 2, dtype=np.int32))
        ),
        ids=names,
        participants=names,
        splits=np.repeat(["train", "dev", "test"], [12, 6, 6]),
        groups=np.arange(N, dtype=np.int32),
        group_ids=names,
        labels={"depressed": (np.arange(N) // 2 % 2).astype(np.int32)},
        classes={"depressed": ("healthy", "depressed")},
        metadata={},
        synthetic=True,
        fingerprints={"words": "", "patches": ""},
        padding_waste=0.0,
    )


def moved(found: Examples, rows: range) -> Examples:
    """The same with other descriptors of some recordings, far from all others."""
    buckets = []
    for bucket in found.buckets:
        values, mask = bucket.features["patches"]
        there = np.isin(bucket.rows, list(rows))[:, None] & mask
        patches = Padded(np.where(there[..., None], values - 1000, values).astype(np.float32), mask)
        buckets.append(Bucket(bucket.features | {"patches": patches}, bucket.rows))
    return dataclasses.replace(found, buckets=tuple(buckets))


def expected_shares() -> np.ndarray:
    """Of each recording's descriptors the share of the second kind."""
    count = np.where(np.arange(N) % 3 == 0, 5, 4)
    share = (np.arange(N) % 4) / count
    found = np.stack([1 - share, share], axis=1)
    found[-1] = 0
    return found


def in_order(shares: np.ndarray) -> np.ndarray:
    """The words so that recording 0 has the first one alone."""
    return shares[:, np.argsort(-shares[0])]


def test_shares_are_counted_by_hand_and_of_no_picture_zero():
    found = VisualWords(examples(), "patches", 2, seed=0).shares(TRAIN)
    np.testing.assert_allclose(in_order(found), expected_shares(), atol=1e-12)


def test_the_words_do_not_see_who_is_tested():
    """Those who are tested, moved far away: were they seen, they would be a word of their own, and the others share one."""
    found = VisualWords(moved(examples(), range(12, N)), "patches", 2, seed=0).shares(TRAIN)
    np.testing.assert_array_equal(
        in_order(found)[:12], in_order(VisualWords(examples(), "patches", 2, 0).shares(TRAIN))[:12]
    )
    np.testing.assert_allclose(in_order(found)[12:-1], np.tile([1, 0], (11, 1)))  # they have the word that is nearest
    seen = VisualWords(moved(examples(), range(12, N)), "patches", 2, seed=0).shares(np.arange(N))
    assert np.ptp(in_order(seen)[:12]) == 1  # so the test would have found it
    assert (in_order(seen)[:12] == [1, 0]).all()


def test_more_words_than_different_descriptors_are_refused():
    words = VisualWords(examples(), "patches", 53, seed=0)
    line = (
        r"^visual_words: 53 words of 'patches' are asked for, and the training split has 52 different vectors; ask for"
    )
    with pytest.raises(DataError, match=line):
        words.shares(TRAIN)
    with pytest.raises(DataError, match="has 0 different vectors"):
        words.shares(np.array([N - 1]))


def stage(tmp_path, found: Examples) -> StageRun:
    console = Console(file=io.StringIO())
    sources = Sources(tmp_path, tmp_path, {}, console)
    return StageRun("svm", tmp_path, found, config.Seeds(), config.Mapping(), console, sources)


def svm(**fields) -> config.BaselineStage:
    data = config.Data(
        features={"words": Words(dim=4), "patches": GradientPatches()},
        arrangements={name: Arrangement(level="frames") for name in ("words", "patches")},
    )
    return config.BaselineStage(**{"kind": "svm", "label": "SVM", "data": data, "tasks": TASKS} | fields)


def predictions(tmp_path, found: Examples, **fields) -> pd.DataFrame:
    baseline.run(svm(**fields), stage(tmp_path, found))
    return pd.read_csv(tmp_path / "predictions.csv")


def decided(found: Examples, inputs: np.ndarray) -> list[str]:
    """By an SVM of the library's on these inputs, of those who validate and are tested."""
    scaler = StandardScaler().fit(inputs[:12])
    model = SVC(class_weight="balanced").fit(scaler.transform(inputs[:12]), found.labels["depressed"][:12])
    return [found.classes["depressed"][index] for index in model.predict(scaler.transform(inputs[12:]))]


def features_of(found: Examples) -> tuple[np.ndarray, np.ndarray]:
    words, patches = (
        np.concatenate([bucket.features[name].values for bucket in found.buckets]) for name in ("words", "patches")
    )
    order = np.argsort(np.concatenate([bucket.rows for bucket in found.buckets]))
    return words[order].astype(np.float64), patches[order].astype(np.float64)


def test_the_svm_sees_the_mean_words_beside_the_shares(tmp_path):
    found = examples()
    inputs = np.concatenate([features_of(found)[0].mean(1), expected_shares()], axis=1)
    table = predictions(tmp_path, found, deviation=False, visual_words={"patches": 2})
    assert table["prediction"].tolist() == decided(found, inputs)
    assert len(set(table["prediction"])) == 2


def test_without_visual_words_it_sees_means_and_deviations_as_before(tmp_path):
    found = examples()
    words, patches = features_of(found)
    counts = np.maximum(np.where(np.arange(N) % 3 == 0, 5, 4) * (np.arange(N) < N - 1), 1)[:, None]
    mean = patches.sum(1) / counts
    deviation = np.sqrt(np.maximum((patches**2).sum(1) / counts - mean**2, 0))
    inputs = np.concatenate([words.mean(1), words.std(1), mean, deviation], axis=1)
    assert predictions(tmp_path, found)["prediction"].tolist() == decided(found, inputs)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"visual_words": {"image": 9}}, r"visual_words: there is no feature 'image'; there are words, patches$"),
        ({"visual_words": {"patches": 1}}, r"visual_words: two words or more, found 1 of 'patches'$"),
        ({"kind": "majority", "visual_words": {"patches": 9}}, r"for svm and logistic alone, found kind='majority'$"),
        ({"kind": "logistic", "deviation": False}, r"deviation: has a meaning for kind='svm' alone, found 'logistic'$"),
    ],
)
def test_what_has_no_meaning_is_refused(fields, line):
    with pytest.raises(ConfigError, match=line):
        svm(**fields).freeze()


def test_indices_are_no_descriptors():
    found = examples()
    (first, *others) = found.buckets
    values, mask = first.features["patches"]
    broken = Bucket(first.features | {"patches": Padded(values.astype(np.int32), mask)}, first.rows)
    with pytest.raises(ConfigError, match="the values of 'patches' are indices, not vectors"):
        VisualWords(dataclasses.replace(found, buckets=(broken, *others)), "patches", 2, seed=0)
