"""The corpora by name: `open_corpus` finds the reader and the folder, or says in one line what is missing."""

import difflib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from input_pipeline.corpora.manifest import Manifest, manifest_label_types, manifest_name
from input_pipeline.errors import DataError
from input_pipeline.recording import Corpus, LabelTypes

READERS = (
    "cmu_mosei:CmuMosei",
    "daic_woz:DaicWoz",
    "e_daic:EDaic",
    "emodb:EmoDb",
    "talking_faces:EmotionFaces",
    "iemocap:Iemocap",
    "librispeech:LibriSpeech",
    "mgid:Mgid",
    "mgid:MgidRepaired",
    "recola:Recola",
    "talking_faces:TalkingFaces",
    "topical_chat:TopicalChat",
    "utterances:DaicWozUtterances",
    "utterances:EDaicUtterances",
)
_CLASSES: list[type[Corpus]] = [pkgutil.resolve_name(f"{__name__}.{reader}") for reader in READERS]
CORPORA = {reader.name: reader for reader in _CLASSES}
MANIFEST = "manifest:"  # before the path of a manifest, where a corpus's name is asked for


def corpus_name(name: str) -> str:
    """The `Corpus.name` of what `open_corpus` opens by this name: a manifest is called by its file."""
    return manifest_name(Path(name.removeprefix(MANIFEST))) if name.startswith(MANIFEST) else name


def open_corpus(
    name: str,
    data_dir: str | Path,
    classes: Mapping[str, Sequence[str]] | None = None,
    scores: Sequence[str] = (),
) -> Corpus:
    """The reader of the corpus in its folder below `data_dir`, or of the manifest that "manifest:FILE.csv" names.

    Args:
        name: one of `CORPORA`, or `manifest:` and a file, absolute or relative to `data_dir`.
        data_dir: the folder that holds one folder a corpus.
        classes: of a manifest alone: by label column, its classes in the order of their indices.
        scores: of a manifest alone: the label columns that are numbers.

    Raises:
        DataError: no corpus of the name; its folder or manifest is not there; label types for a corpus with its own.
    """
    root = Path(data_dir)
    if name.startswith(MANIFEST):
        return Manifest(root / name.removeprefix(MANIFEST), classes, scores)
    reader = _reader(name, classes, scores)
    return reader(root / (reader.folder_name or name))


def label_types(
    name: str, classes: Mapping[str, Sequence[str]] | None = None, scores: Sequence[str] = ()
) -> LabelTypes:
    """The labels that the corpus may have which `open_corpus` opens with these arguments; no file is looked at.

    Raises:
        DataError: no corpus of the name; label types for a corpus with its own; types that a manifest cannot have.
    """
    if name.startswith(MANIFEST):
        return manifest_label_types(Path(name.removeprefix(MANIFEST)), classes, scores)
    reader = _reader(name, classes, scores)
    return LabelTypes(reader.classes, reader.scores)


def _reader(name: str, classes: Mapping[str, Sequence[str]] | None, scores: Sequence[str]) -> type[Corpus]:
    if name not in CORPORA:
        near = difflib.get_close_matches(name, CORPORA, n=1, cutoff=0.0)
        known = f"{', '.join(CORPORA)}, {MANIFEST}FILE.csv"
        raise DataError(f"{name!r} is no corpus; known are {known}; did you mean {near[0]!r}?")
    if classes or scores:
        raise DataError(f"{name} has label types of its own; give classes and scores for a manifest alone")
    return CORPORA[name]
