"""Bounds for chat templates: they are programs of strangers, and each has to come to an end soon.

Jinja's sandbox hides what leads out of it. Here loops and calls are counted, and texts kept to a size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from jinja2 import nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

# Passes of loops and calls. Some vendors' templates look at all earlier messages for each: half the square of them.
_STEPS, _MOST_STEPS = 1_000_000, 10_000_000
_MOST_TEXT = 64 << 20  # characters
_MOST_BITS = 4096  # of a whole number
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\*|\d{5})")


class Endless(Exception):
    """A template did more than any conversation needs."""


class Bounded(ImmutableSandboxedEnvironment):
    """`begin` before each rendering."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._left = _STEPS
        self.filters["pointsman_each"], self.filters["pointsman_short"] = _each, _short

    def begin(self, messages: int) -> None:
        """Count from here, for a conversation of so many messages."""
        self._left = min(_STEPS + messages * messages, _MOST_STEPS)

    def step(self) -> None:
        """One pass or one call. Raises `Endless`."""
        self._left -= 1
        if self._left < 0:
            raise Endless

    def concat(self, parts: Iterable[str]) -> str:
        """What a template, or a part of it, wrote."""
        kept, length = [], 0
        for part in parts:
            kept.append(part)
            length += len(part)
            if length > _MOST_TEXT:
                raise Endless
        return "".join(kept)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Those that can make much of little."""
        if operator == "*":
            _check_product(left, right)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise Endless
        return short(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 as Jinja has it
        """Each call counts: macros may call one another."""
        __self.step()
        return super().call(__context, __obj, *args, **kwargs)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counted().visit(super()._parse(source, name, filename))
        return tree


class _Counted(NodeTransformer):
    """Loops run over what counts their passes; texts put together are looked at."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 as Jinja calls it
        self.generic_visit(node)
        node.iter = _through(cast("nodes.Expr", node.iter), "pointsman_each")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _through(node, "pointsman_short")


def _through(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


# With the context, so that Jinja does not work them out when it compiles.
@pass_context
def _each(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    step = context.environment.step  # type: ignore[attr-defined]
    for item in items:
        step()
        yield item


@pass_context
def _short(_context: Context, value: Any) -> Any:
    return short(value)


def short(value: Any) -> Any:
    """The value. Raises `Endless` for a text or a list that is too long, and a number that is too large."""
    if isinstance(value, str | list | tuple) and len(value) > _MOST_TEXT:
        raise Endless
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise Endless
    return value


def _check_product(left: Any, right: Any) -> None:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, str | list | tuple) and isinstance(other, int) and len(one) * other > _MOST_TEXT:
            raise Endless


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > _MOST_BITS:
        raise Endless
