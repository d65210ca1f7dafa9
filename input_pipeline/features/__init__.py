"""Features of recordings: each a typed config that knows its arithmetic, from a `Recording` to frames and lengths."""

from input_pipeline.features.fbank import LogMel
from input_pipeline.features.segmentation import RecordingFeature, Segmentation
from input_pipeline.features.text import Encoder, Encoders, Sentences, TextFeature
from input_pipeline.features.words import Words

Feature = LogMel | Sentences | Words

__all__ = [
    "Encoder",
    "Encoders",
    "Feature",
    "LogMel",
    "RecordingFeature",
    "Segmentation",
    "Sentences",
    "TextFeature",
    "Words",
]
