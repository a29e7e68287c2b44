"""A real HTTP server that hands out models as the hub does, by way of a second server for the bytes, and misbehaves.

What happens to the next requests for bytes stands in `script`: `Cut`, `Hold`, `Flip`, `Status`, `Onward`, `Lie`. An
empty script means that all is well. `seen` is what was asked, and with which token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40
TOKEN = "hf_made_up"


@dataclass(frozen=True)
class Cut:
    """So many bytes, then the connection breaks."""

    after: int


@dataclass(frozen=True)
class Hold:
    """So many bytes, then nothing until `release`."""

    after: int


@dataclass(frozen=True)
class Flip:
    """All bytes, but the one at this place of the file is another."""

    at: int


@dataclass(frozen=True)
class Status:
    """No bytes, but this; from the hub itself, or from the server of the bytes."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)
    at_hub: bool = True


@dataclass(frozen=True)
class Onward:
    """The hub sends on to this address."""

    to: str


@dataclass(frozen=True)
class Lie:
    """These headers instead of the right ones, and this many bytes too many or, below zero, too few."""

    headers: dict[str, str]
    more: int = 0


class Seen(NamedTuple):
    """A request for bytes or for a list; `at` is hub or bytes."""

    at: str
    path: str
    range: str | None
    token: str | None


class FakeHub:
    """`with FakeHub({"org/m": {"m-Q4_K_M.gguf": b"..."}}) as hub: hub.endpoint`."""

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos = repos
        self.commit = COMMIT
        self.gated: set[str] = set()
        self.accepted = False
        self.ranges = True
        self.small: set[str] = set()
        self.lists: deque[Status] = deque()
        self.script: deque[Any] = deque()
        self.seen: list[Seen] = []
        self.raw_list: bytes | None = None
        self.released = threading.Event()
        self.held = threading.Event()
        self._servers = [_Server(self, "hub"), _Server(self, "bytes")]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in self._servers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def forget(self) -> None:
        """What was asked, what was told to happen, who may read what; who is held goes on."""
        for told in (self.seen, self.script, self.lists, self.gated):
            told.clear()
        self.accepted = False
        self.released.set()
        self.released = threading.Event()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT names."""
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def bytes_at(self) -> str:
        """The other server."""
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    @property
    def ranges_asked(self) -> list[str | None]:
        """The Range of each request for bytes, in their order."""
        return [one.range for one in self.seen if one.at == "bytes"]

    def described(self, repo: str) -> dict[str, Any]:
        """What the API says of a repository."""
        files = [self._file(name, data) for name, data in self.repos[repo].items()]
        return {"id": repo, "sha": self.commit, "gated": "auto" if repo in self.gated else False, "siblings": files}

    def _file(self, name: str, data: bytes) -> dict[str, Any]:
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git}
        if name not in self.small:
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, hub: FakeHub, name: str) -> None:
        self.hub = hub
        self.name = name
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ") or None
        hub.seen.append(Seen(self.server.name, path, self.headers.get("range"), token))
        if self.server.name == "bytes":
            repo, _, name = path.removeprefix("/blob/").partition("//")
            self._bytes(hub.repos[repo][name])
        elif path.startswith("/api/models/"):
            self._list(path.removeprefix("/api/models/"), token)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._resolve(match[1], match[2], token)
        else:
            self._status(404)

    def _list(self, repo: str, token: str | None) -> None:
        hub = self.server.hub
        if hub.lists:
            status = hub.lists.popleft()
            self._status(status.code, status.headers)
        elif repo not in hub.repos:
            self._status(401 if token is None else 404, {"x-error-code": "RepoNotFound"})
        else:
            self._send(200, hub.raw_list or json.dumps(hub.described(repo)).encode(), {})

    def _resolve(self, repo: str, name: str, token: str | None) -> None:
        hub = self.server.hub
        if token not in {None, TOKEN}:
            return self._status(401)
        if repo in hub.gated and not (hub.accepted and token == TOKEN):
            return self._status(401 if token is None else 403, {"x-error-code": "GatedRepo"})
        if name not in hub.repos.get(repo, {}):
            return self._status(404, {"x-error-code": "EntryNotFound"})
        if hub.script and isinstance(hub.script[0], Onward):
            return self._status(302, {"location": hub.script.popleft().to})
        if hub.script and isinstance(hub.script[0], Status) and hub.script[0].at_hub:
            status = hub.script.popleft()
            return self._status(status.code, status.headers)
        sha256 = hashlib.sha256(hub.repos[repo][name]).hexdigest()
        return self._status(302, {"location": f"{hub.bytes_at}/blob/{repo}//{name}", "x-linked-etag": f'"{sha256}"'})

    def _bytes(self, data: bytes) -> None:
        hub = self.server.hub
        what = hub.script.popleft() if hub.script else None
        if isinstance(what, Status):
            return self._status(what.code, what.headers)
        if isinstance(what, Flip):
            data = data[: what.at] + bytes([data[what.at] ^ 1]) + data[what.at + 1 :]
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range") or "") if hub.ranges else None
        start = int(match[1]) if match else 0
        if start >= len(data) and match:
            return self._status(416)
        headers = {
            "etag": base64.b16encode(hashlib.md5(data).digest()).decode(),
            "content-length": str(len(data) - start),
        }
        if match:
            headers["content-range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if isinstance(what, Lie):
            headers |= what.headers
            body = body + b"x" * what.more if what.more >= 0 else body[: what.more]
        self._head(206 if match else 200, headers)
        return self._pour(body, what)

    def _pour(self, body: bytes, what: Any) -> None:
        if not isinstance(what, Cut | Hold):
            self.wfile.write(body)
            self.close_connection = isinstance(what, Lie)
            return
        self.wfile.write(body[: what.after])
        self.wfile.flush()
        if isinstance(what, Hold):
            self.server.hub.held.set()
            self.server.hub.released.wait()
            self.wfile.write(body[what.after :])
            return
        self.close_connection = True

    def _status(self, code: int, headers: dict[str, str] | None = None) -> None:
        self._send(code, b"", headers or {})

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(code, {"content-length": str(len(body)), **headers})
        self.wfile.write(body)

    def _head(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""
