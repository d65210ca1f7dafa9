"""Features of recordings: each a typed config that knows its arithmetic, from a `Recording` to frames and lengths."""

from input_pipeline.features.extracted import Extracted
from input_pipeline.features.fbank import LogMel
from input_pipeline.features.segmentation import RecordingFeature, Segmentation
from input_pipeline.features.text import Encoder, Encoders, Sentences, TextFeature
from input_pipeline.features.words import Words

Computed = LogMel | Sentences | Words  # from a corpus alone
Feature = Computed | Extracted

__all__ = [
    "Computed",
    "Encoder",
    "Encoders",
    "Extracted",
    "Feature",
    "LogMel",
    "RecordingFeature",
    "Segmentation",
    "Sentences",
    "TextFeature",
    "Words",
]
