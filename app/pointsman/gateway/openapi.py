"""The agent door's own description, for programs that ask what it serves. Bodies are described by their vendors."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman import __version__

_VENDORS = {"chat": "https://platform.openai.com/docs/api-reference", "messages": "https://docs.claude.com/en/api"}
_ERRORS = {
    "400": "The request cannot be read, or asks for what is not served here.",
    "401": "No agent has this key.",
    "402": "A cap, a pause or the person's answer stands in the way.",
    "403": "The caller is no program on this machine, or a rule says no.",
    "404": "Nothing has this name.",
    "413": "The request is too large.",
}
_FAILURES = {
    "429": "Too much at a time, here or at the provider.",
    "500": "A mistake of Pointsman's own.",
    "502": "Every attempt failed.",
    "503": "Nothing is there to answer.",
    "504": "No answer came in time.",
}
_TEXT = {"type": "string", "minLength": 1}
_INPUT = {"oneOf": [{"type": "string"}, {"type": "array"}]}
_MESSAGES = {"type": "array", "items": {"type": "object", "required": ["role"]}}


def _operation(what: str, content: str = "application/json", **more: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {status: {"description": said} for status, said in {**_ERRORS, **_FAILURES}.items()}
    answers["default"] = {"description": "What the provider said."}
    told: dict[str, Any] = {content: {"schema": {"type": "object"}}}
    if content == "text/event-stream":
        told = {"application/json": {"schema": {"type": "object"}}, content: {"schema": {"type": "string"}}}
    return {"summary": what, "responses": {"200": {"description": "The answer.", "content": told}, **answers}, **more}


def _posted(what: str, required: list[str], fields: dict[str, Any], *, stream: bool = True) -> dict[str, Any]:
    streamed = {"stream": {"type": "boolean"}} if stream else {}
    schema = {"type": "object", "required": required, "properties": {"model": _TEXT, **fields, **streamed}}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return _operation(what, "text/event-stream" if stream else "application/json", requestBody=body)


def _query(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": kind}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _open(what: str) -> dict[str, Any]:
    """Without a key."""
    answers = {"200": {"description": "The answer.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return {"summary": what, "security": [], "responses": {**answers, "403": {"description": _ERRORS["403"]}}}


_LIMIT = {"type": "integer", "minimum": 1}
_ID = [_path("response_id")]
_PAGE = [_query("after", "string"), _query("limit", "integer"), _query("order", "string")]
_REPLAY = [_query("stream", "boolean"), _query("starting_after", "integer")]
_RESPONSES = {"input": _INPUT, "previous_response_id": {"type": "string"}, "background": {"type": "boolean"}}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "post": _posted("Chat completions", ["model", "messages"], {"messages": _MESSAGES}),
    },
    "/v1/responses": {
        "post": _posted("Responses", ["model"], _RESPONSES | {"store": {"type": "boolean"}}),
    },
    "/v1/responses/{response_id}": {
        "get": _operation("A kept response, as it stands", parameters=[*_ID, *_REPLAY]),
        "delete": _operation("Forget a response", parameters=_ID),
    },
    "/v1/responses/{response_id}/cancel": {
        "post": _operation("Stop a response that is made in the background", parameters=_ID),
    },
    "/v1/responses/{response_id}/input_items": {
        "get": _operation("What went into a response", parameters=[*_ID, *_PAGE]),
    },
    "/v1/messages": {
        "post": _posted("Messages", ["model", "max_tokens", "messages"], {"messages": _MESSAGES, "max_tokens": _LIMIT}),
    },
    "/v1/messages/count_tokens": {
        "post": _posted(
            "An estimate of a message's tokens", ["model", "messages"], {"messages": _MESSAGES}, stream=False
        ),
    },
    "/v1/completions": {
        "post": _posted("Legacy completions, of one prompt", ["model", "prompt"], {"prompt": _INPUT}),
    },
    "/v1/embeddings": {
        "post": _posted("Vectors of texts", ["model", "input"], {"input": _INPUT}, stream=False),
    },
    "/v1/models": {"get": _operation("The models that may be asked for")},
    "/v1/models/{model}": {"get": _operation("One of them", parameters=[_path("model")])},
    "/health": {"get": _open("Whether somebody is there")},
    "/": {"get": _open("Whether somebody is there")},
    "/api/hello": {"get": _open("Whether somebody is there")},
    "/openapi.json": {"get": _open("This description")},
}


def description() -> bytes:
    """The whole document."""
    about = {"title": "Pointsman, the agents' door", "version": __version__, "x-vendors": _VENDORS}
    keys = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    document = {
        "openapi": "3.1.0",
        "info": about,
        "security": [{"bearer": []}, {"x-api-key": []}],
        "components": {"securitySchemes": keys},
        "paths": PATHS,
    }
    return msgspec.json.encode(document)
