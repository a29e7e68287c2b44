"""The paths of the agents' door: what is served is described, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx
import openai
import pytest

from pointsman.gateway.routes import ROUTES
from tests.fakes import strict_home
from tests.fakes.home import Home


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A gateway; nothing here reaches a provider."""
    with Home(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.fixture
def http(gateway: Home, key: str) -> Iterator[httpx.Client]:
    """A client with the agent's key."""
    head = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=strict_home.door(gateway), headers=head) as one:
        yield one


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/images/generations"),
        ("POST", "/v1/audio/speech"),
        ("POST", "/v1/moderations"),
        ("GET", "/v1/files"),
        ("POST", "/v1/conversations"),
        ("POST", "/v1/messages/batches"),
    ],
)
def test_what_is_not_served_is_refused_by_name(http: httpx.Client, method: str, path: str) -> None:
    """Never passed on: what goes by unmetered costs money that nobody sees."""
    refused = http.request(method, path, json={} if method == "POST" else None)
    assert refused.status_code == 404
    assert f"{method} {path} is not served here" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "HEAD, POST"),
        ("GET", "/v1/messages", "HEAD, POST"),
        ("PUT", "/v1/responses/resp_1", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/models/starter", "GET, HEAD"),
        ("GET", "/v1/responses/resp_1/cancel", "HEAD, POST"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/v1/responses", "HEAD, POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(http: httpx.Client, method: str, path: str, allow: str) -> None:
    """405 with `Allow`, in the envelope of the dialect that the path belongs to."""
    refused = http.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allow)
    error = refused.json()["error"]
    assert f"{method} {path} is not served here: use {allow.replace(', ', ' or ')}." in error["message"]
    assert ("details" in error) is path.startswith("/v1/messages")


def test_each_vendors_sdk_reads_a_wrong_method(gateway: Home, key: str) -> None:
    """As the status that it is."""
    with (
        openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0) as gpt,
        pytest.raises(openai.APIStatusError, match="use HEAD or POST") as wrong,
    ):
        gpt.get("/chat/completions", cast_to=object)
    assert (wrong.value.status_code, wrong.value.code) == (405, "method_not_allowed")
    with (
        anthropic.Anthropic(base_url=strict_home.door(gateway), api_key=key, max_retries=0) as claude,
        pytest.raises(anthropic.APIStatusError, match="use HEAD or POST") as wrong_too,
    ):
        claude.get("/v1/messages", cast_to=object)
    assert wrong_too.value.status_code == 405


def test_a_websocket_is_told_to_fall_back(http: httpx.Client) -> None:
    """426, at which clients send a POST at once."""
    head = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "eA=="}
    assert http.get("/v1/responses", headers=head).status_code == 426


def test_each_vendors_sdk_reads_the_refusal(gateway: Home, key: str) -> None:
    """In its own envelope."""
    with (
        openai.OpenAI(base_url=gateway.runtime.address, api_key=key) as gpt,
        pytest.raises(openai.NotFoundError, match="not served here"),
    ):
        gpt.moderations.create(input="Hello")
    with (
        anthropic.Anthropic(base_url=strict_home.door(gateway), api_key=key) as claude,
        pytest.raises(anthropic.NotFoundError, match="not served here") as refused,
    ):
        claude.messages.batches.list()
    assert refused.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("path", ["/", "/health", "/api/hello", "/v1", "/v1/models", "/v1/messages", "/v1/responses"])
def test_a_look_whether_somebody_is_there(http: httpx.Client, path: str) -> None:
    """HEAD is answered without a body."""
    answer = http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_look_needs_a_key_where_the_path_does(gateway: Home) -> None:
    """Only what says nothing of anybody is open."""
    door = strict_home.door(gateway)
    assert [httpx.head(door + path).status_code for path in ("/health", "/v1/models")] == [200, 401]


def test_the_description_is_open_and_whole(gateway: Home) -> None:
    """It lists each path with its methods."""
    told = httpx.get(strict_home.door(gateway) + "/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    listed = {(method.upper(), path) for path, methods in told["paths"].items() for method in methods}
    assert listed == set(ROUTES)


def test_a_page_in_a_browser_may_not_read_it(gateway: Home) -> None:
    """A foreign Origin is refused here too."""
    head = {"origin": "https://example.org"}
    assert httpx.get(strict_home.door(gateway) + "/openapi.json", headers=head).status_code == 403
