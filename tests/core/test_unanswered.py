"""Why nothing can answer, in a sentence."""

from __future__ import annotations

import pytest

from pointsman.core import unanswered
from pointsman.core.routing import Dropped

NONE = "it makes no embeddings"
CHAT = [Dropped(f"chat-{number}", NONE) for number in range(6)]
MAKER = Dropped("vectors", "There is no key for openai.")


def test_a_reason_is_said_once_for_all_that_it_is_about() -> None:
    """A whole catalogue that has no key is one reason."""
    dropped = [Dropped(name, "no key") for name in "abcde"] + [Dropped("f", "too small.")]
    said = unanswered.sentence(dropped)
    assert said == "Nothing can answer this request. a, b, c and 2 more: no key; f: too small."


def test_no_model_at_all_is_said() -> None:
    """An empty plan has a reason too."""
    assert unanswered.sentence([]) == "Nothing can answer this request. No model is set up for it."


@pytest.mark.parametrize(
    ("asked", "dropped", "makers", "said"),
    [
        ("chat-0", CHAT[:1], ["vectors"], "chat-0 makes no embeddings. Ask for a model that does: vectors."),
        ("chat-0", [*CHAT, MAKER], ["vectors"], "chat-0 makes no embeddings. vectors: There is no key for openai."),
        (
            "auto",
            [*CHAT, MAKER],
            ["vectors"],
            "Nothing can make these embeddings. vectors: There is no key for openai.",
        ),
        ("vectors", [MAKER], ["vectors"], "Nothing can make these embeddings. vectors: There is no key for openai."),
        (
            "auto",
            CHAT,
            [],
            (
                "Nothing can make these embeddings. No model is set up for it: give a target of "
                'models.toml can = ["embeddings"].'
            ),
        ),
    ],
)
def test_embeddings_name_who_makes_them(asked: str, dropped: list[Dropped], makers: list[str], said: str) -> None:
    """What chat models cannot do is said at most once; what a maker of vectors lacks is said."""
    assert unanswered.of_vectors(asked, dropped, makers) == said
