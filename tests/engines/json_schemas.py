"""JSON schemas by chance, and whether a value fits one: what of JSON Schema a grammar here holds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_names = st.text('abcé"\\ ', min_size=1, max_size=4)
_constants = st.none() | st.booleans() | st.integers(-99, 99) | st.text('ab"\\\né🙂', max_size=4)
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _strings() -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.integers(0, 3), st.integers(0, 3))
    return bounds.map(lambda two: {"type": "string", "minLength": two[0], "maxLength": sum(two)})


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        properties = draw(st.dictionaries(_names, inner, max_size=4))
        required = [name for name in properties if draw(st.booleans())]
        more = draw(st.sampled_from([False, False, {"type": "integer"}]))
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": more}

    return build()


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.tuples(st.integers(0, 2), st.integers(0, 3))
    listed = st.builds(
        lambda items, two: {"type": "array", "items": items, "minItems": two[0], "maxItems": sum(two)}, inner, bounds
    )
    return listed | st.lists(inner, min_size=1, max_size=3).map(lambda all_: {"type": "array", "prefixItems": all_})


_leaves = (
    st.sampled_from([{"type": name} for name in ("string", "integer", "number", "boolean", "null")])
    | st.builds(lambda value: {"const": value}, _constants)
    | st.lists(_constants, min_size=1, max_size=4).map(lambda values: {"enum": values})
    | st.just({"type": ["integer", "null"]})
    | _strings()
)
schemas = st.recursive(
    _leaves,
    lambda inner: (
        _objects(inner) | _arrays(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda all_: {"anyOf": all_})
    ),
    max_leaves=8,
)


def holds(schema: Any, value: Any) -> bool:
    """Whether the value is one that the schema describes."""
    if "anyOf" in schema:
        return any(holds(part, value) for part in schema["anyOf"])
    if "const" in schema:
        return _same(schema["const"], value)
    if "enum" in schema:
        return any(_same(one, value) for one in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(_of_type(kind, schema, value) for kind in kinds)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _of_type(kind: str, schema: dict[str, Any], value: Any) -> bool:
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return False
    if kind == "object":
        return _object_holds(schema, value)
    if kind == "array":
        return _array_holds(schema, value)
    low, high = schema.get("minLength", 0), schema.get("maxLength", 1 << 30)
    return kind != "string" or low <= len(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")) <= high


def _object_holds(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    properties, more = schema["properties"], schema["additionalProperties"]
    if not set(schema["required"]) <= set(value):
        return False
    return all(
        holds(properties[name], part) if name in properties else more is not False and holds(more, part)
        for name, part in value.items()
    )


def _array_holds(schema: dict[str, Any], value: list[Any]) -> bool:
    if "prefixItems" in schema:
        parts = schema["prefixItems"]
        return len(parts) == len(value) and all(map(holds, parts, value))
    fits = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 30)
    return fits and all(holds(schema["items"], part) for part in value)
