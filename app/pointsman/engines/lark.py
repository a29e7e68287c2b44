"""The grammars of this house as llguidance reads them: rules in GBNF go in, Lark comes out. Pure text work.

llguidance reads words, and sentences of words. A rule that leads to no rule which leads back to itself is one word;
several that begin alike are followed at once, and a word goes on while any of them can grow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pointsman.engines.schema_grammar import Until

_PART = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])|(?P<times>\{\d+(?:,\d*)?\})"""
    r"""|(?P<name>[A-Za-z]\w*)|(?P<sign>[()|*+?])""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}
_ANY = r"(.|\n)"


def lark_of(rules: Mapping[str, str]) -> str:
    """The same language, from `root` on."""
    plain = _without_texts(rules)
    used = _used(plain)
    words = _words({name: body for name, body in plain.items() if name in used})
    names = {name: name.upper() if name in words else name for name in plain} | {"root": "start"}
    return "".join(f"{names[name]}: {_written(body, names)}\n" for name, body in plain.items() if name in used)


def _without_texts(rules: Mapping[str, str]) -> dict[str, str]:
    """Text up to a mark as a word of its own: as characters, llguidance would look back at all of it each time."""
    plain = dict(rules)
    for name, body in rules.items():
        if isinstance(body, Until):
            ways = [f"{name}u {body.then}"] if body.then is not None else []
            plain[name] = " | ".join([*ways, f"{name}t"] if body.may_end else ways)
            plain |= {f"{name}{kind}": word for kind, word in _texts(body)}
    return plain


def _texts(until: Until) -> Iterator[tuple[str, str]]:
    """The word that ends with the mark, and the one without it; the sign says that they are in Lark already."""
    mark = "".join(map(_code, until.mark))
    first = f" & ~/[{''.join(map(_code, until.not_first))}]{_ANY}*/" if until.not_first else ""
    yield "u", f"@/{_ANY}*{mark}/ & ~/{_ANY}*{mark}{_ANY}+/{first}"
    yield "t", f"@/{_ANY}*/ & ~/{_ANY}*{mark}{_ANY}*/{first}"


def _code(char: str) -> str:
    return rf"\x{{{ord(char):X}}}"


def _used(rules: Mapping[str, str]) -> set[str]:
    used, new = set[str](), {"root"}
    while new:
        used |= new
        new = {other for name in new for other in _named(rules[name])} - used
    return used


def _words(rules: Mapping[str, str]) -> set[str]:
    words = set[str]()
    while more := {name for name, body in rules.items() if name != "root" and _named(body) <= words} - words:
        words |= more
    return words


def _named(body: str) -> set[str]:
    return set() if body.startswith("@") else {part["name"] for part in _PART.finditer(body)} - {None}


def _written(body: str, names: Mapping[str, str]) -> str:
    """In Lark, an alternative that is empty has to be written as such."""
    if body.startswith("@"):
        return body[1:]
    out, before = "", "|"
    for part in _PART.finditer(body + "|"):
        if part["sign"] in ("|", ")") and before in ("|", "("):
            out += '"" '
        out += _part(part, names) + " "
        before = part["sign"] or ""
    return out.removesuffix(" | ")


def _part(part: re.Match[str], names: Mapping[str, str]) -> str:
    if part["name"]:
        return names[part[0]]
    if part["text"]:
        meant = _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), part[0][1:-1])
        return json.dumps(meant, ensure_ascii=False)
    return "/" + part[0].replace("/", r"\/") + "/" if part["set"] else part[0]
