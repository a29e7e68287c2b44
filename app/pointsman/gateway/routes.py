"""The paths that the agent door serves; everything else is refused by name."""

from __future__ import annotations

import re

from msgspec import Struct

# What each path is to the door. A name of a dialect or a surface is answered by a model.
ROUTES = {
    ("POST", "/v1/chat/completions"): "chat",
    ("POST", "/v1/responses"): "responses",
    ("POST", "/v1/responses/compact"): "compact",
    ("POST", "/v1/messages"): "messages",
    ("POST", "/v1/completions"): "completions",
    ("POST", "/v1/embeddings"): "embeddings",
    ("POST", "/v1/messages/count_tokens"): "count",
    ("GET", "/v1/models"): "models",
    ("GET", "/v1/models/{model}"): "models",
    ("GET", "/v1/responses/{response_id}"): "kept",
    ("DELETE", "/v1/responses/{response_id}"): "forget",
    ("POST", "/v1/responses/{response_id}/cancel"): "cancel",
    ("GET", "/v1/responses/{response_id}/input_items"): "items",
    ("GET", "/openapi.json"): "description",
    ("GET", "/health"): "probe",
    ("GET", "/"): "probe",
    ("GET", "/api/hello"): "probe",
}
OPEN = ("description", "probe")
"""What needs no key: it says nothing of anybody."""


class Found(Struct, frozen=True):
    """What a path is, and what stands in its place of a name."""

    name: str
    given: str = ""


def find(method: str, path: str) -> Found | None:
    """What is asked for. HEAD asks whether somebody is there: of every path that is served."""
    if method == "HEAD":
        return find("GET", path) or (Found("head") if path == "/v1" or find("POST", path) else None)
    if exact := ROUTES.get((method, path)):
        return Found(exact)
    for known, pattern, name in _NAMED:
        if known == method and (matched := pattern.fullmatch(path)):
            return Found(name, matched[1])
    return None


def methods(path: str) -> tuple[str, ...]:
    """The methods that serve a path, as `Allow` lists them; none where nothing does."""
    known = sorted({method for method, _ in ROUTES if find(method, path)})
    return tuple(sorted({*known, "HEAD"})) if known else ()


def _pattern(path: str) -> re.Pattern[str]:
    """A model's name may hold slashes; an id may not."""
    return re.compile(path.replace("{model}", "(.+)").replace("{response_id}", "([A-Za-z0-9_.:-]{1,200})"))


_NAMED = [(method, _pattern(path), name) for (method, path), name in ROUTES.items() if "{" in path]
