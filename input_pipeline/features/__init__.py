"""Features of recordings: each a typed config that knows its arithmetic, from `Recording`s to frames and lengths."""

from input_pipeline.features.base import Computed, Encoders, Feature, PerRecording, RecordingFeature
from input_pipeline.features.extracted import Extracted
from input_pipeline.features.fbank import LogMel
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.features.text import Encoder, Sentences, TextFeature
from input_pipeline.features.words import Words

__all__ = [
    "Computed",
    "Encoder",
    "Encoders",
    "Extracted",
    "Feature",
    "LogMel",
    "PerRecording",
    "RecordingFeature",
    "Segmentation",
    "Sentences",
    "TextFeature",
    "Words",
]
