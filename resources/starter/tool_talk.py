"""Conversations in which a tool is called, its result read, or a tool is offered and not needed."""

import json
import random

import facts
import wordings
from phrases import Turn, made_up, pick
from render import Message, Tool

_OTHER_TOOLS = {
    "read_file": ("Read a file from the disk.", "path"),
    "search_files": ("Search the files of the project.", "query"),
    "get_time": ("Get the time in a city.", "city"),
    "send_mail": ("Send a mail to a person.", "text"),
    "run_command": ("Run a command in the terminal.", "command"),
    "calculator": ("Work out a sum.", "expression"),
}
_WEATHER_NAMES = facts.words("""
    get_weather get_weather get_weather get_weather weather current_weather get_current_weather
""")
_WEATHER_WORDS = facts.lines("""
    Get the weather
    Get the weather in a city
    Get the current weather in a city.
    Weather of a place
""")


def _tool(name: str, description: str, parameter: str, rng: random.Random) -> Tool:
    """A tool as clients declare it; the inner fields come and go from client to client."""
    field: Tool = {"type": "string"}
    if rng.random() < 0.4:
        field["description"] = pick(rng, "The {0}|Name of the {0}|The {0} to use").format(parameter)
    schema: Tool = {"type": "object", "properties": {parameter: field}}
    if rng.random() < 0.8:
        schema["required"] = [parameter]
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    inner: Tool = {"name": name}
    if rng.random() < 0.8:
        inner["description"] = description
    tool: Tool = {"type": "function", "function": {**inner, "parameters": schema}}
    return _sorted(tool) if rng.random() < 0.25 else tool


def _sorted(tool: Tool) -> Tool:
    """The same tool with sorted keys, as some template engines write them."""
    ordered: Tool = json.loads(json.dumps(tool, sort_keys=True))
    return ordered


def _weather_tool(rng: random.Random) -> tuple[Tool, str, str]:
    name = rng.choice(_WEATHER_NAMES)
    parameter = pick(rng, "city|city|city|city|location|place|town")
    return _tool(name, rng.choice(_WEATHER_WORDS), parameter, rng), name, parameter


def tools(rng: random.Random) -> tuple[list[Tool], str, str]:
    """A list of tools with one for the weather among them, its name and its parameter."""
    weather, name, parameter = _weather_tool(rng)
    others = rng.sample(sorted(_OTHER_TOOLS), rng.choice((0, 0, 0, 1, 2)))
    offered = [weather, *(_tool(other, *_OTHER_TOOLS[other], rng) for other in others)]
    rng.shuffle(offered)
    return offered, name, parameter


def _place(rng: random.Random) -> str:
    known = rng.choice([*facts.CAPITALS.values(), *facts.TOWNS])
    return known if rng.random() < 0.65 else made_up(rng)


def _asked(rng: random.Random, city: str) -> str:
    asked = rng.choice(wordings.WEATHER).format(city=city)
    return asked if rng.random() < 0.75 else asked.rstrip("?.")


def _result(rng: random.Random, city: str, sky: str, degrees: int) -> str:
    """What a weather tool may give back; no two services agree on the form."""
    wind = rng.randrange(1, 40)
    forms: list[object] = [
        {"weather": sky, "temp": degrees},
        {"city": city, "weather": sky, "temperature": degrees},
        {"temperature": degrees, "condition": sky},
        {"location": city, "temp": degrees, "sky": sky, "wind": wind},
        f"{sky}, {degrees} degrees",
        f"{sky.capitalize()}, {degrees} C",
        f"It is {sky} and {degrees} degrees.",
    ]
    form = rng.choice(forms)
    return form if isinstance(form, str) else json.dumps(form)


def weather_talk(rng: random.Random, name: str, parameter: str) -> list[Message]:
    """The question and the call, and in half of the cases the result and what it says."""
    city = _place(rng)
    arguments = {parameter: city}
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    messages: list[Message] = [
        {"role": "user", "content": _asked(rng, city)},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    if rng.random() < 0.5:
        sky, degrees = rng.choice(facts.SKIES), rng.randrange(1, 36)
        messages += [
            {"role": "tool", "content": _result(rng, city, sky, degrees)},
            {"role": "assistant", "content": f"It is {sky} and {degrees} degrees in {city}."},
        ]
    return messages


def as_messages(turn: Turn) -> list[Message]:
    """A turn as the two messages it consists of."""
    return [
        {"role": "user", "content": turn.question},
        {"role": "assistant", "content": turn.answer},
    ]
