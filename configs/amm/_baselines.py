"""The eight baselines of Table III: their networks, and the features of texts that they take. This file is no experiment.

`row` makes one of them, of whatever corpus. What the paper does not tell is decided here; README.md says why.
"""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from input_pipeline.batching import Arrangement
from input_pipeline.features import Feature, Words
from jaxdep.config import BaselineStage, Data, Optimizer, Published, ScoredStage, Task, Training, TrainStage
from jaxdep.models import ModelConfig
from jaxdep.models.amm_baselines import HAN, RCNN, BertCNN, BiGRUNetwork, MHABiLSTM, MultimodalDCNN, PictureCNN
from jaxdep.models.multimodal_transformer import MultimodalTransformer

LABELS = {  # in the table's order
    "svm": "SVM",
    "dcnn": "Multi-modal DCNN",
    "bigru": "BiGRU",
    "han": "HAN",
    "mha_bilstm": "MHA-BiLSTM",
    "bert": "BERT",
    "rcnn_roberta": "RCNN-RoBERTa",
    "transformer": "Multi-modal Transformer",
}
VARIANTS = ("", "glove", "synthetic")
LONGEST = 64  # words of a text


def texts(variant: str) -> dict[str, tuple[Feature, Arrangement]]:
    """By name, the features of texts: word vectors, the same by sentence, and the states of two language models.

    Args:
        variant: of `VARIANTS`: word vectors are hashed, or GloVe's; "synthetic" has hashed ones of 64 numbers, also in the
            place of states.
    """
    words = {"": Words(), "glove": Words(encoder="glove", checkpoint="glove/glove.6B.300d.txt")}
    small, frames = Words(dim=64), Arrangement(level="frames", max_frames=LONGEST)
    found: dict[str, tuple[Feature, Arrangement]] = {"words": (words.get(variant, small), frames)}
    sentences = Arrangement(level="segments_frames", max_segments=8, max_frames=LONGEST // 2)
    found["sentences"] = (dataclasses.replace(words.get(variant, small), by_sentence=True), sentences)
    for encoder, checkpoint in (("bert", "bert-base-uncased"), ("roberta", "roberta-base")):
        states = Words(encoder=encoder, checkpoint=checkpoint, dim=768)  # type: ignore[arg-type]
        found[encoder] = (small if variant == "synthetic" else states, frames)
    return copy.deepcopy(found)


def networks(picture: PictureCNN, synthetic: bool) -> dict[str, ModelConfig]:
    """The networks by the names of `LABELS`: of the features of `texts`, of "image", a vector a zone or clip, and of the
    picture's own."""
    if not synthetic:
        return {
            "dcnn": MultimodalDCNN(text="words", picture=picture),
            "bigru": BiGRUNetwork(text="words"),
            "han": HAN(text="sentences"),
            "mha_bilstm": MHABiLSTM(text="words"),
            "bert": BertCNN(picture=picture),
            "rcnn_roberta": RCNN(),
            "transformer": MultimodalTransformer(text="bert"),
        }
    return {
        "dcnn": MultimodalDCNN(text="words", picture=picture, channels=(32, 32), units=32),
        "bigru": BiGRUNetwork(text="words", hidden=32, image_hidden=32),
        "han": HAN(text="sentences", hidden=16, attention_units=32),
        "mha_bilstm": MHABiLSTM(text="words", hidden=32, attention_units=32, heads=4),
        "bert": BertCNN(picture=picture),
        "rcnn_roberta": RCNN(hidden=32, units=32),
        "transformer": MultimodalTransformer(text="bert", width=16, heads=2, layers=1, memory_layers=1),
    }


def row(
    name: str,
    data: Callable[[Sequence[str]], Data],
    tasks: dict[str, Task],
    *,
    synthetic: bool,
    picture: PictureCNN,
    counted: str = "patches",
    end: str = "",
    published: Mapping[str, tuple[Published, ...]] | None = None,
    **fields: Any,
) -> ScoredStage:
    """One of the baselines.

    Args:
        name: of `LABELS`.
        data: what a stage reads that takes features of these names: those of `texts`, "image", `picture.feature`, `counted`.
        picture: the convolutions of "dcnn" and "bert"; of a clip their layout is "sequence".
        counted: the feature that the SVM sorts into visual words.
        end: of the label.
        published: the paper's figures by name.
        fields: what else the stage is told (`section`, `metrics`).
    """
    fields |= {"label": LABELS[name] + end, "tasks": tasks, "published": (published or {}).get(name, ())}
    if name == "svm":
        words = {counted: 50 if synthetic else 200}
        return BaselineStage(kind="svm", deviation=False, visual_words=words, data=data(("words", counted)), **fields)
    model = networks(picture, synthetic)[name]
    return TrainStage(
        data=data(tuple(model.takes())),
        model=model,
        optimizer=Optimizer(name="adam", learning_rate=0.003 if synthetic else 0.001, weight_decay=1e-5),
        training=Training(epochs=10 if synthetic else 100, batch_size=64, monitor="loss", epochs_per_call=5),
        **fields,
    )
