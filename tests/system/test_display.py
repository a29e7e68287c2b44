from __future__ import annotations

import sys

import pytest

from pointsman.system import display


def everything(library: str) -> bool:
    """A machine with all of Qt's libraries."""
    return True


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_have_a_screen(system: str) -> None:
    """Windows and macOS show windows without an environment variable."""
    assert display.problem({}, system, everything) is None


def test_linux_without_a_display_says_so() -> None:
    """Neither Wayland nor X11 is one sentence."""
    assert display.problem({}, "linux", everything) == "There is no display here."


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_linux_with_a_display(name: str) -> None:
    """Either display is enough where the libraries are."""
    assert display.problem({name: ":0"}, "linux", everything) is None


def test_a_missing_library_is_named_by_its_package() -> None:
    """Qt would end the process, so the package is named first."""
    said = display.problem({"DISPLAY": ":0"}, "linux", lambda library: "cursor" not in library)
    assert said == "Windows need packages that are not installed here: libxcb-cursor0."


def test_wayland_needs_no_library_of_x11() -> None:
    """On Wayland a missing X11 library is no problem."""
    assert display.problem({"WAYLAND_DISPLAY": "wayland-0"}, "linux", lambda library: "xcb" not in library) is None


def test_qt_without_a_screen_of_its_own_is_taken_as_told() -> None:
    """QT_QPA_PLATFORM=offscreen shows windows nowhere, and needs nothing."""
    assert display.problem({"QT_QPA_PLATFORM": "offscreen"}, "linux", lambda library: False) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries are Linux's")
def test_the_libraries_of_this_machine_load() -> None:
    """What the tests installed is what Qt needs: every library named is there."""
    assert display.problem({"DISPLAY": ":0"}, "linux") is None
