"""Requests and answers that a real gateway keeps sealed, and those that it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target

SAID = "The harbour is quiet at dawn."


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """A gateway with a keychain of its own."""
    folder = tmp_path_factory.mktemp("gateway")
    place = Home(folder, provider.base_url, target("cloudy", "ok"))
    place.environment |= {
        "PYTHON_KEYRING_BACKEND": "tests.fakes.file_keyring.Keyring",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TEST_KEYRING_FILE": str(folder / "keyring.json"),
    }
    try:
        yield place.start()
    finally:
        place.stop()


def asked(gateway: Home, key: str, text: str = SAID) -> str:
    """The id of a request that was answered."""
    body = {"model": "cloudy", "messages": [{"role": "user", "content": text}]}
    head = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=30)
    assert answer.status_code == 200
    return answer.headers["x-pointsman-request"]


def kept(gateway: Home, request: str) -> str:
    """What `audit show --body` prints of it."""
    return gateway.run("audit", "show", request, "--body", "--json")[1]


def test_a_request_and_its_answer_are_kept_sealed(gateway: Home) -> None:
    """The person reads them back; the files hold no word of them."""
    request = asked(gateway, gateway.agent())
    found = json.loads(kept(gateway, request))
    assert SAID in json.dumps(found)
    assert "The cloud says hello." in json.dumps(found)
    files = [path for path in (gateway.folder / "home" / "bodies").rglob("*") if path.is_file()]
    assert files
    assert not any(b"harbour" in path.read_bytes() or b"cloud says" in path.read_bytes() for path in files)


def test_an_agent_that_is_switched_off_leaves_nothing(gateway: Home) -> None:
    """From the next request on."""
    key = gateway.agent("quiet")
    assert gateway.run("agents", "keep", "quiet", "off")[0] == 0
    assert SAID not in kept(gateway, asked(gateway, key))


def test_what_looks_personal_is_not_kept(gateway: Home) -> None:
    """A mail address makes the session personal; the person's consent to send it does not change that."""
    body = {"model": "local", "messages": [{"role": "user", "content": "Write to ann@example.org about the harbour."}]}
    head = {"authorization": f"Bearer {gateway.agent()}"}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", json=body, headers=head, timeout=60)
    assert answer.headers["x-pointsman-tier"] == "local"
    assert "ann@example.org" not in kept(gateway, answer.headers["x-pointsman-request"])


def test_what_is_forgotten_is_gone(gateway: Home) -> None:
    """The rows stay, the bodies go."""
    request = asked(gateway, gateway.agent())
    assert gateway.run("audit", "forget", "--agent", "tester")[0] == 0
    assert SAID not in kept(gateway, request)
    assert request in json.dumps(gateway.audit())
