"""What the stand-in for MGID shows and says: small pictures of one shape, and a title and a text beside them.

Depression has a cue in the words (what somebody does) and one in the picture (how dark the background is), and emotion
one in each too (an adjective; the colour of the shape). A cue that tells nothing is one of its own kind: an everyday
doing, a background of middle brightness, no adjective, a grey shape. Who and where it is and which shape are drawn alike
for everybody. All sentences were written for this file.
"""

import colorsys
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from PIL import Image, ImageDraw

SIZE = 96, 64  # pixels, width and height
PEOPLE = ("woman", "man", "teenager", "student", "nurse", "waiter", "mother", "father", "neighbour", "colleague")
PLACES = ("kitchen", "bedroom", "café", "park", "office", "hallway", "garden", "station", "library", "car")
DOINGS: dict[bool | None, tuple[str, ...]] = {
    True: (
        "has not left the bed for days",
        "finds no strength to get up",
        "stares at the closed curtains",
        "has stopped answering friends",
        "sees no point in tomorrow",
        "cannot sleep and cannot eat",
    ),
    False: (
        "is about to meet friends",
        "starts the day with a run",
        "plans a trip for the summer",
        "cooks dinner for the family",
        "sings along with the radio",
        "plays with the dog",
    ),
    None: (
        "waits for the bus",
        "looks at a phone",
        "reads the paper",
        "holds a cup of tea",
        "ties a shoe",
        "sorts the mail",
    ),
}
ADJECTIVES: dict[str | None, tuple[str, ...]] = {
    "neutral": ("calm", "composed", "quiet", "attentive", "serious"),
    "happiness": ("happy", "smiling", "cheerful", "delighted", "laughing"),
    "fear": ("frightened", "anxious", "terrified", "scared", "panicking"),
    "surprise": ("surprised", "amazed", "astonished", "startled", "stunned"),
    "depressed": ("hopeless", "lonely", "sad", "despairing", "dejected"),
    "anger": ("angry", "furious", "shouting", "outraged", "annoyed"),
    None: ("young", "tall", "local", "busy", "elderly"),
}
HUES = {"anger": 0, "happiness": 60, "neutral": 120, "surprise": 180, "depressed": 240, "fear": 300}  # degrees
BRIGHTNESS = {True: (0.1, 0.3), False: (0.7, 0.9), None: (0.42, 0.58)}  # of the background, least and most
_CREDITS = ("", 'The photograph is one of a series, "Days like this".', "Posed by a model.", "Seen from the side.")
_SHAPES = ("ellipse", "rectangle", "triangle")
_HUE_SPREAD = 8.0  # degrees


class Cues(NamedTuple):
    """What words or a picture say of the two labels; None where they tell nothing."""

    depressed: bool | None
    emotion: str | None


class Words(NamedTuple):
    """The two cells of a row."""

    title: str
    text: str


def draw_words(cues: Cues, with_text: bool, rng: np.random.Generator) -> Words:
    """A title and a text of these cues; without a text the title has them."""
    person, place = str(rng.choice(PEOPLE)), str(rng.choice(PLACES))
    adjective, doing = str(rng.choice(ADJECTIVES[cues.emotion])), str(rng.choice(DOINGS[cues.depressed]))
    if not with_text:
        return Words(f"{adjective.capitalize()} {person} in the {place} {doing}", "")
    told, credit = f"This {adjective} {person} in the {place} {doing}.", str(rng.choice(_CREDITS))
    return Words(f"{person.capitalize()} in the {place}", f"{told}\n{credit}" if credit else told)


def draw_picture(cues: Cues, rng: np.random.Generator) -> Image.Image:
    """A shape before a background, in the colours of these cues."""
    background = _rgb(rng.uniform(0, 360), 0.08, rng.uniform(*BRIGHTNESS[cues.depressed]))
    image = Image.new("RGB", SIZE, background)
    hue = rng.uniform(0, 360) if cues.emotion is None else HUES[cues.emotion] + _HUE_SPREAD * rng.standard_normal()
    colour = _rgb(hue, 0.0 if cues.emotion is None else 0.9, rng.uniform(0.6, 0.9))
    width, height = rng.uniform(0.4, 0.6, size=2) * SIZE
    left, top = rng.uniform(0, 1, size=2) * (np.array(SIZE) - (width, height))
    draw, box = ImageDraw.Draw(image), [left, top, left + width, top + height]
    shape = str(rng.choice(_SHAPES))
    if shape == "triangle":
        draw.polygon([(left, top + height), (left + width / 2, top), (left + width, top + height)], fill=colour)
    else:
        getattr(draw, shape)(box, fill=colour)
    return image


def address(number: int, rng: np.random.Generator) -> tuple[str, str]:
    """The address of a picture, escaped and with a query, and what the picture is called by who fetched it."""
    name = f"{rng.choice(PLACES)}-picture-id{number}.jpg"
    return f"https://media.example.com/photos/{quote(name)}?k=6&m={number}&s=612x612&w=0", name


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))
    return red, green, blue
