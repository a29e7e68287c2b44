"""What clients should never send, at a real gateway: the right status, bounded memory, and the door goes on answering.

`POINTSMAN_SOAK=1` runs the full counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.conftest import TARGETS
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, hidden

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
MB = 2**20
PATHS = {
    "/v1/chat/completions": '{"model":"cloudy","messages":[%s]}',
    "/v1/responses": '{"model":"cloudy","input":[%s]}',
    "/v1/messages": '{"model":"cloudy","max_tokens":9,"messages":[%s]}',
    "/v1/completions": '{"model":"cloudy","prompt":[%s]}',
    "/v1/embeddings": '{"model":"cloudy","input":[%s]}',
    "/v1/messages/count_tokens": '{"model":"cloudy","messages":[%s]}',
}
DEEP = "[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, '{"role":"user","content":' + "[" * 100_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """One gateway that must survive all of these tests."""
    with Home(tmp_path_factory.mktemp("gateway"), provider.base_url, TARGETS) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.fixture(autouse=True)
def alive(gateway: Home, key: str) -> Iterator[None]:
    """After each test the same process answers, and nothing that nobody foresaw was written down."""
    yield
    assert gateway.process is not None and gateway.process.poll() is None
    asked = {"model": "cloudy", "messages": [{"role": "user", "content": "Hello"}]}
    head = {"authorization": f"Bearer {key}"}
    answer = httpx.post(f"{gateway.runtime.address}/chat/completions", json=asked, headers=head, timeout=60)
    assert answer.status_code == 200, answer.text
    assert not list((gateway.folder / "home").rglob("errors.log")), "an error that nobody foresaw"
    assert "Traceback" not in "".join(gateway.printed)


def memory(gateway: Home) -> int:
    """Bytes that the gateway holds now."""
    assert gateway.process is not None
    held: int = psutil.Process(gateway.process.pid).memory_info().rss
    return held


def head(gateway: Home, key: str, path: str = "/v1/chat/completions", *lines: str) -> bytes:
    """The head of a POST that says it is JSON."""
    usual = (
        f"Host: 127.0.0.1:{gateway.runtime.port}",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
    )
    return "\r\n".join([f"POST {path} HTTP/1.1", *usual, *lines, "", ""]).encode("latin-1")


def raw(gateway: Home, *sent: bytes) -> bytes:
    """What comes back for these bytes until the connection ends or rests."""
    got = b""
    with socket.create_connection(("127.0.0.1", gateway.runtime.port), 30) as client:
        with contextlib.suppress(ConnectionError):
            for piece in sent:
                client.sendall(piece)
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                got += more
                if _whole(got):
                    break
    return got


def _whole(got: bytes) -> bool:
    """Whether the last answer in it is complete."""
    head_, mark, body = got.rpartition(b"HTTP/1.1 ")[2].lower().partition(b"\r\n\r\n")
    _, said, length = head_.partition(b"content-length: ")
    return bool(mark) and (len(body) >= int(length.split()[0]) if said else body.endswith(b"0\r\n\r\n"))


def post(gateway: Home, key: str, path: str, body: bytes, **headers: str) -> httpx.Response:
    """One body to one path."""
    usual = {"authorization": f"Bearer {key}", "content-type": "application/json", **headers}
    return httpx.post(f"{gateway.runtime.address}{path.removeprefix('/v1')}", content=body, headers=usual, timeout=60)


def refused(answer: httpx.Response, path: str) -> str:
    """The sentence of a refusal in the caller's dialect."""
    told: dict[str, Any] = answer.json()
    assert ("type" in told) == path.startswith("/v1/messages")
    assert answer.headers["x-should-retry"] == "false"
    return str(told["error"]["message"])


@pytest.mark.parametrize("path", PATHS)
def test_json_nested_past_all_sense(gateway: Home, key: str, path: str) -> None:
    """400 in the caller's dialect, whether it ends or not."""
    for deep in DEEP:
        answer = post(gateway, key, path, (PATHS[path] % deep).encode())
        assert answer.status_code == 400, (deep[:3], answer.text)
        assert refused(answer, path)


@pytest.mark.parametrize("path", [path for path in PATHS if "count" not in path])
@pytest.mark.parametrize(
    "text",
    [
        b'"\xff\xfe"',
        b'"\xed\xa0\x80"',
        b'"a\x00b"',
        b'"\\ud800"',
        b'{"role":"user","content":"\xc3("}',
        b"\xef\xbb\xbf1",
    ],
)
def test_bytes_that_are_no_text(gateway: Home, key: str, path: str, text: bytes) -> None:
    """Bad UTF-8, half a character, a bare NUL: 400 in the caller's dialect."""
    answer = post(gateway, key, path, PATHS[path].encode().replace(b"%s", text))
    assert answer.status_code == 400, answer.text
    assert refused(answer, path)


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udc00\\ud800"])
@pytest.mark.parametrize("model", ["local", "cloudy"])
def test_escapes_that_are_no_text(gateway: Home, key: str, model: str, text: str) -> None:
    """Half a character in the words, in a tool's schema and in a field that nobody reads: an answer or a 400."""
    words = {"role": "user", "content": "TEXT"}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "description": "TEXT"}}}
    for fields in ({"messages": [words]}, {"tools": [tool]}, {"metadata": {"a": "TEXT"}}):
        asked = {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}], **fields}
        body = json.dumps(asked).replace("TEXT", text).encode()
        for path in ("/v1/chat/completions", "/v1/messages"):
            assert post(gateway, key, path, body).status_code in (200, 400)


def test_a_model_whose_name_is_no_header(gateway: Home, key: str) -> None:
    """The answer's headers tell of the model that was asked for, whatever its name."""
    for name in ("a\r\nx-evil: 1", "\u2713", "\x00", "n" * 100_000):
        answer = post(gateway, key, "/v1/chat/completions", json.dumps({"model": name, "messages": []}).encode())
        assert answer.status_code in (200, 400, 402, 404)
        assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    "line",
    [
        "x-pointsman-session: " + "s" * 30_000,
        "x-pointsman-timeout: 1e9",
        "x-pointsman-task: \xff\xfe",
        "x-pointsman-label: a\tb",
        "traceparent: \x80" + "t" * 30_000,
        "anthropic-beta: \xff",
        "content-encoding: gzip",
        "expect: something",
        "te: trailers",
    ],
)
def test_headers_of_any_kind(gateway: Home, key: str, line: str) -> None:
    """An answer or a 400, never a fault of ours."""
    body = json.dumps({"model": "cloudy", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    got = raw(gateway, head(gateway, key, "/v1/chat/completions", line, f"content-length: {len(body)}"), body)
    assert got.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")), got


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Type"])
def test_a_header_that_decides_may_not_come_twice(gateway: Home, key: str, name: str) -> None:
    """Two readers could each believe another one."""
    got = raw(gateway, head(gateway, key, "/v1/chat/completions", f"{name}: other", "content-length: 0"))
    assert got.startswith(b"HTTP/1.1 400 "), got


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "FOO"])
def test_methods_that_are_not_served(gateway: Home, key: str, method: str) -> None:
    """Each with one sentence."""
    lines = head(gateway, key, "/v1/chat/completions", "content-length: 0").replace(b"POST", method.encode(), 1)
    got = raw(gateway, lines)
    assert got.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 400 ")), got
    assert b'"message":' in got


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n", b"5\r\nab\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n", b"2\r\n{}X0\r\n\r\n", b"\r\n\r\n"],
)
def test_chunks_that_are_none(gateway: Home, key: str, body: bytes) -> None:
    """Broken in the middle of a request: 400, or the connection ends."""
    got = raw(gateway, head(gateway, key, "/v1/chat/completions", "transfer-encoding: chunked"), body, b"\0" * 64)
    assert got == b"" or got.startswith(b"HTTP/1.1 400 "), got


def test_a_hundred_megabytes_declared(gateway: Home, key: str) -> None:
    """413 before a byte of it is taken, also to those who ask first whether they may send it."""
    before = memory(gateway)
    for more in ((), ("expect: 100-continue",)):
        got = raw(gateway, head(gateway, key, "/v1/responses", f"content-length: {100 * MB}", *more))
        assert got.startswith(b"HTTP/1.1 413 "), got
        assert b"connection: close" in got
    assert memory(gateway) - before < 30 * MB


def test_a_hundred_megabytes_sent(gateway: Home, key: str) -> None:
    """Declared or in chunks, the client hears its 413, and no more than the bound is held."""
    before, piece = memory(gateway), b"a" * MB
    chunk = b"%x\r\n%b\r\n" % (MB, piece)
    got = raw(gateway, head(gateway, key, "/v1/messages", f"content-length: {100 * MB}"), *[piece] * 100)
    assert got.startswith(b"HTTP/1.1 413 "), got
    got = raw(gateway, head(gateway, key, "/v1/messages", "transfer-encoding: chunked"), *[chunk] * 100)
    assert got.startswith(b"HTTP/1.1 413 "), got
    assert b'"request_too_large"' in got
    assert memory(gateway) - before < 150 * MB


def test_a_hundred_megabytes_without_a_key(gateway: Home) -> None:
    """A stranger's body is never held."""
    before = memory(gateway)
    sent = [b"a" * MB] * 100
    got = raw(gateway, head(gateway, "pm-none", "/v1/chat/completions", f"content-length: {100 * MB}"), *sent)
    assert got.startswith(b"HTTP/1.1 401 "), got
    assert memory(gateway) - before < 30 * MB


def test_a_body_longer_than_it_said(gateway: Home, key: str) -> None:
    """What was declared is read and answered; the rest is no request."""
    body = json.dumps({"model": "cloudy", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    got = raw(gateway, head(gateway, key, "/v1/chat/completions", f"content-length: {len(body)}"), body + b"x" * 99)
    assert got == b"" or got.startswith(b"HTTP/1.1 200 "), got


def test_a_hundred_bodies_that_never_come(gateway: Home, key: str) -> None:
    """Others are answered meanwhile."""
    lines = head(gateway, key, "/v1/chat/completions", "content-length: 1000")
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = socket.create_connection(("127.0.0.1", gateway.runtime.port), 30)
            stack.enter_context(client).sendall(lines)
        assert httpx.get(f"{gateway.runtime.address}/models", headers={"authorization": f"Bearer {key}"}).is_success


def test_idle_connections(gateway: Home, key: str) -> None:
    """As many as this test may open, up to 5,000: a client more is answered, and they cost little memory."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    many, before = min(5_000 if SOAK else 1_000, soft - 200), memory(gateway)
    with contextlib.ExitStack() as stack:
        for at in range(many):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.runtime.port), 30))
            if at % 2:
                client.sendall(b"GET / HTTP/1.1\r\n")
        head_ = {"authorization": f"Bearer {key}"}
        assert httpx.get(f"{gateway.runtime.address}/models", headers=head_, timeout=60).is_success
        assert memory(gateway) - before < 20 * MB + many * 20_000


class Poor(Home):
    """A gateway that may have few files and connections open."""

    forks = False

    def spawn(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """The same program, by way of a shell that lowers the limit for good."""
        limited = ["sh", "-c", 'ulimit -n 220 && exec "$@"', "sh", sys.executable, "-m", "pointsman", *arguments]
        usual = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(limited, env=self.environment, **usual, **more)


def test_more_connections_than_descriptors(tmp_path: Path, provider: FakeUpstream) -> None:
    """Agent and person are answered while strangers take all that are left, and the gateway does not spin."""
    place = Poor(tmp_path, provider.base_url, TARGETS)
    try:
        key = place.start().agent()
        assert place.process is not None
        with crowd(place.runtime.port, 400) as strangers:
            spent = psutil.Process(place.process.pid).cpu_times().user
            answer = post(place, key, "/v1/chat/completions", b'{"model":"cloudy","messages":[]}')
            assert answer.status_code == 200, answer.text
            assert len(place.snapshot().agents) == 1
            assert strangers.poll() is None
            assert psutil.Process(place.process.pid).cpu_times().user - spent < 5
    finally:
        place.stop()


@contextlib.contextmanager
def crowd(port: int, many: int) -> Iterator[subprocess.Popen[str]]:
    """A program that connects again wherever it is turned away, and never asks anything."""
    code = f"import socket, sys; all = [socket.create_connection(('127.0.0.1', {port})) for _ in range({many})]; "
    given = [sys.executable, "-c", code + "print('there', flush=True); sys.stdin.read()"]
    with subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        assert program.stdout.readline() == "there\n"
        yield program
        program.stdin.close()


def test_nothing_of_all_this_is_told(gateway: Home, key: str) -> None:
    """The key stands in no row and in nothing that was printed."""
    assert key not in hidden(gateway.audit()) + "".join(gateway.printed)
