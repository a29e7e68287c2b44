"""Picks the program: the tray (default), the gateway, a worker, or the command line. Each loads only what it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

Program = Callable[[list[str]], int]
_INTERRUPTED = 130
_NO_DISPLAY = 3  # what the tray ends with, after a sentence, where Qt finds no screen


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments name; the exit code. An error is one sentence, never a traceback."""
    given = list(sys.argv[1:] if argv is None else argv)
    program, rest = _pick(given)
    from pointsman.core.errors import PointsmanError

    try:
        return program(rest)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except PointsmanError as error:
        print(error.sentence, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except Exception as error:  # noqa: BLE001 the last net: a person never sees a traceback
        from pointsman.system import trouble

        print(trouble.sentence(error), file=sys.stderr)
        return 1


def _pick(given: list[str]) -> tuple[Program, list[str]]:
    name = given[0] if given else "run"
    programs: dict[str, Program] = {"run": _run, "tray": _tray, "gateway": _gateway, "worker": _worker}
    return (programs[name], given[1:]) if name in programs else (_commands, given)


def _run(argv: list[str]) -> int:
    """The tray where there is a screen for it; else the gateway, which says how to use it."""
    from pointsman.system import display

    problem = display.problem()
    if problem is not None:
        print(f"{problem} Pointsman runs without a window.", file=sys.stderr)
    elif (code := _tray(argv)) != _NO_DISPLAY:
        return code
    return _gateway(["--welcome", *argv])


def _tray(argv: list[str]) -> int:
    from pointsman.core.errors import SetupError
    from pointsman.system import display

    if problem := display.problem():
        raise SetupError(f"{problem} Start 'pointsman gateway' instead.")
    from pointsman.tray import main as tray

    return tray.run(argv)


def _gateway(argv: list[str]) -> int:
    from pointsman.gateway import main as gateway

    return gateway.main(argv)


def _worker(argv: list[str]) -> int:
    if argv[:1] == ["mlx"]:
        from pointsman.engines import mlx_worker

        return mlx_worker.main(argv[1:])
    if argv[:1] == ["look"]:
        from pointsman.engines import llama_look

        return llama_look.main(argv[1:])
    from pointsman.engines import llama_worker

    return llama_worker.main(argv)


def _commands(argv: list[str]) -> int:
    from pointsman.cli import app

    return app.run(argv)


def _closed_pipe() -> int:
    """The reader left, as in `pointsman audit list | head`; keep the exit from flushing into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
