"""What a person reads who mistypes: each is one sentence that says what was meant, or where that is listed."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.fakes.home import Home


def test_a_misspelt_name_is_answered_with_the_right_one(gateway: Home) -> None:
    """Providers, models, agents and caps, in whichever command."""
    gateway.agent("tester")
    gateway.run("caps", "set", "daily", "5.00")
    said = {
        name: gateway.run(*argv, given="x\n")[1]
        for name, argv in {
            "fake": ("keys", "set", "fakke"),
            "starter": ("models", "load", "startr"),
            "starter again": ("models", "pull", "startr"),
            "tester": ("agents", "rotate", "testr"),
            "daily": ("caps", "remove", "daly"),
        }.items()
    }
    assert {name: f"Did you mean '{name.split()[0]}'?\n" in text for name, text in said.items()} == dict.fromkeys(
        said, True
    ), said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": "set_cap", "name": "x", "limit": "5"}, "'limit' must be a whole number, and it is text in quotes."),
        ({"type": "set_cap", "name": "x"}, "'limit' is missing: add it."),
        ({"type": "nonsense"}, "'type' has a value that is not one of those allowed there."),
    ],
)
def test_a_scripts_wrong_command_names_the_field(gateway: Home, body: dict[str, object], said: str) -> None:
    """In words, without the reading library's own."""
    head = {"authorization": f"Bearer {gateway.runtime.token}"}
    answer = httpx.post(f"{gateway.runtime.admin}/v1/command", content=json.dumps(body), headers=head)
    assert (answer.status_code, answer.json()["sentence"]) == (400, f"This is not a command of Pointsman's: {said}")


def test_a_request_that_does_not_fit_names_the_field(gateway: Home) -> None:
    """The agent's programmer reads what to mend."""
    head = {"authorization": f"Bearer {gateway.agent()}"}
    body = {"model": "cloudy", "messages": [], "max_tokens": "many"}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head)
    said = "The request does not fit chat completions: 'max_tokens' must be a whole number or null, and it is text in quotes."
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, said)


def test_explain_says_once_why_nothing_makes_embeddings(gateway: Home) -> None:
    """However many models make none."""
    code, out = gateway.run("explain", "-", "--dialect", "embeddings", given='{"model": "starter", "input": "hi"}')
    assert (code, out.splitlines()[0].startswith("starter makes no embeddings. ")) == (0, True), out
    assert out.splitlines()[0].count("makes no embeddings") == 1


def test_all_agents_paused_is_shown_at_each(gateway: Home) -> None:
    """`agents list` is where a person looks who wonders why one is refused."""
    gateway.agent("tester")
    gateway.run("pause")
    assert "paused with all agents" in gateway.run("agents", "list")[1]
