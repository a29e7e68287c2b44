"""Which files of a repository a source means: `owner/repo` or `owner/repo:QUANT`, as in models.toml. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from pointsman.core.errors import BadRequest, NotFound

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
_SOURCE = re.compile(rf"({_PART}/{_PART})(?::([A-Za-z0-9][A-Za-z0-9._/-]{{0,200}}))?")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)
_QUANT = re.compile(r"(?:^|[-._/])((?:I?Q\d(?:_[A-Z0-9]+)*|BF16|F16|F32|MXFP4))(?=[-._/]|$)", re.IGNORECASE)
_IS_QUANT = re.compile(r"(?:UD-)?(?:I?Q\d|BF16|F16|F32|MXFP4)", re.IGNORECASE)
_NOT_A_MODEL = re.compile(r"(?:^|/)(?:mmproj|imatrix)|imatrix|mmproj", re.IGNORECASE)
_BEST_FIRST = ("Q4_K_M", "Q5_K_M", "Q4_K_S", "MXFP4", "Q6_K", "Q8_0", "Q4_0", "BF16", "F16", "F32")
_FOLDER = re.compile(r"[^/]+\.(?:safetensors|json|jinja|txt|model)", re.IGNORECASE)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


class Checksum(Struct, frozen=True):
    """What the publisher promises of a file's bytes: their sha256, or for small files git's hash of them."""

    kind: Literal["sha256", "git"]
    hex: str


class HubFile(Struct, frozen=True):
    """A file of a repository; without size or checksum it cannot be checked, and is never fetched."""

    path: str
    size: int | None = None
    checksum: Checksum | None = None


class Source(Struct, frozen=True):
    """A repository, and which of its files: a quantisation, a file's name, or None for the usual one."""

    repo: str
    wanted: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}:{self.wanted}" if self.wanted else self.repo


class Choice(Struct, frozen=True):
    """The files that make one model; `folder` when a worker loads them as a folder, not as a GGUF file."""

    files: tuple[HubFile, ...]
    folder: bool = False


def parse(text: str) -> Source | None:
    """The source that a text names, None where it names none: a path, or the starter."""
    match = _SOURCE.fullmatch(text)
    if match is None or ".." in text or (match[2] is None and text.lower().endswith(".gguf")):
        return None
    return Source(match[1], match[2])


def parsed(text: str) -> Source:
    """The same. Raises `BadRequest`."""
    source = parse(text)
    if source is None:
        raise BadRequest(
            f"{text[:100]!r} is neither a model of models.toml nor a repository. "
            "Write a name that 'pointsman models list' shows, or owner/repository:QUANTISATION."
        )
    return source


def choose(source: Source, files: Sequence[HubFile]) -> Choice:
    """The files to fetch. Raises `NotFound` with what there is instead, `BadRequest` for names that are no file names."""
    models = _models(files)
    if not models and source.wanted is None and (folder := _folder(files)):
        return Choice(_safe(folder), folder=True)
    found = _matching(source.wanted, models)
    if found is None:
        raise NotFound(_nothing(source, models))
    return Choice(_safe(models[found]))


def matches(source: Source, repo: str, files: Sequence[HubFile]) -> bool:
    """Whether these files of a repository, got earlier, are what a source means."""
    if source.repo.lower() != repo.lower():
        return False
    if source.wanted is None:
        return True
    return _matching(source.wanted, _models(files)) is not None


def shards(name: str) -> int:
    """Of how many files a model is the first, 1 where it is whole."""
    match = _SHARD.search(name)
    return int(match[2]) if match else 1


def _models(files: Iterable[HubFile]) -> dict[str, tuple[HubFile, ...]]:
    """Whole GGUF models by their name without the number of a part; one that lacks parts is none."""
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if file.path.lower().endswith(".gguf") and not _NOT_A_MODEL.search(file.path):
            groups.setdefault(_SHARD.sub("", file.path), []).append(file)
    return {name: tuple(group) for name, group in groups.items() if len(group) == shards(group[0].path)}


def _matching(wanted: str | None, names: Iterable[str]) -> str | None:
    """The name that is meant; the shortest of several, as longer ones are variants."""
    known = sorted(names, key=lambda name: (len(name), name))
    if wanted is None:
        return known[0] if len(known) == 1 else _usual(known)
    exact = [name for name in known if wanted.lower() in {name.lower(), name.rsplit("/", 1)[-1].lower()}]
    return next(iter(exact or [name for name in known if _has(name, _SHARD.sub("", wanted))]), None)


def _usual(names: Sequence[str]) -> str | None:
    return next((name for quant in _BEST_FIRST for name in names if _has(name, quant)), None)


def _has(name: str, wanted: str) -> bool:
    stem = name[: -len(".gguf")]
    ending = wanted[: -len(".gguf")] if wanted.lower().endswith(".gguf") else wanted
    before = r"[-./_]" if _IS_QUANT.match(ending) else r"[-./]"
    return re.search(rf"(?:^|{before}){re.escape(ending)}(?=[-./]|$)", stem, re.IGNORECASE) is not None


def _folder(files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    parts = tuple(sorted((file for file in files if _FOLDER.fullmatch(file.path)), key=lambda file: file.path))
    names = {file.path for file in parts}
    return parts if "config.json" in names and any(name.endswith(".safetensors") for name in names) else ()


def _safe(files: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    for file in files:
        steps = file.path.split("/")
        if not file.path.isprintable() or any(_unsafe(step) for step in steps):
            raise BadRequest(f"The hub names a file {file.path[:80]!r}, which is no file name. It is not downloaded.")
    return files


def _unsafe(step: str) -> bool:
    return (
        not step.strip(". ") or step != step.strip() or bool(re.search(r'[\\:*?"<>|]', step) or _RESERVED.match(step))
    )


def _nothing(source: Source, models: Iterable[str]) -> str:
    names = list(models)
    quants = sorted({match[1].upper() for name in names if (match := _QUANT.search(name[: -len(".gguf")]))})
    there = ", ".join(quants or names[:8])
    if not there:
        return f"{source.repo} holds no model that runs here: neither a GGUF file nor an MLX folder."
    asked = f"nothing called {source.wanted}" if source.wanted else "no single model to take"
    return f"{source.repo} holds {asked}. Write one of these after a colon: {there}."
