"""Faces and speech: a corpus of the user's own in the shape of Kumari and Tiwari's (2021, section 3), which is private.

The folder holds a manifest (see `manifest` for its columns) and the files that it names:

    manifest.csv         a row a participant: id, participant, split, video, audio, depressed, severity
    emotion_faces.csv    a row a clip of somebody who shows an emotion: id, participant, split, video, audio, emotion

Other columns are metadata: `gender`, `age` (years), `age_band`, `ethnicity` are those by which the paper reports (Table 4).
A manifest without splits is given them once by `python -m input_pipeline.divide`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from input_pipeline.corpora.interview_labels import CLASSES
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.recording import Corpus


class _Tabled(Manifest):
    """A manifest of a fixed name and with fixed labels, in a corpus's folder."""

    table: ClassVar[str]

    def __init__(self, root: Path):
        """Raises DataError where the folder or its manifest is not there."""
        Corpus.__init__(self, root)  # its line names the command that writes the stand-in
        own = type(self)
        super().__init__(root / own.table, own.classes, own.scores)
        self.name = own.name


class TalkingFaces(_Tabled):
    """The participants: one recording each, with a video of the face as the track "video", and speech.

    Labels: `depressed`, and `severity`, "none" of who is not depressed. An empty cell is an unknown label.
    """

    name = "talking_faces"
    table = "manifest.csv"
    classes: Mapping[str, tuple[str, ...]] = {
        "depressed": CLASSES,
        "severity": ("none", "mild", "moderate", "severe"),
    }
    stand_in = "input_pipeline.synthesis.talking_faces:synthesize_talking_faces"


class EmotionFaces(_Tabled):
    """Clips of faces and voices of four emotions, on which networks are trained before they see depression (section 4.5).

    Label: `emotion`, the four that the paper's videos are to elicit (section 3.1).
    """

    name = "emotion_faces"
    folder_name = "talking_faces"
    table = "emotion_faces.csv"
    classes: Mapping[str, tuple[str, ...]] = {"emotion": ("neutral", "happiness", "sadness", "anger")}
    stand_in = "input_pipeline.synthesis.talking_faces:synthesize_talking_faces"
