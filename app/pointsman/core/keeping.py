"""Whether a request and its answer may be kept on this machine."""

from __future__ import annotations

from pointsman.core.catalog_parts import Keep


def allowed(keep: Keep, sensitivity: str, *, tainted: bool, agent: bool) -> bool:
    """`tainted`: its session held something sensitive; `agent`: the agent's own switch is on.

    Anything but public and internal counts as personal.
    """
    personal = tainted or sensitivity not in ("public", "internal")
    return keep.bodies and agent and (keep.personal or not personal)
