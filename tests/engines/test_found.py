"""Models that other programs hold are found by what they are, used where they lie, and never touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pointsman.engines.found import Found, Places, by_name, candidates, places
from pointsman.engines.hub_choice import Checksum, HubFile, parsed

REPO, NAME = "Org/M-GGUF", "M-Q4_K_M.gguf"
DATA = b"GGUF" + b"weights" * 100
SHA = hashlib.sha256(DATA).hexdigest()
FILE = HubFile(NAME, len(DATA), Checksum("sha256", SHA))


def put(path: Path, data: bytes | str = DATA) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def in_cache(cache: Path, commit: str = "c" * 40, data: bytes = DATA) -> Path:
    """As the hub's cache keeps a file: a link to what is named by its hash."""
    held = cache / "models--Org--M-GGUF"
    blob = put(held / "blobs" / hashlib.sha256(data).hexdigest(), data)
    link = held / "snapshots" / commit / NAME
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    return link


def in_ollama(models: Path, host: str = "hf.co", tag: str = "Q4_K_M", data: bytes = DATA) -> Path:
    """As Ollama keeps what it pulled: a manifest that names a blob."""
    digest = hashlib.sha256(data).hexdigest()
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": len(data)},
    ]
    put(models / "manifests" / host / REPO / tag, json.dumps({"schemaVersion": 2, "layers": layers}))
    return put(models / "blobs" / f"sha256-{digest}", data)


class TestPlaces:
    """Where each program keeps its models."""

    def test_the_usual_folders(self, tmp_path: Path) -> None:
        """Below the person's own, without any variable."""
        where = places({}, tmp_path)
        assert where.ollama[0] == tmp_path / ".ollama" / "models"
        assert where.lm_studio == (tmp_path / ".lmstudio" / "models", tmp_path / ".cache" / "lm-studio" / "models")
        assert where.hub_cache == (tmp_path / ".cache" / "huggingface" / "hub",)

    @pytest.mark.parametrize(
        ("environ", "folder"),
        [
            ({"HF_HUB_CACHE": "/x", "HF_HOME": "/y"}, "/x"),
            ({"HF_HOME": "/y"}, "/y/hub"),
            ({"XDG_CACHE_HOME": "/z"}, "/z/huggingface/hub"),
        ],
    )
    def test_the_cache_is_where_its_variables_say(self, environ: dict[str, str], folder: str, tmp_path: Path) -> None:
        """In the order in which the hub's own library looks."""
        assert places(environ, tmp_path).hub_cache == (Path(folder),)

    def test_ollama_is_where_its_variable_says(self, tmp_path: Path) -> None:
        """And nowhere else then."""
        assert places({"OLLAMA_MODELS": "/o"}, tmp_path).ollama == (Path("/o"),)

    def test_lm_studio_is_where_its_settings_say(self, tmp_path: Path) -> None:
        """A moved home, and a folder of the person's choice."""
        put(tmp_path / ".lmstudio-home-pointer", f"{tmp_path}/moved\n")
        put(tmp_path / "moved" / "settings.json", json.dumps({"downloadsFolder": "/big/models"}))
        assert places({}, tmp_path).lm_studio[:2] == (Path("/big/models"), tmp_path / "moved" / "models")

    def test_settings_that_make_no_sense_are_passed_over(self, tmp_path: Path) -> None:
        """Other programs' files are not ours to trust."""
        put(tmp_path / ".lmstudio" / "settings.json", b"\xff{")
        assert len(places({}, tmp_path).lm_studio) == 2


class TestCandidates:
    """Files that may be the ones to fetch."""

    def test_ollama_holds_a_file_by_its_hash(self, tmp_path: Path) -> None:
        """Whatever it calls the model."""
        blob = in_ollama(tmp_path, host="registry.ollama.ai")
        assert list(candidates(Places(ollama=(tmp_path,)), REPO, (FILE,))) == [(Found(blob, "Ollama"),)]

    def test_lm_studio_holds_a_file_by_its_name(self, tmp_path: Path) -> None:
        """Owner, repository and file are its folders."""
        path = put(tmp_path / REPO / NAME)
        assert list(candidates(Places(lm_studio=(tmp_path,)), REPO, (FILE,))) == [(Found(path, "LM Studio"),)]

    def test_the_cache_holds_a_file_by_both(self, tmp_path: Path) -> None:
        """The snapshot's name comes first, as parts of a model need their names."""
        link = in_cache(tmp_path)
        held = list(candidates(Places(hub_cache=(tmp_path,)), REPO, (FILE,)))
        assert held[0] == (Found(link, "the hub's cache"),)

    def test_a_part_of_a_file_is_no_candidate(self, tmp_path: Path) -> None:
        """What another program has not finished has another size."""
        put(tmp_path / REPO / NAME, DATA[:-1])
        put(tmp_path / "blobs" / f"sha256-{SHA}", DATA[:-1])
        assert list(candidates(Places((tmp_path,), (tmp_path,), (tmp_path,)), REPO, (FILE,))) == []

    def test_a_model_in_parts_is_one_only_with_all_of_them(self, tmp_path: Path) -> None:
        """Side by side, in one place."""
        parts = tuple(HubFile(f"m-0000{n}-of-00002.gguf", len(DATA)) for n in (1, 2))
        put(tmp_path / REPO / parts[0].path)
        where = Places(lm_studio=(tmp_path,))
        assert list(candidates(where, REPO, parts)) == []
        put(tmp_path / REPO / parts[1].path)
        assert len(next(candidates(where, REPO, parts))) == 2

    def test_folders_that_are_not_there_hold_nothing(self, tmp_path: Path) -> None:
        """Most people have none of these programs."""
        assert list(candidates(places({}, tmp_path / "nobody"), REPO, (FILE,))) == []


class TestByName:
    """What can be used without asking the hub."""

    def test_each_program_is_asked(self, tmp_path: Path) -> None:
        """By the repository's name and the quantisation."""
        source = parsed(f"{REPO}:Q4_K_M")
        blob, path, link = in_ollama(tmp_path / "o"), put(tmp_path / "l" / REPO / NAME), in_cache(tmp_path / "h")
        assert by_name(Places(ollama=(tmp_path / "o",)), source) == Found(blob, "Ollama")
        assert by_name(Places(lm_studio=(tmp_path / "l",)), source) == Found(path, "LM Studio")
        assert by_name(Places(hub_cache=(tmp_path / "h",)), source) == Found(link, "the hub's cache")

    def test_another_quantisation_is_another_model(self, tmp_path: Path) -> None:
        """Q8_0 was not asked for."""
        put(tmp_path / REPO / "M-Q8_0.gguf")
        in_ollama(tmp_path, tag="Q8_0")
        assert by_name(Places((tmp_path,), (tmp_path,)), parsed(f"{REPO}:Q4_K_M")) is None

    def test_what_is_no_gguf_is_never_used(self, tmp_path: Path) -> None:
        """A file with the name alone, an empty one, a blob that is gone."""
        put(tmp_path / REPO / NAME, b"nonsense")
        in_ollama(tmp_path).unlink()
        assert by_name(Places((tmp_path,), (tmp_path,)), parsed(f"{REPO}:Q4_K_M")) is None

    def test_the_newest_snapshot_comes_first(self, tmp_path: Path) -> None:
        """The one that the cache itself calls main."""
        in_cache(tmp_path, "a" * 40)
        newest = in_cache(tmp_path, "b" * 40, DATA + b"newer")
        put(tmp_path / "models--Org--M-GGUF" / "refs" / "main", "b" * 40)
        held = by_name(Places(hub_cache=(tmp_path,)), parsed(REPO))
        assert held is not None and held.path == newest

    @pytest.mark.parametrize(
        "text",
        ["nonsense", "{}", '{"layers":[{"digest":"sha256:../../x","mediaType":"application/vnd.ollama.image.model"}]}'],
    )
    def test_a_manifest_that_makes_no_sense_names_nothing(self, tmp_path: Path, text: str) -> None:
        """And leads nowhere."""
        put(tmp_path / "manifests" / "hf.co" / REPO / "Q4_K_M", text)
        assert by_name(Places(ollama=(tmp_path,)), parsed(f"{REPO}:Q4_K_M")) is None
