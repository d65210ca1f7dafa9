"""Features of recordings: each a typed config that knows its arithmetic, from `Recording`s to frames and lengths.

This file lists them, a line each: what is imported here can be named in configs.
"""

from input_pipeline.features.base import Computed as Computed
from input_pipeline.features.base import Dtype as Dtype
from input_pipeline.features.base import Encoders as Encoders
from input_pipeline.features.base import Feature as Feature
from input_pipeline.features.base import Learnt as Learnt
from input_pipeline.features.base import PerRecording as PerRecording
from input_pipeline.features.base import RecordingFeature as RecordingFeature
from input_pipeline.features.cleaning import Cleaning as Cleaning
from input_pipeline.features.extracted import Extracted as Extracted
from input_pipeline.features.faces import FaceCrops as FaceCrops
from input_pipeline.features.faces import FaceGradients as FaceGradients
from input_pipeline.features.fbank import LogMel as LogMel
from input_pipeline.features.images import HsvHistogram as HsvHistogram
from input_pipeline.features.images import ImageEncoder as ImageEncoder
from input_pipeline.features.images import ImageFeature as ImageFeature
from input_pipeline.features.images import ImageStates as ImageStates
from input_pipeline.features.metadata import Metadata as Metadata
from input_pipeline.features.metadata_word import MetadataWord as MetadataWord
from input_pipeline.features.mfcc import Mfcc as Mfcc
from input_pipeline.features.mfcc import MfccFrames as MfccFrames
from input_pipeline.features.perturbation import Perturbation as Perturbation
from input_pipeline.features.pixels import GradientPatches as GradientPatches
from input_pipeline.features.pixels import Pixels as Pixels
from input_pipeline.features.prosody import Prosody as Prosody
from input_pipeline.features.segmentation import Segmentation as Segmentation
from input_pipeline.features.spectrogram import SpectrogramImage as SpectrogramImage
from input_pipeline.features.text import Encoder as Encoder
from input_pipeline.features.text import Sentences as Sentences
from input_pipeline.features.text import TextFeature as TextFeature
from input_pipeline.features.tracks import Tracks as Tracks
from input_pipeline.features.windows import SpeechWindows as SpeechWindows
from input_pipeline.features.words import Words as Words
