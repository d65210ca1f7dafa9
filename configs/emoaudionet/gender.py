"""Gender from read speech (LibriSpeech): what EmoAudioNet is trained on first (section IV.A), 20 seeds, nobody on two sides.

    python -m jaxdep.main --config=configs/emoaudionet/gender.py --workdir=runs/gender --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/gender.py:small --workdir=runs/gender_small --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/gender.py:synthetic --workdir=runs/gender_synthetic

DIR holds `librispeech/LibriSpeech/`, with whichever subsets were unpacked. A fifth of the readers is tested, the same for all
seeds, and a tenth of the others validates. Beside the networks stands a logistic regression on an utterance's mean cepstral
vector. `:small` has images of 64 x 64 and a sixth of the channels, for two CPU cores; `:synthetic` is that on the stand-in.
"""

from configs.emoaudionet import _shared as shared
from input_pipeline.config import ConfigError
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Mapping,
    Seeds,
    Splits,
    StageConfig,
    Task,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models import ModelConfig
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN

VARIANTS = ("small", "synthetic")
TASKS = {"gender": Task(class_weights="equal")}
METRICS = ("accuracy", "unweighted_accuracy", "f1_macro")


def data(features: tuple[str, ...], size: int, synthetic: bool) -> Data:
    splits = Splits(
        train=shared.SUBSETS[True] if synthetic else ("train-clean-100",),
        validation=(),
        test=(),
        test_fraction=0.2,
        validation_fraction=0.1,
    )
    return shared.data("librispeech", features, splits, size, synthetic)


def row(label: str, model: ModelConfig, size: int, synthetic: bool, small: bool) -> TrainStage:
    """A network, by the paper's section IV.B; what an utterance is, is the mean over its windows."""
    return shared.trained(
        label,
        data(tuple(model.takes()), size, synthetic),
        "gender",
        METRICS,
        model,
        small=small,
        epochs=30 if small else 500,
        drawn=4,
        score_windows=True,
    )


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or one of `VARIANTS`."""
    if variant not in ("", *VARIANTS):
        raise ConfigError(
            f"configs/emoaudionet/gender.py:{variant}: there is no such variant; there are {', '.join(VARIANTS)}"
        )
    synthetic, small = variant == "synthetic", variant != ""
    size = 64 if small else 224
    mfcc = MfccCNN(channels=32) if small else MfccCNN()
    image = SpectrogramCNN(image_size=size, channels=21) if small else SpectrogramCNN()
    vectors = data(("mfcc",), size, synthetic)
    stages: dict[str, StageConfig] = {
        **trivial_baselines(vectors, TASKS, binary=False, genders=False, metrics=METRICS),
        "logistic": BaselineStage(
            kind="logistic", label="Logistic regression, mean MFCC", data=vectors, tasks=TASKS, metrics=METRICS
        ),
        "mfcc": row("MFCC-based CNN", mfcc, size, synthetic, small),
        "spectrogram": row("Spectrogram-based CNN", image, size, synthetic, small),
        "emoaudionet": row("EmoAudioNet", EmoAudioNet(spectrogram=image, mfcc=mfcc), size, synthetic, small),
    }
    return Experiment(
        name="emoaudionet_gender",
        title="EmoAudioNet: gender from read speech",
        description="Three networks tell women from men who read aloud; of each reader all utterances are on one side.",
        system="emoaudionet",
        source=shared.PAPER,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if small else "auto"),
        stages=stages,  # type: ignore[arg-type]
    )
