"""Whatever the door's own description allows, and what it does not: no fault of ours, and each answer as it describes.

`POINTSMAN_SOAK=1` runs the full counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pointsman.gateway import openapi
from tests.e2e.conftest import TARGETS
from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home

SOAK = os.environ.get("POINTSMAN_SOAK") == "1"
SCHEMA = schemathesis.openapi.from_dict(msgspec.json.decode(openapi.description()))
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}
HONEST = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FIELDS = ("messages", "input", "prompt", "max_tokens", "max_output_tokens", "stream", "store", "background")
MODELS = st.sampled_from(["cloudy", "cloud", "dime", "fast", "never-heard-of-it"])


def modes(label: str) -> list[GenerationMode]:
    """Where nothing can be sent nothing can be wrong."""
    path = OPERATIONS[label].path
    bare = not (path.startswith("/v1/") or OPERATIONS[label].body)
    return [GenerationMode.POSITIVE] if bare else [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """One gateway for all of these tests, and a provider that answers at once."""
    with Home(tmp_path_factory.mktemp("gateway"), provider.base_url, TARGETS) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.mark.timeout(7200 if SOAK else 240)
@pytest.mark.parametrize(("label", "mode"), [(label, mode) for label in OPERATIONS for mode in modes(label)])
def test_what_is_described(gateway: Home, key: str, label: str, mode: GenerationMode) -> None:
    """Requests that fit it and requests that do not: status, type and shape of the answer are those described."""
    operation, address = OPERATIONS[label], gateway.runtime.address.removesuffix("/v1")

    @settings(max_examples=500 if SOAK else 5, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def asked(data: st.DataObject) -> None:
        case: Any = data.draw(operation.as_strategy(generation_mode=mode))
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):  # what is not described has no price
            case.body = {**{name: case.body[name] for name in case.body if name in FIELDS}, "model": data.draw(MODELS)}
        head = {"authorization": f"Bearer {key}", "x-pointsman-tier": "cloud"}  # a real model here would take its time
        answer = case.call(base_url=address, headers=head, timeout=60)
        case.validate_response(answer, checks=HONEST)

    asked()
    assert not list((gateway.folder / "home").rglob("errors.log")), "an error that nobody foresaw"
