"""A gateway whose providers are one strict upstream, a provider and a target for each dialect."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pointsman.wire import admin
from tests.fakes.home import Home
from tests.fakes.strict_upstream import Seen, StrictUpstream
from tests.fakes.tap import Passed

DIALECTS = {"chat": ("/v1", "gpt-strict"), "responses": ("/v1", "gpt-strict"), "messages": ("", "claude-strict")}
_PROVIDER = """
[providers.strict-{dialect}]
dialect = "{dialect}"
base_url = "{base_url}"
key = "env"
key_env = "FAKE_KEY"
region = "here"
[targets.{name}]
tier = "cloud"
provider = "strict-{dialect}"
model = "{model}"
context = 1000000
max_output = 128000
can = ["tools", "json_schema", "vision", "reasoning"]
price = {price}
"""


def home(folder: Path, upstream: StrictUpstream) -> Home:
    """Not started. Its targets are `cloud-chat`, `cloud-responses` and `cloud-messages`."""
    return Home(folder, upstream.base_url, targets(upstream))


def targets(upstream: StrictUpstream) -> str:
    """A provider and a target for each dialect, as models.toml names them."""
    parts = []
    for dialect, (path, model) in DIALECTS.items():
        given = {"name": f"cloud-{dialect}", "model": model, "price": upstream.prices.toml()}
        parts.append(_PROVIDER.format(dialect=dialect, base_url=upstream.address + path, **given))
    return "".join(parts)


def use_up(gateway: Home) -> None:
    """A cap that nothing fits under any more, and that refuses."""
    gateway.command(admin.SetCap(name="daily", limit=1, at_limit="refuse"))


def door(gateway: Home) -> str:
    """The agent door, without `/v1`."""
    return gateway.runtime.address.removesuffix("/v1")


def spent(gateway: Home) -> int:
    """Micro-dollars over all rows of the audit."""
    return sum(row["cost"] or 0 for row in gateway.audit())


# What a gateway may change in a body: the model's name, a bound on the output, usage in the stream.
_MAY = {"model", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options"}


def same(sent: Passed, got: Seen) -> list[str]:
    """What is not as the client sent it: fields of the body to the byte, the query, the vendors' own headers."""
    asked, forwarded = (msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) for raw in (sent.raw, got.raw))
    names = (asked.keys() | forwarded.keys()) - _MAY
    wrong = [name for name in sorted(names) if bytes(asked.get(name, b"-")) != bytes(forwarded.get(name, b"-"))]
    wrong += [] if sent.path == got.path else [f"{sent.path} became {got.path}"]
    own = [name for name in sent.headers if name.startswith(("anthropic-", "x-codex-", "session-"))]
    return wrong + [name for name in own if sent.headers[name] != got.headers.get(name)]
