"""Gender from read speech (LibriSpeech): what EmoAudioNet is trained on first (section IV.A), 20 seeds, nobody on two sides.

    python -m jaxdep.main --config=configs/emoaudionet/gender.py --workdir=runs/gender --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/gender.py:small --workdir=runs/gender_small --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/gender.py:synthetic --workdir=runs/gender_synthetic

DIR holds `librispeech/LibriSpeech/`, with whichever subsets were unpacked. A fifth of the readers is tested, the same for all
seeds, and a tenth of the others validates. Beside the networks stands a logistic regression on an utterance's mean cepstral
vector. `:small` has images of 64 x 64 and a sixth of the channels, for two CPU cores; `:synthetic` is that on the stand-in.
"""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Mfcc, SpectrogramImage
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Mapping,
    Optimizer,
    Sampling,
    Seeds,
    Splits,
    StageConfig,
    StandIn,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models import ModelConfig
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN

SOURCE = (
    "Othmani et al., Towards Robust Deep Neural Networks for Affect and Depression Recognition from Speech (ICPR 2020)"
)
VARIANTS = ("small", "synthetic")
TASKS = {"gender": Task(class_weights="equal")}
METRICS = ("accuracy", "unweighted_accuracy", "f1_macro")
SUBSETS = ("train-clean-100", "dev-clean", "test-clean")  # of the stand-in


def data(features: tuple[str, ...], size: int, synthetic: bool) -> Data:
    """Windows of 2.5 s every 0.5 s of an utterance's speech, the same for image and cepstral vector."""
    known = {"image": SpectrogramImage(of="window", size=size), "mfcc": Mfcc()}
    levels = {"image": "image", "mfcc": "frame"}
    return Data(
        corpus="librispeech",
        stand_in=StandIn(sessions=40) if synthetic else None,
        features={name: known[name] for name in features},
        arrangements={name: Arrangement(level=levels[name]) for name in features},  # type: ignore[arg-type]
        splits=Splits(
            train=SUBSETS if synthetic else ("train-clean-100",),
            validation=(),
            test=(),
            test_fraction=0.2,
            validation_fraction=0.1,
        ),
        file_format="array_record",
    )


def row(label: str, model: ModelConfig, size: int, synthetic: bool, small: bool) -> TrainStage:
    """A network, by the paper's section IV.B; what an utterance is, is the mean over its windows."""
    return TrainStage(
        label=label,
        data=data(tuple(model.takes()), size, synthetic),
        tasks=TASKS,
        metrics=METRICS,
        model=model,
        optimizer=Optimizer(name="rmsprop", learning_rate=1e-3 if small else 1e-4),
        training=Training(
            epochs=30 if small else 500,
            batch_size=32 if small else 100,
            monitor="accuracy",
            patience=10,
            plateau_patience=5,
            epochs_per_call=5,
            sampling=Sampling(per_recording=4),
        ),
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
        source=SOURCE,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if small else "auto"),
        stages=stages,  # type: ignore[arg-type]
    )
