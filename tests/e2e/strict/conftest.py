"""A provider that looks closely at what it gets, a gateway in front of it, and OpenAI's SDK, for all tests of a module.

A module's SCRIPT says what the provider's model does, its `more` which targets there are beside one of each dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest

from tests.fakes import strict_home
from tests.fakes.home import Home
from tests.fakes.strict_upstream import StrictUpstream


@pytest.fixture(scope="module")
def provider(request: pytest.FixtureRequest) -> Iterator[StrictUpstream]:
    """A provider of all dialects."""
    with StrictUpstream(getattr(request.module, "SCRIPT", None)) as strict:
        yield strict


@pytest.fixture
def upstream(provider: StrictUpstream) -> StrictUpstream:
    """The provider with what earlier tests sent forgotten."""
    provider.seen.clear()
    return provider


@pytest.fixture(scope="module")
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: StrictUpstream
) -> Iterator[Home]:
    """A gateway in front of it, and of the starter model."""
    more: Callable[[StrictUpstream], str] = getattr(request.module, "more", lambda _: "")
    targets = strict_home.targets(provider) + more(provider)
    with Home(tmp_path_factory.mktemp("gateway"), provider.base_url, targets) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.fixture(scope="module")
def client(gateway: Home, key: str) -> Iterator[openai.OpenAI]:
    """The SDK; a refusal fails the test at once."""
    with openai.OpenAI(base_url=gateway.runtime.address, api_key=key, max_retries=0) as one:
        yield one


@pytest.fixture
def paid(gateway: Home, upstream: StrictUpstream) -> Callable[[], None]:
    """The ledger holds what was billed since the test began."""
    before = strict_home.spent(gateway)

    def look() -> None:
        assert strict_home.spent(gateway) - before == upstream.billed > 0

    return look
