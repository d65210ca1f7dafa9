"""Where a stage's examples come from: a corpus or its stand-in, its features on disk, and their arrangement."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console

from input_pipeline import batching, builder
from input_pipeline.config import ConfigError, field_names
from input_pipeline.copies import with_copies
from input_pipeline.corpora import corpus_name, open_corpus
from input_pipeline.errors import DataError
from input_pipeline.features import Computed, Encoders, Segmentation
from input_pipeline.left_out import LeftOut
from input_pipeline.recording import Corpus
from jaxdep.config import Data, Levels, StandIn

FEATURES = "features"  # the folder below a stage's that holds what it extracts


@dataclasses.dataclass
class Sources:
    """Prepares what stages read; stages with the same data share it.

    Attributes:
        data_dir: holds one folder a corpus; stand-ins are written to its folder `synthetic`.
        features_dir: holds the prepared features of all corpora.
        encoders: by name, what makes an encoder of texts or images that needs a model.
    """

    data_dir: Path
    features_dir: Path
    encoders: Encoders
    console: Console
    _shards: dict[str, Path] = dataclasses.field(default_factory=dict)
    _examples: dict[str, batching.Examples] = dataclasses.field(default_factory=dict)
    _left_out: dict[str, tuple[LeftOut, ...]] = dataclasses.field(default_factory=dict)
    _corpora: dict[str, Corpus] = dataclasses.field(default_factory=dict)

    def check(self, data: Data) -> Corpus | None:
        """The corpus, whose recordings have what the features need; None where it is not here.

        Raises:
            ConfigError: the corpus cannot give what the config asks for; the line names the field.
            DataError: the corpus is broken, or a recording lacks something.
        """
        try:
            corpus = self._corpus(data)
        except DataError:
            return None  # its features may have come from elsewhere; else it is told where they are looked for
        for name, feature in self._located(data).items():
            try:
                builder.check(feature, corpus)
            except ConfigError as error:
                raise ConfigError(f"data.features.{name}.{error}") from None
        return corpus

    def left_out(self, data: Data, stages: Path) -> tuple[LeftOut, ...]:
        """What of the recordings will be in no example; raises as `examples`."""
        key = _key(data, stages)
        if key not in self._left_out:
            self._left_out[key] = batching.left_out(self.feature_sets(data, stages), data.arrangements)
        return self._left_out[key]

    def prepare(self, data: Data) -> None:
        """Opens the corpus, and computes its features that are not on disk.

        Raises:
            DataError: the corpus is not there or broken, or the features cannot be written.
        """
        for one in (data, *data.copied):
            for feature in self._located(one).values():
                self._computed(one, feature)

    def examples(self, data: Data, stages: Path) -> batching.Examples:
        """The padded examples of a stage's data, and of its copies; features that are not on disk are computed first.

        Args:
            stages: the folder of the experiment's stages, some of which extract features.

        Raises:
            DataError: the corpus is not there or broken, or the features cannot be written or read.
        """
        key = _key(data, stages)
        if key not in self._examples:
            originals, *copies = (self.feature_sets(one, stages) for one in (data, *data.copied))
            examples = batching.arrange(with_copies(originals, copies), data.arrangements)
            self._examples[key] = with_levels(examples, data.levels)
            self.console.print(f"{data.corpus}: {self._examples[key].summary()}")
        return self._examples[key]

    def forget_all_but(self, needed: Iterable[Data], stages: Path) -> None:
        """Frees the examples that no stage to come needs."""
        keys = {_key(data, stages) for data in needed}
        self._examples = {key: examples for key, examples in self._examples.items() if key in keys}

    def feature_sets(self, data: Data, stages: Path) -> dict[str, batching.FeatureSet]:
        """The features of `data` as they are stored, by name, without copies; raises as `examples`."""
        folders = {name: stages / feature.stage / FEATURES for name, feature in data.extracted.items()}
        folders |= {name: self._computed(data, feature) for name, feature in self._located(data).items()}
        return {name: batching.read(folders[name]) for name in data.features}

    def words(self, data: Data, segmentation: Segmentation) -> dict[str, list[str]]:
        """By recording, the words of its kept segments; empty where the corpus itself is not here."""
        try:
            recordings = self._corpus(data).recordings()
        except DataError:
            return {}
        return {one.id: [segment.text for segment in segmentation.apply(one)] for one in recordings}

    def tracks(self, data: Data, kind: str) -> dict[str, Path]:
        """By recording, its file of a kind, of those that have one; empty where the corpus itself is not here."""
        try:
            recordings = self._corpus(data).recordings()
        except DataError:
            return {}
        return {one.id: one.tracks[kind] for one in recordings if kind in one.tracks}

    def _located(self, data: Data) -> dict[str, Computed]:
        """The features that are computed, their files looked for in the data folder too."""
        return {name: feature.located(self.data_dir) for name, feature in data.computed.items()}

    def _computed(self, data: Data, feature: Computed) -> Path:
        """The feature's shards; a corpus is looked through, and its audio hashed, once a feature."""
        key = str((_corpus_key(data), feature.as_dict(), data.file_format))
        if key not in self._shards:
            self._shards[key] = self._find_or_compute(data, feature)
        return self._shards[key]

    def _find_or_compute(self, data: Data, feature: Computed) -> Path:
        try:
            corpus = self._corpus(data)
        except DataError:
            # Where the corpus is not, its features may still have come from elsewhere.
            shards = builder.find(self.features_dir, corpus_name(data.corpus), feature)
            if data.stand_in is not None or shards is None:
                raise
            self.console.print(
                f"{data.corpus}: the corpus is not here; using the features in {shards}", highlight=False
            )
            return shards
        return builder.ensure(
            feature, corpus, features_dir=self.features_dir, encoders=self.encoders, file_format=data.file_format
        )

    def _corpus(self, data: Data) -> Corpus:
        folder = self.data_dir
        if data.stand_in is not None:
            folder = folder / "synthetic" / _folder_name(data.stand_in)
            _write_stand_in(data.corpus, folder, data.stand_in)
        key = _corpus_key(data)
        if key not in self._corpora:
            self._corpora[key] = open_corpus(data.corpus, folder, data.classes, data.scores)
        return self._corpora[key]


def with_levels(examples: batching.Examples, levels: Mapping[str, Levels]) -> batching.Examples:
    """The examples with those levels as further labels whose scores any of them has."""
    known = {name: one for name, one in levels.items() if one.of in examples.labels}
    found = {name: one.level_of(examples.labels[one.of]) for name, one in known.items()}
    classes = {name: one.classes for name, one in known.items()}
    return dataclasses.replace(examples, labels={**examples.labels, **found}, classes={**examples.classes, **classes})


def _corpus_key(data: Data) -> str:
    """A manifest is another corpus with other classes."""
    return str([data.as_dict()[part] for part in ("corpus", "classes", "scores", "stand_in")])


def _key(data: Data, stages: Path) -> str:
    return str((stages if data.extracted else None, data.as_dict() | {"splits": None, "unnormalized": None}))


def _write_stand_in(corpus: str, data_dir: Path, stand_in: StandIn) -> None:
    """Writes it if it is not there. Raises DataError for an option that is set and that this corpus's does not have."""
    from input_pipeline.synthesis import options_of, synthesize  # its writers need scipy.signal, which loads slowly

    default, known = StandIn(), options_of(corpus)
    values = {name: getattr(stand_in, name) for name in field_names(stand_in)}
    options = {name: value for name, value in values.items() if name in known or value != getattr(default, name)}
    synthesize(corpus, data_dir, **options)


def _folder_name(stand_in: StandIn) -> str:
    """Its options; those that came after the first three only where they are set, so that older folders are found."""
    default, first = StandIn(), ("sessions", "effect", "seed")
    values = {name: getattr(stand_in, name) for name in field_names(stand_in)}
    named = {name: value for name, value in values.items() if name in first or value != getattr(default, name)}
    return "_".join(f"{name}{value if isinstance(value, int) else format(value, 'g')}" for name, value in named.items())
