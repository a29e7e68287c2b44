"""The process that looks: `python -m pointsman.engines.llama_look [--bandwidth] [FILE]...`, one line of JSON, and gone."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil

from pointsman.core.model_shape import ModelProblem
from pointsman.engines import folder_shape, gguf
from pointsman.engines.looking import Device, File, Look
from pointsman.engines.serving import claim_stdout

_KINDS: tuple[Literal["cpu", "gpu", "igpu", "other"], ...] = ("cpu", "gpu", "igpu")
_MOST_DEVICES = 64
_READ = 64 << 20  # bytes that each thread reads
_TRIES = 8


def main(argv: Sequence[str]) -> int:
    """Say what there is; 0 always, as what cannot be seen is left out."""
    pipe = claim_stdout()
    measured = "--bandwidth" in argv
    files = tuple(_file(path) for path in argv if path != "--bandwidth")
    look = Look(devices=tuple(_devices()), files=files, bandwidth=_bandwidth() if measured else None)
    pipe.write(msgspec.json.encode(look))
    pipe.close()
    return 0


def _file(path: str) -> File:
    try:
        named = Path(path)
        return File(path=path, shape=folder_shape.shape(named) if named.is_dir() else gguf.shape(named))
    except ModelProblem as problem:
        return File(path=path, problem=problem.sentence)
    except FileNotFoundError:
        return File(path=path, problem="it is not there, or not whole")
    except OSError as error:
        return File(path=path, problem=f"it cannot be read ({error.strerror or 'unknown error'})")
    except (MemoryError, ValueError, OverflowError):
        return File(path=path, problem="its header is damaged")


def _devices() -> Iterator[Device]:
    """As the installed llama.cpp sees them."""
    from pointsman.engines import llama_api

    llama_api.C.llama_backend_init()
    ggml = _library()
    if ggml is None:
        return
    for at in range(min(_MOST_DEVICES, int(_call(ggml, "count", ctypes.c_size_t)))):
        device = _call(ggml, "get", ctypes.c_void_p, ctypes.c_size_t(at))
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        _call(ggml, "memory", None, ctypes.c_void_p(device), ctypes.byref(free), ctypes.byref(total))
        kind = int(_call(ggml, "type", ctypes.c_int, ctypes.c_void_p(device)))
        yield Device(
            name=_said(ggml, "name", device),
            description=_said(ggml, "description", device),
            kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else "other",
            free=free.value,
            total=total.value,
        )


def _library() -> Any:
    """The library that knows the devices; which one it is differs from build to build."""
    import llama_cpp
    from llama_cpp._ggml import libggml

    beside = Path(llama_cpp.__file__).parent / "lib"
    candidates = [libggml, *(str(one) for one in sorted(beside.glob("*ggml*")) if one.is_file())]
    for one in candidates:
        try:
            library = ctypes.CDLL(one) if isinstance(one, str) else one
            if all(hasattr(library, f"ggml_backend_dev_{name}") for name in ("count", "get", "memory", "type")):
                return library
        except OSError:
            continue
    return None


def _call(library: Any, name: str, result: Any, *given: Any) -> Any:
    function = getattr(library, f"ggml_backend_dev_{name}")
    function.restype, function.argtypes = result, None
    return function(*given)


def _said(library: Any, name: str, device: Any) -> str:
    found = _call(library, name, ctypes.c_char_p, ctypes.c_void_p(device))
    return found.decode("utf-8", "replace")[:100] if found else ""


def _bandwidth() -> float | None:
    """How fast main memory is read, by one thread and by as many as there are cores; the better of them."""
    import numpy as np

    cores = max(1, min(8, psutil.cpu_count(logical=False) or 1))
    if psutil.virtual_memory().available < 4 * cores * _READ:
        return None
    parts = [np.ones(_READ // 8, np.int64) for _ in range(cores)]
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for some in (parts[:1], parts):
            for _ in range(_TRIES):
                began = time.perf_counter()
                list(pool.map(np.bitwise_or.reduce, some))
                best = max(best, len(some) * _READ / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
