"""Several models.toml laid over each other, so that each value still knows the file and line it came from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from pointsman.core import toml_lines
from pointsman.core.catalog_check import CatalogError, Spot, Value
from pointsman.core.catalog_parts import Source
from pointsman.core.toml_lines import Path

_LINE = re.compile(r"^(.*?) \(at (?:line (\d+), column \d+|end of document)\)$", re.DOTALL)


def merge(sources: Sequence[Source]) -> Value:
    """One table out of all; later files win, setting by setting, and their [[rules]] come first."""
    values: dict[str, Any] = {}
    spots: dict[Path, Spot] = {(): Spot("models.toml", 1)}
    rules: list[Value] = []
    for source in sources:
        document, places = _parse(source)
        rules = _rules(document, places) + rules
        spots |= places
        _lay_over(values, document)
    if rules:
        values["rules"] = [rule.raw for rule in rules]
        for position, rule in enumerate(rules):
            spots |= _moved(rule, position)
    return Value(values, (), spots)


def _parse(source: Source) -> tuple[dict[str, Any], dict[Path, Spot]]:
    try:
        document = tomllib.loads(source.text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(source, str(error)) from None
    lines = toml_lines.index(source.text)
    return document, {path: Spot(source.name, toml_lines.line_of(lines, path)) for path in _paths(document, ())}


def _not_toml(source: Source, message: str) -> CatalogError:
    found = _LINE.match(message)
    line = int(found[2]) if found and found[2] else source.text.count("\n") + 1
    reason = found[1] if found else message
    return CatalogError(Spot(source.name, line), f"this is not TOML ({reason}). Correct the text there.")


def _paths(raw: Any, path: Path) -> Iterator[Path]:
    yield path
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for key, part in entries:
        yield from _paths(part, (*path, key))


def _rules(document: dict[str, Any], places: dict[Path, Spot]) -> list[Value]:
    given = document.pop("rules", [])
    if not isinstance(given, list) or not all(isinstance(rule, dict) for rule in given):
        Value(given, ("rules",), places).refuse("each rule begins with a line [[rules]]")
    return [Value(rule, ("rules", position), places) for position, rule in enumerate(given)]


def _moved(rule: Value, position: int) -> dict[Path, Spot]:
    """The places of a rule, under its position among the rules of all files."""
    old = rule.path
    return {("rules", position, *path[2:]): spot for path, spot in rule.spots.items() if path[:2] == old}


def _lay_over(values: dict[str, Any], newer: dict[str, Any]) -> None:
    for key, raw in newer.items():
        older = values.get(key)
        # A price is one value: half of an old one would falsify the new one.
        if isinstance(raw, dict) and isinstance(older, dict) and key != "price":
            _lay_over(older, raw)
        else:
            values[key] = raw
