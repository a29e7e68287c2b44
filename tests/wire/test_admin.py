"""The admin contract: every command survives the wire, and nonsense is refused."""

from __future__ import annotations

import typing

import msgspec
import pytest

from pointsman.wire import admin


def sample(command: type) -> typing.Any:
    """A command with plausible values."""
    values = {"str": "x", "int": 1, "float": 1.0, "bool": True}
    fields = msgspec.structs.fields(command)
    choices = {"verdict": "deny", "what": "caps"}
    required = [field for field in fields if field.required]
    return command(**{f.name: choices.get(f.name, values.get(getattr(f.type, "__name__", ""), "x")) for f in required})


@pytest.mark.parametrize("command", typing.get_args(admin.Command), ids=lambda one: one.__name__)
def test_commands_round_trip(command: type) -> None:
    """What is encoded is decoded to the same value."""
    assert admin.decode_command(admin.encode(sample(command))) == sample(command)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"type": "rob_bank"}', b'{"type": "answer"}', b"\xff"])
def test_nonsense_is_no_command(body: bytes) -> None:
    """Unknown or incomplete commands raise."""
    with pytest.raises(msgspec.DecodeError):
        admin.decode_command(body)


def test_an_unreadable_problem_is_still_a_sentence() -> None:
    """Another program on the port does not make a traceback."""
    assert "another program" in admin.decode_problem(b"<html>").sentence
