"""What the stand-in's speakers say: an interviewer's prompts and answers with a chosen share of two kinds of wording.

An answer is one or two clauses about the prompt's topic. Each clause is negative or not, and in the first person or
not, by two independent draws; those two shares are what the label moves. Prompts, topics, fillers and the number of
clauses are drawn alike for everybody.

Beside the answers there are remarks of four emotions, which could be made in any talk. All sentences were written for
this file.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

INTERVIEWER_OPENING = "hi i'm ellie thanks for coming in"
INTERVIEWER_CLOSING = "okay thanks for sharing goodbye"
_BACKCHANNELS = ("mhm", "okay", "yeah", "right", "i see", "that's interesting", "uh huh")
_FILLERS = ("um", "uh", "well", "you know", "i mean", "so", "like", "let's see")
_JOINS = ("and", "but", "so", "because", "also")
_FEELINGS = {
    False: ("happy", "glad", "relaxed", "proud", "hopeful", "calm", "thankful", "content"),
    True: ("sad", "hopeless", "worried", "lonely", "guilty", "empty", "ashamed", "miserable"),
}
_QUALITIES = {
    False: ("good", "fine", "great", "easy", "fun", "nice", "okay", "wonderful"),
    True: ("bad", "hard", "awful", "exhausting", "pointless", "terrible", "stressful", "difficult"),
}
_FRAMES = {
    True: (
        "i feel {feeling} about my {noun}",
        "my {noun} makes me {feeling}",
        "i think my {noun} is {quality}",
        "my {noun} feels {quality} to me",
        "i tell myself it is {quality}",
        "for me it has been {quality}",
    ),
    False: (
        "the {noun} is {quality}",
        "it has been {quality} with the {noun}",
        "people there seem {feeling}",
        "that part is {quality} these days",
        "things are {quality} this year",
        "everyone gets {feeling} about the {noun}",
    ),
}


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """How an emotion is put into words: `feelings` fit after "i feel", `qualities` after "it is"."""

    feelings: tuple[str, ...]
    qualities: tuple[str, ...]
    clauses: tuple[str, ...]


LEXICON = {
    "angry": Lexicon(
        ("angry", "furious", "mad", "annoyed", "outraged", "offended", "bitter", "fed up"),
        ("unfair", "ridiculous", "outrageous", "insulting", "stupid", "a lie", "your fault", "a scandal"),
        ("stop yelling at me", "you never listen", "don't touch my things", "how dare you say that", "leave me alone",
         "they cheated us again", "i want my money back", "shut the door and go", "nobody asked you", "he lied to my face"),
    ),
    "happy": Lexicon(
        _FEELINGS[False],
        _QUALITIES[False],
        ("i love this so much", "we won the prize", "she said yes", "what a lovely surprise", "i can't stop smiling",
         "let's dance tonight", "we are getting married", "that made my day", "you are the best", "i got the part"),
    ),
    "neutral": Lexicon(
        ("ready", "used to it", "awake", "prepared", "informed", "busy"),
        ("normal", "usual", "on the table", "at five", "around the corner", "the same"),
        ("the bus comes at nine", "please fill in this form", "the shop is on the left", "i put the keys there",
         "it takes two hours", "we meet on tuesday", "the paper is in the drawer", "turn right after the bridge",
         "i need your name and address", "she works at the bank"),
    ),
    "sad": Lexicon(
        _FEELINGS[True],
        ("sad", "over", "too late", "lost", "empty", "hopeless", "gone", "no use"),
        ("i miss her every day", "he is not coming back", "i can't stop crying", "we lost our home", "i am so alone",
         "there is no one left", "my heart is broken", "i should have said goodbye", "she died in the spring",
         "i don't want to get up"),
    ),
}  # fmt: skip
_REMARK_FRAMES = (
    "i feel {feeling}",
    "i am {feeling} right now",
    "it is {quality}",
    "i think that is {quality}",
    "everyone here is {feeling}",
    "this whole thing is {quality}",
)


@dataclasses.dataclass(frozen=True)
class Topic:
    """What a prompt asks about.

    Attributes:
        noun: fits after "my" and "the".
        prompts: what the interviewer may ask.
        clauses: by (negative, first person), what may be said about this topic alone.
    """

    noun: str
    prompts: tuple[str, ...]
    clauses: dict[tuple[bool, bool], tuple[str, ...]]


def _topic(noun: str, prompts: Sequence[str], good: Sequence[str], bad: Sequence[str]) -> Topic:
    """`good` and `bad` hold two clauses in the first person, then two without a person."""
    clauses = {
        (negative, first): tuple(said[:2] if first else said[2:])
        for negative, said in ((False, good), (True, bad))
        for first in (True, False)
    }
    return Topic(noun, tuple(prompts), clauses)


TOPICS = (
    _topic(
        "sleep",
        ("how have you been sleeping", "how easy is it to sleep at night", "tell me about your sleep"),
        ("i sleep well in my bed", "my nights are quiet", "eight hours is normal", "it is quiet at night"),
        ("i lie awake with my thoughts", "i hate my mornings", "the nights are long", "every morning starts tired"),
    ),
    _topic(
        "family",
        ("how close are you to your family", "tell me about your family", "who raised you"),
        ("my sister calls me often", "i love my parents", "the kids are funny", "sundays are for dinner"),
        ("my family gave up on me", "i fight with my brother", "nobody visits anymore", "they argue all the time"),
    ),
    _topic(
        "job",
        ("what do you do for work", "how is your job", "what is your dream job"),
        ("i enjoy my shifts", "my boss trusts me", "the team is friendly", "the office is close"),
        ("i lost my job in march", "my boss yells at me", "the work never stops", "the pay is not enough"),
    ),
    _topic(
        "mood",
        ("how are you feeling lately", "how is your mood", "what makes you happy"),
        ("i laugh with my friends", "my days feel bright", "the sun helps a lot", "music lifts the day"),
        ("i cry by myself", "my head feels heavy", "nothing is fun anymore", "the days look grey"),
    ),
    _topic(
        "friend",
        ("how would a friend describe you", "tell me about your best friend", "how often do you see friends"),
        ("my friend makes me laugh", "i trust my old friends", "they come over on fridays", "we all play cards"),
        ("i push my friends away", "my friends forgot me", "everybody moved away", "the phone never rings"),
    ),
    _topic(
        "weekend",
        ("what do you do on weekends", "how was your weekend", "what do you do to relax"),
        ("i walk my dog by the lake", "i take my bike out", "the park is open late", "there is a market"),
        ("i stay in my room", "i waste my saturdays", "the weekend drags on", "there is nothing to do"),
    ),
    _topic(
        "travel",
        ("do you travel a lot", "where would you like to go", "tell me about a trip"),
        ("i took my kids to spain", "i loved my trip north", "the beach was warm", "the food was amazing"),
        ("i cancelled my trip", "i got sick on my trip", "the flight was a mess", "it rained every day"),
    ),
    _topic(
        "home",
        ("where do you live", "how do you like your home", "what do you like about l a"),
        ("i painted my kitchen", "i like my street", "the rooms are sunny", "the garden is green"),
        ("i can't pay my rent", "i feel trapped in my flat", "the walls are cold", "it is loud and dirty"),
    ),
    _topic(
        "food",
        ("how is your appetite", "do you like to cook", "what did you eat today"),
        ("i cook for my neighbours", "i bake my own bread", "breakfast is eggs and toast", "soup is always there"),
        ("i skip my meals", "i can't finish my plate", "nothing tastes right", "dinner is cold pizza"),
    ),
    _topic(
        "health",
        ("how is your health", "have you been diagnosed with anything", "how much energy do you have"),
        ("i run in my new shoes", "my doctor likes my numbers", "the gym is cheap", "the tests were clear"),
        ("my back hurts me daily", "i have no energy in my body", "the pills do nothing", "the pain comes back"),
    ),
    _topic(
        "school",
        ("what did you study", "how was school for you", "are you still in school"),
        ("i finished my degree", "i liked my teachers", "the classes are small", "history was the best"),
        ("i failed my exams", "i dropped my classes", "school was a struggle", "the loans keep growing"),
    ),
    _topic(
        "money",
        ("how do you manage money", "what do you worry about", "what are you saving for"),
        ("i save for my house", "i paid my bills early", "there is enough for rent", "the budget works"),
        ("i owe my landlord money", "i lost my savings", "the bills pile up", "debt ruins everything"),
    ),
    _topic(
        "future",
        ("where will you be in ten years", "what are you proud of", "what would you change"),
        ("i have plans for my garden", "i see myself teaching", "next year looks bright", "good things will come"),
        ("i regret my choices", "i see no way out for myself", "it will only get worse", "nothing will change"),
    ),
    _topic(
        "music",
        ("what do you do for fun", "what music do you like", "do you have a hobby"),
        ("i play my guitar", "i sing in my car", "jazz is on every night", "the band meets on monday"),
        ("i sold my guitar", "i quit my choir", "the songs sound flat", "the band broke up"),
    ),
)  # fmt: skip


def agenda(turns: int, rng: np.random.Generator) -> list[tuple[Topic, str]]:
    """The topic and the prompt of each turn: all topics in random order before one comes back."""
    order = np.concatenate([rng.permutation(len(TOPICS)) for _ in range(-(-turns // len(TOPICS)))])[:turns]
    return [(TOPICS[index], str(rng.choice(TOPICS[index].prompts))) for index in order]


def backchannel(rng: np.random.Generator) -> str:
    """What the interviewer says before the next prompt; the same for everybody."""
    return str(rng.choice(_BACKCHANNELS))


def answer(topic: Topic, negative_share: float, first_person_share: float, rng: np.random.Generator) -> list[list[str]]:
    """The clauses of an answer, each a list of lower-case words."""
    clauses = []
    for position in range(1 + int(rng.random() < 0.55)):
        lead = _lead(position, rng)
        negative, first_person = rng.random() < negative_share, rng.random() < first_person_share
        clauses.append(f"{lead} {_clause(topic, bool(negative), bool(first_person), rng)}".split())
    return clauses


def remarks(draw_emotion: Callable[[], str], rng: np.random.Generator) -> list[list[str]]:
    """One or two clauses, each a list of lower-case words of the emotion that `draw_emotion` gives for it."""
    clauses = []
    for position in range(1 + int(rng.random() < 0.4)):
        lead = _lead(position, rng)
        clauses.append(f"{lead} {_remark(LEXICON[draw_emotion()], rng)}".split())
    return clauses


def written(clauses: Sequence[Sequence[str]]) -> str:
    """The clauses as a sentence: with a capital, commas and a full stop."""
    text = ", ".join(" ".join("I" + word[1:] if word.split("'")[0] == "i" else word for word in c) for c in clauses)
    return f"{text[0].upper()}{text[1:]}."


def _lead(position: int, rng: np.random.Generator) -> str:
    lead = str(rng.choice(_JOINS)) if position else ""
    if rng.random() < 0.3:
        lead += " " + str(rng.choice(_FILLERS))
    return lead


def _remark(lexicon: Lexicon, rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return str(rng.choice(lexicon.clauses))
    frame = str(rng.choice(_REMARK_FRAMES))
    return frame.format(feeling=rng.choice(lexicon.feelings), quality=rng.choice(lexicon.qualities))


def _clause(topic: Topic, negative: bool, first_person: bool, rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return str(rng.choice(topic.clauses[negative, first_person]))
    frame = str(rng.choice(_FRAMES[first_person]))
    feeling, quality = (str(rng.choice(words[negative])) for words in (_FEELINGS, _QUALITIES))
    return frame.format(feeling=feeling, quality=quality, noun=topic.noun)
