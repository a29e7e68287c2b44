"""Processes that end when this one does, however it ends.

Each of ours ends by itself when its input does. That is enough but for one that hangs: Linux ends it as it asked for
(`prctl`), and Windows as it is in a job that is closed with us. macOS has no such thing.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
from typing import Any

_log = logging.getLogger(__name__)

_ENDS_WHEN_CLOSED = 0x2000
_EXTENDED_LIMITS = 9
_MAY_END_AND_ASSIGN = 0x0001 | 0x0100


class _Limits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_working_set", ctypes.c_size_t),
        ("most_working_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _Limits),
        ("counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("process_peak", ctypes.c_size_t),
        ("job_peak", ctypes.c_size_t),
    )


class Job:
    """A job of Windows. Its handle is never closed by us, so that the system closes it with our process."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        handle, number, flag, pointer = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int32, ctypes.c_void_p
        # Without these a handle is cut to 32 bits.
        kernel.CreateJobObjectW.restype, kernel.CreateJobObjectW.argtypes = handle, (pointer, ctypes.c_wchar_p)
        kernel.SetInformationJobObject.restype = kernel.AssignProcessToJobObject.restype = flag
        kernel.SetInformationJobObject.argtypes = (handle, ctypes.c_int, pointer, number)
        kernel.AssignProcessToJobObject.argtypes = (handle, handle)
        kernel.OpenProcess.restype, kernel.OpenProcess.argtypes = handle, (number, flag, number)
        kernel.CloseHandle.restype, kernel.CloseHandle.argtypes = flag, (handle,)
        self._handle = kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.basic.flags = _ENDS_WHEN_CLOSED
        size = ctypes.sizeof(limits)
        self.works = bool(
            self._handle and kernel.SetInformationJobObject(self._handle, _EXTENDED_LIMITS, ctypes.byref(limits), size)
        )

    def take(self, pid: int) -> bool:
        """Whether this process, and those that it starts, are in the job now."""
        if not self.works:
            return False
        process = self._kernel.OpenProcess(_MAY_END_AND_ASSIGN, False, pid)
        if not process:
            return False
        try:
            return bool(self._kernel.AssignProcessToJobObject(self._handle, process))
        finally:
            self._kernel.CloseHandle(process)


def bind(pid: int) -> None:
    """Let a process that was just started end with us, where that is not its own doing."""
    if sys.platform == "win32" and not _job().take(pid):
        _log.warning("process %d cannot be bound to this one: it ends with it only while it listens", pid)


@functools.cache
def _job() -> Job:
    """One for all, made with the first."""
    return Job(ctypes.WinDLL("kernel32", use_last_error=True))  # type: ignore[attr-defined,unused-ignore]
