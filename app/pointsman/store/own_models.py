"""The person's own models.toml, edited as a person would: comments, order and spelling of the rest stay as they are.

Texts in, texts out; only `read` and `write` touch the file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from pointsman.core.catalog import Allowance
from pointsman.core.errors import SetupError

_MICRO = 1_000_000


def as_text(allowances: Sequence[Allowance]) -> str:
    """The [[allowances]] tables of these rules, as they are written."""
    return "\n".join(_table(one) for one in allowances)


def from_text(text: str) -> list[Allowance]:
    """The rules of such a text."""
    found = tomlkit.parse(text).unwrap().get("allowances", [])
    return [Allowance(**{**one, "over": round(one["over"] * _MICRO)}) for one in found]


def with_allowances(text: str, allowances: Sequence[Allowance]) -> str:
    """The file with these rules; one that has the name of an older one takes its place."""
    for one in allowances:
        text = _with_allowance(text, one)
    return text


def without_allowance(text: str, name: str) -> str:
    """The file without the rule of this name; as it was, where it has none."""
    document = _parse(text)
    tables = _tables(document)
    at = next((position for position, one in enumerate(tables) if one.get("name") == name), None)
    if at is None:
        return text
    if len(tables) == 1:
        document.remove("allowances")
    else:
        del tables[at]
    return _checked(document.as_string())


def with_price(text: str, target: str, price: tuple[int, int], day: str) -> str:
    """The file with a target's own price, in micro-dollars per million tokens in and out, and the day it was given."""
    given = tomlkit.inline_table()
    given.update({"input": _dollars(price[0]), "output": _dollars(price[1]), "dated": day})
    given.comment(f"given on {day}, when you were asked")
    document = _parse(text)
    targets = document.get("targets")
    known: Any = targets.get(target) if isinstance(targets, Mapping) else None
    if known is None:
        return _checked(_appended(text, _target_text(target, given)))
    known["price"] = given
    return _checked(document.as_string())


def with_limits(text: str, target: str, slots: int, queue: int) -> str:
    """The file with how many requests a target answers at once, and how many more may wait for it."""
    document = _parse(text)
    limits = document.get("limits")
    targets = limits.get("targets") if isinstance(limits, Mapping) else None
    known: Any = targets.get(target) if isinstance(targets, Mapping) else None
    if known is None:
        key = tomlkit.key(["limits", "targets", target]).as_string()
        return _checked(_appended(text, f"[{key}]\nslots = {slots}\nqueue = {queue}\n"))
    known["slots"], known["queue"] = slots, queue
    return _checked(document.as_string())


def read(path: Path) -> str:
    """What stands in the file; nothing where there is none yet."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        raise SetupError(f"{path} cannot be read, so nothing was written there. Mend it first.") from None


def write(path: Path, text: str) -> None:
    """Put the text in the file's place, whole or not at all; a link goes on pointing to it."""
    place = path.resolve()
    try:
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(place, name)
            Path(name).replace(place)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SetupError(f"{path} cannot be written ({error.strerror}). Make it writable, then answer again.") from None


def _table(allowance: Allowance) -> str:
    table = tomlkit.table()
    table.update(_entries(allowance))
    return f"[[allowances]]\n{table.as_string()}"


def _entries(allowance: Allowance) -> dict[str, Any]:
    return msgspec.structs.asdict(allowance) | {"over": _dollars(allowance.over)}


def _with_allowance(text: str, allowance: Allowance) -> str:
    document = _parse(text)
    known = next((one for one in _tables(document) if one.get("name") == allowance.name), None)
    if known is None:
        return _checked(_appended(text, _table(allowance)))
    for key, value in _entries(allowance).items():
        if known.get(key) != value:
            known[key] = value
    return _checked(document.as_string())


def _tables(document: Any) -> Any:
    """The [[allowances]] of a file; what is no list of tables is refused, not changed."""
    found = document.get("allowances", [])
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise SetupError("Your models.toml has 'allowances' that are no tables. Begin each with a line [[allowances]].")
    return found


def _target_text(target: str, price: Any) -> str:
    key = tomlkit.key(["targets", target]).as_string()
    return f"[{key}]\nprice = {price.as_string()}  {price.trivia.comment}\n"


def _appended(text: str, added: str) -> str:
    head = text.rstrip("\n")
    return f"{head}\n\n{added}" if head else added


def _dollars(amount: int) -> float:
    """Exact when it is read as a decimal: a float keeps fifteen digits."""
    return float(Decimal(amount) / _MICRO)


def _parse(text: str) -> Any:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise SetupError(
            f"Your models.toml is not TOML ({error}), so nothing was written there. Mend it first."
        ) from None


def _checked(text: str) -> str:
    """The text, if it is still TOML: a table that a person wrote in another way can stand in the way of a new one."""
    try:
        tomlkit.parse(text)
    except TOMLKitError as error:
        raise SetupError(f"Your models.toml leaves no place for this ({error}). Write it there yourself.") from None
    return text
