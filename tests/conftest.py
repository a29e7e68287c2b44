"""What every test stands on: a home of its own, no keychain but the test's, no screen, no network but this machine."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# The real keychain raises, here and in every process that a test starts: no test can put up a prompt.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
for _name in list(os.environ):
    if _name.startswith("POINTSMAN_") and _name != "POINTSMAN_SOAK":
        del os.environ[_name]
for _name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    for _spelt in (_name, _name.lower()):
        os.environ.pop(_spelt, None)
# Nobody beyond this machine is called, so nobody's certificate is needed: each of a client's contexts would read 150.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("fixtures") / "nobody.pem")

# A program that a test starts finds what the first one compiled; without, each start of a gateway compiles it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A deadline would make a busy machine fail a test that is right.
settings.register_profile("pointsman", deadline=None, print_blob=True)
settings.load_profile("pointsman")


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that is not there yet, for each that asks."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home(_homes: Iterator[Path]) -> Iterator[Path]:
    """The state of this test alone; programs that it starts find it by POINTSMAN_HOME."""
    folder = next(_homes)
    os.environ["POINTSMAN_HOME"] = str(folder)
    yield folder
    os.environ.pop("POINTSMAN_HOME", None)


@pytest.fixture(scope="session", autouse=True)
def _this_machine_only() -> Iterator[None]:
    """A name or address beyond this machine is an error at once, not a slow test or a call to somebody."""
    look_up = socket.getaddrinfo

    def local(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}:
            raise AssertionError(f"a test looks for {name} outside this machine")
        return look_up(host, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", local)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is read in stays: no collection of garbage walks through it, now or again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """No other thread of a test may collect windows: it would wait for Qt while Qt waits for Python."""
    if "qapp" not in getattr(item, "fixturenames", ()):
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.enable()
