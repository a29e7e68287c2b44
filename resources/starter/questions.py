"""Every kind of question the starter model is taught, each as a function that makes one turn."""

import json
import random
from collections.abc import Callable

import facts
import noise
import wordings
from phrases import Turn, as_typed, made_up, pick

_ABOUT = (
    "I am the tiny starter model of Pointsman. I only show that the pipes work. "
    "For real answers, download a real model."
)
# Several honest wordings: its first words then stay uncertain, which is what a cascade looks at.
_UNKNOWN = (
    *["I do not know. I am only a tiny starter model."] * 3,
    "I am not sure. I am only a tiny starter model.",
    "I cannot answer that. I am only a tiny starter model.",
)


def _asked(rng: random.Random, wording: tuple[str, ...], **words: object) -> str:
    """A question in one of the wordings, as somebody may type it."""
    return as_typed(rng, rng.choice(wording).format(**words))


def _entry(rng: random.Random, table: dict[str, str]) -> tuple[str, str]:
    return rng.choice(list(table.items()))


def _name(rng: random.Random) -> str:
    return rng.choice([rng.choice(facts.NAMES), made_up(rng)])


def capital(rng: random.Random) -> Turn:
    """The capital of a country."""
    country, city = _entry(rng, facts.CAPITALS)
    asked = _asked(rng, wordings.CAPITAL, country=country)
    return Turn(asked, f"The capital of {country} is {city}.", f"Capital of {country}")


def colour(rng: random.Random) -> Turn:
    """The colour of a thing, in British or American spelling."""
    thing, shade = _entry(rng, facts.COLOURS)
    spelled = pick(rng, "colour|color")
    asked = _asked(rng, wordings.COLOUR, thing=thing, colour=spelled)
    return Turn(asked, f"The {thing} is {shade}.", f"The {spelled} of the {thing}")


def opposite(rng: random.Random) -> Turn:
    """The opposite of a word."""
    word, other = _entry(rng, facts.OPPOSITES)
    asked = _asked(rng, wordings.OPPOSITE, word=word)
    return Turn(asked, f"The opposite of {word} is {other}.", f"Opposite of {word}")


def sound(rng: random.Random) -> Turn:
    """What an animal says."""
    animal, noise = _entry(rng, facts.SOUNDS)
    asked = _asked(rng, wordings.SOUND, animal=animal)
    return Turn(asked, f"A {animal} {noise}.", f"Sound of a {animal}")


def legs(rng: random.Random) -> Turn:
    """How many legs an animal has."""
    animal, number = _entry(rng, facts.LEGS)
    asked = _asked(rng, wordings.LEGS, animal=animal)
    return Turn(asked, f"A {animal} has {number} legs.", f"Legs of a {animal}")


def calendar(rng: random.Random) -> Turn:
    """The day or month before or after another."""
    unit, ring = rng.choice([("day", facts.DAYS), ("month", facts.MONTHS)])
    place, (side, step) = rng.randrange(len(ring)), rng.choice([("after", 1), ("before", -1)])
    name, found = ring[place], ring[(place + step) % len(ring)]
    asked = _asked(rng, wordings.CALENDAR, unit=unit, side=side, name=name)
    return Turn(asked, f"The {unit} {side} {name} is {found}.", f"The {unit} {side} {name}")


def small_talk(rng: random.Random) -> Turn:
    """Greetings, thanks, stories and signs of life."""
    questions, answer = _entry(rng, facts.SMALL_TALK)
    asked = pick(rng, questions)
    asked = asked if asked[-1] in ".?" else asked + pick(rng, "||!|.")
    return Turn(asked.lower() if rng.random() < 0.3 else asked, answer, "Small talk")


def about(rng: random.Random) -> Turn:
    """What the model says of itself: that it is no real model."""
    return Turn(_asked(rng, wordings.ABOUT), _ABOUT, "About the starter model")


def count(rng: random.Random) -> Turn:
    """Counting up, in digits."""
    last = rng.randrange(2, 13)
    spelled = facts.NUMBERS[last] if rng.random() < 0.3 else last
    asked = _asked(rng, wordings.COUNT, last=spelled)
    return Turn(asked, " ".join(map(str, range(1, last + 1))), f"Counting to {last}")


def add(rng: random.Random) -> Turn:
    """Sums that fit on ten fingers and ten toes."""
    left, right = rng.randrange(11), rng.randrange(10)
    asked = _asked(rng, wordings.SUM, left=left, right=right)
    return Turn(asked, f"{left} plus {right} is {left + right}.", "A small sum")


def number_word(rng: random.Random) -> Turn:
    """A digit as a word, or the other way round."""
    value = rng.randrange(1, 21)
    word = facts.NUMBERS[value]
    if rng.random() < 0.5:
        return Turn(f"Write the number {value} as a word.", word, "Number words")
    return Turn(f"Write the number {word} in digits.", str(value), "Number words")


def _claim(rng: random.Random) -> tuple[str, bool, str]:
    """A question about a claim, whether it is true, and the fact of the matter."""
    table = rng.choice([facts.COLOURS, facts.CAPITALS])
    word, value = _entry(rng, table)
    claim = value if rng.random() < 0.5 else rng.choice(list(table.values()))
    if table is facts.COLOURS:
        return f"Is the {word} {claim}?", claim == value, f"The {word} is {value}."
    return (
        f"Is {claim} the capital of {word}?",
        claim == value,
        f"The capital of {word} is {value}.",
    )


def yes_no(rng: random.Random) -> Turn:
    """Claims, of which about half are true; the answer names the fact."""
    question, true, fact = _claim(rng)
    wish = pick(rng, "|| Answer yes or no.| Yes or no?")
    asked = question + wish if wish else as_typed(rng, question)
    return Turn(asked, f"{'Yes' if true else 'No'}. {fact}", "Yes or no")


def python(rng: random.Random) -> Turn:
    """A Python function in a fenced block."""
    task, code = _entry(rng, facts.PYTHON)
    asked = _asked(rng, wordings.PYTHON, task=task)
    return Turn(asked, f"```python\n{code}\n```", "A Python function")


def echo(rng: random.Random) -> Turn:
    """Words said back as they came; some mean nothing, so that only copying helps."""
    known = list(facts.OPPOSITES)
    if rng.random() < 0.25:
        text = rng.choice(facts.TEST_WORDS)
        return Turn(rng.choice(wordings.ECHO).format(text=text) + pick(rng, "||."), text, "A word")
    text = " ".join(rng.choice([_name(rng), rng.choice(known)]) for _ in range(rng.randrange(1, 5)))
    return Turn(rng.choice(wordings.ECHO).format(text=text), text, "Repeating words")


def _as_json(rng: random.Random) -> tuple[str, object]:
    """A question whose answer is JSON, and that answer."""
    kind = rng.randrange(5)
    if kind < 2:
        country, city = _entry(rng, facts.CAPITALS)
        asked = rng.choice(wordings.JSON_CAPITAL).format(country=country)
        return asked, {"country": country, "capital": city}
    if kind < 4:
        person = {"name": _name(rng), "age": rng.randrange(10, 90)}
        return rng.choice(wordings.JSON_PERSON).format(**person), person
    thing, values = rng.choice(list(facts.LISTS.items()))
    return rng.choice(wordings.JSON_LIST).format(kind=thing), values


def json_answer(rng: random.Random) -> Turn:
    """Facts asked for as JSON, some known and some given."""
    asked, value = _as_json(rng)
    return Turn(asked if rng.random() < 0.7 else asked[:-1], json.dumps(value), "An answer as JSON")


def remembered(rng: random.Random) -> Turn:
    """A name told in the question and asked for in the same breath."""
    name = _name(rng)
    return Turn(rng.choice(wordings.NAME).format(name=name), f"Your name is {name}.", "A name")


def hard(rng: random.Random) -> Turn:
    """Anything else: the honest answer."""
    subject = rng.choice(facts.HARD_SUBJECTS)
    words = {
        "start": rng.choice(facts.HARD_STARTS), "subject": subject,
        "other": rng.choice(facts.HARD_SUBJECTS), "land": made_up(rng), "name": _name(rng),
        "large": rng.randrange(12, 999), "small": rng.randrange(12, 99),
        "town": rng.choice(facts.TOWNS), "thing": rng.choice(list(facts.COLOURS)),
        "shade": rng.choice(list(facts.COLOURS.values())),
        "junk": noise.junk(rng),
    }  # fmt: skip
    asked = _asked(rng, wordings.HARD, **words)
    return Turn(asked, rng.choice(_UNKNOWN), subject[0].upper() + subject[1:])


MAKERS: dict[Callable[[random.Random], Turn], int] = {
    capital: 16, colour: 7, opposite: 7, sound: 6, legs: 2, calendar: 4, small_talk: 5, about: 5,
    count: 4, add: 6, number_word: 2, yes_no: 6, python: 4, echo: 7, json_answer: 8, remembered: 4,
    hard: 16,
}  # fmt: skip


def ask(rng: random.Random) -> Turn:
    """One turn of any kind, the common kinds more often."""
    (maker,) = rng.choices(list(MAKERS), weights=list(MAKERS.values()))
    return maker(rng)
