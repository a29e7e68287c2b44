"""How quick the engine of local models is, beside xllamacpp, in one run.

`pointsman bench engine`. The engine is the worker that the gateway starts, spoken to over its protocol, with the exact
entropy of each token; xllamacpp streams in a process of its own. Both have one thread and the same prompts, and take
turns round after round; a figure is the median of the rounds. Processor seconds count, as a busy machine changes them
least. Without `--model` a model of 110 million parameters is made by chance in a scratch folder. With `--apply TARGET`
it measures only how many answers a local target bears at once, and writes slots and queue for it to models.toml.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import IO

import msgspec

from pointsman.bench import engine_apply, engine_figures, random_model, streams, tables
from pointsman.bench.engine_figures import AT_ONCE, First, Found, Guessed, Rate
from pointsman.bench.random_model import words
from pointsman.bench.streams import Ours, Theirs
from pointsman.core.errors import PointsmanError, SetupError
from pointsman.engines.local_model import WorkerSpec

_PROMPT = 24  # words
_CELLS = 8192  # for all streams together
_ROOM = 512  # tokens of context beside a long prompt
_LOOKUP = 8  # tokens guessed in one step
_WORD = 500  # a token that is a word in most vocabularies


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much; `prefix` in tokens."""

    model: str | None = None
    xllamacpp: str = sys.executable
    rounds: int = 5
    first_rounds: int = 3
    tokens: int = 128
    prefix: int = 8192
    json: str | None = None
    apply: str | None = None


def main(argv: list[str]) -> int:
    """Measure and print; the exit code. Raises `SetupError` with what is missing."""
    given = _options(argv)
    if given.apply is not None:
        print(engine_apply.apply(given.apply, rounds=given.rounds))
        return 0
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
        folder = Path(name)
        with (folder / "engines.log").open("wb") as log:
            _measure(_model(given, folder), given, log)
    return 0


def _options(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="pointsman bench engine")
    parser.add_argument("--model", metavar="FILE", help="a GGUF file instead of the one made by chance")
    parser.add_argument("--xllamacpp", metavar="PYTHON", help="a Python that has xllamacpp")
    parser.add_argument("--rounds", type=int, help="how often both are measured in turn")
    parser.add_argument("--tokens", type=int, help="tokens of each answer")
    parser.add_argument("--quick", action="store_true", help="a glance: short answers, one round, a shorter prefix")
    parser.add_argument("--json", metavar="FILE", help="write all figures there; - is standard output")
    parser.add_argument("--apply", metavar="TARGET", help="store slots and queue of this local target")
    said = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    quick = {"rounds": 1, "first_rounds": 1, "tokens": 32, "prefix": 1024} if said.pop("quick") else {}
    return msgspec.convert(quick | said, Options)


def _model(given: Options, folder: Path) -> Path:
    if given.model is None:
        return random_model.write(folder / "model.gguf")
    path = Path(given.model).expanduser()
    if not path.is_file():
        raise SetupError(f"{given.model} is not there. Name a GGUF file, or leave --model out.")
    return path


def _measure(model: Path, given: Options, log: IO[bytes]) -> None:
    missing = "" if streams.has_xllamacpp(given.xllamacpp) else f"xllamacpp is not installed. {streams.HOW}"
    rates = _rates(model, given, log, reference=not missing)
    found = Found(rates=rates, guessed=_guessed(model, given, log), first=_first(model, given, log))
    name = random_model.NAME if given.model is None else model.name
    parts = [f"{name}, one thread, the exact entropy of each token", missing]
    parts.append(tables.plain(engine_figures.rows(found, "not installed")))
    parts.append(tables.bounds(engine_figures.checks(rates, found.first)))
    shown = "\n\n".join(part for part in parts if part)
    tables.give(shown, engine_figures.summary(name, found), given.json)


def _rates(model: Path, given: Options, log: IO[bytes], *, reference: bool) -> list[Rate]:
    """Of both in turn."""
    most = max(AT_ONCE)
    found: dict[int, tuple[list[float], list[float]]] = {at_once: ([], []) for at_once in AT_ONCE}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(contextlib.closing(Ours(_spec(model, _CELLS, most), log)))
        theirs = None
        if reference:
            theirs = stack.enter_context(contextlib.closing(Theirs(given.xllamacpp, model, _CELLS, most, log)))
        for number, at_once in itertools.product(range(given.rounds + 1), AT_ONCE):
            _progress(f"round {number} of {given.rounds}: {at_once} at once" if number else "warming up")
            texts = [words(f"{number} {at_once} {at}", _PROMPT) for at in range(at_once)]
            tokens = given.tokens if number else 8
            runs = [one.run(texts, tokens).rate for one in (ours, theirs) if one is not None]
            if number:
                for kept, rate in zip(found[at_once], runs, strict=False):
                    kept.append(rate)
    return [Rate(at_once=one, ours=tuple(mine), theirs=tuple(other)) for one, (mine, other) in found.items()]


def _guessed(model: Path, given: Options, log: IO[bytes]) -> Guessed:
    """An answer that is foreseen, as it says one word alone: without guesses and with, in turn."""
    usual = _spec(model, _CELLS, 1)
    speeds: tuple[list[float], list[float]] = ([], [])
    with contextlib.ExitStack() as stack:
        both = [usual, msgspec.structs.replace(usual, lookup=_LOOKUP)]
        workers = [stack.enter_context(contextlib.closing(Ours(spec, log))) for spec in both]
        for number in range(given.rounds + 1):
            _progress(f"round {number} of {given.rounds}: an answer that is foreseen" if number else "warming up")
            for worker, kept in zip(workers, speeds, strict=True):
                rate = worker.run([words(f"foreseen {number}", _PROMPT)], given.tokens if number else 8, _WORD).rate
                if number:
                    kept.append(rate)
    return Guessed(plain=tuple(speeds[0]), lookup=tuple(speeds[1]))


def _first(model: Path, given: Options, log: IO[bytes]) -> First:
    """A long prompt that is new each round, and then again with another end."""
    fresh, known, tokens = list[float](), list[float](), 0
    with contextlib.closing(Ours(_spec(model, given.prefix + _ROOM, 2), log)) as ours:
        sample = ours.run([words("how long", 200)], 1)
        count = 200 * (min(given.prefix, ours.ready.context - _ROOM)) // sample.prompt
        for number in range(given.first_rounds):
            _progress(f"round {number + 1} of {given.first_rounds}: a long prompt, fresh and known")
            prefix = words(f"prefix {number}", count)
            fresh.append(ours.run([prefix + words("one end", _PROMPT)], 2).first)
            again = ours.run([prefix + words("another end", _PROMPT)], 2)
            known.append(again.first)
            tokens = again.cached
    return First(tokens=tokens, fresh=tuple(fresh), known=tuple(known))


def _spec(model: Path, context: int, slots: int) -> WorkerSpec:
    return WorkerSpec(name=model.stem, path=str(model), context=context, threads=1, slots=slots)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PointsmanError as error:
        print(error.sentence, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
