"""The program under cProfile, each of its threads; the statistics go to files when it ends.

python -m pointsman.bench.profiled FILE ARGUMENTS...
"""

from __future__ import annotations

import contextlib
import cProfile
import pstats
import signal
import sys
import threading

from pointsman.__main__ import main


def run(file: str, argv: list[str]) -> int:
    """What the program returns. FILE is of the main thread, FILE.threads of all others; SIGUSR1 begins anew."""
    own, threads = cProfile.Profile(), list[cProfile.Profile]()
    _profile_threads(threads)

    def anew(*_: object) -> None:
        for one in (own, *threads):
            one.clear()

    signal.signal(signal.SIGUSR1, anew)
    try:
        return own.runcall(main, argv)
    finally:
        pstats.Stats(own).dump_stats(file)
        pstats.Stats(*threads).dump_stats(f"{file}.threads")


def _profile_threads(profiles: list[cProfile.Profile]) -> None:
    plain = threading.Thread.run

    def profiled(self: threading.Thread) -> None:
        profile = cProfile.Profile()
        with contextlib.suppress(ValueError):  # from Python 3.12 on only one thread can be profiled
            profile.enable()
            profiles.append(profile)
        plain(self)
        profile.disable()

    threading.Thread.run = profiled  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
