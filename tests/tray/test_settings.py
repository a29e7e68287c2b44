"""What the person chose for the tray."""

from __future__ import annotations

import pytest

from pointsman.tray import settings
from pointsman.tray.settings import Settings


def test_settings_are_kept_for_the_next_start(home):
    """Readable by their owner alone."""
    settings.write(home, Settings(notify=False, allow=True))
    assert settings.read(home) == Settings(notify=False, allow=True)
    assert settings.file(home).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"allow": "yes"}'])
def test_what_makes_no_sense_allows_nothing(home, text):
    """As if nothing was ever chosen."""
    if text is not None:
        settings.file(home).write_text(text)
    assert settings.read(home) == Settings(notify=True, allow=False)


def test_a_setting_of_a_newer_version_is_passed_over(home):
    """The others count."""
    settings.file(home).write_text('{"allow": true, "colour": "blue"}')
    assert settings.read(home) == Settings(allow=True)


def test_what_was_put_away_stays_away(home):
    """Written and read."""
    settings.write(home, Settings(put_away=("offer", "held phi-4")))
    assert settings.read(home).put_away == ("offer", "held phi-4")
