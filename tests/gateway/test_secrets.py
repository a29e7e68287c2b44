"""Providers' keys on the way to a request: read from the keychain, remembered for a moment, forgotten when they change."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.core.catalog import Provider
from pointsman.core.errors import Unavailable
from pointsman.gateway.house import KeychainSecrets
from pointsman.system.keychain import KeychainProblem, Secret


class Drawer:
    """A keychain with one key, which can be slow."""

    def __init__(self) -> None:
        self.value: str | None = "first"
        self.read = 0
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def provider_key(self, _provider: str, _variable: str | None) -> Secret:
        """The key as it was when the reading began."""
        self.read += 1
        value = self.value
        self.begun.set()
        self.go.wait(10)
        if value is None:
            raise KeychainProblem("missing", "There is no key.")
        return Secret(value)


@pytest.fixture
def drawer() -> Drawer:
    """The keychain."""
    return Drawer()


@pytest.fixture
def secrets(drawer: Drawer) -> KeychainSecrets:
    """What requests ask."""
    lab = Provider(name="lab", base_url="https://lab.example/v1")
    house: Any = SimpleNamespace(catalog=SimpleNamespace(providers={"lab": lab}), keychain=drawer)
    return KeychainSecrets(house)


async def test_a_key_is_read_once_for_a_burst_of_requests(secrets: KeychainSecrets, drawer: Drawer) -> None:
    """A keychain takes longer than a decision."""
    assert [await secrets.key("lab") for _ in range(3)] == ["first"] * 3
    assert drawer.read == 1


async def test_a_key_that_changed_is_used_at_once(secrets: KeychainSecrets, drawer: Drawer) -> None:
    """The old one is not used again."""
    await secrets.key("lab")
    drawer.value = "second"
    secrets.forget()
    assert await secrets.key("lab") == "second"


async def test_a_key_that_changes_while_it_is_read_is_not_remembered(secrets: KeychainSecrets, drawer: Drawer) -> None:
    """The request that asked has the one that it asked for; the next one asks again."""
    drawer.go.clear()
    asking = asyncio.create_task(secrets.key("lab"))
    await asyncio.to_thread(drawer.begun.wait, 10)
    drawer.value = "second"
    secrets.forget()
    drawer.go.set()
    assert [await asking, await secrets.key("lab")] == ["first", "second"]


async def test_a_key_that_is_not_there_is_one_sentence(secrets: KeychainSecrets, drawer: Drawer) -> None:
    """And is looked for again by the next request."""
    drawer.value = None
    with pytest.raises(Unavailable, match="There is no key"):
        await secrets.key("lab")
    drawer.value = "third"
    assert await secrets.key("lab") == "third"
