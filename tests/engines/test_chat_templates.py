"""Conversations become prompts; templates from strangers can do no harm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jinja2
import pytest

from pointsman.engines.templates import ChatTemplate, TemplateError, plain_message

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"a": "<b>"}}}


def render(source: str | None, *messages: dict[str, Any], tools: Any = (), **extra: Any) -> str:
    """The prompt that a template makes, of one short message if nothing else is said."""
    return ChatTemplate(source, bos="<s>", eos="</s>").render(messages or [USER], tools, extra, NOW)


def test_chatml() -> None:
    """A model without a template gets ChatML."""
    text = render(None, {"role": "system", "content": "be kind"}, USER)
    assert text == "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_chatml_tools() -> None:
    """ChatML describes tools in the system message."""
    text = render(None, USER, tools=[TOOL])
    assert text.startswith("<|im_start|>system\n# Tools")
    assert '{"name": "f", "parameters": {"a": "<b>"}}' in text and "&lt;" not in text


def test_template_without_tools() -> None:
    """A template that knows no tools still tells the model of them."""
    source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert '"name": "f"' in render(source, {"role": "system", "content": "be kind"}, USER, tools=[TOOL])


def test_chatml_calls() -> None:
    """ChatML writes calls with their arguments as objects."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1, "<é>"]}'}}
    text = render(None, USER, {"role": "assistant", "content": None, "tool_calls": [call]})
    assert '<tool_call>\n{"name": "f", "arguments": {"a": [1, "<é>"]}}\n</tool_call>' in text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s>hi</s>"),
        ("{{ messages | tojson }}", '[{"role": "user", "content": "hi"}]'),
        ("{{ messages[0] | tojson(indent=1) }}", '{\n "role": "user",\n "content": "hi"\n}'),
        ("{% if tools %}t{% else %}no tools{% endif %}", "no tools"),
        ("{{ strftime_now('%d %b %Y') }}", "02 Jan 2026"),
        ("{% for m in [1, 2, 3] %}{% if m == 2 %}{% break %}{% endif %}{{ m }}{% endfor %}", "1"),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "hi"),
        ("{% if add_generation_prompt %}\ngo\n{% endif %}\n", "go\n"),
        ("{{ '<b>' | tojson }} {{ 'a' if enable_thinking else 'b' }}", '"<b>" b'),
    ],
)
def test_helpers(source: str, expected: str) -> None:
    """Templates find what they expect."""
    assert render(source) == expected


def test_extra_arguments() -> None:
    """The caller adds arguments but cannot replace the conversation."""
    source = "{{ enable_thinking }} {{ messages | length }}"
    assert render(source, enable_thinking=False, messages=[], **{"not a name": 1}) == "False 1"


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant"}, ""),
        ({"role": "user", "content": ["a"]}, "a"),
    ],
)
def test_content(message: dict[str, Any], plain: str) -> None:
    """Content becomes text."""
    assert plain_message(message)["content"] == plain


def test_developer() -> None:
    """Developers speak as the system."""
    assert plain_message({"role": "developer", "content": "x"})["role"] == "system"


@pytest.mark.parametrize("content", [[{"type": "image_url", "image_url": {"url": "data:"}}], 7, {"a": 1}, [7]])
def test_content_that_is_no_text(content: Any) -> None:
    """What is not text is refused in one sentence."""
    with pytest.raises(TemplateError, match=r"^[^\n]+\.$"):
        render(None, {"role": "user", "content": content})


@pytest.mark.parametrize("arguments", ["{not json", None, "[" * 100_000])
def test_arguments_that_are_no_json(arguments: Any) -> None:
    """Arguments that are no JSON stay as they are."""
    call = {"function": {"name": "f", "arguments": arguments}}
    assert plain_message({"role": "assistant", "tool_calls": [call, "odd"]})["tool_calls"] == [call, "odd"]


def test_syntax_error() -> None:
    """A template that cannot be read gives one sentence."""
    with pytest.raises(TemplateError, match=r"cannot be read \(TemplateSyntaxError\)\.$"):
        ChatTemplate("{% if %}")


def test_refusal() -> None:
    """The refusal of a template is passed on."""
    with pytest.raises(TemplateError, match="Roles must alternate"):
        render("{{ raise_exception('Roles must alternate') }}")


def test_refusal_that_quotes() -> None:
    """A refusal that quotes the conversation is not passed on."""
    with pytest.raises(TemplateError) as raised:
        render("{{ raise_exception('no: ' + messages[0].content) }}", {"role": "user", "content": "my secret"})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{% for a in range(999999999) %}{% endfor %}",
        "{{ '%s' | format(messages[0].__class__.__base__.__subclasses__()) }}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content.missing.deep }}",
    ],
)
def test_hostile_or_broken(source: str) -> None:
    """A hostile or broken template gives one sentence."""
    with pytest.raises(TemplateError, match=r"^The model's chat template cannot [^\n]+\.$"):
        render(source)


DOUBLED = "{% set n = namespace(x='aa') %}{% for a in range(99) %}{% set n.x = BOTH %}{% endfor %}{{ n.x | length }}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for a in range(99999) %}{% for m in messages %}{{ 'x' * 9999 }}{% endfor %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ ([1] * 9999999999) | length }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set n = namespace(x=9) %}{% for a in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{{ '%99999999999d' % 1 }}",
        "{{ '%*d' % (99999999999, 1) }}",
        DOUBLED.replace("BOTH", "n.x ~ n.x"),
        DOUBLED.replace("BOTH", "n.x + n.x"),
        "{% set x %}{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}{% endset %}",
    ],
)
def test_no_end(source: str) -> None:
    """What would take hours or all memory is given up soon, with one sentence; the next conversation is written."""
    template = ChatTemplate("{% if messages[0].content == 'go' %}" + source + "{% endif %}fine")
    with pytest.raises(
        TemplateError, match=r"^The model's chat template cannot write this conversation: it comes to no"
    ):
        template.render([{"role": "user", "content": "go"}], [], {}, NOW)
    assert template.render([{"role": "user", "content": "stay"}], [], {}, NOW) == "fine"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for a in 'abc' %}{{ loop.index }}{{ a }}{{ ',' if not loop.last }}{% endfor %}", "1a,2b,3c"),
        ("{% for a in [3, 4] %}{{ loop.length }}{{ loop.previtem }}{% endfor %}", "223"),
        ("{% for k, v in {'a': 1}.items() if v %}{{ k ~ v }}{% else %}none{% endfor %}", "a1"),
        ("{% for a in missing %}x{% else %}none{% endfor %}", "none"),
        ("{% for a in [1, [2, [3]]] recursive %}{{ loop(a) if a is iterable else a }}{% endfor %}", "123"),
        ("{% for a in [1, 2, 3] %}{% if a == 2 %}{% continue %}{% endif %}{{ a }}{% endfor %}", "13"),
        (
            "{{ '%-4s|' % 'ab' }}{{ 2 ** 10 }}{{ 'ab' * 2 }}{{ [1] * 2 }}{{ -2 ** 2 }}{{ 2.5 * 2 }}",
            "ab  |1024abab[1, 1]45.0",
        ),
        ("{{ (1, 2) + (3,) }}{{ 'a' + 'b' ~ 1 }}", "(1, 2, 3)ab1"),
    ],
)
def test_bounds_change_nothing(source: str, expected: str) -> None:
    """Loops and sums are what they are in Jinja."""
    assert (
        render(source)
        == expected
        == jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).from_string(source).render()
    )


def test_a_long_conversation() -> None:
    """Far from the bounds: ten thousand turns, each looked at several times."""
    turn = "{% for m in messages %}{% for t in [1, 2, 3] %}{{ m.content | trim | upper }}{% endfor %}{% endfor %}"
    messages = [{"role": "user", "content": "hello there"}] * 10_000
    assert len(ChatTemplate(turn).render(messages, [], {}, NOW)) == 10_000 * 3 * 11


def test_sandbox() -> None:
    """The sandbox hides what leads out of it."""
    assert render("{{ strftime_now.__self__ }}{{ messages.__class__ }}") == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages[0].reasoning_content }}", "why"),
        ("{% for m in messages %}{{ m.thinking }}{% endfor %}", "why"),
        ("{{ messages[0].reasoning }}", "why"),
        ("{{ messages[0].content }}", "said"),
    ],
)
def test_reasoning_in_history(source: str, expected: str) -> None:
    """Reasoning of an earlier turn goes where the template reads it."""
    assert render(source, {"role": "assistant", "content": "said", "reasoning_content": "why"}) == expected


def test_reasoning_beside_text_and_calls() -> None:
    """Before calls, gpt-oss writes what was said or what was thought, and refuses both: what was said stays."""
    call = {"function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "said", "reasoning_content": "why", "tool_calls": [call]}
    assert render("{{ messages[0].thinking }}", message) == ""
    assert render("{{ messages[0].thinking }}", {**message, "content": None}) == "why"


def test_a_template_may_look_back_from_each_message() -> None:
    """As some vendors' do to find the question: half the square of a long conversation."""
    source = "{% for m in messages %}{% for n in messages[: loop.index0] %}{% endfor %}{{ m.content }}{% endfor %}"
    assert render(source, *[USER] * 2_000).count("hi") == 2_000


def test_a_template_may_not_look_back_twice_from_each() -> None:
    """The third power of a conversation comes to no end."""
    source = "{% for m in messages %}{% for n in messages %}{% for o in messages %}{% endfor %}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match="comes to no end"):
        render(source, *[USER] * 400)
