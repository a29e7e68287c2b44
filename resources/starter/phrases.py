"""Small helpers that pick words, bend questions the way people type them, and make names up."""

import random
from typing import NamedTuple

from facts import lines, words

_OPENERS = lines("""
    Please
    Hi,
    Hey,
    Hello!
    Hi!
    Tell me:
    Quick question:
    Can you tell me:
    Could you please tell me:
    I have a question.
    Do you know:
    OK.
    So,
    Now:
    And
    My question is:
    Answer me this:
    For my homework:
    One more:
    Well,
""")
_CLOSERS = (
    " Please.| please| Thanks.| Thank you!| Be brief.| Answer in one sentence.| Answer briefly.|!"
    "| ?|??|...|\n| Just the answer."
)
_CONSONANTS, _VOWELS = words("b c d f g h j k l m n p r s t v w z"), words("a e i o u")


class Turn(NamedTuple):
    """One question, its one answer, and the title that a conversation about it would get."""

    question: str
    answer: str
    title: str


def pick(rng: random.Random, options: str) -> str:
    """Choose one of the options between bars."""
    return rng.choice(options.split("|"))


def _syllable(rng: random.Random) -> str:
    """A consonant, a vowel, and now and then a letter more on either side."""
    start = rng.choice(_CONSONANTS) + pick(rng, "|||||r|l")
    return start + rng.choice(_VOWELS) + (rng.choice(_CONSONANTS) if rng.random() < 0.3 else "")


def made_up(rng: random.Random) -> str:
    """A name that means nothing, so that copying it is the only way to get it right."""
    return "".join(_syllable(rng) for _ in range(rng.choice((1, 2, 2, 3)))).capitalize()


def as_typed(rng: random.Random, question: str) -> str:
    """Bend a question: people forget capitals and marks, greet first and thank after."""
    if rng.random() < 0.4:
        return question
    if rng.random() < 0.35:
        question = question.lower()
    if rng.random() < 0.35:
        question = question.rstrip("?.!")
    if rng.random() < 0.25:
        question = f"{rng.choice(_OPENERS)} {question[0].lower()}{question[1:]}"
    return question + pick(rng, _CLOSERS) if rng.random() < 0.15 else question
