"""Splits that are drawn once and written down: nobody on two sides, the shares that were asked for, and no second draw."""

import itertools
import subprocess
import sys
from collections import Counter

import pytest

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.manifest import read_manifest
from input_pipeline.divide import SHARES, counts, divide
from input_pipeline.errors import DataError


@pytest.fixture
def manifest(tmp_path):
    """Writes a manifest of so many participants, of whom the first are depressed, with some recordings each."""

    def write(people=1000, depressed=500, recordings=1, order=1, name="talks.csv"):
        rows = [
            f'r{person}_{take},p{person:04},"words, and more",{"yes" if person < depressed else "no"},{"fm"[person % 2]}'
            for person in range(people)
            for take in range(recordings)
        ]
        file = tmp_path / name
        file.write_text("\n".join(["ID,participant,text,depressed,gender", *rows[::order]]) + "\n")
        return file

    return write


def _splits(file):
    """By participant the splits of their rows."""
    found = {}
    for row in read_manifest(file)[1]:
        found.setdefault(row["participant"], set()).add(row["split"])
    return found


def test_the_table_of_the_paper(manifest):
    file = divide(manifest(), stratify=["depressed"])
    assert file.name == "talks.split.csv"
    assert counts(file, ["depressed"]) == {
        "train": {"yes": 350, "no": 350},
        "dev": {"yes": 75, "no": 75},
        "test": {"yes": 75, "no": 75},
    }


@pytest.mark.parametrize(("people", "depressed"), [(40, 20), (97, 31), (233, 100)])
def test_nobody_stands_on_two_sides_and_the_shares_hold(manifest, people, depressed):
    file = divide(manifest(people, depressed, recordings=3), stratify=["depressed"])
    splits = _splits(file)
    assert len(splits) == people
    assert all(len(of_one) == 1 for of_one in splits.values())
    found = counts(file, ["depressed"])
    for split, share in SHARES.items():
        assert found[split].total() == pytest.approx(share * people, abs=1)
        assert found[split]["yes"] == pytest.approx(depressed * found[split].total() / people, abs=1)


def test_combinations_of_columns_have_their_shares_too(manifest):
    found = counts(divide(manifest(400, 200), stratify=["depressed", "gender"]), ["depressed", "gender"])
    for of_split in found.values():
        assert max(of_split.values()) - min(of_split.values()) <= 1
        assert len(of_split) == 4


def test_what_stands_in_the_manifest_stays_as_it_is_and_is_read(manifest):
    old = manifest(40, 20, recordings=2)
    new = divide(old, stratify=["depressed"])
    before, after = read_manifest(old), read_manifest(new)
    assert after[0] == (*before[0], "split")
    assert [{**row.cells, "split": again["split"]} for row, again in zip(before[1], after[1], strict=True)] == [
        row.cells for row in after[1]
    ]
    recordings = open_corpus(f"manifest:{new}", new.parent, {"depressed": ("no", "yes")}).recordings()
    assert Counter(one.split for one in recordings) == {"train": 56, "dev": 12, "test": 12}


def test_the_draw_depends_on_participants_and_seed_alone(manifest):
    first = _splits(divide(manifest(60, 30), stratify=["depressed"]))
    backwards = _splits(divide(manifest(60, 30, recordings=2, order=-1, name="again.csv"), stratify=["depressed"]))
    other = _splits(divide(manifest(60, 30, name="other.csv"), stratify=["depressed"], seed=1))
    assert first == backwards
    assert first != other


def test_a_second_draw_is_refused_and_changes_nothing(manifest):
    old = manifest(40, 20)
    new = divide(old)
    written = new.read_bytes()
    with pytest.raises(DataError, match="is there already, and splits are drawn once"):
        divide(old, seed=1)
    assert new.read_bytes() == written
    with pytest.raises(DataError, match="has splits in its column split"):
        divide(new)
    assert [path.name for path in sorted(old.parent.iterdir())] == ["talks.csv", "talks.split.csv"]


def test_dialogues_keep_their_participants_together_and_questions_join_nobody(tmp_path):
    rows = ["id,participant,dialogue,turn,speaker,text"]
    for pair in range(20):
        for turn, (who, speaker) in enumerate([("ellie", "interviewer"), (f"a{pair}", ""), (f"b{pair}", "")]):
            rows.append(f"{pair}_{turn},{who},d{pair},{turn},{speaker},hm")
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    file = divide(tmp_path / "pairs.csv")
    splits = _splits(file)
    assert all(splits[f"a{pair}"] == splits[f"b{pair}"] for pair in range(20))
    assert Counter(itertools.chain(*(splits[f"a{pair}"] for pair in range(20)))) == {"train": 14, "dev": 3, "test": 3}
    assert len(open_corpus("manifest:pairs.split.csv", tmp_path).recordings()) == 40


def test_json_lines_become_a_table(tmp_path):
    lines = [
        f'{{"id": "r{i}", "participant": "p{i}", "text": "hm", "well": {"true" if i % 2 else "false"}}}'
        for i in range(20)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    found = counts(divide(tmp_path / "mine.jsonl", {"train": 0.5, "test": 0.5}, ["well"]), ["well"])
    assert found == {"train": {"true": 5, "false": 5}, "test": {"true": 5, "false": 5}}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"shares": {"train": 0.7, "test": 0.2}},
            "shares: found train=0.7, test=0.2; use shares above 0 that sum to 1",
        ),
        ({"shares": {"train": 1.1, "test": -0.1}}, "shares above 0"),
        ({"stratify": ["mood"]}, "no column mood"),
        ({"stratify": ["id"]}, "talks.csv, line 3: participant 'p0000' is 'r0_1' here and 'r0_0' above"),
        (
            {"stratify": ["depressed", "text"], "shares": {"train": 0.98, "test": 0.02}},
            "12 participants cannot be divided",
        ),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_nothing_is_written(manifest, options, told):
    file = manifest(12, 6, recordings=2)
    with pytest.raises(DataError, match=told) as caught:
        divide(file, **options)
    assert "\n" not in str(caught.value)
    assert [path.name for path in file.parent.iterdir()] == ["talks.csv"]


def test_the_command_line_divides_and_has_the_exit_codes(manifest):
    command = [sys.executable, "-m", "input_pipeline.divide", f"--manifest={manifest(40, 20)}"]
    for arguments, code, out, err in (
        (["--shares=train"], 2, "", "usage error: --shares=train"),
        (["--stratify=depressed"], 0, "train: 28 participants: 14 no, 14 yes", ""),
        ([], 1, "", "is there already"),
    ):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, out in done.stdout, err in done.stderr) == (code, True, True), done
