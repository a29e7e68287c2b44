#!/bin/sh
# Real screenshots under Xvfb with a window manager and a tray host: tests/tray/screens.sh OUT_DIR [light|dark]
# Needs xvfb, openbox, trayer, dunst, xdotool, imagemagick and dbus (Debian's names).
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
scheme=${2:-light}
cd "$(dirname "$0")/../.."
number=91
while [ -e "/tmp/.X11-unix/X$number" ]; do number=$((number + 1)); done
Xvfb ":$number" -screen 0 1800x1700x24 -nolisten tcp >/dev/null 2>&1 &
server=$!
trap 'kill "$server"' EXIT
export DISPLAY=":$number" QT_QPA_PLATFORM=xcb QT_SCALE_FACTOR=2
until xdotool getdisplaygeometry >/dev/null 2>&1; do sleep 0.1; done
dbus-run-session -- sh -c "
  openbox >/dev/null 2>&1 &
  trayer --edge bottom --align right --widthtype request --height 48 --SetDockType true --transparent true --alpha 0 --tint 0xffffff >/dev/null 2>&1 &
  dunst >/dev/null 2>&1 &
  sleep 1
  '${PYTHON:-.venv/bin/python}' -m tests.tray.screens '$out' '$scheme'
"
