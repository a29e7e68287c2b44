"""A window as text: roles, names and values, as a screen reader meets them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QAccessible

TREES = Path(__file__).parent / "trees"


def tree(widget) -> str:
    """The accessibility tree of what is visible."""
    return "\n".join(_lines(QAccessible.queryAccessibleInterface(widget), 0)) + "\n"


def _lines(part, depth):
    if part is None or part.state().invisible:
        return
    name = part.text(QAccessible.Text.Name)
    described = part.text(QAccessible.Text.Description)
    line = "  " * depth + part.role().name + (f" {name!r}" if name else "") + (f" ({described})" if described else "")
    shown = bool(name) or part.childCount() or part.state().focusable
    if shown:
        yield line + (" disabled" if part.state().disabled else "") + (" checked" if part.state().checked else "")
    for at in range(part.childCount()):
        yield from _lines(part.child(at), depth + 1 if shown else depth)


def check(widget, name: str) -> None:
    """Compare with the committed tree; a missing one is written and fails once, to be read and committed."""
    path = TREES / f"{name}.txt"
    found = tree(widget)
    if not path.exists():
        path.write_text(found, "utf-8")
        raise AssertionError(f"{path.name} was not there; it is written now. Read it and commit it.")
    assert found == path.read_text("utf-8"), f"remove {path.name} and run again to write it anew"
