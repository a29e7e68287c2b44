"""A conversation as the text that a model was trained on, by the chat template in its file.

Templates come from strangers, so they run in Jinja's sandbox and come to an end. Everything here is a pure function of its arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from pointsman.engines.template_bounds import Bounded, Endless

# What a model without a template gets: ChatML, with tools as Hermes and Qwen write them.
CHATML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{{- message.content or '' }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

_TOOLS_INTRODUCTION = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""

_THOUGHT = ("thinking", "reasoning")  # what some templates call `reasoning_content`


class TemplateError(Exception):
    """One sentence for a person; never holds text of the conversation."""


class _Raised(Exception):
    """The template itself refuses the conversation."""


class _Generation(Extension):
    """`{% generation %}` marks the assistant's part for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    """A compiled template. `source` None means ChatML."""

    def __init__(self, source: str | None, bos: str = "", eos: str = "") -> None:
        self._source = source or CHATML
        self._thought = next((name for name in _THOUGHT if re.search(rf"\.{name}\b", self._source)), None)
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._environment = _environment()
        try:
            self._template = self._environment.from_string(self._source)
        except (jinja2.TemplateError, RecursionError, Endless, MemoryError) as error:
            raise TemplateError(f"The model's chat template cannot be read ({type(error).__name__}).") from None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        extra: Mapping[str, Any],
        now: datetime,
    ) -> str:
        """The prompt, open for the assistant's turn. `extra` are the caller's own template arguments."""
        plain = [self._with_reasoning(plain_message(message)) for message in messages]
        if tools and "tools" not in self._source:
            plain = _with_tools_in_text(plain, tools)
        ours = {
            **self._tokens,
            "messages": plain,
            "tools": list(tools) or None,
            "add_generation_prompt": True,
            "strftime_now": now.strftime,
        }
        self._environment.begin(len(plain))
        try:
            return self._template.render({**extra, **ours})
        except _Raised as error:
            raise TemplateError(self._refusal(str(error))) from None
        except Endless:
            raise TemplateError(
                "The model's chat template cannot write this conversation: it comes to no end."
            ) from None
        except Exception as error:  # noqa: BLE001 - a template is a program: it can fail in any way
            kind = type(error).__name__
            raise TemplateError(f"The model's chat template cannot write this conversation ({kind}).") from None

    def _with_reasoning(self, message: dict[str, Any]) -> dict[str, Any]:
        """Reasoning of an earlier turn under the name that this template reads it by."""
        thought = message.get("reasoning_content")
        # gpt-oss writes one channel before calls: what was said aloud goes first there.
        if not thought or self._thought is None or (message.get("tool_calls") and message["content"]):
            return message
        return {**message, self._thought: thought}

    def _refusal(self, said: str) -> str:
        """The template's own words only where they stand in the template: else they may quote the conversation."""
        if said and said in self._source:
            return f"The model's chat template refuses this conversation: {said}"
        return "The model's chat template refuses this conversation."


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as templates expect it: text content, the role `system`, arguments as objects."""
    plain = dict(message)
    plain["content"] = _text_of(message.get("content"))
    if plain.get("role") == "developer":
        plain["role"] = "system"
    if isinstance(calls := message.get("tool_calls"), list):
        plain["tool_calls"] = [_plain_call(call) for call in calls]
    return plain


def _text_of(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise TemplateError("The content of a message must be text or a list of parts.")
    return "\n".join(_text_of_part(part) for part in content)


def _text_of_part(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    if not isinstance(text, str):
        raise TemplateError("This model reads text only, and a message holds a part that is not text.")
    return text


def _plain_call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except (ValueError, RecursionError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _with_tools_in_text(messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For a template that knows no tools: they are described in the system message."""
    text = _TOOLS_INTRODUCTION.format(tools="\n".join(map(_to_json, tools)))
    if messages and messages[0].get("role") == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}".lstrip()}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _environment() -> Bounded:
    environment = Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
    environment.filters["tojson"] = _to_json  # Jinja's own escapes HTML, which models never saw
    environment.globals["raise_exception"] = _raise
    return environment


def _raise(said: object) -> None:
    raise _Raised(said)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
