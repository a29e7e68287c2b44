"""Ends the gateway that runs, through its own admin door."""

from __future__ import annotations

import time

import httpx
import psutil

from pointsman.core.errors import SetupError
from pointsman.system import instance
from pointsman.system.paths import Paths
from pointsman.wire import admin

_PATIENCE = 15.0


def stop(home: Paths) -> int:
    """Tell it to stop and wait until it is gone; the exit code."""
    runtime = instance.read(home.runtime)
    if runtime is None:
        print("Pointsman is not running.")
        return 0
    try:
        head = {"authorization": f"Bearer {runtime.token}"}
        httpx.post(f"{runtime.admin}/v1/command", content=admin.encode(admin.StopGateway()), headers=head)
        psutil.Process(runtime.pid).wait(_PATIENCE)
    except psutil.NoSuchProcess:
        pass
    except (httpx.HTTPError, psutil.TimeoutExpired):
        raise SetupError(f"The gateway (process {runtime.pid}) does not stop. End that process by hand.") from None
    print(f"Pointsman has stopped, {time.strftime('%H:%M')}.")
    return 0
