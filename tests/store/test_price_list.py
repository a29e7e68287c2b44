"""The price list over the network: fetched, kept, read again, and never taken when it makes no sense."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.catalog import Prices, Provider, Source, Target, read
from pointsman.core.errors import Unavailable
from pointsman.gateway.refreshing import Refresher, table
from pointsman.store import price_list
from pointsman.store.prices import PriceBook

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
OPENAI = Provider(name="openai", base_url="https://api.openai.com/v1")


def newer(models: int = 1_300, price: str = "99") -> list[dict[str, Any]]:
    """A list in the package's own format, in which gpt-5-mini costs $99."""
    prices = [{"constraint": {"start_date": "2036-01-01"}, "prices": {"input_mtok": price, "output_mtok": "1"}}]
    names = ["gpt-5-mini", *(f"model-{number}" for number in range(models - 1))]
    sold = [{"id": name, "match": {"equals": name}, "prices": prices} for name in names]
    return [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api\\.openai\\.com", "models": sold}]


class Server:
    """Serves what it is told to."""

    def __init__(self) -> None:
        self.body = json.dumps(newer()).encode()
        self.status = 200
        self.asked = 0


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    """A server of price lists on loopback, and its address."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked += 1
            self.send_response(state.status)
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state, f"http://127.0.0.1:{found.server_address[1]}/data.json"
    found.shutdown()
    thread.join()
    found.server_close()


def price(book: PriceBook) -> tuple[int, str, str]:
    """What gpt-5-mini costs, says who, and as of when."""
    found = book.rates(OPENAI, Target(name="gpt-5-mini", tier="cloud", provider="openai"), NOW)
    assert found is not None
    return found.input, found.source, found.dated


def test_a_fetched_list_is_kept_and_read_again(server: tuple[Server, str], tmp_path: Path) -> None:
    """With its day as the date; the file is the owner's alone."""
    path = tmp_path / "prices.json"
    price_list.fetch(path, NOW, server[1])
    assert price(PriceBook(path)) == (99_000_000, "genai-prices, refreshed", "2026-11-21")
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_fetched_list_it_is_the_packages(tmp_path: Path) -> None:
    """No file, a broken one, or one that knows less of late than the package."""
    path = tmp_path / "prices.json"
    assert price(PriceBook(path))[0] == 250_000
    path.write_text("[not json")
    assert price(PriceBook(path))[0] == 250_000
    path.write_text(json.dumps(newer()).replace("2036", "2020"))
    assert price(PriceBook(path))[0] == 250_000


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"", "answered 500"),
        (200, b"<html>", "cannot be read"),
        (200, b'{"a": 1}', "cannot be read"),
        (200, b'[{"id": 7}]', "cannot be read"),
        (200, json.dumps(newer(5)).encode(), "knows 5 models"),
    ],
)
def test_what_makes_no_sense_is_not_kept(
    server: tuple[Server, str], tmp_path: Path, status: int, body: bytes, why: str
) -> None:
    """One sentence, and the file stays as it was."""
    server[0].status, server[0].body = status, body
    with pytest.raises(Unavailable, match=why):
        price_list.fetch(tmp_path / "prices.json", NOW, server[1])
    assert list(tmp_path.glob("prices*")) == []


def test_a_list_without_end_is_cut_off(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody fills the memory with it."""
    monkeypatch.setattr(price_list, "_LARGEST", 1_000)
    with pytest.raises(Unavailable, match="too large"):
        price_list.fetch(tmp_path / "prices.json", NOW, server[1])


def refresher(server: tuple[Server, str], path: Path) -> tuple[Refresher, PriceBook, list[str]]:
    """A refresher of a book that asks the server."""
    notices: list[str] = []
    book = PriceBook(path)
    found = Refresher(book, path, notices, lambda: notices.append("changed"))
    found.address = server[1]
    return found, book, notices


async def test_nothing_is_fetched_unless_it_is_wanted(server: tuple[Server, str], tmp_path: Path) -> None:
    """Without the person's word no packet leaves."""
    found, _, _ = refresher(server, tmp_path / "prices.json")
    assert await found.look(Prices(), NOW) > 0
    assert server[0].asked == 0


async def test_what_is_wanted_is_fetched_once_a_day(server: tuple[Server, str], tmp_path: Path) -> None:
    """The book has the new prices at once, and the next fetch is a day later, also after a restart."""
    path = tmp_path / "prices.json"
    found, book, notices = refresher(server, path)
    await found.look(Prices(refresh=True), NOW)
    assert (price(book)[0], notices) == (99_000_000, ["changed"])
    os.utime(path, (NOW, NOW))
    again, _, _ = refresher(server, path)
    await again.look(Prices(refresh=True), NOW + 86_399)
    assert server[0].asked == 1
    await again.look(Prices(refresh=True), NOW + 86_401)
    assert server[0].asked == 2


async def test_a_failure_keeps_the_old_list_and_is_one_notice(server: tuple[Server, str], tmp_path: Path) -> None:
    """However often it fails; the notice goes when it works again."""
    found, book, notices = refresher(server, tmp_path / "prices.json")
    server[0].status = 503
    for _ in range(3):
        assert await found.look(Prices(refresh=True), NOW) == 3600
    assert len(notices) == 1
    assert "answered 503" in notices[0]
    assert price(book)[0] == 250_000
    server[0].status = 200
    await found.look(Prices(refresh=True), NOW)
    assert notices == ["changed"]


async def test_once_is_its_own_permission(server: tuple[Server, str], tmp_path: Path) -> None:
    """The person asked for it, this time."""
    found, book, _ = refresher(server, tmp_path / "prices.json")
    told = await found.once()
    assert told["models"] == 1_300
    assert told["price_list"].startswith("genai-prices, refreshed 20")
    assert price(book)[0] == 99_000_000


def test_the_persons_own_price_wins_over_a_fetched_one(server: tuple[Server, str], tmp_path: Path) -> None:
    """The table says where each price comes from."""
    path = tmp_path / "prices.json"
    price_list.fetch(path, NOW, server[1])
    text = (
        '[providers.openai]\nbase_url = "https://api.openai.com/v1"\n'
        '[targets.gpt-5-mini]\ntier = "cloud"\nprovider = "openai"\nprice = { input = 1, output = 2 }\n'
        '[targets.other]\ntier = "cloud"\nprovider = "openai"\nmodel = "model-1"\n'
        '[targets.unknown]\ntier = "cloud"\nprovider = "openai"\n'
    )
    told = table(read([Source("models.toml", text)]), PriceBook(path), None, NOW)
    rows = {row["target"]: (row["known"], row.get("input"), row["source"]) for row in told["rows"]}
    assert rows == {
        "gpt-5-mini": (True, 1_000_000, "models.toml"),
        "other": (True, 99_000_000, "genai-prices, refreshed"),
        "unknown": (False, None, ""),
    }
