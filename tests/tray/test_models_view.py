"""What the popover says of models: on offer, here already, on their way."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.tray import samples, words
from pointsman.tray.models_view import (
    OFFER,
    Away,
    Fact,
    done_key,
    download_view,
    download_views,
    held_key,
    held_view,
    offer_view,
)

GB = 10**9


def offer(away=None, **changes):
    """The card for the sample offer, or for one that differs."""
    return offer_view(replace(samples.offered(), offer=replace(samples.OFFER, **changes)), away or Away())


def test_an_offer_says_what_it_takes():
    """Size, memory, speed and licence, in words without jargon."""
    assert offer().facts == (
        Fact("Download", "5.8 GB"),
        Fact("Memory it needs", "7.4 GB"),
        Fact("Speed, about", "46 tok/s"),
        Fact("Licence", "Apache-2.0"),
    )
    assert offer().button == "Download 5.8 GB"
    assert "the small starter model answers" in offer().meanwhile


@pytest.mark.parametrize(
    ("rate", "fact", "said"),
    [
        (46.2, "46 tok/s", "faster than one reads"),
        (9.96, "10.0 tok/s", "about as fast as one reads"),
        (4.2, "4.2 tok/s", "slower than one reads"),
        (None, words.UNKNOWN, "shows once it runs"),
    ],
)
def test_its_speed_is_compared_with_reading(rate, fact, said):
    """A number says little to most; an unknown one is not invented."""
    shown = offer(tokens_per_second=rate)
    assert shown.facts[2].value == fact
    assert said in shown.pace


def test_an_unknown_use_is_not_described():
    """Nothing is made up."""
    assert offer(use="poetry").good_for == ""
    assert offer(licence="").facts[3].value == words.UNKNOWN


def test_there_is_no_offer_where_there_is_none_to_make():
    """The snapshot decides."""
    assert offer_view(samples.calm(), Away()) is None


def test_an_offer_that_was_put_away_stays_away():
    """Not now is an answer."""
    assert offer(Away(hidden=frozenset({OFFER}))) is None


def test_a_question_is_more_urgent_than_an_offer():
    """Money first."""
    asks = replace(samples.offered(), approvals=[samples.question()])
    assert offer_view(asks, Away()) is None
    assert held_view(replace(samples.held(), approvals=[samples.question()]), frozenset()) is None


def test_what_is_on_its_way_is_offered_no_more():
    """Its row says it."""
    coming = replace(samples.offered(), downloads=[samples.download()])
    assert offer_view(coming, Away()) is None


def test_while_the_gateway_is_asked_the_button_waits():
    """No second click."""
    shown = offer(Away(asked=frozenset({"qwen3-8b"})))
    assert (shown.button, shown.busy) == ("Starting…", True)


def test_models_of_other_programs_are_offered_with_whose_they_are():
    """Three, and how many more."""
    shown = held_view(samples.held(), frozenset())
    assert [(one.name, one.program) for one in shown.rows] == [
        ("qwen3-8b", "from LM Studio"),
        ("llama-3.1-8b", "from Ollama"),
        ("gemma3-4b", "from the hub's cache"),
    ]
    assert shown.more == "and 1 more"
    assert shown.names[3] == "phi-4"


def test_one_that_was_put_away_or_is_loaded_is_not_offered():
    """Nor are our own."""
    hidden = frozenset(map(held_key, ("qwen3-8b", "llama-3.1-8b", "phi-4")))
    assert [one.name for one in held_view(samples.held(), hidden).rows] == ["gemma3-4b"]
    loaded = [replace(one, state="ready") for one in samples.held().models]
    assert held_view(replace(samples.held(), models=loaded), frozenset()) is None
    assert held_view(replace(samples.calm(), models=[samples.model("ours", "")]), frozenset()) is None


def test_a_download_says_how_far_how_fast_how_long():
    """As the design writes it, and in one sentence for a screen reader."""
    shown = download_view(samples.download())
    assert (shown.state, shown.rest) == ("2.3 of 5.8 GB", "38 MB/s · 2 min left")
    assert shown.spoken == "Downloading qwen3-8b, 40\u00a0%, 2 min left"
    assert shown.ratio == 0.4
    assert (shown.act, shown.act_name) == ("pause", "Pause qwen3-8b")


def test_without_a_speed_there_is_none_to_say():
    """The first moments of a download."""
    shown = download_view(samples.download(bytes_per_second=None, seconds_left=None))
    assert (shown.rest, shown.spoken) == ("", "Downloading qwen3-8b, 40\u00a0%")


@pytest.mark.parametrize(
    ("received", "total", "said"),
    [
        (0, 5 * GB, "0 of 5.0 GB"),
        (40_000_000, 5 * GB, "40 MB of 5.0 GB"),
        (100_000_000, 5 * GB, "0.1 of 5.0 GB"),
        (2_000_000, 4_000_000, "2 MB of 4 MB"),
    ],
)
def test_how_much_has_come(received, total, said):
    """In the unit of the whole, once that says something."""
    assert download_view(samples.download(received=received, total=total)).state == said


def test_all_of_it_is_there_only_when_it_is():
    """Percent are cut, not rounded."""
    assert "99\u00a0%" in download_view(samples.download(received=5_849_999_999)).spoken


@pytest.mark.parametrize(
    ("state", "rest"), [("waiting", "Waits for its turn"), ("checking", "Checking…"), ("paused", "2.3 of 5.8 GB")]
)
def test_what_does_not_move_says_why(state, rest):
    """And can be paused or resumed."""
    shown = download_view(samples.download(state))
    assert shown.rest == rest
    assert shown.act == ("resume" if state == "paused" else "pause")
    assert not shown.moves


def test_a_paused_one_says_how_far_it_is():
    """Spoken too."""
    shown = download_view(samples.download("paused"))
    assert (shown.state, shown.spoken) == ("Paused at 40\u00a0%", "qwen3-8b, paused at 40\u00a0%")


@pytest.mark.parametrize(
    ("state", "sentence", "tone", "act"),
    [
        ("failed", samples.FULL, "danger", "again"),
        ("failed", samples.WRONG, "danger", "again"),
        ("retrying", samples.AWAY, "warn", "pause"),
    ],
)
def test_a_trouble_is_said_in_the_gateways_own_sentence(state, sentence, tone, act):
    """Whole, with what can be done."""
    shown = download_view(samples.download(state, sentence=sentence))
    assert (shown.state, shown.tone, shown.act) == (sentence, tone, act)
    assert shown.spoken == f"qwen3-8b: {sentence}"


def test_a_licence_is_explained_with_its_page():
    """In words for somebody who sees the field, not for a terminal."""
    shown = download_view(samples.asks_licence())
    assert shown.page == "https://hub.example/google/gemma-3-12b-it-GGUF"
    assert "licence accepted first" in shown.state
    assert "HF_TOKEN" not in shown.state
    assert shown.ratio is None, "nothing has come"


def test_giving_up_names_what_is_lost():
    """So that nobody deletes hours by a slip."""
    assert download_view(samples.download()).sure == "Delete the 2.3 GB?"
    assert download_view(samples.download(received=0)).sure == "Cancel it?"


def test_the_end_is_said_once():
    """Until it is put away."""
    done = samples.download("done", sentence="It is used where Ollama keeps it.")
    (shown,) = download_views([done], frozenset(), live=True)
    assert (shown.done, shown.state) == (True, "Ready. It is used where Ollama keeps it.")
    assert download_views([done], frozenset({done_key("qwen3-8b")}), live=True) == ()


def test_with_a_lost_gateway_nothing_moves():
    """The last speed is no speed."""
    (shown,) = download_views([samples.download()], frozenset(), live=False)
    assert (shown.moves, shown.rest) == (False, "Goes on with the gateway")
    (paused,) = download_views([samples.download("paused")], frozenset(), live=False)
    assert paused.rest == "2.3 of 5.8 GB"
