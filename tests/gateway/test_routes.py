"""Which path is what, and that the description lists exactly what is served."""

from __future__ import annotations

import pytest

from pointsman.gateway import openapi, routes
from pointsman.gateway.routes import ROUTES, Found, find
from pointsman.wire.surfaces import SURFACES


def test_the_description_lists_exactly_what_is_served() -> None:
    """Neither more nor less."""
    listed = {(method.upper(), path) for path, methods in openapi.PATHS.items() for method in methods}
    assert listed == set(ROUTES)


def test_each_parameter_of_a_path_is_described() -> None:
    """As the format wants it."""
    for path, methods in openapi.PATHS.items():
        for operation in methods.values():
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_every_surface_has_a_path() -> None:
    """What can be read can be asked for."""
    assert set(SURFACES) <= set(ROUTES.values())


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/v1/responses", Found("responses")),
        ("GET", "/v1/responses/resp_1", Found("kept", "resp_1")),
        ("POST", "/v1/responses/resp_1/cancel", Found("cancel", "resp_1")),
        ("GET", "/v1/responses/resp_1/input_items", Found("items", "resp_1")),
        ("DELETE", "/v1/responses/resp_1", Found("forget", "resp_1")),
        ("GET", "/v1/models/meta/llama", Found("models", "meta/llama")),
        ("HEAD", "/v1/messages", Found("head")),
        ("HEAD", "/v1/responses/resp_1", Found("kept", "resp_1")),
        ("GET", "/v1/responses/a/b", None),
        ("GET", "/v1/responses/", None),
        ("POST", "/v1/responses/compact", Found("compact")),
        ("POST", "/v1/responses/resp_1", None),
        ("GET", "/v1/messages", None),
        ("HEAD", "/v1/files", None),
    ],
)
def test_find(method: str, path: str, found: Found | None) -> None:
    """What a path is, and the name in it."""
    assert find(method, path) == found


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/v1/responses", ("HEAD", "POST")),
        ("/v1/responses/resp_1", ("DELETE", "GET", "HEAD")),
        ("/v1/models/meta/llama", ("GET", "HEAD")),
        ("/v1/files", ()),
    ],
)
def test_methods(path: str, known: tuple[str, ...]) -> None:
    """Those that serve a path; none where nothing does."""
    assert routes.methods(path) == known
