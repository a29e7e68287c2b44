"""JSON Schema as GBNF rules, so that a model can write nothing that does not fit.

Held is the shape: types, properties, required, items, enum, const, alternatives, references, lengths. Not held are
`pattern`, `format` and bounds of numbers. What changes the shape and is not known here is refused, never ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from pointsman.engines.failures import Rejected

_PRIMITIVES = {
    "ws": '| " " | "\\n" [ \\t]{0,20}',
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    # No number is too big for a double: readers would make it infinite.
    "number": 'integer ("." [0-9]{1,24})? ([eE] ("-" [0-9]{1,3} | "+"? [0-9]{1,2}))?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "member": 'string ws ":" ws value',
    "object": '"{" ws (member ws ("," ws member ws)*)? "}"',
    "array": '"[" ws (value ws ("," ws value ws)*)? "]"',
    "value": "object | array | string | number | boolean | null",
}
_REFUSED = ("not", "if", "then", "else", "patternProperties", "dependentSchemas", "dependentRequired", "$dynamicRef")
_IMPLIED = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
}
_MOST_RULES = 2000  # far beyond honest schemas; a bound for hostile ones
_MOST_REPEATS = 1000  # llama.cpp refuses more


def literal(text: str) -> str:
    """Exactly this text, as GBNF writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


class Until(str):
    """The body of a rule: any text up to `mark` and `then`; None: the mark never comes.

    It does not begin with one of `not_first`, and where it `may_end` the mark need not come. As a string it is this in
    GBNF, which knows characters only; an engine that reads words takes the parts.
    """

    __slots__ = ("mark", "may_end", "not_first", "then")
    mark: str
    then: str | None
    may_end: bool
    not_first: str

    def __new__(cls, body: str, mark: str, then: str | None, may_end: bool, not_first: str) -> Self:
        """A string with four facts."""
        made = super().__new__(cls, body)
        made.mark, made.then, made.may_end, made.not_first = mark, then, may_end, not_first
        return made


class Grammar(str):
    """In GBNF; `rules` are its rules by their names."""

    __slots__ = ("rules",)
    rules: Mapping[str, str]

    def __new__(cls, rules: Mapping[str, str]) -> Self:
        """One line for each rule."""
        made = super().__new__(cls, "".join(f"{name} ::= {body}\n" for name, body in rules.items()))
        made.rules = rules
        return made


class Rules:
    """Rules of one grammar, named r0, r1, ...; `root` is the schema that references point into.

    Schemas that are each their own root share one grammar by sharing `bodies`.
    """

    def __init__(self, root: Any, bodies: dict[str, str] | None = None) -> None:
        self._root = root
        self.bodies: dict[str, str] = {} if bodies is None else bodies
        self._references: dict[str, str] = {}
        # In the order in which they count.
        self._by_keyword: dict[str, Callable[[dict[str, Any], Any], str]] = {
            "$ref": lambda _, pointer: self._reference(pointer),
            "const": lambda _, value: self.add(_constant(value)),
            "enum": lambda _, values: self.add(" | ".join(map(_constant, values)) or _nothing()),
            "allOf": lambda schema, _: self._visit(self._merged(schema)),
            "anyOf": self._any_of,
            "oneOf": self._any_of,
        }

    def grammar(self, answer: str) -> Grammar:
        """The whole grammar."""
        return Grammar({"root": answer, **_PRIMITIVES, **self.bodies})

    def add(self, body: str) -> str:
        """A new rule; returns its name."""
        name = self.reserve()
        self.bodies[name] = body
        return name

    def reserve(self) -> str:
        """The name of a rule whose body comes later."""
        if len(self.bodies) >= _MOST_RULES:
            raise Rejected("bad_request", "The JSON schema is too large.")
        name = f"r{len(self.bodies)}"
        self.bodies[name] = ""
        return name

    def visit(self, schema: Any) -> str:
        """The name of a rule for this schema."""
        try:
            return self._visit(schema)
        except RecursionError:
            raise Rejected("bad_request", "The JSON schema is nested too deeply.") from None
        except (TypeError, AttributeError, ValueError):
            raise Rejected("bad_request", "The JSON schema is not well formed.") from None

    def _visit(self, schema: Any) -> str:
        if schema is True:
            return "value"
        if not isinstance(schema, dict):
            raise Rejected("bad_request", "A part of the JSON schema is not an object.")
        for keyword in _REFUSED:
            if keyword in schema:
                raise Rejected("bad_request", f'This model cannot promise JSON with "{keyword}" in its schema.')
        for keyword, rule in self._by_keyword.items():
            if keyword in schema:
                return rule(schema, schema[keyword])
        return self._typed(schema, schema.get("type"))

    def _any_of(self, schema: dict[str, Any], parts: list[Any]) -> str:
        rest = {name: part for name, part in schema.items() if name not in ("anyOf", "oneOf")}
        return self._either({**rest, **part} if isinstance(part, dict) else part for part in parts)

    def _typed(self, schema: dict[str, Any], kind: Any) -> str:
        if isinstance(kind, list):
            return self._either({**schema, "type": one} for one in kind)
        if kind is None:
            kind = next((implied for keyword, implied in _IMPLIED.items() if keyword in schema), "value")
        if kind == "object":
            return self._object(schema) if _shaped(schema) else "object"
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            return self._string(schema)
        if kind in ("number", "integer", "boolean", "null", "value"):
            return str(kind)
        raise Rejected("bad_request", "The JSON schema names a type that JSON does not have.")

    def _string(self, schema: dict[str, Any]) -> str:
        if "minLength" not in schema and "maxLength" not in schema:
            return "string"
        return self.add(rf'"\"" {_times("char", schema.get("minLength", 0), schema.get("maxLength"))} "\""')

    def _either(self, schemas: Iterable[Any]) -> str:
        return self.add(" | ".join(self._visit(schema) for schema in schemas) or _nothing())

    def _reference(self, pointer: Any) -> str:
        if pointer not in self._references:
            name = self._references[pointer] = self.reserve()
            self.bodies[name] = self._visit(self._target(pointer))
        return self._references[pointer]

    def _target(self, pointer: Any, hops: int = 32) -> Any:
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            raise Rejected("bad_request", "The JSON schema refers to something outside itself.")
        target = self._root
        for step in pointer.replace("~1", "\0").split("/")[1:]:
            name = step.replace("~0", "~").replace("\0", "/")
            target = target[int(name)] if isinstance(target, list) else target.get(name)
        if not isinstance(target, dict) or "$ref" not in target:
            return target
        if hops == 0:
            raise Rejected("bad_request", "A reference in the JSON schema leads back to itself.")
        return self._target(target["$ref"], hops - 1)

    def _merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`allOf` as one schema: properties and required are joined, the last word wins elsewhere."""
        merged = {name: part for name, part in schema.items() if name != "allOf"}
        for part in map(self._plain, schema["allOf"]):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged |= part
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _plain(self, part: dict[str, Any]) -> dict[str, Any]:
        target = self._target(part["$ref"]) if "$ref" in part else part
        return self._merged(target) if "allOf" in target else target

    def properties(self, schema: Any) -> list[tuple[str, Any, bool]]:
        """Name, schema and need of each property, where arguments are written one by one."""
        try:
            plain = self._plain(schema)
            required = set(plain.get("required", ()))
            found = dict(plain.get("properties", {}))
        except (TypeError, AttributeError, ValueError, RecursionError):
            raise Rejected("bad_request", "The JSON schema is not well formed.") from None
        found |= {name: {} for name in sorted(required - set(found))}
        return [(name, part, name in required) for name, part in found.items()]

    def _object(self, schema: dict[str, Any]) -> str:
        properties = schema.get("properties", {})
        required = set(schema.get("required", ()))
        # As in the services of the vendors, properties come in the order of the schema.
        members = [
            (self.add(f'{_constant(name)} ws ":" ws {self._visit(part)}'), name in required)
            for name, part in properties.items()
        ]
        members += [
            (self.add(f'{_constant(name)} ws ":" ws value'), True) for name in sorted(required - set(properties))
        ]
        more = schema.get("additionalProperties", not properties)
        extra = None if more is False else self.add(f'string ws ":" ws {self._visit(more)}')
        return self.add(f'"{{" ws {self.members(members, extra)} "}}"')

    def members(self, members: list[tuple[str, bool]], extra: str | None) -> str:
        """A list with commas of which some members may be missing, as a chain of rules built from its end."""
        after = self.add(f'("," ws {extra} ws)*' if extra else '""')
        alone = self.add(f"({extra} ws {after})?" if extra else '""')
        for member, needed in reversed(members):
            follows, begins = f'"," ws {member} ws {after}', f"{member} ws {after}"
            after_too = after if not needed else None
            alone_too = alone if not needed else None
            after = self.add(" | ".join(filter(None, (follows, after_too))))
            alone = self.add(" | ".join(filter(None, (begins, alone_too))))
        return alone

    def _array(self, schema: dict[str, Any]) -> str:
        first = schema.get("prefixItems")
        if first:
            items = ' ws "," ws '.join(self._visit(part) for part in first)
            return self.add(f'"[" ws {items} ws "]"')
        item = self._visit(schema.get("items", True))
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        if high == 0:
            return self.add('"[" ws "]"')
        rest = _times(f'("," ws {item} ws)', max(0, low - 1), None if high is None else high - 1)
        items = f"{item} ws {rest}"
        return self.add(f'"[" ws {items} "]"' if low else f'"[" ws ({items})? "]"')


def _times(one: str, low: int, high: int | None) -> str:
    low = int(low)
    if low > _MOST_REPEATS:
        raise Rejected("bad_request", f"This model cannot promise more than {_MOST_REPEATS} of anything.")
    if high is None or int(high) > _MOST_REPEATS:
        return f"{one}{{{low},}}"  # a higher bound than the engine can count is left to the context
    return f"{one}{{{low},{int(high)}}}" if int(high) else '""'


def _constant(value: Any) -> str:
    return literal(json.dumps(value, ensure_ascii=False))


def _shaped(schema: dict[str, Any]) -> bool:
    return any(keyword in schema for keyword in ("properties", "required", "additionalProperties"))


def _nothing() -> str:
    raise Rejected("bad_request", "The JSON schema allows no value at one place.")
