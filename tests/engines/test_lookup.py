"""What is guessed of an answer: what stood behind the same tokens before, and only where that is likely to be right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.catalog import CatalogError, Source, read
from pointsman.engines.local_model import WorkerSpec, worker_command
from pointsman.engines.lookup import MOST, Lookup, Lookups
from pointsman.engines.slots import Run, plan_step
from pointsman.gateway.main import worker_specs
from pointsman.system import paths

TEXT = list(range(20))
_tokens = st.lists(st.integers(0, 2), min_size=1, max_size=60)


def job(tokens: list[int], limit: int = 1000) -> Any:
    """An answer that waits for its next token."""
    return SimpleNamespace(tokens=tokens, done=len(tokens) - 1, limit=limit)


def test_what_came_after_the_same() -> None:
    """As many tokens as are wished follow what has come again."""
    assert Lookup().guess([*TEXT, 99, *TEXT[:8]], 4) == [8, 9, 10, 11]


def test_the_latest_counts() -> None:
    """Of two places the later one is taken."""
    assert Lookup().guess([*TEXT[:8], 50, *TEXT[:8], 60, 61, *TEXT[:8]], 2) == [60, 61]


def test_no_longer_than_what_was_the_same() -> None:
    """Six tokens that came again foretell six, five foretell none."""
    assert Lookup().guess([*TEXT, 99, *TEXT[:6]], 8) == TEXT[6:12]
    assert Lookup().guess([*TEXT, 99, *TEXT[:5]], 8) == []


def test_round_and_round() -> None:
    """What repeats itself is foretold beyond its own end."""
    assert Lookup().guess([1, 2, 3] * 4, 8) == [1, 2, 3, 1, 2, 3, 1, 2]


def test_surer_after_a_miss() -> None:
    """A guess that was mostly wrong doubles what has to be the same; one that came true makes up for it."""
    lookup, text = Lookup(), [*TEXT, 99, *TEXT[:8]]
    lookup.took(8, 3)
    assert lookup.guess(text, 4) == []
    text += TEXT[8:12]
    assert lookup.guess(text, 4) == TEXT[12:16]
    lookup.took(4, 4)
    assert lookup.guess([*text, 98, *TEXT[:6]], 4) == TEXT[6:10]


def test_half_right_changes_nothing() -> None:
    """It neither wants to be surer nor less sure."""
    lookup = Lookup()
    lookup.took(4, 2)
    assert lookup.guess([*TEXT, 99, *TEXT[:6]], 4)


def test_trust_comes_back() -> None:
    """However often it was wrong, what is the same for long enough is guessed again."""
    lookup = Lookup()
    for _ in range(50):
        lookup.took(8, 0)
    assert lookup.guess([7] * 80, 8) == []
    assert lookup.guess([7] * 120, 8) == [7] * 8


@given(_tokens, _tokens, st.integers(0, 9))
def test_a_guess_stood_there_before(first: list[int], more: list[int], most: int) -> None:
    """Whatever was asked before, a guess is the continuation of the same six tokens, at most as long as is wished."""
    tokens, lookup = list(first), Lookup()
    lookup.guess(tokens, most)
    tokens += more
    guess = lookup.guess(tokens, most)
    assert guess == Lookup().guess(tokens, most) and len(guess) <= most
    if guess:
        known = [tuple(tokens[at : at + 7]) for at in range(len(tokens) - 6)]
        assert (*tokens[-6:], guess[0]) in known


def test_shared_by_the_answers_under_way() -> None:
    """Two answers guess half as much each, and a prompt that is still being read nothing."""
    text = [*TEXT, 99, *TEXT[:8]]
    reading = SimpleNamespace(tokens=text, done=3, limit=1000)
    guesses = Lookups(8).guesses({0: job(text), 1: job(TEXT), 2: reading})
    assert guesses == {0: TEXT[8:12]}


def test_not_beyond_the_end() -> None:
    """One less than may still be said, as a right guess brings one token more."""
    text = [*TEXT, 99, *TEXT[:8]]
    assert Lookups(8).guesses({0: job(text, len(text) + 3)}) == {0: TEXT[8:10]}
    assert Lookups(8).guesses({0: job(text, len(text) + 1)}) == {}


def test_off() -> None:
    """Where nothing may be guessed, nothing is."""
    assert Lookups(0).guesses({0: job([*TEXT, 99, *TEXT[:8]])}) == {}


def test_the_next_answer_begins_anew() -> None:
    """What an answer made of its guesses does not tell of the next one in its slot."""
    lookups, text = Lookups(8), [*TEXT, 99, *TEXT[:8]]
    assert lookups.guesses({0: job(text)})
    lookups.took(0, 8, 0)
    assert not lookups.guesses({0: job(text)})
    lookups.forget(0)
    lookups.forget(0)
    assert lookups.guesses({0: job(text)})


def test_guesses_in_a_step() -> None:
    """They go behind the token that is known, and what is left of the step is for prompts."""
    runs = plan_step({0: (4, [9]), 1: (0, [1, 2, 3])}, room=4, prefill=8, guesses={0: [5, 6], 1: [7]})
    assert runs == [Run(0, 4, [9, 5, 6], True, 2), Run(1, 0, [1], False)]


def test_models_toml() -> None:
    """A target's `lookup` reaches its worker, and is refused where it would have no effect."""
    target = '[targets.x]\ntier = "local"\nengine = "%s"\nsource = "x"\ncontext = 512\nlookup = %s\n'
    catalog = read([Source("models.toml", target % ("llama_cpp", MOST))])
    spec = worker_specs(catalog, paths.make(paths.find()))["x"]
    argv = worker_command(spec)
    assert argv[argv.index("--lookup") + 1] == str(MOST)
    assert "--lookup" not in worker_command(WorkerSpec(name="x", path="x"))
    with pytest.raises(CatalogError, match="Take 'lookup' out"):
        read([Source("models.toml", target % ("mlx", 8))])
    with pytest.raises(CatalogError, match="'lookup' must be a whole number"):
        read([Source("models.toml", target % ("llama_cpp", -1))])
