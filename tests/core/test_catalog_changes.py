"""What changed in models.toml, entry by entry."""

from __future__ import annotations

import pytest

from pointsman.core.catalog import Catalog, Source, read
from pointsman.core.catalog_changes import changes

RULES = """
[[rules]]
name = "one"
then = { tier = "local" }
[[rules]]
name = "two"
then = { tier = "cloud" }
"""


def catalog(text: str) -> Catalog:
    """A catalog of this text."""
    return read([Source("m.toml", text)])


@pytest.mark.parametrize("text", ["", RULES, "[keep]\ndays = 3", "[limits]\nqueue = 5"])
def test_nothing_changed(text: str) -> None:
    """The same text says the same; so does one with a line more above it."""
    assert changes(catalog(text), catalog("# a comment\n" + text)) == {}


def test_an_entry_that_was_added_and_one_that_went() -> None:
    """None stands for what is not there."""
    before, after = catalog("[limits.agents.x]\nslots = 1\n[tiers.local]\n"), catalog(RULES)
    found = changes(before, after)
    assert sorted(found) == ["limits", "rules.one", "rules.two"]
    assert found["rules.one"]["before"] is None
    assert changes(after, before)["rules.one"]["after"] is None


def test_a_changed_setting_is_told_before_and_after() -> None:
    """As models.toml would say it."""
    [(name, change)] = changes(catalog(""), catalog("[keep]\ndays = 3")).items()
    assert (name, change["before"]["days"], change["after"]["days"]) == ("keep", 30, 3)


def test_rules_that_changed_places_changed() -> None:
    """The first that matches wins."""
    first, second = RULES.strip().split("[[rules]]")[1:]
    assert sorted(changes(catalog(RULES), catalog(f"[[rules]]{second}\n[[rules]]{first}"))) == [
        "rules.one",
        "rules.two",
    ]


def test_two_rules_of_one_name_are_two() -> None:
    """Neither hides a change of the other."""
    twice = RULES.replace("two", "one")
    assert sorted(changes(catalog(""), catalog(twice))) == ["rules.one", "rules.one (2)"]
