"""Request to facts: its class, its size, what it needs, and how sensitive it is."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from pointsman.core import background
from pointsman.core.catalog import Sensitivity
from pointsman.core.catalog_parts import IMAGE_TOKENS
from pointsman.core.request import Finding, Request

LEVELS = ("public", "internal", "personal")


def _words(piece: str, rest: str = r"\b") -> tuple[str, re.Pattern[str]]:
    return piece, re.compile(rf"{piece}(?<!\w{piece}){rest}")


# What makes a class, in small letters: a plain piece to look for, and the pattern that must hold where it is there. A
# pattern alone takes a millisecond for a page of text, and one that begins with other than its piece a tenth of that.
_CLASSES: tuple[tuple[str, tuple[tuple[str, re.Pattern[str]], ...]], ...] = (
    ("summary", (_words("summari", r"[sz]e\b"),)),
    (
        "code",
        (
            ("```", re.compile("```")),
            _words("def ", r"\w+\("),
            _words("class ", r"\w"),
            *(_words(word) for word in ("refactor", "debug", "compile")),
            _words("stack", r" ?trace\b"),
            _words("unit test", r"s?\b"),
        ),
    ),
    (
        "reasoning",
        (
            *(_words(word) for word in ("prove", "derive", "step by step", "theorem", "architecture")),
            _words("optimi", r"[sz]e\b"),
            _words("trade", r"-?offs?\b"),
        ),
    ),
)
_LOOKED_AT = 4_000  # characters at the start of a turn in which its class shows itself
_BYTES_PER_TOKEN = 4  # what English and code come to in the usual vocabularies; only for estimates
_IMAGE_TOKENS = 1_600  # what a large image costs at the providers that say so
_PROMPT_TOKENS = 1_000  # more than any vendor is known to add by itself to explain tools, or the form of an answer
_BRIDGE_TOKENS = 64  # what a tool of free text takes more where it is offered as a function of one string
_MESSAGE_TOKENS = 8  # role and separators of the chat templates
_LONG = 24_000  # bytes of conversation over which a request is hard for a small model
_HARD = ("code", "reasoning", "summary", "compaction")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request before anything runs. Tokens: `estimate` likely, `bound` never exceeded.

    `place` is where a call that an agent makes by itself is done; empty for all other requests.
    """

    class_: str
    background: bool
    hard: bool
    estimate: int
    bound: int
    tools: bool
    images: bool
    schema: bool
    sensitivity: str
    findings: tuple[Finding, ...]
    tainted: bool
    place: str = ""


def gather(request: Request, sensitivity: Sensitivity, taint: Collection[str] = ()) -> Facts:
    """`taint` holds the kinds that were found earlier in this session."""
    class_, later, place = _classify(request)
    findings, images = request.findings, request.images
    kinds = {*[finding.kind for finding in findings], *taint}
    return Facts(
        class_=class_,
        background=later,
        hard=class_ in _HARD or request.size > _LONG,
        estimate=_estimate(request, images),
        bound=_most(request, images * IMAGE_TOKENS),
        tools=request.tools > 0,
        images=images > 0,
        schema=request.schema,
        sensitivity=_sensitivity(kinds, sensitivity, request.hints.sensitivity),
        findings=findings,
        tainted=bool(taint),
        place=place,
    )


def raised(one: str, other: str | None) -> str:
    """The more sensitive of two levels; a level nobody knows counts as the most sensitive."""
    if other is None:
        return one
    return max(one, other, key=lambda level: LEVELS.index(level) if level in LEVELS else len(LEVELS))


def _classify(request: Request) -> tuple[str, bool, str]:
    """The class, whether nobody waits for the answer, and where it is done if nobody says otherwise."""
    later = request.hints.latency == "background"
    if request.hints.class_:
        return request.hints.class_, later, ""
    if request.embeds:
        return "embeddings", later, ""
    found = background.errand(request)
    if found is not None:
        return found.class_, not found.waits, found.place
    text = request.last_user[:_LOOKED_AT].lower()
    for name, signs in _CLASSES:
        for piece, pattern in signs:
            if piece in text and pattern.search(text):
                return name, False, ""
    return ("tools" if request.tools else "chat"), False, ""


def _sensitivity(kinds: Collection[str], table: Sensitivity, hint: str | None) -> str:
    level = table.default
    for kind in kinds:
        level = raised(level, table.findings.get(_GROUPS.get(kind, kind), "personal"))
    return level if hint is None else raised(level, hint)


_GROUPS = {
    "mail_address": "personal_data",
    "card_number": "personal_data",
    "bank_account": "personal_data",
    "secret_key": "secret",
}


def _estimate(request: Request, images: int) -> int:
    counted = request.extra_tokens if request.embeds else 0  # tokens that came as numbers are known exactly
    return request.size // _BYTES_PER_TOKEN + images * _IMAGE_TOKENS + counted + _overhead(request)


def bound(request: Request, image_tokens: int = IMAGE_TOKENS) -> int:
    """The most tokens that may go in, where an image counts as `image_tokens` at most.

    No byte-level tokenizer makes more tokens than bytes; images, separators and the vendor's own words come on top.
    """
    return _most(request, request.images * image_tokens)


def _most(request: Request, images: int) -> int:
    told = _PROMPT_TOKENS * (bool(request.tools) + request.schema) + _BRIDGE_TOKENS * request.tools
    return request.size + images + request.extra_tokens + told + _overhead(request)


def _overhead(request: Request) -> int:
    return _MESSAGE_TOKENS * (len(request.messages) + request.tools + 1)
