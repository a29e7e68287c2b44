"""Questions in wordings that the corpus never uses, and what a right answer has to hold."""

from typing import NamedTuple

import facts
from render import Message, Tool, render


class Question(NamedTuple):
    """A kind, the prompt as the template writes it, and what stands in a right answer."""

    kind: str
    prompt: str
    expected: str


# Wordings with a gap, the table that fills it, and the answer that goes with each word.
_TABLES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "capital": (
        facts.lines("""
            I want to know what the capital of {} is.
            so what's {}'s capital city
            {}: capital?
        """),
        facts.CAPITALS,
    ),
    "colour": (
        facts.lines("""
            Of which colour is the {}?
            I wonder what color the {} is
        """),
        facts.COLOURS,
    ),
    "opposite": (
        facts.lines("""
            What would be the opposite of {}?
            {}: what is the opposite?
        """),
        facts.OPPOSITES,
    ),
    "sound": (
        facts.lines("""
            What sound do you hear from a {}?
            which noise does one {} make
        """),
        facts.SOUNDS,
    ),
    "python": (
        facts.lines("""
            I need a Python function that {}.
            Could you write Python code that {}?
        """),
        facts.PYTHON,
    ),
    "json": (
        facts.lines("""
            Give me JSON with the country {} and its capital.
            {}: country and capital as JSON.
        """),
        {country: f'"capital": "{city}"' for country, city in facts.CAPITALS.items()},
    ),
}

_ABOUT = facts.lines("""
    Hello, who are you?
    And who are you really?
    tell me who you are
    So what model are you?
    What is this model?
""")
_HARD = facts.lines("""
    Explain the tides.
    Who was the first person on the moon?
    Write a haiku about autumn.
    How does a fridge work?
    Multiply 47 by 38.
    Why is water wet?
    Fix the failing test in my parser.
    What is the capital of Zamunda?
    Explain how a hash map works.
    Give me a recipe for pancakes.
    What are the side effects of ibuprofen?
    Compare Rust and Go.
    Who wrote Faust?
""")
_TOWNS = facts.words("Paris Hamburg Utrecht Leipzig Bristol Oslo Bergen Turin Rome Cork")

WEATHER_TOOL: Tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Look up the weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def _prompt(question: str, system: str = "", tools: list[Tool] | None = None) -> str:
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    return render([*messages, {"role": "user", "content": question}], tools, prompt=True)


def _plain() -> list[tuple[str, str, str]]:
    """Kind, question and expectation of everything that needs no tool."""
    asked = [
        (kind, wording.format(word), answer)
        for kind, (wordings, table) in _TABLES.items()
        for wording in wordings
        for word, answer in table.items()
    ]
    asked += [("about", question, "starter model of Pointsman") for question in _ABOUT]
    return asked + [("unknown", question, "only a tiny starter model") for question in _HARD]


def questions() -> list[Question]:
    """Every question twice, bare and under the usual system prompt, and the tool calls."""
    systems = ("", "You are a helpful assistant.")
    plain = [Question(k, _prompt(q, s), e) for k, q, e in _plain() for s in systems]
    calls = [
        Question(
            "tool call",
            _prompt(f"Could you look up the weather in {t}?", s, [WEATHER_TOOL]),
            f'{{"city": "{t}"}}',
        )
        for t in _TOWNS
        for s in systems
    ]
    return plain + calls
