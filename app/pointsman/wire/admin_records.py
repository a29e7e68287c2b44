"""The admin commands about the audit and about kept bodies; `wire.admin` has them all."""

from __future__ import annotations

import msgspec


class AuditList(msgspec.Struct, frozen=True, tag="audit_list"):
    """The newest audit rows."""

    limit: int = 50
    agent: str | None = None


class AuditShow(msgspec.Struct, frozen=True, tag="audit_show"):
    """All of one request's row; `earlier` holds the other rows about it, such as attempts that failed."""

    request: str


class AuditPage(msgspec.Struct, frozen=True, tag="audit_page"):
    """Up to `limit` rows after row `after`, in order, that happened from `since` to before `until`."""

    after: int = 0
    limit: int = 500
    since: float | None = None
    until: float | None = None


class AuditVerify(msgspec.Struct, frozen=True, tag="audit_verify"):
    """Check up to `limit` rows after row `after`, whose hash is `hash`. Answers {"after", "hash", "done", "problem"}."""

    after: int = 0
    hash: str = ""
    limit: int = 50_000


class Egress(msgspec.Struct, frozen=True, tag="egress"):
    """What went to which provider, from `since` to before `until`."""

    since: float | None = None
    until: float | None = None


class Counters(msgspec.Struct, frozen=True, tag="counters"):
    """How requests fared, by target and by agent, from `since` to before `until`."""

    since: float | None = None
    until: float | None = None


class KeepBodies(msgspec.Struct, frozen=True, tag="keep_bodies"):
    """Whether an agent's requests and answers are kept from now on."""

    agent: str
    on: bool


class ShowBody(msgspec.Struct, frozen=True, tag="show_body"):
    """What was kept of one request: its body and its answer."""

    request: str


class ForgetBodies(msgspec.Struct, frozen=True, tag="forget_bodies"):
    """Remove what was kept before a moment, of one agent or of all; at least one is given. Answers {"removed"}."""

    before: float | None = None
    agent: str | None = None
