"""Answers that stream, measured: from our worker as the gateway runs it, and from xllamacpp."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import IO, Any

import msgspec
import psutil

from pointsman.bench import xllamacpp_peer
from pointsman.core.errors import SetupError
from pointsman.engines import protocol
from pointsman.engines.local_model import WorkerSpec, worker_command
from pointsman.engines.worker_process import environment

_ids = itertools.count()


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of answers at once. `cpu` in seconds, of the worker and of who reads it.

    `first` is seconds to the first text, `speed` tokens a second of one stream after it: medians over the streams.
    """

    tokens: int
    cpu: float
    seconds: float
    prompt: int = 0
    cached: int = 0
    first: float = 0.0
    speed: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens per processor second."""
        return self.tokens / self.cpu if self.cpu else 0.0


class _Stream:
    """One answer as it comes."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last = 0.0
        self.end: protocol.End | None = None


class Ours:
    """A worker, spoken to over its protocol."""

    def __init__(self, spec: WorkerSpec, log: IO[bytes]) -> None:
        self._name = spec.name
        self._process = subprocess.Popen(
            worker_command(spec), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment()
        )
        heard = self._heard()
        if not isinstance(heard, protocol.Ready):
            self.close()
            said = heard.message if isinstance(heard, protocol.Unloadable) else "its engine says nothing"
            raise SetupError(f"{spec.name} cannot be measured: {said}")
        self.ready = heard

    def close(self) -> None:
        """End it."""
        with self._process as process, contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.write(protocol.encode(protocol.Quit()))
            process.stdin.flush()

    def run(self, texts: Sequence[str], tokens: int, only: int | None = None) -> Sample:
        """A greedy answer to each, all at once; of the token `only` alone, if it is said."""
        streams = {f"bench-{next(_ids)}": _Stream() for _ in texts}
        chats = [_chat(id_, text, tokens, only) for id_, text in zip(streams, texts, strict=True)]
        cpu, began = self._cpu(), time.perf_counter()
        self._tell(chats)
        self._read(streams)
        return _sample(streams, began, self._cpu() - cpu)

    def _tell(self, chats: Sequence[protocol.Chat]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"".join(map(protocol.encode, chats)))
        self._process.stdin.flush()

    def _read(self, streams: Mapping[str, _Stream]) -> None:
        left = len(streams)
        while left:
            match self._heard():
                case protocol.Text(id=id_) | protocol.Thought(id=id_):
                    streams[id_].last = time.perf_counter()
                    streams[id_].first = streams[id_].first or streams[id_].last
                case protocol.End() as end:
                    streams[end.id].end, left = end, left - 1
                case protocol.Failed(message=message):
                    raise SetupError(f"{self._name} cannot be measured: {message}")
                case None:
                    raise SetupError(f"{self._name} cannot be measured: its engine ended.")

    def _heard(self) -> protocol.Event | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return protocol.decode_event(line) if line else None

    def _cpu(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system) + time.process_time()


def _chat(id_: str, text: str, tokens: int, only: int | None) -> protocol.Chat:
    messages, bias = [{"role": "user", "content": text}], {} if only is None else {str(only): 100.0}
    return protocol.Chat(id=id_, messages=messages, temperature=0.0, max_tokens=tokens, logit_bias=bias)


def _sample(streams: Mapping[str, _Stream], began: float, cpu: float) -> Sample:
    ended = [(one, one.end) for one in streams.values() if one.end is not None]
    firsts = [one.first or one.last for one, _ in ended]
    speeds = [
        (end.completion_tokens - 1) / (one.last - one.first)
        for one, end in ended
        if one.first is not None and one.last > one.first
    ]
    return Sample(
        tokens=sum(end.completion_tokens for _, end in ended),
        cpu=cpu,
        seconds=time.perf_counter() - began,
        prompt=max(end.prompt_tokens for _, end in ended),
        cached=min(end.cached_tokens for _, end in ended),
        first=median(firsts) - began,
        speed=median(speeds) if speeds else 0.0,
    )


class Theirs:
    """xllamacpp in a process of its own, run by a Python that has it."""

    def __init__(self, python: str, model: Path, context: int, slots: int, log: IO[bytes]) -> None:
        command = [python, str(Path(xllamacpp_peer.__file__)), str(model), str(context), str(slots)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        except OSError as error:
            raise SetupError(f"{python} cannot be run ({error.strerror}). Name a Python that has xllamacpp.") from None
        ready = self._heard()
        if ready is None:
            self.close()
            raise SetupError(f"xllamacpp does not run in {python}. {HOW}")
        self.version = str(ready["version"])

    def close(self) -> None:
        """End it."""
        with self._process as process:
            process.kill()

    def run(self, texts: Sequence[str], tokens: int) -> Sample:
        """As ours, the marks of a conversation round each text."""
        prompts = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in texts]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"prompts": prompts, "tokens": tokens}).encode() + b"\n")
        self._process.stdin.flush()
        found = self._heard()
        if found is None:
            raise SetupError("xllamacpp ended before its answers were complete.")
        return Sample(tokens=found["tokens"], cpu=found["cpu"], seconds=found["seconds"])

    def _heard(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else None


HOW = "Install it with 'pip install xllamacpp', or name a Python that has it: --xllamacpp PYTHON."


def has_xllamacpp(python: str) -> bool:
    """Whether that Python finds it."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('xllamacpp') is None)"
    try:
        return subprocess.run([python, "-c", look], check=False, capture_output=True).returncode == 0
    except OSError:
        return False
