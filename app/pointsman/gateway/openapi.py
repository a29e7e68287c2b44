"""The agent door's own description, for programs that ask what it serves. Bodies are described by their vendors."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman import __version__

_VENDORS = {"chat": "https://platform.openai.com/docs/api-reference", "messages": "https://docs.claude.com/en/api"}
_ERRORS = {
    "400": "The request cannot be read, or asks for what is not served here.",
    "401": "No agent has this key.",
    "403": "The caller is no program on this machine, or a rule says no.",
    "404": "Nothing has this name.",
    "408": "The request's head did not arrive in time.",
    "431": "The request's headers are too large.",
    "500": "A mistake of Pointsman's own.",
    "503": "Nothing is there to answer, or too many programs are connected.",
}
_FAILURES = {
    "402": "A cap, a pause or the person's answer stands in the way.",
    "413": "The request is too large.",
    "429": "Too much at a time, here or at the provider.",
    "502": "Every attempt failed.",
    "504": "No answer came in time.",
    "default": "What the provider said.",
}
_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 10_000_000}
_ITEMS = {"type": "array", "items": {"type": "object", "required": ["role"], "properties": {"role": _TEXT}}}
_INPUT = {"oneOf": [{"type": "string"}, _ITEMS]}
_TEXTS = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 2048}]}
_MESSAGES = {"type": "array", "items": {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": ["user", "assistant"]}, "content": _TEXT}}}  # fmt: skip
_CHAT = {"type": "array", "items": {"type": "object", "required": ["role"], "properties": {
    "role": {"enum": ["system", "developer", "user", "assistant"]}, "content": {"type": "string"}}}}  # fmt: skip
_SCHEMAS = {
    "Error": {
        "type": "object",
        "description": "A refusal in OpenAI's envelope.",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": _TEXT,
                    "type": _TEXT,
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "null"]},
                },
            }
        },
    },
    "MessagesError": {
        "type": "object",
        "description": "A refusal in Anthropic's envelope.",
        "required": ["type", "error"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": _TEXT, "message": _TEXT},
            },
        },
    },
}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _refusals(said: dict[str, str], error: str) -> dict[str, Any]:
    refused = _json({"$ref": f"#/components/schemas/{error}"})
    return {status: {"description": what, "content": refused} for status, what in said.items()}


def _operation(what: str, answer: dict[str, Any], error: str = "Error", **more: Any) -> dict[str, Any]:
    answers = {"200": {"description": "The answer.", "content": answer}, **_refusals(_ERRORS, error)}
    answers |= more.pop("failures", {})
    return {"summary": what, "responses": answers, **more}


def _posted(what: str, fields: dict[str, Any], required: list[str], **how: Any) -> dict[str, Any]:
    """A body for a model. `answer`: what its whole answer holds; `stream`: whether it may come in pieces."""
    error, stream, answer = how.get("error", "Error"), how.get("stream", True), _json(how["answer"])
    fields = {"model": _TEXT, **fields}
    if stream:
        fields["stream"] = {"type": "boolean"}
        answer["text/event-stream"] = {}
    schema = {"type": "object", "required": ["model", *required], "properties": fields}
    failures, body = _refusals(_FAILURES, error), {"required": True, "content": _json(schema)}
    return _operation(what, answer, error, requestBody=body, failures=failures, parameters=how.get("hints", _HINTS))


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _hint(name: str, what: str, **schema: Any) -> dict[str, Any]:
    told = {"type": "string", **schema}
    return {"name": f"x-pointsman-{name}", "in": "header", "required": False, "description": what, "schema": told}


def _open(what: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Without a key."""
    return _operation(what, _json(answer), security=[])


def _holds(*fields: str) -> dict[str, Any]:
    return {"type": "object", "required": list(fields)}


_HINTS = [
    _hint("session", "The session that this request belongs to."),
    _hint("task", "The task that it belongs to."),
    _hint("class", "The kind of work."),
    _hint("project", "The project that pays."),
    _hint("label", "A word to find it by."),
    _hint("tier", "Where alone it may run.", enum=["local", "private", "cloud"]),
    _hint("sensitivity", "How private it is at least.", enum=["public", "internal", "personal"]),
    _hint("latency", "What the client waits for.", enum=["interactive", "background", "streaming"]),
    _hint("timeout", "Seconds for the whole plan.", pattern="^[1-9][0-9]{0,5}$"),
    _hint("fallback", "Whether another model may answer.", enum=["allow", "none"]),
]
_ID = [_path("response_id", {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,200}$"})]
_PAGE = [
    _query("after", {"type": "string"}),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
    _query("order", {"enum": ["asc", "desc"]}),
]
_REPLAY = [_query("stream", {"type": "boolean"}), _query("starting_after", {"type": "integer"})]
_RESPONSE = _holds("id", "object", "status", "output")
_RESPONSES = {
    "input": _INPUT,
    "max_output_tokens": _COUNT,
    "previous_response_id": {"type": "string"},
    "background": {"type": "boolean"},
    "store": {"type": "boolean"},
}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "post": _posted(
            "Chat completions",
            {"messages": _CHAT, "max_tokens": _COUNT},
            ["messages"],
            answer=_holds("id", "choices"),
        ),
    },
    "/v1/responses": {"post": _posted("Responses", _RESPONSES, [], answer=_RESPONSE)},
    "/v1/responses/compact": {
        "post": _posted(
            "A conversation as a summary that stands for it",
            {"input": _INPUT, "previous_response_id": {"type": "string"}},
            [],
            answer=_holds("id", "object", "created_at", "output", "usage"),
            stream=False,
        ),
    },
    "/v1/responses/{response_id}": {
        "get": _operation(
            "A kept response, as it stands",
            {**_json(_RESPONSE), "text/event-stream": {}},
            parameters=[*_ID, *_REPLAY],
        ),
        "delete": _operation("Forget a response", _json(_holds("id", "object", "deleted")), parameters=_ID),
    },
    "/v1/responses/{response_id}/cancel": {
        "post": _operation("Stop a response that is made in the background", _json(_RESPONSE), parameters=_ID),
    },
    "/v1/responses/{response_id}/input_items": {
        "get": _operation("What went into a response", _json(_holds("object", "data")), parameters=[*_ID, *_PAGE]),
    },
    "/v1/messages": {
        "post": _posted(
            "Messages",
            {"messages": _MESSAGES, "max_tokens": _COUNT},
            ["max_tokens", "messages"],
            answer=_holds("id", "type", "role", "content"),
            error="MessagesError",
        ),
    },
    "/v1/messages/count_tokens": {
        "post": _posted(
            "An estimate of a message's tokens",
            {"messages": _MESSAGES},
            ["messages"],
            answer=_holds("input_tokens"),
            error="MessagesError",
            stream=False,
            hints=[],
        ),
    },
    "/v1/completions": {
        "post": _posted(
            "Legacy completions, of one prompt",
            {"prompt": _TEXT, "max_tokens": _COUNT},
            ["prompt"],
            answer=_holds("id", "object", "choices"),
        ),
    },
    "/v1/embeddings": {
        "post": _posted("Vectors of texts", {"input": _TEXTS}, ["input"], answer=_holds("data"), stream=False),
    },
    "/v1/models": {"get": _operation("The models that may be asked for", _json(_holds("data")))},
    "/v1/models/{model}": {
        "get": _operation("One of them", _json(_holds("id")), parameters=[_path("model", _TEXT)]),
    },
    "/health": {"get": _open("Whether somebody is there", _holds("status", "version"))},
    "/": {"get": _open("Whether somebody is there", _holds("status", "version"))},
    "/api/hello": {"get": _open("Whether somebody is there", _holds("status", "version"))},
    "/openapi.json": {"get": _open("This description", _holds("openapi", "paths"))},
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
        "components": {"securitySchemes": keys, "schemas": _SCHEMAS},
        "paths": PATHS,
    }
    return msgspec.json.encode(document)
