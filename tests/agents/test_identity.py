from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.agents import identity
from pointsman.core.errors import BadRequest


def test_a_key_is_the_prefix_and_32_bytes() -> None:
    """A key is 'pm-' and 43 characters that a URL and a header can carry."""
    assert re.fullmatch(r"pm-[A-Za-z0-9_-]{43}", identity.new_key())


def test_keys_differ() -> None:
    """No key comes twice."""
    assert len({identity.new_key() for _ in range(100)}) == 100


def test_a_digest_is_sha256_in_hex() -> None:
    """The digest is the one that any other program computes."""
    assert identity.digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_hint_is_the_end_of_the_key() -> None:
    """The last four characters are the hint."""
    assert identity.hint("pm-0123456789") == "6789"


@pytest.mark.parametrize("name", ["a", "Claude Code", "my-agent_2.0", "x" * 64])
def test_names_that_are_taken(name: str) -> None:
    """Letters, digits and what people put between them make a name."""
    assert identity.check_name(name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "-a", "a/b", "a\nb", "a\n", "x" * 65, "naïve", "\x1b[31m"])
def test_names_that_are_refused(name: str) -> None:
    """Anything that a table, a path or a terminal could trip over is refused with the rule."""
    with pytest.raises(BadRequest, match="1 to 64 letters"):
        identity.check_name(name)


@pytest.mark.parametrize("key", ["", "short", "with a space in it", "ünsafe-but-quite-long", "tab\tin-the-middle-of"])
def test_keys_that_are_refused(key: str) -> None:
    """A brought key that could be guessed, or could not travel in a header, is refused."""
    with pytest.raises(BadRequest, match="at least 16 characters"):
        identity.check_key(key)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=200))
def test_brought_keys_stay_as_they_are(key: str) -> None:
    """A good key is taken as it is."""
    assert identity.check_key(key) == key
