"""What the perturbed copies of `Data.copies` are of, and which of them there can be."""

from collections.abc import Mapping, Sequence

from input_pipeline.config import ConfigError
from input_pipeline.features import Feature, Perturbation


def perturbed(features: Mapping[str, Feature], perturbation: Perturbation) -> dict[str, Feature]:
    """The features of a copy, by name. Raises ConfigError where one cannot be made of perturbed speech."""
    found = {}
    for name, feature in features.items():
        try:
            found[name] = feature.perturbed(perturbation)
        except ConfigError as error:
            raise ConfigError(f"features.{name}: {error}") from None
    return found


def check_copies(features: Mapping[str, Feature], copies: Sequence[Perturbation]) -> None:
    """Raises ConfigError for a copy that is no other than the recordings or another copy, or cannot be made."""
    for index, perturbation in enumerate(copies):
        if not perturbation.changes:
            raise ConfigError(f"copies[{index}]: it changes nothing; give it noise or semitones")
        if perturbation in copies[:index]:
            raise ConfigError(f"copies[{index}]: another copy is the same; give each its own noise or semitones")
        if perturbed(features, perturbation) == dict(features):
            raise ConfigError(f"copies: sound has no part in {', '.join(features)}; leave the copies out")
