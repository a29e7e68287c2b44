"""A sealed file: what is in it comes back for its key alone, and nothing that was changed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.store import sealed
from pointsman.store.sealed import Label, Unreadable
from tests.store.test_bodies import EXAMPLES, KEY, NOON, kept


class TestSeal:
    """The file's format."""

    @given(st.binary(), st.binary())
    @EXAMPLES
    def test_what_is_sealed_comes_back(self, body: bytes, answer: bytes) -> None:
        """Byte for byte, whatever it is."""
        given_ = msgspec.structs.replace(kept(), body=body, answer=answer)
        assert sealed.unseal(sealed.seal(given_, KEY), KEY, "req_1") == given_

    @given(st.binary(min_size=6))
    @EXAMPLES
    def test_a_sealed_file_never_holds_the_plain_text(self, text: bytes) -> None:
        """Neither the prompt nor the answer nor the session."""
        data = sealed.seal(msgspec.structs.replace(kept(text=text), session="a-session-id"), KEY)
        outside = msgspec.json.encode(sealed.label(data))
        inside = data.replace(outside, b"")
        assert text not in inside and b"an answer" not in data and b"a-session-id" not in data

    def test_the_same_body_is_sealed_another_way_each_time(self) -> None:
        """A nonce is never used twice."""
        assert sealed.seal(kept(), KEY) != sealed.seal(kept(), KEY)

    def test_the_label_is_read_without_the_key(self) -> None:
        """So that an agent's bodies can be forgotten after the key is lost."""
        assert sealed.label(sealed.seal(kept(), KEY)) == Label("req_1", "claude", NOON)

    @given(st.integers(0, 10_000), st.integers(0, 7))
    @EXAMPLES
    def test_any_changed_bit_is_found(self, place: int, bit: int) -> None:
        """In the mark, the label, the nonce or what is sealed."""
        data = bytearray(sealed.seal(kept(), KEY))
        data[place % len(data)] ^= 1 << bit
        with pytest.raises(Unreadable):
            sealed.unseal(bytes(data), KEY, "req_1")

    @pytest.mark.parametrize("length", [0, 3, 6, 40, 80])
    def test_a_torn_file_is_unreadable(self, length: int) -> None:
        """However much of it is left."""
        with pytest.raises(Unreadable):
            sealed.unseal(sealed.seal(kept(), KEY)[:length], KEY, "req_1")

    def test_another_key_does_not_open_it(self) -> None:
        """Nor does it give anything away."""
        with pytest.raises(Unreadable):
            sealed.unseal(sealed.seal(kept(), KEY), bytes(32), "req_1")

    def test_another_requests_file_is_not_taken_for_it(self) -> None:
        """Neither under its own label, nor with the label exchanged."""
        data = sealed.seal(kept("req_2"), KEY)
        for one in (data, data.replace(b"req_2", b"req_1")):
            with pytest.raises(Unreadable):
                sealed.unseal(one, KEY, "req_1")
