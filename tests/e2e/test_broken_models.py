"""Models that are broken, behind a real gateway: one sentence each, and everything else goes on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.fake_upstream import FakeUpstream
from tests.fakes.home import Home, target
from tests.fakes.local_model import HERE, ask, sound, worker

STARTER = Path(__file__).resolve().parents[2] / "resources" / "starter" / "starter.gguf"
LOCAL = '[targets.{name}]\ntier = "local"\nengine = "{engine}"\nsource = "{path}"\ncontext = {context}\ncan = ["tools", "json_schema"]\n'


def with_template(source: str) -> bytes:
    """The starter with another chat template, in the same number of bytes."""
    raw, key = STARTER.read_bytes(), b"tokenizer.chat_template"
    at = raw.index(key) + len(key) + 4
    length = struct.unpack_from("<Q", raw, at)[0]
    return raw[: at + 8] + source.encode().ljust(length) + raw[at + 8 + length :]


def with_number(key: bytes, number: int) -> bytes:
    """The starter with another number in its header."""
    raw = STARTER.read_bytes()
    at = raw.index(key) + len(key) + 4
    return raw[:at] + struct.pack("<I", number) + raw[at + 4 :]


WHOLE = STARTER.read_bytes()
BROKEN = {
    "garbage": (b"not a model" * 1000, "is not a GGUF file"),
    "cut": (WHOLE[: len(WHOLE) // 2], "the file is not complete"),
    "header-cut": (WHOLE[:3000], "the file is not complete"),
    "claims": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 1 << 63), "its header is damaged"),
    # llama.cpp itself ends its process over this one.
    "layers": (with_number(b"qwen3.block_count", 1 << 30), "does not say what model it is"),
    "unreadable": (with_template("{% for a in %}"), "chat template cannot be read (TemplateSyntaxError)"),
    "raises": (with_template("{{ raise_exception('No guests.') }}"), "refuses this conversation: No guests."),
    "fails": (with_template("{{ 1 / 0 }}"), "cannot write this conversation (ZeroDivisionError)"),
    "endless": (
        with_template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        "comes to no end",
    ),
    "escapes": (with_template("{{ cycler.__init__.__globals__.os.system('true') }}"), "(SecurityError)"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: FakeUpstream) -> Iterator[Home]:
    """One good model, all that are broken, and a provider."""
    folder = tmp_path_factory.mktemp("faults")
    targets = target("cloudy", "ok")
    for name, (raw, _) in BROKEN.items():
        (folder / f"{name}.gguf").write_bytes(raw)
        targets += LOCAL.format(name=name, engine="llama_cpp", path=folder / f"{name}.gguf", context=512)
    (folder / "NoMLX").mkdir()
    targets += LOCAL.format(name="no-mlx", engine="mlx", path=folder / "NoMLX", context=512)
    targets += LOCAL.format(name="vast", engine="llama_cpp", path=STARTER, context=2_000_000_000)
    with Home(folder / "house", provider.base_url, targets) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Home) -> str:
    """An agent's."""
    return gateway.agent()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model(gateway: Home, key: str, name: str) -> None:
    """One sentence that names it and says what is wrong, no path in it, each time again; others are answered."""
    for _ in range(2):
        answer = ask(gateway, key, name, HERE)
        said = answer.json()["error"]["message"]
        assert answer.status_code in (400, 502, 503)
        assert BROKEN[name][1] in said and "\n" not in said and len(said) < 250, said
        assert str(gateway.folder.parent) not in said and "Traceback" not in said
    sound(gateway, key)


def test_a_broken_model_goes_to_the_cloud(gateway: Home, key: str) -> None:
    """What it could not do is done elsewhere, and the header says why."""
    answer = ask(gateway, key, "cut")
    assert (answer.status_code, answer.headers["x-pointsman-target"]) != (200, "cut")
    assert answer.status_code == 200 and "cut" in answer.headers["x-pointsman-reason"]


def test_a_folder_that_is_no_model(gateway: Home, key: str) -> None:
    """The other engine's sentence."""
    answer = ask(gateway, key, "no-mlx", HERE)
    assert "has no config.json" in answer.json()["error"]["message"]
    sound(gateway, key)


def test_a_context_that_is_too_big(gateway: Home, key: str) -> None:
    """It is as large as the model was trained for, whatever is wished."""
    answer = ask(gateway, key, "vast", HERE)
    assert (answer.status_code, answer.headers["x-pointsman-target"]) == (200, "vast")


@pytest.mark.parametrize(
    "form",
    [
        {"type": "json_schema", "json_schema": {"name": "f", "schema": {"not": {"type": "string"}}}},
        {"type": "json_schema", "json_schema": {"name": "f", "schema": {"$ref": "#/$defs/nobody"}}},
        {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "string", "minLength": 10**9}}},
        {"type": "json_schema", "json_schema": {"name": "f", "schema": {"enum": []}}},
    ],
)
def test_a_form_that_cannot_be_kept(gateway: Home, key: str, form: dict[str, Any]) -> None:
    """400 with one sentence; the worker goes on."""
    before = worker(gateway, key).pid
    answer = ask(gateway, key, "starter", HERE, response_format=form)
    assert answer.status_code == 400 and "\n" not in answer.json()["error"]["message"], answer.text
    assert worker(gateway, key).pid == before
