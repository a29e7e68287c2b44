"""A conversation with a part that a vendor sealed goes where that part can be read."""

from __future__ import annotations

import pytest

from pointsman.core import facts as facts_
from pointsman.core import policy, routing
from pointsman.core.catalog import Source, read
from pointsman.core.pricing import FREE
from pointsman.core.request import Hints, Message, Request
from pointsman.core.routing import Circumstances
from pointsman.core.session import attribute

_VENDOR = """
[providers.{name}]
dialect = "responses"
base_url = "https://{name}.example/v1"
key = "none"
compacts = {compacts}
[targets.{name}-model]
tier = "cloud"
provider = "{name}"
context = 200000
max_output = 1000
price = {{ input = 1.0, output = 10.0 }}
"""
VENDORS = [("first", "true"), ("second", "true"), ("third", "false")]
CATALOG = read(
    [Source("test.toml", "".join(_VENDOR.format(name=name, compacts=compacts) for name, compacts in VENDORS))]
)


@pytest.mark.parametrize(
    ("maker", "tried"),
    [(None, ["first-model", "second-model"]), ("second", ["second-model"]), ("third", []), ("", []), ("gone", [])],
)
def test_it_goes_to_its_maker_alone(maker: str | None, tried: list[str]) -> None:
    """Where nobody knows who made it, to whoever seals; all others are named with the reason."""
    message = Message(role="user", digest="d", size=5)
    hints = Hints(sealed_by=maker)
    one = Request(
        id="r", dialect="responses", model="cloud", stream=False, messages=(message,), size=5, sealed=True, hints=hints
    )
    who, facts = attribute(one, "a", "p"), facts_.gather(one, CATALOG.sensitivity)
    now = Circumstances(rates=dict.fromkeys(CATALOG.targets, FREE), down={})
    plan = routing.plan(one, facts, policy.rule(one, who, facts, CATALOG), CATALOG, now)
    assert [attempt.target for attempt in plan.attempts] == tried
    assert {one.reason for one in plan.dropped} == {
        "it cannot read the compaction that stands in this conversation: another vendor sealed it"
    }
