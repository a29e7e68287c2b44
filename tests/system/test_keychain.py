from __future__ import annotations

import json

import pytest
from keyring import errors

from pointsman.system import keychain
from pointsman.system.keychain import Keychain, KeychainProblem, NoKey
from tests.fakes.memory_keychain import MemoryKeychain

SECRET = "sk-test-0123456789abcdef"


@pytest.fixture
def backend() -> MemoryKeychain:
    """An open keychain."""
    return MemoryKeychain()


@pytest.fixture
def keys(backend: MemoryKeychain) -> Keychain:
    """The keys of a home, in that keychain."""
    return Keychain("home1", lambda: backend, {}, None)


def test_a_kept_key_comes_back(keys: Keychain) -> None:
    """What is kept for a provider is what that provider is sent."""
    keys.keep("openai", SECRET)
    assert keys.provider_key("openai").reveal() == SECRET


def test_all_keys_lie_in_one_item_named_by_the_home(keys: Keychain, backend: MemoryKeychain) -> None:
    """Two providers make one item, so the system asks the person once."""
    keys.keep("openai", SECRET)
    keys.keep("anthropic", "other")
    assert list(backend.items) == [("pointsman", "home1")]
    assert json.loads(backend.items["pointsman", "home1"]) == {"providers": {"openai": SECRET, "anthropic": "other"}}


def test_the_item_is_read_once(keys: Keychain, backend: MemoryKeychain) -> None:
    """Later requests take the key from memory."""
    keys.keep("openai", SECRET)
    before = backend.reads
    keys.provider_key("openai")
    keys.provider_key("openai")
    assert backend.reads == before


def test_two_homes_do_not_share_keys(backend: MemoryKeychain) -> None:
    """A key kept for one home is not there for another."""
    Keychain("home1", lambda: backend, {}).keep("openai", SECRET)
    assert Keychain("home2", lambda: backend, {}).kept() == []


def test_a_forgotten_key_is_gone(keys: Keychain) -> None:
    """After `forget` there is no key, and forgetting again says so."""
    keys.keep("openai", SECRET)
    assert keys.forget("openai")
    assert not keys.forget("openai")
    with pytest.raises(NoKey, match=r"There is no key for openai\. Set one with 'pointsman keys set openai'\."):
        keys.provider_key("openai")


def test_our_variable_wins_over_the_keychain(backend: MemoryKeychain) -> None:
    """POINTSMAN_KEY_<PROVIDER> comes first, and then the keychain is not touched."""
    backend.error = errors.KeyringLocked()
    keys = Keychain("home1", lambda: backend, {"POINTSMAN_KEY_MY_SERVER": SECRET})
    assert keys.provider_key("my-server").reveal() == SECRET


def test_our_variable_wins_over_the_vendors() -> None:
    """The vendor's usual variable is second."""
    keys = Keychain("home1", MemoryKeychain, {"POINTSMAN_KEY_OPENAI": "ours", "OPENAI_API_KEY": "theirs"})
    assert keys.provider_key("openai", "OPENAI_API_KEY").reveal() == "ours"


def test_the_vendors_variable_wins_over_the_keychain(backend: MemoryKeychain) -> None:
    """What the shell says now beats what was kept once."""
    keys = Keychain("home1", lambda: backend, {"OPENAI_API_KEY": "theirs"})
    keys.keep("openai", SECRET)
    assert keys.provider_key("openai", "OPENAI_API_KEY").reveal() == "theirs"


def test_an_empty_variable_is_none() -> None:
    """A variable that is set to nothing gives no key."""
    keys = Keychain("home1", MemoryKeychain, {"POINTSMAN_KEY_OPENAI": "  "})
    assert keys.from_environment("openai") is None


def test_a_secret_does_not_show_itself() -> None:
    """Neither repr nor str nor a formatted text holds the key."""
    secret = keychain.Secret(SECRET)
    assert (repr(secret), str(secret), f"{secret}") == ("****",) * 3


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (errors.KeyringLocked(f"no {SECRET}"), "locked", keychain.LOCKED),
        (errors.NoKeyringError(), "missing", keychain.MISSING),
        (errors.InitError(f"no {SECRET}"), "missing", keychain.MISSING),
        (errors.PasswordSetError(f"no {SECRET}"), "denied", f"{keychain.DENIED} (PasswordSetError)"),
        (OSError(f"no {SECRET}"), "denied", f"{keychain.DENIED} (OSError)"),
    ],
)
def test_each_trouble_is_one_state_and_one_sentence(
    keys: Keychain, backend: MemoryKeychain, error: Exception, state: str, sentence: str
) -> None:
    """Whatever the system raises, the person reads our sentence, and nothing of the error's own text."""
    backend.error = error
    assert keys.state() == (state, sentence)
    with pytest.raises(KeychainProblem) as raised:
        keys.provider_key("openai")
    assert (raised.value.state, raised.value.sentence) == (state, sentence)


def test_a_keychain_that_opens_later_is_asked_again(keys: Keychain, backend: MemoryKeychain) -> None:
    """A failed read is not remembered: once unlocked, the key is there without a restart."""
    keys.keep("openai", SECRET)
    backend.error = errors.KeyringLocked()
    assert keys.state()[0] == "locked"
    backend.error = None
    assert keys.provider_key("openai").reveal() == SECRET


def test_a_keychain_that_drops_keys_is_caught(keys: Keychain, backend: MemoryKeychain) -> None:
    """A backend that takes a key and does not keep it is found out by reading back."""
    backend.forgetful = True
    with pytest.raises(KeychainProblem, match="did not give it back"):
        keys.keep("openai", SECRET)


def test_a_damaged_item_says_what_to_do(keys: Keychain, backend: MemoryKeychain) -> None:
    """An item that is not our JSON is neither used nor overwritten."""
    backend.items["pointsman", "home1"] = "{broken"
    with pytest.raises(KeychainProblem, match="cannot be read"):
        keys.keep("openai", SECRET)
    assert backend.items["pointsman", "home1"] == "{broken"


def test_the_test_run_has_no_keychain() -> None:
    """Here the real backend is missing, so no test can put up a prompt."""
    assert Keychain("home1", environ={}).state() == ("missing", keychain.MISSING)


@pytest.mark.parametrize("name", ["keyring.backends.fail", "keyring.backends.null"])
def test_a_backend_that_keeps_nothing_is_no_keychain(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The null backend would take a key and lose it silently; it counts as none."""
    import importlib

    import keyring

    monkeypatch.setattr(keyring, "get_keyring", importlib.import_module(name).Keyring)
    assert Keychain("home1", environ={}).state()[0] == "missing"


class TestParts:
    """Where one item is too small."""

    @pytest.fixture
    def backend(self) -> MemoryKeychain:
        """A keychain with small items."""
        return MemoryKeychain(most=100)

    @pytest.fixture
    def keys(self, backend: MemoryKeychain) -> Keychain:
        """The keys of a home, in that keychain."""
        return Keychain("home1", lambda: backend, {}, 100)

    def test_many_keys_come_back(self, keys: Keychain, backend: MemoryKeychain) -> None:
        """Keys that do not fit one item are all there, for a new process too."""
        for number in range(10):
            keys.keep(f"provider{number}", SECRET + str(number))
        later = Keychain("home1", lambda: backend, {}, 100)
        assert [later.provider_key(f"provider{n}").reveal() for n in range(10)] == [SECRET + str(n) for n in range(10)]

    def test_old_parts_are_removed(self, keys: Keychain, backend: MemoryKeychain) -> None:
        """When the keys fit one item again, only that item stays."""
        for number in range(10):
            keys.keep(f"provider{number}", SECRET)
        for number in range(10):
            keys.forget(f"provider{number}")
        assert list(backend.items) == [("pointsman", "home1")]

    def test_a_crash_between_parts_leaves_the_old_keys(self, keys: Keychain, backend: MemoryKeychain) -> None:
        """The head is written last, so keys that were half written never show."""
        for number in range(5):
            keys.keep(f"provider{number}", SECRET)
        before = dict(backend.items)
        keys.keep("late", SECRET)
        head = ("pointsman", "home1")
        backend.items = {**backend.items, **before, head: before[head]}
        assert Keychain("home1", lambda: backend, {}, 100).kept() == [f"provider{number}" for number in range(5)]

    def test_a_lost_part_says_what_to_do(self, keys: Keychain, backend: MemoryKeychain) -> None:
        """A part that somebody removed makes the item unreadable, in one sentence."""
        for number in range(5):
            keys.keep(f"provider{number}", SECRET)
        part = next(name for name in backend.items if name[1] != "home1")
        del backend.items[part]
        assert Keychain("home1", lambda: backend, {}, 100).state() == ("denied", keychain.UNREADABLE)
