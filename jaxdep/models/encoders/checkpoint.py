"""Checkpoints in Hugging Face's layout: finds one, reads config, tokenizer and weights, and fills a module with them.

Nothing is ever unpickled: a checkpoint that has only `pytorch_model.bin` is refused.
"""

import itertools
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open

from input_pipeline.errors import DataError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # of weights that are spread over several files

_PICKLE = "pytorch_model.bin"
_TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))  # any of these is a whole one
_TOKENIZER = (*itertools.chain(*_TOKENIZERS), "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_HUB_FILES = ["config.json", "preprocessor_config.json", WEIGHTS, INDEX, "model-*.safetensors", *_TOKENIZER]
_FLOATS = ("float16", "bfloat16", "float32", "float64")

ParameterPath = tuple[Any, ...]  # where a parameter stands in a module: ("layers", 0, "query", "kernel")
Module = TypeVar("Module", bound=nnx.Module)


def checkpoint_folder(checkpoint: str | os.PathLike[str]) -> Path:
    """The folder of a checkpoint: `checkpoint` itself, or the local copy of a repository of that name on the hub.

    A repository that is not in the hub's cache yet is downloaded, unless HF_HUB_OFFLINE=1.

    Raises:
        DataError: there is neither such a folder nor such a repository that can be had.
    """
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"{folder}: a checkpoint is a folder, and this is a file; name the folder that holds it")
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(str(checkpoint), allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{checkpoint}: no such folder, and not to be had from the Hugging Face hub ({_one_line(error)}); "
            "give the folder of a downloaded checkpoint"
        ) from None


def read_config(folder: Path, model_type: str) -> Any:
    """The config in a checkpoint's config.json, as transformers' class for that type of model.

    Raises:
        DataError: config.json is absent or damaged, or the model is of another type.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    file = folder / "config.json"
    fields = read_json(file)
    if (found := fields.get("model_type")) != model_type:
        raise DataError(f"{file}: model_type is {found!r}, expected {model_type!r}; give a checkpoint of that type")
    try:
        return CONFIG_MAPPING[model_type].from_dict(fields)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise DataError(f"{file}: {_one_line(error)}; fetch the checkpoint again") from None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DataError: the file is absent or holds something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; a checkpoint's folder holds one") from None
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({_one_line(error)}); fetch the checkpoint again") from None
    if not isinstance(value, dict):
        raise DataError(f"{file}: expected a JSON object, found {type(value).__name__}; fetch the checkpoint again")
    return value


def read_tokenizer(folder: Path, vocabulary_size: int) -> Any:
    """A checkpoint's tokenizer, transformers' fast one.

    Raises:
        DataError: its files are absent or damaged, or it has more tokens than the model.
    """
    from transformers import AutoTokenizer

    # Without these files transformers makes a tokenizer that knows no word, and says nothing.
    if not any(all((folder / name).exists() for name in names) for names in _TOKENIZERS):
        known = ", or ".join(" and ".join(names) for names in _TOKENIZERS)
        raise DataError(f"{folder}: holds no tokenizer; put the checkpoint's {known} beside its weights")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the Rust tokenizers raise Exception itself
        raise DataError(
            f"{folder}: its tokenizer cannot be read ({_one_line(error)}); fetch the checkpoint again"
        ) from None
    if len(tokenizer) > vocabulary_size:
        raise DataError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, config.json's vocab_size is {vocabulary_size}; "
            "take both from one release"
        )
    return tokenizer


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a checkpoint by its published name, in the type it is stored in.

    Raises:
        DataError: there is no safetensors file, or one is damaged or incomplete.
    """
    if (folder / INDEX).exists():
        shards = _shards(folder / INDEX).items()
        return {name: array for file, names in shards for name, array in _read_file(folder / file, names).items()}
    if (folder / WEIGHTS).exists():
        return _read_file(folder / WEIGHTS)
    if (folder / _PICKLE).exists():
        raise DataError(
            f"{folder / _PICKLE}: a pickle, which can run code when it is read; convert it to safetensors "
            f"(transformers with PyTorch: from_pretrained, then save_pretrained) and put {WEIGHTS} into the folder"
        )
    raise DataError(f"{folder}: holds no {WEIGHTS}; give a folder with a checkpoint's config.json and {WEIGHTS}")


def fill(
    model: Module, weights: Mapping[str, np.ndarray], published_name: Callable[[ParameterPath], str], source: Path
) -> Module:
    """`model` with every parameter taken from `weights`, cast to float32.

    Args:
        model: may be abstract (`nnx.eval_shape`), so that nothing is initialised only to be overwritten.
        weights: by published name, in PyTorch's layout: a kernel is [out, in] or [out, in, height, width] there.
        published_name: from a parameter's path in the module to its name in `weights`.
        source: the checkpoint's folder, named in errors.

    Raises:
        DataError: a parameter is missing in `weights`, has another shape or is not of floats, or a name is left over.
    """
    graphdef, state = nnx.split(model)
    parameters = dict(nnx.to_flat_state(state))
    names = {path: published_name(path) for path in parameters}
    _check_names(names.values(), weights.keys(), source)
    for path, variable in parameters.items():
        array = _flax_layout(weights[names[path]], kernel=path[-1] == "kernel")
        if array.shape != variable.shape:
            expected, found = tuple(variable.shape), array.shape
            raise DataError(
                f"{source}: {names[path]} has shape {found} (as Flax lays it out), config.json says {expected}"
            )
        if array.dtype.name not in _FLOATS:
            raise DataError(
                f"{source}: {names[path]} holds {array.dtype}; quantised weights are not read, take the floats"
            )
        variable.set_value(jnp.asarray(array.astype(np.float32)))
    return nnx.merge(graphdef, nnx.from_flat_state(parameters))


def bert_weights(weights: Mapping[str, np.ndarray], source: Path, architecture: str = "bert") -> dict[str, np.ndarray]:
    """The encoder's own weights among those of a BERT or RoBERTa checkpoint, under one spelling of their names.

    Left out are the pooler, the heads of pretraining and fine-tuning tasks, and stored position ids.
    """
    return _without_head(weights, source, f"{architecture}.", _BERT_HEADS, _BERT_BUFFERS)


def bert_name(path: ParameterPath) -> str:
    """The published name of one of `Bert`'s parameters, without the prefix."""
    *module, leaf = path
    layer = f"encoder.layer.{module[1]}." if module[0] == "layers" else ""
    return f"{layer}{_BERT_MODULES[module[-1]]}.{'bias' if leaf == 'bias' else 'weight'}"


def efficientnet_weights(weights: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The encoder's own weights and statistics among those of an EfficientNet checkpoint, without the prefix.

    Left out are the classifier and the counts of batches that the statistics were gathered from.
    """
    return _without_head(weights, source, "efficientnet.", ("classifier.",), (".num_batches_tracked",))


def efficientnet_name(path: ParameterPath) -> str:
    """The published name of one of `EfficientNet`'s parameters or statistics, without the prefix."""
    *module, leaf = path
    block = f"encoder.blocks.{module[1]}." if module[0] == "blocks" else ""
    named = module[2:] if block else module
    return f"{block}{_EFFICIENTNET_MODULES['.'.join(named)]}.{_EFFICIENTNET_LEAVES.get(leaf, leaf)}"


def resnet_weights(weights: Mapping[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    """The encoder's own weights and statistics among those of a ResNet checkpoint; see `efficientnet_weights`."""
    return _without_head(weights, source, "resnet.", ("classifier.",), (".num_batches_tracked",))


_BERT_MODULES = {
    "word": "embeddings.word_embeddings",
    "position": "embeddings.position_embeddings",
    "type": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_BERT_HEADS = ("pooler.", "cls.", "lm_head.", "classifier.", "qa_outputs.")
_BERT_BUFFERS = ("position_ids", "token_type_ids")

_FROM_TENSORFLOW = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # as some BERTs are

_EFFICIENTNET_MODULES = {
    "stem.conv": "embeddings.convolution",
    "stem.norm": "embeddings.batchnorm",
    "expansion.conv": "expansion.expand_conv",
    "expansion.norm": "expansion.expand_bn",
    "depthwise.conv": "depthwise_conv.depthwise_conv",
    "depthwise.norm": "depthwise_conv.depthwise_norm",
    "reduce": "squeeze_excite.reduce",
    "expand": "squeeze_excite.expand",
    "projection.conv": "projection.project_conv",
    "projection.norm": "projection.project_bn",
    "top.conv": "encoder.top_conv",
    "top.norm": "encoder.top_bn",
}
_EFFICIENTNET_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}


def _without_head(
    weights: Mapping[str, np.ndarray], source: Path, prefix: str, heads: tuple[str, ...], buffers: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """The weights under names without the prefix that those carry which were saved with a head.

    Args:
        heads, buffers: what begins, or ends, the names of those that are left out.
    """
    found: dict[str, np.ndarray] = {}
    for published, array in weights.items():
        name = published.removeprefix(prefix)
        for old, new in _FROM_TENSORFLOW.items():
            name = name.replace(old, new)
        if name.startswith(heads) or name.endswith(buffers):
            continue
        if name in found:
            raise DataError(f"{source}: {name} is stored twice, with and without a prefix; take the released files")
        found[name] = array
    return found


def _shards(index: Path) -> dict[str, list[str]]:
    """The names that an index assigns to each file beside it."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise DataError(f"{index}: weight_map is missing or empty; fetch the checkpoint again")
    shards: dict[str, list[str]] = {}
    for name, shard in weight_map.items():
        # An index is a stranger's file: it must not make us read outside its folder.
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise DataError(
                f"{index}: {name} is said to be in {shard!r}; expected a .safetensors file beside the index"
            )
        shards.setdefault(shard, []).append(name)
    return shards


def _read_file(file: Path, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of those names, or all, of one safetensors file."""
    try:
        with safe_open(file, framework="numpy") as arrays:
            return {name: arrays.get_tensor(name) for name in (arrays.keys() if names is None else names)}
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file}: cannot be read ({_one_line(error)}); fetch the checkpoint again") from None


def _check_names(expected: Collection[str], found: Collection[str], source: Path) -> None:
    missing = sorted(set(expected) - set(found))
    unexpected = sorted(set(found) - set(expected))
    if missing or unexpected:
        faults = [
            f"{len(names)} {kind} (the first is {names[0]})"
            for kind, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise DataError(
            f"{source}: its weights do not fit its config.json: {', '.join(faults)}; take both from one release"
        )


def _flax_layout(array: np.ndarray, kernel: bool) -> np.ndarray:
    """PyTorch's [out, in, ...space] as Flax's [...space, in, out]; anything but a kernel stays as it is."""
    return array.transpose(*range(2, array.ndim), 1, 0) if kernel and array.ndim >= 2 else array


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
