"""Who trains, who validates, who is tested, as a config says it; `jaxdep.engine.splits` makes it of a corpus."""

import dataclasses
from typing import Literal

from input_pipeline.config import Config, ConfigError, defaults


@dataclasses.dataclass
class Folds(Config):
    """Cross-validation: each fold tests other groups of participants, until everybody was tested once.

    All folds of all seeds train at once, and a seed's decisions on the folds' test groups are scored together.

    Attributes:
        by: what is never divided: `participant`, `split` (a name of the corpus's own splits), or a metadatum of the
            corpus. With `count` 0 each such group is a fold of its own: leave one out.
        count: folds of about as many groups each, drawn once, for all seeds alike; they are stratified by the first
            task's label where each group is of one class.
        seed: of that draw.
        validate: whether the fold before the tested one (of the first: the last) validates. Without, and without a
            `validation_fraction`, nobody does.
    """

    by: str = "participant"
    count: int = 0
    seed: int = 0
    validate: bool = True

    def check(self) -> None:
        if self.count < 0 or self.count == 1:
            raise ConfigError(f"count: two folds or more, or 0 for each group its own, found {self.count}")
        if self.seed < 0:
            raise ConfigError(f"seed: 0 or more, found {self.seed}")


@dataclasses.dataclass
class Splits(Config):
    """Who trains, who validates, who is reported: whole participants, unless `leaky` says otherwise.

    Attributes:
        by: `split` lists the corpus's own split names below, `participant` lists participants.
        train: an empty tuple with `by="participant"` means everybody who is not listed elsewhere.
        validation: chooses the epoch, stops training, lowers the learning rate.
        test: reported only.
        validation_fraction: if validation is empty, this share of the training participants is drawn, stratified by the
            first task's label where each participant is of one class.
        validation_draw: which draw that is, for all seeds alike: its STD over the seeds is then that of initialisation,
            order and dropout. None: each seed's own, by its `split` stream, so that the STD holds that of the draws too.
        test_fraction: if test is empty, this share of the training participants is drawn for it, before validation is;
            the draw is one for all seeds, stratified as that of validation.
        test_draw: which draw that is.
        leaky: both draws are of examples, in place of participants: somebody's windows stand on both sides, as some papers
            have it, and a model may know who speaks. What it scores is no estimate for other people; its rows say LEAKY.
        folds: in place of the names above, which are then left as they are: cross-validation over all participants.
    """

    by: Literal["split", "participant"] = "split"
    train: tuple[str, ...] = ("train",)
    validation: tuple[str, ...] = ("dev",)
    test: tuple[str, ...] = ("test",)
    validation_fraction: float = 0.0
    validation_draw: int | None = None
    test_fraction: float = 0.0
    test_draw: int = 0
    leaky: bool = False
    folds: Folds | None = None

    @property
    def has_validation(self) -> bool:
        """Whether somebody validates."""
        named = self.validation if self.folds is None else self.folds.validate
        return bool(named or self.validation_fraction)

    @property
    def drawn_by_seed(self) -> bool:
        """Whether each seed draws who validates."""
        return bool(self.validation_fraction) and self.validation_draw is None

    def check(self) -> None:
        if not 0 <= self.validation_fraction < 1:
            raise ConfigError(
                f"validation_fraction: a share of the training participants, found {self.validation_fraction}"
            )
        if not 0 <= self.test_fraction < 1:
            raise ConfigError(f"test_fraction: a share of the training participants, found {self.test_fraction}")
        for name, draw in (("validation_draw", self.validation_draw), ("test_draw", self.test_draw)):
            if draw is not None and not 0 <= draw < 2**32:
                raise ConfigError(f"{name}: the number of a draw, 0 to 2^32 - 1, found {draw}")
        if self.test_draw and not self.test_fraction:
            raise ConfigError(f"test_draw: nobody is drawn; give test_fraction, found {self.test_draw}")
        if self.leaky and not (self.test_fraction or self.validation_fraction):
            raise ConfigError("leaky: nothing is drawn; give test_fraction or validation_fraction")
        if self.validation_draw is not None and not self.validation_fraction:
            raise ConfigError(
                f"validation_draw: nobody is drawn; give validation_fraction, found {self.validation_draw}"
            )
        if self.folds is not None:
            self._check_folds(self.folds)
            return
        for part in ("validation", "test"):
            if getattr(self, part) and getattr(self, f"{part}_fraction"):
                raise ConfigError(f"{part}_fraction: give either it or the names in `{part}`, not both")
        parts = [*self.train, *self.validation, *self.test]
        twice = sorted({name for name in parts if parts.count(name) > 1})
        if twice:
            raise ConfigError(f"test: {twice[0]!r} is listed twice; nobody may stand in two splits")

    def own_name(self, part: str) -> str:
        """What the corpus calls those of a part; empty where they have no name there, or that of the part."""
        names = {"train": self.train, "validation": self.validation, "test": self.test}[part]
        is_named = self.by == "split" and self.folds is None and names not in ((), (part,))
        return " + ".join(names) if is_named else ""

    def _check_folds(self, folds: Folds) -> None:
        for name in ("by", "train", "validation", "test", "test_fraction", "leaky"):
            if getattr(self, name) not in (defaults(self)[name], ()):
                raise ConfigError(f"{name}: folds take in everybody; leave it out, found {getattr(self, name)!r}")
        if folds.validate and self.validation_fraction:
            raise ConfigError("validation_fraction: give either it or folds.validate, not both")
