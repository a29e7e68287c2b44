"""Agents are told apart by their keys. Only a key's digest and its last four characters are kept."""

from __future__ import annotations

import hashlib
import re
import secrets

from pointsman.core.errors import BadRequest

PREFIX = "pm-"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?")
_LEAST_KEY = 16


def new_key() -> str:
    """A key that nobody can guess; it is shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is kept of a key. A key holds 256 bits of chance, so one plain hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def hint(key: str) -> str:
    """The end of a key, by which a person tells it from another."""
    return key[-4:]


def check_name(name: str) -> str:
    """The name itself; raises `BadRequest` with the rule for names."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            "An agent's name is 1 to 64 letters, digits, spaces, dots, dashes or underscores, "
            "and starts and ends with a letter or digit."
        )
    return name


def check_key(key: str) -> str:
    """A key that a person brings; raises `BadRequest` when it could be guessed or could not travel in a header."""
    if len(key) < _LEAST_KEY or not (key.isascii() and key.isprintable() and " " not in key):
        raise BadRequest(f"An agent's key has at least {_LEAST_KEY} characters, all plain ASCII and no spaces.")
    return key
