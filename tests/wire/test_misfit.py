"""What does not fit, said in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire import misfit


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A part."""

    role: Literal["user", "tool"]
    text: str = ""


class Body(msgspec.Struct):
    """All kinds of fields."""

    model: str
    limit: int | None = None
    heat: float = 0.0
    on: bool = False
    n: Annotated[int, msgspec.Meta(ge=1)] = 1
    name: Annotated[str, msgspec.Meta(max_length=3)] = ""
    parts: list[Inner] | str = []
    extra: dict[str, int] = {}


def said(body: Any) -> str:
    """The sentence for a body."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(body), type=Body)
    return misfit.sentence(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"model": 3}, "'model' must be text in quotes, and it is a whole number."),
        ({"limit": "x"}, "'limit' must be a whole number or null, and it is text in quotes."),
        ({"heat": []}, "'heat' must be a number, and it is a list."),
        ({"on": None}, "'on' must be true or false, and it is null."),
        ({"n": 0}, "'n' must be a whole number of at least 1."),
        ({"name": "long"}, "'name' must be text in quotes with a length of at most 3."),
        ({"parts": {}}, "'parts' must be text in quotes or a list, and it is an object."),
        ({"parts": [{}]}, "'role' in 'parts[0]' is missing: add it."),
        ({"parts": [{"role": "user", "x": 1}]}, "'x' in 'parts[0]' is not known there: leave it out."),
        ({"parts": [{"role": "sk-secret"}]}, "'parts[0].role' has a value that is not one of those allowed there."),
        ({"extra": {"a": ""}}, "'extra[]' must be a whole number, and it is text in quotes."),
    ],
)
def test_a_field_is_named_with_what_it_must_be(fields: dict[str, Any], sentence: str) -> None:
    """Where, what, and what it was; never its value."""
    assert said({"model": "m", **fields}) == sentence


def test_what_is_missing_is_named() -> None:
    """At the top no place is said."""
    assert said({}) == "'model' is missing: add it."


def test_a_body_of_another_kind_is_named() -> None:
    """A list where an object should be."""
    assert said([]) == "the whole must be an object, and it is a list."


@given(st.text())
def test_any_message_becomes_a_sentence(message: str) -> None:
    """Also one that a later version of the library may say."""
    told = misfit.sentence(msgspec.ValidationError(message))
    assert told.endswith(".")
    assert "`" not in told
