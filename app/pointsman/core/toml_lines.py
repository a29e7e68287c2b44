"""On which line a setting of a TOML text stands; the standard parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

# A whole string or comment, so that a bracket or a sign within one is not taken for syntax.
_STRING = re.compile(
    r"""
    \"{3} (?: \\. | [^\\] )*? \"{3,5}
    | '{3} .*? '{3,5}
    | \" (?: \\. | [^\"\\\n] )* \"
    | ' [^'\n]* '
    | \# [^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)
_KEY = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[\w-]+|[ \t.])+"""
_HEADER = re.compile(rf"\s*(\[\[?)({_KEY})\]")
_SETTING = re.compile(rf"[ \t]*({_KEY})=")


def index(text: str) -> dict[Path, int]:
    """Each table, key and [[item]] of a text that is valid TOML, with its line, counted from 1."""
    lines: dict[Path, int] = {}
    for path, line in _statements(_without_long_strings(text)):
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], line)
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of a setting; for one inside a value, the line where that value begins."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _statements(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    items: dict[Path, int] = {}
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        if depth == 0 and (header := _HEADER.match(line)):
            table = _table(_parts(header[2]), items, is_item=header[1] == "[[")
            yield table, number
            continue
        if depth == 0 and (setting := _SETTING.match(line)):
            yield table + _parts(setting[1]), number
        bare = _STRING.sub("", line)
        depth += sum(map(bare.count, "[{")) - sum(map(bare.count, "]}"))


def _table(parts: Path, items: dict[Path, int], *, is_item: bool) -> Path:
    """The path of a header; within an array of tables it goes through the newest item."""
    path: Path = ()
    for position, part in enumerate(parts):
        path += (part,)
        if is_item and position == len(parts) - 1:
            items[path] = items.get(path, -1) + 1
        if path in items:
            path += (items[path],)
    return path


def _parts(key: str) -> Path:
    """The names in a dotted key, read by the TOML parser itself."""
    table = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(table, dict):
        name, table = next(iter(table.items()))
        parts.append(name)
    return tuple(parts)


def _without_long_strings(text: str) -> str:
    return _STRING.sub(_shortened, text)


def _shortened(match: re.Match[str]) -> str:
    token = match[0]
    if token.startswith("#"):
        return ""
    return '""' + "\n" * token.count("\n") if token.startswith(('"""', "'''")) else token
