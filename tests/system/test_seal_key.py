"""The key that seals kept bodies, in the same keychain item as the providers' keys."""

from __future__ import annotations

import json

import pytest
from keyring import errors

from pointsman.system.keychain import Keychain, KeychainProblem
from tests.fakes.memory_keychain import MemoryKeychain

ITEM = ("pointsman", "home1")


@pytest.fixture
def backend() -> MemoryKeychain:
    """An open keychain."""
    return MemoryKeychain()


def keys(backend: MemoryKeychain, part: int | None = None) -> Keychain:
    """A keychain that has read nothing yet."""
    return Keychain("home1", lambda: backend, {}, part)


def test_it_is_made_once(backend: MemoryKeychain) -> None:
    """32 bytes, the same for every later start."""
    key = keys(backend).seal_key()
    assert (len(key), keys(backend).seal_key()) == (32, key)


def test_each_home_has_its_own(backend: MemoryKeychain) -> None:
    """Chance made it, not the home's name."""
    assert keys(backend).seal_key() != Keychain("home2", lambda: backend, {}).seal_key()


def test_it_lies_beside_the_providers_keys(backend: MemoryKeychain) -> None:
    """Keeping and forgetting those leaves it as it is."""
    chain = keys(backend)
    chain.keep("openai", "sk-1")
    key = chain.seal_key()
    chain.keep("mistral", "sk-2")
    chain.forget("openai")
    assert json.loads(backend.items[ITEM]) == {"providers": {"mistral": "sk-2"}, "seal": key.hex()}
    assert keys(backend).seal_key() == key


def test_it_survives_in_numbered_parts(backend: MemoryKeychain) -> None:
    """Where an item is too small for all, the parts together hold it."""
    chain = keys(backend, 40)
    key = chain.seal_key()
    chain.keep("openai", "sk-" + "x" * 100)
    assert keys(backend, 40).seal_key() == key


def test_it_is_taken_from_memory(backend: MemoryKeychain) -> None:
    """Each body asks for it."""
    chain = keys(backend)
    chain.seal_key()
    before = backend.reads
    chain.seal_key()
    assert backend.reads == before


def test_a_key_that_another_program_made_meanwhile_is_not_replaced(backend: MemoryKeychain) -> None:
    """What that one sealed stays readable."""
    late = keys(backend)
    late.kept()
    key = keys(backend).seal_key()
    assert late.seal_key() == key


@pytest.mark.parametrize("error", [errors.KeyringLocked(), errors.NoKeyringError(), OSError()])
def test_no_keychain_no_key(backend: MemoryKeychain, error: Exception) -> None:
    """Nothing is sealed with a key that is kept nowhere."""
    backend.error = error
    with pytest.raises(KeychainProblem):
        keys(backend).seal_key()


def test_a_key_that_is_not_kept_is_not_used(backend: MemoryKeychain) -> None:
    """It is read back after writing."""
    backend.forgetful = True
    with pytest.raises(KeychainProblem):
        keys(backend).seal_key()


@pytest.mark.parametrize("seal", ["zz", "00ff", "0" * 63])
def test_a_damaged_key_is_neither_used_nor_replaced(backend: MemoryKeychain, seal: str) -> None:
    """Something else may still be sealed with what it was."""
    backend.items[ITEM] = json.dumps({"providers": {}, "seal": seal})
    with pytest.raises(KeychainProblem, match="cannot be read"):
        keys(backend).seal_key()
    assert json.loads(backend.items[ITEM])["seal"] == seal
