"""Parts of a model that stand still for a time: in the gradient, in the update, and in the model's statistics."""

from collections.abc import Collection, Sequence
from typing import Any

import jax
import optax
from flax import traverse_util
from jax.tree_util import DictKey, KeyPath

from input_pipeline.config import ConfigError
from jaxdep.engine.program import Tree

_REST = "rest"  # of the parameters: those of no part that is ever frozen


def check_parts(parts: Collection[str], *trees: Tree) -> None:
    """Raises ConfigError where the model has no such part."""
    paths = [path for tree in trees for path in by_path(tree)]
    for part in parts:
        if not any(is_within(path, part) for path in paths):
            tops = sorted({path.partition(".")[0] for path in paths})
            raise ConfigError(f"training.frozen: the model has no part {part!r}; at its top it has {', '.join(tops)}")


def by_path(tree: Tree) -> dict[str, Any]:
    """The leaves of parameters or statistics by their path, `image.stem.kernel`."""
    return {_text(keys): leaf for keys, leaf in traverse_util.flatten_dict(tree).items()}


def is_within(path: str, part: str) -> bool:
    """Whether a parameter's path lies in a part of the model, or is it; everything lies in ""."""
    return not part or path == part or path.startswith(f"{part}.")


def by_parts(transform: optax.GradientTransformation, parts: Sequence[str]) -> optax.GradientTransformation:
    """The transform with a state of its own for each part, so that one can stand still while the others go on.

    One common state would count steps for parts that did not take them: Adam's correction of its young moments would
    be over before a part that is thawed later has any.
    """
    if not parts:
        return transform
    return optax.partition(
        dict.fromkeys((_label(""), *map(_label, parts)), transform), lambda tree: _labels(tree, parts)
    )


def apart(tree: Tree, parts: Sequence[str]) -> tuple[Tree, Tree]:
    """(what learns, what stands still) of parameters or statistics; `joined_parts` puts them together again."""
    flat = traverse_util.flatten_dict(tree)
    still = {path for path in flat if any(is_within(_text(path), part) for part in parts)}
    return {path: x for path, x in flat.items() if path not in still}, {path: flat[path] for path in still}


def together(learning: Tree, still: Tree) -> Tree:
    """What `apart` divided."""
    return traverse_util.unflatten_dict({**learning, **still})


def held(new: Tree, old: Tree, parts: Sequence[str]) -> Tree:
    """Statistics or an optimiser's state after a step, with those of the parts that stand still as they were."""
    if not parts:
        return new
    labels = set(map(_label, parts))

    def kept(path: KeyPath, after: jax.Array, before: jax.Array) -> jax.Array:
        names = [str(entry.key) for entry in path if isinstance(entry, DictKey)]
        is_still = any(is_within(".".join(names), part) for part in parts) or bool(labels & set(names))
        return before if is_still else after

    return jax.tree_util.tree_map_with_path(kept, new, old)


def _label(part: str) -> str:
    return f"part {part}" if part else _REST


def _labels(tree: Tree, parts: Sequence[str]) -> Tree:
    def label(path: str) -> str:
        return _label(next((part for part in parts if is_within(path, part)), ""))

    return traverse_util.unflatten_dict({path: label(_text(path)) for path in traverse_util.flatten_dict(tree)})


def _text(path: tuple[object, ...]) -> str:
    return ".".join(map(str, path))
