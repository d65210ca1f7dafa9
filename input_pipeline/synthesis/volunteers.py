"""Who takes part in the stand-in of faces and speech: labels, who they are besides, and how far depression shows.

A participant has six latent variables, each normal with unit variance around a mean that depends on the label:

    face: smile_rate, smile_size, brow      speech: pitch_range, rate, loudness

Healthy participants have mean 0, depressed ones `effect * SHIFTS[name] * SEVERITIES[severity].factor`. Given the label
and the severity the six are independent of each other and of all else: gender is balanced within each label of each
split, and age and ethnicity are drawn without looking at it. With `effect=0` the label says nothing about the recording.
"""

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm

FACE = ("smile_rate", "smile_size", "brow")
SPEECH = ("pitch_range", "rate", "loudness")
SHIFTS = {"smile_rate": -1.3, "smile_size": -1.4, "brow": -1.1, "pitch_range": -1.3, "rate": -1.2, "loudness": -1.2}
PREVALENCE = 0.5
HEALTHY = "none"  # the severity of who is not depressed
SPLIT_SHARES = {"train": 0.7, "dev": 0.15, "test": 0.15}  # section 3.3
MIN_SESSIONS, WHY_MIN = 20, "three splits, two classes"  # below, a split may lack a class
AGES = 18, 75  # years, youngest and oldest
AGE_BANDS = {"18-30": 18, "31-50": 31, "51+": 51}  # by name the least age; Table 4
ETHNICITIES = {"White": 0.4, "Black": 0.2, "Asian": 0.2, "Hispanic/Latino": 0.2}  # and how often; Table 4


class Severity(NamedTuple):
    """Its share among the depressed, and how much of the effect they show."""

    share: float
    factor: float


SEVERITIES = {"mild": Severity(0.35, 0.8), "moderate": Severity(0.4, 1.0), "severe": Severity(0.25, 1.25)}

Modality = Literal["face", "speech", "both"]
MODALITIES: dict[Modality, tuple[str, ...]] = {"face": FACE, "speech": SPEECH, "both": FACE + SPEECH}


@dataclasses.dataclass(frozen=True)
class Volunteer:
    """One participant: what the manifest says, and the latent variables that shape picture and sound.

    Attributes:
        place: in the order of the manifest, from 0.
        split: "train", "dev" or "test".
        severity: one of `SEVERITIES`, or `HEALTHY`.
        female: the gender.
        age: years.
        ethnicity: one of `ETHNICITIES`; a name in the table alone, it has no part in picture or sound.
        latents: by the names in FACE and SPEECH, in standard deviations of the healthy.
    """

    place: int
    split: str
    severity: str
    female: bool
    age: int
    ethnicity: str
    latents: dict[str, float]

    @property
    def name(self) -> str:
        """In the manifest, and of the files."""
        return f"p{self.place + 1:04}"

    @property
    def depressed(self) -> bool:
        """The binary label."""
        return self.severity != HEALTHY

    @property
    def age_band(self) -> str:
        """The name of the age's band."""
        return [name for name, least in AGE_BANDS.items() if self.age >= least][-1]


def draw_volunteers(count: int, effect: float, seed: int) -> list[Volunteer]:
    """The participants, in an order that says nothing; the same for the same arguments.

    Half of each split is depressed, and half of each label in it are women, either up to one. The severities have their
    shares in each split, up to one.
    """
    rng = np.random.default_rng([seed, 0])
    cells: list[tuple[str, str, bool]] = []
    for split, size in _sizes(count).items():
        depressed = (size + int(rng.integers(2))) // 2
        for severities in (_severities(depressed, rng), [HEALTHY] * (size - depressed)):
            women = rng.permutation((np.arange(len(severities)) + rng.integers(2)) % 2 == 0)
            cells += [(split, severity, bool(female)) for severity, female in zip(severities, women, strict=True)]
    order = rng.permutation(count).tolist()
    return [_volunteer(place, cells[index], effect, rng) for place, index in enumerate(order)]


def bayes_accuracy(effect: float, modality: Modality) -> float:
    """The accuracy of the Bayes rule that sees the latent variables of a modality, each label as frequent as the other.

    Along the line between the groups' means the healthy are normal around 0 and the depressed a mixture of normals, one a
    severity. All means lie on one side, so the likelihood ratio rises along the line and the rule is a threshold.
    """
    distance = effect * float(np.linalg.norm([SHIFTS[name] for name in MODALITIES[modality]]))
    if distance == 0.0:
        return PREVALENCE
    shares, factors = np.array(list(SEVERITIES.values())).T
    means = factors * distance
    threshold = brentq(lambda z: logsumexp(means * z - means**2 / 2, b=shares), 0.0, means.max())
    return float((norm.cdf(threshold) + shares @ norm.sf(threshold - means)) / 2)


def planted(effect: float, people: list[Volunteer]) -> dict[str, Any]:
    """What a marker file says of the effect of depression, of who takes part, and of the best accuracy possible."""
    women = {label: [one.female for one in people if one.depressed == label] for label in (True, False)}
    return {
        "planted_shifts_in_standard_deviations": {name: effect * shift for name, shift in SHIFTS.items()},
        "planted_factors_of_severities": {name: one.factor for name, one in SEVERITIES.items()},
        "prevalence": sum(one.depressed for one in people) / len(people),
        "women_among_depressed": sum(women[True]) / len(women[True]),
        "women_among_healthy": sum(women[False]) / len(women[False]),
        "bayes_accuracy_on_latents": {modality: round(bayes_accuracy(effect, modality), 3) for modality in MODALITIES},
    }


def _sizes(count: int) -> dict[str, int]:
    sizes = {split: round(share * count) for split, share in SPLIT_SHARES.items()}
    return sizes | {"train": sizes["train"] + count - sum(sizes.values())}


def _severities(count: int, rng: np.random.Generator) -> list[str]:
    """Of so many depressed, each severity as often as its share says, the one or other once more, in any order."""
    edges = np.cumsum([one.share for one in SEVERITIES.values()])
    places = np.searchsorted(edges, (np.arange(count) + rng.random()) / count)
    return [list(SEVERITIES)[place] for place in rng.permutation(places.clip(max=len(edges) - 1))]


def _volunteer(place: int, cell: tuple[str, str, bool], effect: float, rng: np.random.Generator) -> Volunteer:
    """Somebody of a cell: the split, the severity, and whether it is a woman."""
    split, severity, female = cell
    scale = 0.0 if severity == HEALTHY else effect * SEVERITIES[severity].factor
    return Volunteer(
        place=place,
        split=split,
        severity=severity,
        female=female,
        age=int(rng.integers(AGES[0], AGES[1], endpoint=True)),
        ethnicity=str(rng.choice(list(ETHNICITIES), p=list(ETHNICITIES.values()))),
        latents={name: float(rng.standard_normal()) + scale * shift for name, shift in SHIFTS.items()},
    )
