"""Models that other programs on this machine hold: Ollama, LM Studio, the hub's own cache. Read, never written, not copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from pointsman.core.errors import PointsmanError
from pointsman.engines.hub_choice import HubFile, Source, choose, shards

_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAGIC = b"GGUF"


class Places(Struct, frozen=True):
    """Where each program keeps its models; several folders where it has moved over the years."""

    ollama: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    hub_cache: tuple[Path, ...] = ()


class Found(NamedTuple):
    """A file that lies elsewhere, and whose it is."""

    path: Path
    program: str


class _Layer(Struct):
    mediaType: str = ""  # noqa: N815 the manifest's own name
    digest: str = ""


class _Manifest(Struct):
    layers: list[_Layer] = []


class _Settings(Struct):
    downloadsFolder: str = ""  # noqa: N815 LM Studio's own name


def places(environ: Mapping[str, str], person: Path) -> Places:
    """The folders of this person, by the variables that the programs themselves obey."""
    return Places(_ollama(environ, person), _lm_studio(person), (_hub_cache(environ, person),))


def _ollama(environ: Mapping[str, str], person: Path) -> tuple[Path, ...]:
    if given := environ.get("OLLAMA_MODELS"):
        return (Path(given).expanduser(),)
    return person / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")


def _lm_studio(person: Path) -> tuple[Path, ...]:
    home = person / ".lmstudio"
    pointer = _text(person / ".lmstudio-home-pointer").strip()
    homes = [Path(pointer), home] if pointer else [home]
    own = [Path(folder) for place in homes if (folder := _setting(place / "settings.json"))]
    return *own, *(place / "models" for place in homes), person / ".cache" / "lm-studio" / "models"


def _setting(path: Path) -> str:
    try:
        return msgspec.json.decode(_text(path).encode(), type=_Settings).downloadsFolder
    except msgspec.DecodeError:
        return ""


def _hub_cache(environ: Mapping[str, str], person: Path) -> Path:
    if given := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    if given := environ.get("HF_HOME"):
        return Path(given).expanduser() / "hub"
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else person / ".cache") / "huggingface" / "hub"


def candidates(where: Places, repo: str, files: tuple[HubFile, ...]) -> Iterator[tuple[Found, ...]]:
    """Ways to have all files of a model without fetching them, likely ones only: each still has to be checked."""
    for folder, program in _folders(where, repo):
        found = tuple(Found(folder / file.path, program) for file in files)
        if all(_has_size(one.path, file) for one, file in zip(found, files, strict=True)):
            yield found
    if len(files) == 1 and files[0].checksum is not None and files[0].checksum.kind == "sha256":
        for path, program in _blobs(where, files[0].checksum.hex):
            if _has_size(path, files[0]):
                yield (Found(path, program),)


def by_name(where: Places, source: Source) -> Found | None:
    """A GGUF model that another program holds under the repository's own name; what it got in full, by its own account."""
    for folder, program in _folders(where, source.repo):
        names = tuple(HubFile(str(path.relative_to(folder).as_posix())) for path in _ggufs(folder))
        try:
            first = folder / choose(source, names).files[0].path
        except PointsmanError:
            continue
        if first.suffix.lower() == ".gguf" and _is_gguf(first):
            return Found(first, program)
    return next((one for one in _from_ollama(where, source) if _is_gguf(one.path)), None)


def _folders(where: Places, repo: str) -> Iterator[tuple[Path, str]]:
    """Folders laid out as the repository is."""
    for place in where.lm_studio:
        yield place / repo, "LM Studio"
    for cache in where.hub_cache:
        held = cache / f"models--{repo.replace('/', '--')}"
        newest = _text(held / "refs" / "main").strip()
        snapshots = sorted(_listed(held / "snapshots"), key=lambda one: one.name != newest)
        for snapshot in snapshots:
            yield snapshot, "the hub's cache"


def _blobs(where: Places, sha256: str) -> Iterator[tuple[Path, str]]:
    """Files that are named by their sha256."""
    for place in where.ollama:
        yield place / "blobs" / f"sha256-{sha256}", "Ollama"
    for cache in where.hub_cache:
        for held in _listed(cache):
            yield held / "blobs" / sha256, "the hub's cache"


def _from_ollama(where: Places, source: Source) -> Iterator[Found]:
    """What Ollama pulled from the hub carries the repository's name in its manifest."""
    for place in where.ollama:
        for host in ("hf.co", "huggingface.co"):
            folder = place / "manifests" / host / source.repo
            for manifest in _listed(folder):
                if source.wanted is None or manifest.name.lower() == source.wanted.lower():
                    yield from _model_of(place, manifest)


def _model_of(place: Path, manifest: Path) -> Iterator[Found]:
    try:
        layers = msgspec.json.decode(_text(manifest).encode(), type=_Manifest).layers
    except msgspec.DecodeError:
        return
    for layer in layers:
        sha256 = layer.digest.removeprefix("sha256:")
        if layer.mediaType == _OLLAMA_MODEL and _SHA256.fullmatch(sha256):
            yield Found(place / "blobs" / f"sha256-{sha256}", "Ollama")


def _ggufs(folder: Path) -> list[Path]:
    return [path for pattern in ("*.gguf", "*/*.gguf") for path in sorted(folder.glob(pattern))]


def _is_gguf(path: Path) -> bool:
    """Begins as a GGUF file does, with all its parts beside it."""
    try:
        with path.open("rb") as file:
            begins = file.read(4) == _MAGIC
        return begins and (shards(path.name) == 1 or len(list(path.parent.glob("*-of-*.gguf"))) >= shards(path.name))
    except OSError:
        return False


def _has_size(path: Path, file: HubFile) -> bool:
    try:
        return path.is_file() and path.stat().st_size == file.size
    except OSError:
        return False


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
