"""What may be kept: decided by the settings, the agent's switch, and what the session held."""

from __future__ import annotations

import pytest

from pointsman.core.catalog import Catalog, CatalogError, Keep, Source, read
from pointsman.core.keeping import allowed


@pytest.mark.parametrize("sensitivity", ["public", "internal"])
def test_by_default_bodies_are_kept(sensitivity: str) -> None:
    """Of every agent."""
    assert allowed(Keep(), sensitivity, tainted=False, agent=True)


@pytest.mark.parametrize(
    ("keep", "sensitivity", "tainted", "agent"),
    [
        (Keep(bodies=False), "public", False, True),
        (Keep(bodies=False, personal=True), "personal", False, True),
        (Keep(), "public", False, False),
        (Keep(personal=True), "personal", True, False),
        (Keep(), "personal", False, True),
        (Keep(), "public", True, True),
        (Keep(), "something new", False, True),
    ],
)
def test_each_no_is_enough(keep: Keep, sensitivity: str, tainted: bool, agent: bool) -> None:
    """Off in all, off for the agent, or private; a sensitivity that nobody knows is private."""
    assert not allowed(keep, sensitivity, tainted=tainted, agent=agent)


@pytest.mark.parametrize(("sensitivity", "tainted"), [("personal", False), ("public", True), ("personal", True)])
def test_personal_ones_are_kept_where_that_was_chosen(sensitivity: str, tainted: bool) -> None:
    """Only then."""
    assert allowed(Keep(personal=True), sensitivity, tainted=tainted, agent=True)


def test_the_table_is_read() -> None:
    """[keep] with all its settings."""
    text = "[keep]\nbodies = false\nmax_mb = 5\ndays = 2\npersonal = true\n"
    assert read([Source("m.toml", text)]).keep == Keep(bodies=False, max_mb=5, days=2, personal=True)
    assert Catalog().keep == Keep(bodies=True, max_mb=200, days=30, personal=False)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("days = 0", "m.toml, line 2: 'days' must be a whole number of at least 1."),
        ('max_mb = "many"', "m.toml, line 2: 'max_mb' must be a whole number of at least 1."),
        ("personal = 1", "m.toml, line 2: 'personal' must be true or false."),
        ("body = true", "m.toml, line 2: 'body' is not a setting of [keep]. Write 'bodies'."),
    ],
)
def test_a_mistake_is_one_sentence(line: str, says: str) -> None:
    """File, line and what to write instead."""
    with pytest.raises(CatalogError) as caught:
        read([Source("m.toml", f"[keep]\n{line}\n")])
    assert caught.value.sentence == says
