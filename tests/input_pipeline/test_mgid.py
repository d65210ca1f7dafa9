"""MGID: which row has which picture, what is wrong with the splits, and one line for whatever a file may hold instead."""

import csv
import json
import random
import re
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from input_pipeline import pictures
from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.mgid import Mgid, MgidRepaired
from input_pipeline.corpora.mgid_table import EMOTIONS
from input_pipeline.errors import DataError, RuleError
from input_pipeline.synthesis import synthesize
from input_pipeline.validate import validate

HEADER = ["Depression Label", "Emotion Label", "Title", "Text", "Image URL"]
SPLITS = ("train", "dev", "test")


def row(number, depressed="FALSE", emotion="neutral", title=None, text=None, url=None):
    return [
        depressed,
        emotion,
        f"Title {number}" if title is None else title,
        f"Text {number}" if text is None else text,
        f"https://images.example/a/{number}.png" if url is None else url,
    ]


def healthy(first, count=12):
    """Rows that have all classes."""
    pairs = [("TRUE" if index % 2 else "FALSE", EMOTIONS[index // 2 % 6]) for index in range(count)]
    return [row(first + index, *pair) for index, pair in enumerate(pairs)]


class Folder:
    """Writes the corpus; each split has every class, unless rows are given, and each row its picture."""

    def __init__(self, root: Path):
        self.root = root
        (root / "images").mkdir(parents=True)

    def write(self, train=None, dev=None, test=None, *, fetch=True):
        given = {"train": train, "dev": dev, "test": test}
        tables = {split: healthy(100 * k) if given[split] is None else given[split] for k, split in enumerate(SPLITS)}
        for split, rows in tables.items():
            (self.root / split).mkdir(exist_ok=True)
            self.table(self.root / split / f"{split}.csv", rows)
            for url in (one[4] for one in rows if fetch):
                self.picture(url.rsplit("/", 1)[-1])
        self.table(self.root / "dataset.csv", [one for rows in tables.values() for one in rows])
        return self.root

    def table(self, path, rows):
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])

    def picture(self, name):
        path = self.root / "images" / name
        Image.new("RGB", (6, 4), (200, 10, 10)).save(path, format="PNG")
        return path


@pytest.fixture
def mgid(tmp_path):
    return Folder(tmp_path / "mgid")


def findings(root, reader=Mgid):
    """By rule the message of its one finding, which is one line."""
    found = [finding for session in reader(root).scan() for finding in session.findings]
    assert all("\n" not in finding.message for finding in found)
    assert max(Counter(finding.rule for finding in found if finding.rule != "absent-class").values(), default=1) == 1
    return {finding.rule: finding.message for finding in found}


def by_id(root, reader=Mgid):
    return {one.id: one for one in reader(root).recordings()}


def test_a_row_is_a_recording_with_its_picture_and_two_labels(mgid):
    quoted = row(
        7, "TRUE", "Depressed", "At home", 'She said "no".\nThen, nothing.', "https://x.example/p/a.png?k=6&s=6"
    )
    root = mgid.write(train=[quoted, *healthy(0)], fetch=False)
    picture = mgid.picture("a.png")
    first = Mgid(root).recordings()[0]
    assert (first.id, first.participant, first.split, first.audio) == ("train-0001", "train-0001", "train", None)
    assert first.labels == {"depressed": "depressed", "emotion": "depressed"}
    (segment,) = first.segments
    assert (segment.start_s, segment.stop_s) == (0.0, 1.0)
    assert segment.text == 'At home She said "no". Then, nothing.'
    assert first.tracks == {"image": picture}
    assert first.metadata["official_split"] == "train"
    assert first.metadata["image_url"].endswith("s=6")


def test_a_healthy_corpus_has_no_finding(mgid):
    root = mgid.write()
    assert findings(root) == {}
    assert Counter(one.split for one in Mgid(root).recordings()) == dict.fromkeys(SPLITS, 12)
    assert len({one.participant for one in Mgid(root).recordings()}) == 36


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.example/p/a.jpg", "a.jpg"),
        ("https://x.example/p/a.jpg?k=6&s=612x612", "a.jpg"),
        ("https://x.example/p/a.jpg?k=6&s=612x612", "a.jpg?k=6&s=612x612"),
        ("https://x.example/p/caf%C3%A9%20picture-id7", "café picture-id7"),
        ("https://x.example/p/caf%C3%A9%20picture-id7", "cafe\u0301 picture-id7.jpg"),
        ("https://x.example/p/caf%C3%A9-id7", "caf%C3%A9-id7"),
        ("https://x.example/p/café-id7?s=1", "café-id7.png"),
        ("https://x.example/p/who%3F.png", "who?.png"),
        ("https://x.example/p/100%.png", "100%.png"),
    ],
)
def test_a_picture_is_found_by_the_last_part_of_its_address(mgid, url, name):
    root = mgid.write(train=[*healthy(0), row(50, url=url)], fetch=False)
    picture = mgid.picture(name)
    assert by_id(root)["train-0013"].tracks == {"image": picture}


@pytest.mark.parametrize("url", ["https://x.example/p/", "", "http://[", "https://x.example/..%2F..%2Fsecret.png"])
def test_an_address_without_a_files_name_or_one_of_another_folder(mgid, url):
    (mgid.root.parent / "secret.png").write_bytes(b"x")
    root = mgid.write(train=[*healthy(0), row(50, url=url)], fetch=False)
    assert not by_id(root)["train-0013"].tracks
    assert set(findings(root)) <= {"missing-url", "missing-image"}


def test_pictures_that_are_not_there_or_none_are_counted_and_the_rows_read_without(mgid):
    root = mgid.write(train=[*healthy(0), *(row(n) for n in range(50, 56))])
    pictures = root / "images"
    for number in (50, 51):
        (pictures / f"{number}.png").unlink()
    (pictures / "52.png").write_bytes(b"")
    (pictures / "53.png").write_text("<html>gone</html>")
    (pictures / "54.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    found = findings(root)
    assert set(found) == {"missing-image", "empty-image", "broken-image"}
    assert "2 of 42 rows have no picture (train/train.csv, line 14, '50.png', is the first)" in found["missing-image"]
    assert "1 of 42 rows have a picture of zero bytes (train/train.csv, line 16, '52.png'" in found["empty-image"]
    assert "2 of 42 rows have a file that is no picture" in found["broken-image"]
    without = [one.id for one in Mgid(root).recordings() if not one.tracks]
    assert without == [f"train-00{number}" for number in range(13, 18)]


def test_no_folder_of_pictures(mgid):
    root = mgid.write(fetch=False)
    (root / "images").rmdir()
    found = findings(root)
    assert set(found) == {"missing-folder"}
    assert "images: no such folder, so that no row has a picture; fetch those of the column Image URL" in str(found)
    assert len(by_id(root)) == 36


def test_pictures_of_no_row_are_told(mgid):
    root = mgid.write()
    mgid.picture("train_1.jpg")
    (root / "images/.DS_Store").write_bytes(b"x")
    assert "images: 1 entries are of no row ('train_1.jpg' is the first)" in findings(root)["stray-file"]


def test_a_picture_that_is_cut_off_is_an_error_of_the_validator(mgid, capsys):
    root = mgid.write()
    path = root / "images/3.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:800])
    assert findings(root) == {}
    count = validate(open_corpus("mgid", root.parent))
    assert (count.errors, count.sessions) == ({"broken-image": 1}, 35)
    lines = [line for line in capsys.readouterr().out.splitlines() if "ERROR" in line]
    assert len(lines) == 1
    assert re.search(r"^train-0004: ERROR \[broken-image\] .*3\.png: cannot be decoded", lines[0])


def test_rows_without_text_are_their_titles_and_those_without_anything_are_left_out(mgid):
    rows = [row(50, text=""), row(51, title="", text=""), row(52, title="", text="")]
    root = mgid.write(train=[*healthy(0), *rows])
    (root / "images/52.png").unlink()
    found = findings(root)
    assert set(found) == {"empty-text", "missing-image", "empty-row"}
    assert "3 of 39 rows have no text (train/train.csv, line 14, is the first)" in found["empty-text"]
    assert "1 rows have neither words nor a picture and are left out" in found["empty-row"]
    recordings = by_id(root)
    assert recordings["train-0013"].segments[0].text == "Title 50"
    assert recordings["train-0014"].segments[0].text == ""
    assert "train-0015" not in recordings
    assert [(one.lost, one.of) for one in Mgid(root).left_out] == [(1, 39)]


def test_what_rows_share_is_counted(mgid):
    double, url = row(50), "https://images.example/a/60.png"
    rows = [double, double, row(60, "TRUE", url=url), row(61, url=url)]
    found = findings(mgid.write(train=[*healthy(0), *rows]))
    assert set(found) == {"duplicate-row", "duplicate-url", "contradictory-labels"}
    assert "1 of 40 rows stand in their split a second time (train/train.csv, line 15," in found["duplicate-row"]
    assert "2 of 40 rows have the image address of an earlier row of their split" in found["duplicate-url"]
    assert "1 of 40 rows share their image address with others of other labels" in found["contradictory-labels"]


def test_two_addresses_of_one_file_name_are_told_until_the_files_tell_them_apart(mgid):
    urls = [f"https://x.example/{folder}/photo.png?id={n}" for n, folder in enumerate("ab")]
    root = mgid.write(train=[*healthy(0), *(row(50 + n, url=url) for n, url in enumerate(urls))], fetch=False)
    mgid.picture("photo.png")
    assert "2 of 38 rows have a picture that is called as that of another" in findings(root)["same-file-name"]
    assert by_id(root)["train-0014"].participant == "train-0013"
    for n in range(2):
        mgid.picture(f"photo.png?id={n}")
    recordings = by_id(root)
    assert "same-file-name" not in findings(root)
    assert [recordings[f"train-001{n}"].tracks["image"].name for n in (3, 4)] == ["photo.png?id=0", "photo.png?id=1"]
    assert recordings["train-0014"].participant == "train-0014"


@pytest.fixture
def leaking(mgid):
    """Address, text and title on two sides, and no depressed emotion in test."""
    own = [one for one in healthy(200, 24) if one[1] != "depressed"]
    url, text = healthy(0)[0][4], "text   0"
    leaks = [row(80, url=url), row(81, text=text), row(82, title="Alone", text="")]
    return mgid.write(train=[*healthy(0, 60), row(83, title="alone", text="")], test=[*own, *leaks])


def test_the_defects_of_the_official_splits_are_named_and_counted(leaking):
    found = findings(leaking)
    assert set(found) == {
        "url-in-two-splits",
        "text-in-two-splits",
        "title-in-two-splits",
        "absent-class",
        "empty-text",
    }
    assert (
        "image addresses stand on two sides, 1 in train and test (that of train/train.csv, line 2, is that of "
        in str(found["url-in-two-splits"])
    )
    assert "texts stand on two sides, 1 in train and test" in found["text-in-two-splits"]
    assert "no row of test has the emotion class 'depressed', 10 of train, 2 of dev have" in found["absent-class"]
    recordings = Mgid(leaking).recordings()
    assert all(one.split == one.metadata["official_split"] == one.id.split("-")[0] for one in recordings)
    splits = {}
    assert all(splits.setdefault(one.participant, one.split) == one.split for one in recordings)


def test_the_repaired_splits_share_nothing_and_have_every_class(leaking):
    official, repaired = (reader(leaking).recordings() for reader in (Mgid, MgidRepaired))
    assert [one.id for one in repaired] == [one.id for one in official]
    assert [one.labels for one in repaired] == [one.labels for one in official]
    for key in ("participant", "image_url", "text"):
        sides: dict[str, set[str]] = {}
        for one in repaired:
            value = one.participant if key == "participant" else one.metadata.get(key, one.metadata["title"])
            sides.setdefault(" ".join(value.split()).casefold(), set()).add(one.split)
        assert all(len(splits) == 1 for splits in sides.values()), key
    sizes, wanted = (Counter(one.split for one in found) for found in (repaired, official))
    assert all(abs(sizes[split] - wanted[split]) <= 3 for split in SPLITS)
    for task, classes in Mgid.classes.items():
        for split in SPLITS:
            assert {one.labels[task] for one in repaired if one.split == split} == set(classes)
    found = findings(leaking, MgidRepaired)
    assert set(found) == {"repaired-splits", "empty-text"}
    assert [one.split for one in MgidRepaired(leaking).recordings()] == [one.split for one in repaired]


def test_a_chain_of_shared_things_is_one_participant(mgid):
    chain = [
        row(90, text="one"),
        row(91, text="one", url="https://x.example/u.png"),
        row(92, url="https://x.example/u.png"),
    ]
    root = mgid.write(
        train=[*healthy(0, 60), *chain[:1]], dev=[*healthy(200), *chain[1:2]], test=[*healthy(300), *chain[2:]]
    )
    ids = ["train-0061", "dev-0013", "test-0013"]
    repaired = by_id(root, MgidRepaired)
    assert {repaired[name].participant for name in ids} == {"train-0061"}
    assert len({repaired[name].split for name in ids}) == 1
    assert [by_id(root)[name].participant for name in ids] == ids


def test_a_class_of_too_few_rows_cannot_be_in_every_part(mgid):
    def calm(first, count):
        return [row(first + n, ("TRUE", "FALSE")[n % 2], EMOTIONS[n % 5]) for n in range(count)]

    rare = [row(90, "TRUE", "anger"), row(91, "FALSE", "anger")]
    found = findings(mgid.write(train=[*calm(0, 40), *rare], dev=calm(200, 10), test=calm(300, 15)), MgidRepaired)
    assert re.search(r"no row of \w+ has the emotion class 'anger', 1 of \w+, 1 of \w+ have", found["absent-class"])


def refused(root, rule, *parts):
    found = findings(root)
    assert rule in found
    for part in parts:
        assert part in found[rule]
    for reader in (Mgid, MgidRepaired):
        with pytest.raises(DataError, match=re.escape(found[rule])):
            reader(root).recordings()


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (
            0,
            "maybe",
            "Depression Label of 2 rows is 'maybe' (line 2 is the first), expected one of FALSE, TRUE; correct",
        ),
        (
            1,
            "Sadness",
            "Emotion Label of 2 rows is 'Sadness' (line 2 is the first), expected one of neutral, happiness,",
        ),
        (1, "", "Emotion Label of 2 rows is '' (line 2 is the first), expected one of"),
    ],
)
def test_a_label_that_is_none_is_one_line_however_many_rows_have_it(mgid, column, value, expected):
    rows = healthy(0)
    rows[0][column] = rows[5][column] = value
    refused(mgid.write(train=rows), "unknown-class", "train/train.csv: ", expected)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "no-header"),
        (b"\xef\xbb\xbf" + ",".join(HEADER).encode(), "empty-corpus"),
        (b"Depression Label,Emotion Label,Title,Image URL\nTRUE,fear,a,b\n", "missing-column"),
        (",".join(HEADER).encode() + b"\nTRUE,fear,a\n", "wrong-column-count"),
        (",".join(HEADER).encode() + b'\nTRUE,fear,"a,b,c\n', "broken-csv"),
        (b"\xff\xfe", "not-utf-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line_and_hides_no_other_split(mgid, content, rule):
    root = mgid.write()
    (root / "dev/dev.csv").write_bytes(content)
    refused(root, rule, str(root / "dev/dev.csv"))
    assert "absent-class" not in findings(root)
    assert sum(session.recording is not None for session in Mgid(root).scan()) == 24


def test_a_split_that_is_not_there(mgid):
    root = mgid.write()
    (root / "test/test.csv").rename(root / "test/._test.csv")
    refused(root, "missing-file", str(root / "test"), "test.csv is expected")
    assert "1 `._` entries" in findings(root)["apple-double"]
    (root / "test/._test.csv").unlink()
    (root / "test").rmdir()
    refused(root, "missing-folder", str(root / "test"), "no such folder")


def test_the_table_of_all_rows_is_compared(mgid):
    root = mgid.write()
    mgid.table(root / "dataset.csv", [*healthy(0), *healthy(100), *healthy(200)[1:], row(1), row(2)])
    what = "dataset.csv: 2 of its rows are in no split, and 1 of the splits' rows are not in it"
    assert what in findings(root)["dataset-differs"]
    (root / "dataset.csv").write_bytes(b"\xff")
    assert set(findings(root)) == {"not-utf-8"}
    assert len(by_id(root)) == 36
    (root / "dataset.csv").unlink()
    assert findings(root) == {}


def test_no_folder_at_all(tmp_path):
    for name in ("mgid", "mgid_repaired"):
        with pytest.raises(DataError, match=rf"mgid: no such folder; .*synthesize --corpus={name} "):
            open_corpus(name, tmp_path)


@pytest.mark.parametrize("name", ["mgid", "mgid_repaired"])
def test_the_validator_counts_a_stand_in_by_either_name(tmp_path, name, capsys):
    root = synthesize(name, tmp_path, sessions=100)
    assert root == tmp_path / "mgid"
    assert json.loads((root / "SYNTHETIC.json").read_text())["corpus"] == "mgid"
    count = validate(open_corpus(name, tmp_path))
    leaks = {"url-in-two-splits": 1, "text-in-two-splits": 1, "absent-class": 1}
    assert not count.errors
    assert count.warnings == {"empty-text": 1} | (leaks if name == "mgid" else {})
    assert count.sessions == 100
    assert f"synthetic {name}: 100 sessions" in capsys.readouterr().out.splitlines()[-1]


def fault_of(path):
    try:
        pictures.check_picture(path)
    except RuleError as error:
        return error
    return None


@pytest.mark.parametrize("form", pictures.FORMATS)
def test_whatever_a_picture_holds_it_is_read_or_named(tmp_path, form):
    rng, path = random.Random(0), tmp_path / "a.png"
    Image.effect_noise((24, 16), 50).save(path, format=form)
    assert fault_of(path) is None
    whole, faults = path.read_bytes(), []
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 4))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content[: rng.choice((None, rng.randrange(len(content))))])
        faults += filter(None, [fault_of(path)])
    assert faults
    for fault in faults:
        assert fault.rule in ("broken-image", "empty-image")
        assert re.fullmatch(rf"{re.escape(str(path))}: .+", str(fault))


def test_an_address_is_not_more_than_its_name(mgid):
    name = quote("a" * 300)
    root = mgid.write(train=[*healthy(0), row(50, url=f"https://x.example/{name}.png")], fetch=False)
    assert set(findings(root)) == {"missing-image"}
