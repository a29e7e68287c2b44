"""Request to facts: its class, its size, what it needs, and how sensitive it is."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from pointsman.core.catalog import Sensitivity
from pointsman.core.request import Finding, Request

LEVELS = ("public", "internal", "personal")

# Calls that agents make by themselves. A marker counts only where the request has no tools, so that no person's
# sentence turns a main turn into a background call. Observed on the wire of the agents named in each line.
_BACKGROUND: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("title", re.compile(r"write a \d+-\d+ word title|generate a (short )?title|concise, 3-5 word title", re.I)),
    ("title", re.compile(r"summarize this coding conversation in under \d+ characters", re.I)),
    ("warmup", re.compile(r"\A\s*warmup\s*\Z", re.I)),
)
_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("summary", re.compile(r"your task is to create a detailed summary|\bsummari[sz]e\b", re.I)),
    ("code", re.compile(r"```|\bdef \w+\(|\bclass \w+|\b(refactor|debug|stack ?trace|unit tests?|compile)\b", re.I)),
    ("reasoning", re.compile(r"\b(prove|derive|step by step|theorem|optimi[sz]e|trade-?offs?|architecture)\b", re.I)),
)
_BYTES_PER_TOKEN = 4  # what English and code come to in the usual vocabularies; only for estimates
_IMAGE_TOKENS = 1_600  # what a large image costs at the providers that say so
_IMAGE_BOUND = 50_000  # more than any provider is known to bill for one image
_MESSAGE_TOKENS = 8  # role and separators of the chat templates
_LONG = 24_000  # bytes of conversation over which a request is hard for a small model


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request before anything runs. Tokens: `estimate` likely, `bound` never exceeded."""

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


def gather(request: Request, sensitivity: Sensitivity, taint: Collection[str] = ()) -> Facts:
    """`taint` holds the kinds that were found earlier in this session."""
    class_, background = _classify(request)
    kinds = {finding.kind for finding in request.findings} | set(taint)
    return Facts(
        class_=class_,
        background=background,
        hard=class_ in ("code", "reasoning", "summary") or request.size > _LONG,
        estimate=_estimate(request),
        bound=_bound(request),
        tools=request.tools > 0,
        images=request.images > 0,
        schema=request.schema,
        sensitivity=_sensitivity(kinds, sensitivity, request.hints.sensitivity),
        findings=request.findings,
        tainted=bool(set(taint)),
    )


def raised(one: str, other: str | None) -> str:
    """The more sensitive of two levels; a level nobody knows counts as the most sensitive."""
    if other is None:
        return one
    return max(one, other, key=lambda level: LEVELS.index(level) if level in LEVELS else len(LEVELS))


def _classify(request: Request) -> tuple[str, bool]:
    if request.hints.class_:
        return request.hints.class_, request.hints.latency == "background"
    text = request.last_user[:4_000]
    if request.tools == 0:
        for name, marker in _BACKGROUND:
            if marker.search(text):
                return name, True
    for name, marker in _CLASSES:
        if marker.search(text):
            return name, False
    return ("tools" if request.tools else "chat"), False


def _sensitivity(kinds: Collection[str], table: Sensitivity, hint: str | None) -> str:
    level = table.default
    for kind in kinds:
        level = raised(level, table.findings.get(_GROUPS.get(kind, kind), "personal"))
    return raised(level, hint)


_GROUPS = {
    "mail_address": "personal_data",
    "card_number": "personal_data",
    "bank_account": "personal_data",
    "secret_key": "secret",
}


def _estimate(request: Request) -> int:
    return request.size // _BYTES_PER_TOKEN + request.images * _IMAGE_TOKENS + _overhead(request)


def _bound(request: Request) -> int:
    """No byte-level tokenizer makes more tokens than bytes; images and separators come on top."""
    return request.size + request.images * _IMAGE_BOUND + request.extra_tokens + _overhead(request)


def _overhead(request: Request) -> int:
    return _MESSAGE_TOKENS * (len(request.messages) + request.tools + 1)
