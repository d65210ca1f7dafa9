"""MGID: stock photographs with their titles and texts, labelled weakly by the words that they were searched by.

Zhang et al., "Multi-Task Learning for Jointly Detecting Depression and Emotion", BIBM 2021 (section IV.A, Table I).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from input_pipeline.corpora.interview_labels import CLASSES
from input_pipeline.corpora.mgid_pictures import with_pictures
from input_pipeline.corpora.mgid_splits import defects_of_rows, defects_of_splits, groups_of, repaired
from input_pipeline.corpora.mgid_table import EMOTIONS, SPLITS, Item, read_items
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

PICTURES = "images"  # the folder that users fetch the pictures into
_NOMINAL_S = 1.0  # a text has no times; this is what a manifest gives to words without audio, too


class Mgid(Corpus):
    """The reader of MGID: one recording a row of the splits' tables, without audio, its segment nominally one second long.

    In the corpus's folder lie `train`, `dev` and `test`, each with its table, `dataset.csv` of all rows, which is only
    compared with them, and `images`, of which a row has the one that is called as the last part of its address, as the
    track "image". A row without picture, or without words, is read as it is; one without either is left out.

    The words are title and text, as many texts are empty. Nobody is known by name: who shares picture or text with
    another is one participant with them, within a split, so that what is drawn from one split divides no such group.
    The splits are those of the authors, which share addresses and texts; `validate` counts them.

    Labels: `depressed`, and `emotion`, the six of Table I. Metadata: `title`, `text`, `image_url`, `official_split`,
    each where there is one.
    """

    name = "mgid"
    folder_name = "mgid"
    classes: Mapping[str, tuple[str, ...]] = {"depressed": CLASSES, "emotion": EMOTIONS}
    stand_in = "input_pipeline.synthesis.mgid:synthesize_mgid"
    repairs: ClassVar[bool] = False

    def scan(self) -> Iterator[Scanned]:
        """First what is found in the tables and pictures as a whole, then every row in the order of the files.

        Where a table has an error, splits are neither looked at nor repaired.
        """
        read, findings = read_items(self.root)
        if not read:
            yield Scanned(self.name, None, tuple(findings))
            return
        broken = any(finding.severity == "error" for finding in findings)
        official, of_pictures = with_pictures(read, self.root / PICTURES)
        items = official if broken or not self.repairs else repaired(official)
        findings += [*of_pictures, *defects_of_rows(self.root, official), *_moved(self.root, official, items)]
        findings += [] if broken else defects_of_splits(self.root, items, self.classes)
        bare = [not item.words and not item.picture for item in items]
        if findings := [*findings, *_left_out(self.root, sum(bare))]:
            yield Scanned(self.name, None, tuple(findings))
        groups = groups_of(items, within_splits=not self.repairs)
        for group, before, item, left_out in zip(groups, official, items, bare, strict=True):
            if not left_out:
                yield Scanned(item.id, _recording(item, items[group].id, before.split))


class MgidRepaired(Mgid):
    """MGID in splits of the same sizes in which no address, picture or text stands on two sides, and each has all classes.

    The rows and their ids are those of `Mgid`; see `mgid_splits.repaired`.
    """

    name = "mgid_repaired"
    repairs = True


def _recording(item: Item, participant: str, official_split: str) -> Recording:
    told = {"title": item.title, "text": item.text, "image_url": item.url, "official_split": official_split}
    return Recording(
        id=item.id,
        participant=participant,
        split=item.split,
        segments=(Segment(0.0, _NOMINAL_S, text=item.words),),
        labels=item.labels,
        metadata={field: value for field, value in told.items() if value},
        tracks={"image": item.picture} if item.picture else {},
    )


def _left_out(root: Path, count: int) -> list[Finding]:
    if not count:
        return []
    message = f"{root}: {count} rows have neither words nor a picture and are left out; fetch their pictures"
    return [Finding("warning", "empty-row", message, left_out=count)]


def _moved(root: Path, before: Sequence[Item], after: Sequence[Item]) -> list[Finding]:
    """What the repair did, nothing where there was none."""
    moved = sum(one.split != other.split for one, other in zip(before, after, strict=True))
    if not moved:
        return []
    sizes = ", ".join(f"{sum(item.split == split for item in after)} in {split}" for split in SPLITS)
    message = f"{root}: {moved} of {len(after)} rows stand in another split than that of the files, {sizes} now"
    return [Finding("applied", "repaired-splits", message)]
