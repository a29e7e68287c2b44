"""The most that images may count as: for each target what its vendor documents, and else more than any bills."""

from __future__ import annotations

import pytest

from pointsman.core import facts, policy, routing
from pointsman.core.catalog import Source, read
from pointsman.core.catalog_parts import IMAGE_TOKENS
from pointsman.core.pricing import Rates
from pointsman.core.request import Message, Request
from pointsman.core.routing import Attempt, Circumstances
from pointsman.core.session import attribute

CATALOG = read(
    [
        Source(
            "test.toml",
            """
[providers.far]
base_url = "https://far.example/v1"
key = "none"
[targets.documented]
tier = "cloud"
provider = "far"
can = ["vision"]
image_tokens = 4_784
[targets.unknown]
tier = "cloud"
provider = "far"
can = ["vision"]
""",
        )
    ]
)
DOLLAR = 10**6
RATES = Rates(
    input=DOLLAR,
    cache_read=DOLLAR,
    cache_write_short=DOLLAR,
    cache_write_long=DOLLAR,
    output=0,
    source="mine",
    dated="",
)


def attempt(target: str, images: int) -> Attempt:
    """The attempt at one target for a request with so many images and a hundred bytes of text."""
    message = Message(role="user", digest="d", size=100, images=images)
    request = Request(id="r", dialect="chat", model=target, stream=False, messages=(message,), size=100)
    known = facts.gather(request, CATALOG.sensitivity)
    ruling = policy.rule(request, attribute(request, "a", "p"), known, CATALOG)
    now = Circumstances(rates=dict.fromkeys(CATALOG.targets, RATES), down={})
    return routing.plan(request, known, ruling, CATALOG, now).attempts[0]


def test_each_image_is_bounded_by_its_target() -> None:
    """At a dollar a million tokens, micro-dollars are tokens: two images more cost twice the most of one."""
    for target, most in (("documented", 4_784), ("unknown", IMAGE_TOKENS)):
        with_, without = attempt(target, 2).at_most, attempt(target, 0).at_most
        assert with_ is not None
        assert without is not None
        assert with_ - without == 2 * most


def test_the_bound_of_the_facts_holds_for_all_targets() -> None:
    """What the person reads of a request, before a target is chosen, is never exceeded by any."""
    message = Message(role="user", digest="d", size=100, images=1)
    request = Request(id="r", dialect="chat", model="auto", stream=False, messages=(message,), size=100)
    known = facts.gather(request, CATALOG.sensitivity)
    assert known.bound == facts.bound(request, IMAGE_TOKENS) > facts.bound(request, 4_784)


@pytest.mark.parametrize(
    ("text", "class_"),
    [
        ("Summarise this page", "summary"),
        ("Please SUMMARIZE it", "summary"),
        ("A summariser", "chat"),
        ("```\nx = 1\n```", "code"),
        ("def go(now):", "code"),
        ("What is def?", "chat"),
        ("class Foo", "code"),
        ("first class", "chat"),
        ("Refactor it", "code"),
        ("the stack trace says", "code"),
        ("two unit tests fail", "code"),
        ("debugging", "chat"),
        ("Prove the theorem", "reasoning"),
        ("improve it", "chat"),
        ("step by step", "reasoning"),
        ("weigh the tradeoffs", "reasoning"),
        ("optimise this", "reasoning"),
        ("Hello", "chat"),
    ],
)
def test_the_class_of_a_turn(text: str, class_: str) -> None:
    """By whole words, however they are written; what holds them only in part is no sign."""
    request = Request(id="r", dialect="chat", model="auto", stream=False, messages=(), size=5, last_user=text)
    assert facts.gather(request, CATALOG.sensitivity).class_ == class_
