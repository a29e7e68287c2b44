"""What is not shown again, and what is told once."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.tray import samples
from pointsman.tray.models_view import OFFER, done_key, held_key
from pointsman.tray.put_away import PutAway

NAME = "qwen3-8b"
DONE = done_key(NAME)


def coming(state="downloading"):
    """A snapshot with one download."""
    return samples.downloads(samples.download(state))


def test_an_end_is_told_once():
    """However many snapshots follow."""
    away = PutAway()
    assert away.take(coming()) == ()
    assert away.take(coming("done")) == (NAME,)
    assert away.take(coming("done")) == ()
    assert DONE not in away.hidden, "the popover still says it"
    away.seen()
    assert DONE in away.hidden


def test_what_ended_before_the_tray_is_no_news():
    """The gateway lists what came since it started."""
    away = PutAway()
    assert away.take(coming("done")) == ()
    assert DONE in away.hidden


def test_what_was_clicked_and_came_at_once_is_told():
    """A model of another program needs no download."""
    away = PutAway()
    away.take(samples.calm())
    away.ask(NAME)
    assert away.take(coming("done")) == (NAME,)
    assert away.asked == frozenset()


def test_what_comes_again_is_told_again():
    """A newer model in the place of the old one."""
    away = PutAway()
    away.take(coming())
    away.take(coming("done"))
    away.put(DONE)
    assert DONE in away.hidden
    assert DONE not in away.kept, "it is no answer for good"
    away.take(coming())
    assert DONE not in away.hidden
    assert away.take(coming("done")) == (NAME,)


def test_a_restarted_gateway_tells_nothing_anew():
    """It forgets what came before."""
    away = PutAway()
    away.take(coming())
    away.take(samples.calm())
    assert away.take(coming("done")) == ()


def test_an_offer_is_put_away_for_good_and_brought_back_by_name():
    """Kept for the next tray."""
    away = PutAway()
    away.put(OFFER)
    assert PutAway(away.kept).hidden == {OFFER}
    away.bring(OFFER)
    assert away.kept == frozenset()


def test_a_refusal_leaves_the_offer():
    """The button can be pressed again."""
    away = PutAway()
    away.ask(NAME)
    away.refused(NAME)
    assert away.asked == frozenset()


def test_another_programs_model_that_was_used_is_not_offered_again():
    """Unloaded after a while, it is no news."""
    away = PutAway()
    away.take(samples.held())
    assert away.kept == frozenset()
    loaded = replace(samples.held(), models=[replace(samples.model(NAME, "Ollama"), state="ready")])
    away.take(loaded)
    assert away.kept == {held_key(NAME)}


def test_seen_before_the_first_snapshot_is_nothing():
    """A popover may close at any time."""
    away = PutAway()
    away.seen()
    assert away.hidden == frozenset()
