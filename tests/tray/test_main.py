"""Where the tray starts, and where it does not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from pointsman.tray.main import why_not


@pytest.mark.parametrize(
    ("env", "platform", "reason"),
    [
        ({}, "linux", "There is no display here."),
        ({"DISPLAY": ""}, "linux", "There is no display here."),
        ({"DISPLAY": ":4711"}, "linux", "The display :4711 does not answer."),
        ({"DISPLAY": "nonsense"}, "linux", "The display nonsense does not answer."),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", None),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", None),
        ({}, "darwin", None),
        ({}, "win32", None),
    ],
)
def test_a_display_is_looked_for_before_qt_is_loaded(env, platform, reason):
    """Qt ends the process where there is none."""
    assert why_not(env, platform) == reason


def test_a_display_over_the_network_is_asked():
    """As ssh forwards one: port 6000 and up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        assert why_not({"DISPLAY": f"127.0.0.1:{number}.0"}, "linux") is None


def run(code, **env):
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def test_importing_the_package_loads_no_qt():
    """Nor does tray.main, so that a machine without a display needs none."""
    done = run("import sys, pointsman.tray, pointsman.tray.main; print([m for m in sys.modules if 'PySide6' in m])")
    assert done.stdout.strip() == "[]"


def test_without_a_display_it_says_one_sentence_and_returns_3():
    """The caller goes on without a tray."""
    done = run(
        "from pointsman.tray.main import run; print(run([]))", DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM=""
    )
    assert done.stdout.splitlines() == ["There is no display here. Pointsman runs without its tray.", "3"]
    assert done.stderr == ""


def test_the_pure_parts_load_no_qt():
    """The view model can be tested anywhere."""
    names = "view_model, question_view, menu_view, cap_view, words, tokens, link, samples"
    done = run(f"import sys; from pointsman.tray import {names}; print([m for m in sys.modules if 'PySide6' in m])")
    assert done.stdout.strip() == "[]"


def test_the_tray_loads_none_of_the_gateway():
    """Only what it may see of ours."""
    code = (
        "import sys, pointsman.tray.app as a; "
        "print(sorted({m.split('.')[1] for m in sys.modules if m.startswith('pointsman.')} - {'tray'}))"
    )
    assert run(code, QT_QPA_PLATFORM="offscreen").stdout.strip() == "['core', 'system', 'wire']"
