"""Provider keys: one item in the system's keychain for each home, and environment variables before it.

The same item holds the key that seals kept bodies.

Every call that reads or writes the keychain may block (it may wait for a person): call it in a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, Protocol

import msgspec

from pointsman.core.errors import PointsmanError

SERVICE = "pointsman"
# Windows keeps at most 2,560 bytes in one item, as UTF-16; the JSON here is ASCII.
PART_CHARACTERS = 1200 if sys.platform == "win32" else None

_SEAL_BYTES = 32

State = Literal["ready", "locked", "missing", "denied"]
LOCKED = "Your keychain is locked. Unlock it to use cloud models."
MISSING = (
    "There is no keychain here. Give keys as environment variables: POINTSMAN_KEY_ and the provider's name in capitals."
)
DENIED = "Your keychain refused Pointsman. Allow it there, or give keys as environment variables."
NOT_KEPT = "The keychain took the key but did not give it back, so it is not kept. Give it as an environment variable."
UNREADABLE = "The keychain's item 'pointsman' cannot be read. Remove it there, then set the keys again."


class Secret:
    """A provider's key. It shows itself only where `reveal` is called."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header of the one request that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "****"


class KeychainProblem(PointsmanError):
    """The keychain has no answer; `state` says which kind of no."""

    code = "keychain"

    def __init__(self, state: State, sentence: str) -> None:
        super().__init__(sentence)
        self.state: State = state


class NoKey(KeychainProblem):
    """The keychain works and holds no key for this provider."""

    code = "no_key"


class Backend(Protocol):
    """What keyring's backends have in common."""

    def get_password(self, service: str, username: str) -> str | None:
        """The text kept, or None."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a text."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a text."""


def system_backend() -> Backend:
    """The system's keychain. Not keyring's null backend, which drops keys silently, nor its plain-text alternatives."""
    import keyring
    from keyring.backends import fail, null

    found = keyring.get_keyring()
    if isinstance(found, fail.Keyring | null.Keyring) or type(found).__module__.startswith("keyrings.alt"):
        raise KeychainProblem("missing", MISSING)
    return found


class Held(msgspec.Struct, frozen=True):
    """What the keychain item holds; `parts` counts further items where one is too small. `seal` is hexadecimal."""

    providers: dict[str, str] = {}
    seal: str = ""
    parts: int = 0
    batch: str = ""


class Keychain:
    """The keys of one home. Reads the item once and keeps it in memory; safe to call from several threads."""

    def __init__(
        self,
        home_id: str,
        open_backend: Callable[[], Backend] = system_backend,
        environ: Mapping[str, str] = os.environ,
        part_characters: int | None = PART_CHARACTERS,
    ) -> None:
        self._item = home_id
        self._open = open_backend
        self._environ = environ
        self._part = part_characters
        self._lock = threading.Lock()
        self._kept: Held | None = None

    def provider_key(self, provider: str, key_env: str | None = None) -> Secret:
        """The key to send to this provider. Raises `KeychainProblem` with the sentence to show."""
        found = self.from_environment(provider, key_env)
        if found is not None:
            return found
        with self._lock:
            kept = self._all().providers.get(provider)
        if kept is None:
            raise NoKey("ready", f"There is no key for {provider}. Set one with 'pointsman keys set {provider}'.")
        return Secret(kept)

    def from_environment(self, provider: str, key_env: str | None = None) -> Secret | None:
        """The key from Pointsman's own variable, else from the vendor's usual one. Never blocks."""
        for name in (variable(provider), key_env):
            if name and (value := self._environ.get(name, "").strip()):
                return Secret(value)
        return None

    def kept(self) -> list[str]:
        """The providers whose keys are in the keychain."""
        with self._lock:
            return sorted(self._all().providers)

    def seal_key(self) -> bytes:
        """The key that seals kept bodies, made at its first use. Raises `KeychainProblem` where none can be kept."""
        with self._lock:
            if not self._all().seal:
                self._kept = None  # another program may have made it meanwhile
                held = self._all()
                if not held.seal:
                    self._write(msgspec.structs.replace(held, seal=secrets.token_hex(_SEAL_BYTES)))
            return _seal_of(self._all())

    def state(self) -> tuple[State, str]:
        """Whether the keychain can be used now, with one sentence. Asks it again each time."""
        with self._lock:
            self._kept = None
            try:
                self._all()
            except KeychainProblem as problem:
                return problem.state, problem.sentence
        return "ready", "The keychain is ready."

    def keep(self, provider: str, value: str) -> None:
        """Keep a key, and read it back to be sure."""
        with self._lock:
            self._kept = None
            held = self._all()
            self._write(msgspec.structs.replace(held, providers={**held.providers, provider: value}))

    def forget(self, provider: str) -> bool:
        """Take a key out; False when there was none."""
        with self._lock:
            self._kept = None
            held = self._all()
            if provider not in held.providers:
                return False
            left = {name: key for name, key in held.providers.items() if name != provider}
            self._write(msgspec.structs.replace(held, providers=left))
            return True

    def _all(self) -> Held:
        if self._kept is None:
            whole = self._whole(self._head())
            self._kept = Held(providers=whole.providers, seal=whole.seal)
        return self._kept

    def _head(self) -> Held:
        return _parsed(self._get(self._item))

    def _whole(self, head: Held) -> Held:
        if not head.parts:
            return head
        texts = [self._get(name) for name in self._names(head)]
        return _parsed("".join(text or "" for text in texts))

    def _names(self, head: Held) -> list[str]:
        return [f"{self._item}.{head.batch}.{number}" for number in range(1, head.parts + 1)]

    def _write(self, held: Held) -> None:
        before = self._head()
        text = json.dumps({"providers": held.providers} | ({"seal": held.seal} if held.seal else {}))
        self._set_all(text)
        for name in self._names(before):
            with contextlib.suppress(KeychainProblem):  # a part left behind is never read again
                self._delete(name)
        self._kept = None
        if self._all() != held:
            raise KeychainProblem("denied", NOT_KEPT)

    def _set_all(self, text: str) -> None:
        """Parts go first and under new names, so that a crash leaves the old ones whole."""
        if self._part is None or len(text) <= self._part:
            self._set(self._item, text)
            return
        pieces = [text[at : at + self._part] for at in range(0, len(text), self._part)]
        head = Held(parts=len(pieces), batch=secrets.token_hex(3))
        for name, piece in zip(self._names(head), pieces, strict=True):
            self._set(name, piece)
        self._set(self._item, msgspec.json.encode(head).decode())

    def _get(self, name: str) -> str | None:
        with _asked():
            return self._open().get_password(SERVICE, name)

    def _set(self, name: str, text: str) -> None:
        with _asked():
            self._open().set_password(SERVICE, name, text)

    def _delete(self, name: str) -> None:
        with _asked():
            self._open().delete_password(SERVICE, name)


def variable(provider: str) -> str:
    """The environment variable for a provider's key."""
    return "POINTSMAN_KEY_" + "".join(letter if letter.isalnum() else "_" for letter in provider).upper()


def _seal_of(held: Held) -> bytes:
    """A key of another length is no key of ours: nothing is sealed with it."""
    try:
        key = bytes.fromhex(held.seal)
    except ValueError:
        key = b""
    if len(key) != _SEAL_BYTES:
        raise KeychainProblem("denied", UNREADABLE)
    return key


def _parsed(text: str | None) -> Held:
    if not text:
        return Held()
    try:
        return msgspec.json.decode(text, type=Held)
    except msgspec.DecodeError:
        raise KeychainProblem("denied", UNREADABLE) from None


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    """Turn what keyring and the system raise into one of our sentences; theirs may hold more than a person should read."""
    from keyring import errors

    try:
        yield
    except KeychainProblem:
        raise
    except errors.KeyringLocked:
        raise KeychainProblem("locked", LOCKED) from None
    except (errors.NoKeyringError, errors.InitError):
        raise KeychainProblem("missing", MISSING) from None
    except Exception as error:  # noqa: BLE001 backends let errors of D-Bus and of the system through
        raise KeychainProblem("denied", f"{DENIED} ({type(error).__name__})") from None
