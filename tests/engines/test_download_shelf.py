"""Records of what was pulled: only whole, checked models are found, and only our own files are deleted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from pointsman.engines import part
from pointsman.engines.hub import HubProblem, Listing
from pointsman.engines.hub_choice import Checksum, HubFile, parsed
from pointsman.engines.part import Promise
from pointsman.engines.pulling import KEPT_FREE, Pace, planned, room
from pointsman.engines.shelf import Pull, PulledFile, Shelf

REPO = "Org/M-GGUF"


def pull(name: str = "M-Q4_K_M.gguf", **more: Any) -> Pull:
    """The record of one file of four bytes that is ours and done."""
    file = PulledFile(name, Promise(4, Checksum("sha256", "0" * 64)), more.pop("place", ""), more.pop("ours", True))
    usual = {"name": "m", "source": f"{REPO}:Q4_K_M", "repo": REPO, "endpoint": "https://h", "commit": "main"}
    return Pull(**{**usual, "files": (file,), "state": "done", **more})


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A folder of models with one in it."""
    shelf = Shelf(tmp_path / "models")
    put(shelf, pull())
    return shelf


def put(shelf: Shelf, pull: Pull, data: bytes = b"GGUF") -> Path:
    """The record and its files."""
    shelf.keep(pull)
    for file in pull.files:
        path = shelf.place(pull, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return shelf.main(pull)


def test_a_whole_model_is_found_by_its_source(shelf: Shelf) -> None:
    """By the text it was pulled with, and by what it is."""
    for text in (f"{REPO}:Q4_K_M", f"{REPO.lower()}:q4_k_m", REPO, f"{REPO}:M-Q4_K_M.gguf"):
        assert shelf.find(parsed(text)) == pull()
    assert shelf.find(parsed(f"{REPO}:Q8_0")) is None


@pytest.mark.parametrize("state", ["running", "paused"])
def test_one_that_is_not_done_is_never_found(shelf: Shelf, state: str) -> None:
    """Even if a file of the right size lies there."""
    shelf.keep(msgspec.structs.replace(pull(), state=state))
    assert shelf.find(parsed(REPO)) is None and shelf.asked(parsed(REPO)) is not None


def test_one_that_lost_bytes_is_never_found(shelf: Shelf) -> None:
    """A file that another program cut is not loaded."""
    shelf.main(pull()).write_bytes(b"GGU")
    assert shelf.find(parsed(REPO)) is None


def test_a_record_that_cannot_be_read_is_passed_over(shelf: Shelf) -> None:
    """The others still count."""
    (shelf.models / ".pulled" / "broken.json").write_text("{")
    (shelf.models / ".pulled" / "empty.json").write_text('{"files": []}')
    assert shelf.all() == [pull()]


def test_deleting_takes_our_file_its_record_and_empty_folders(shelf: Shelf) -> None:
    """And nothing of another model's."""
    other = put(shelf, pull("M-Q8_0.gguf", source=f"{REPO}:Q8_0"))
    assert shelf.delete(pull()) == 4
    assert other.exists() and shelf.all() == [pull("M-Q8_0.gguf", source=f"{REPO}:Q8_0")]
    shelf.delete(pull("M-Q8_0.gguf", source=f"{REPO}:Q8_0"))
    assert not (shelf.models / "Org").exists() and shelf.models.exists()


def test_a_file_of_another_program_stays(shelf: Shelf, tmp_path: Path) -> None:
    """Only the record goes."""
    foreign = pull(place=str(tmp_path / "lm" / "M.gguf"), ours=False, program="LM Studio")
    path = put(shelf, foreign)
    assert shelf.delete(foreign) == 0 and path.exists() and shelf.all() == []


def test_a_file_that_a_person_put_there_stays(shelf: Shelf) -> None:
    """In our folder, under the name of a model that never came: not ours."""
    path = put(shelf, pull(ours=False, state="running"), b"mine")
    part.beside(path)[0].write_bytes(b"begun")
    assert shelf.delete(pull(ours=False, state="running")) == 5
    assert path.read_bytes() == b"mine" and not part.beside(path)[0].exists()


class _Disk(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_told_in_numbers(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed, what is there, what is missing."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: _Disk(0, 0, 3 * KEPT_FREE))
    room(shelf, 2 * KEPT_FREE)
    with pytest.raises(HubProblem, match=r"5\.0 GB are still to come .* has 3\.2 GB\. Free 2\.9 GB"):
        room(shelf, 5_000_000_000)


@pytest.mark.parametrize("file", [HubFile("m.gguf", None, Checksum("git", "0" * 40)), HubFile("m.gguf", 4)])
def test_what_cannot_be_checked_is_not_fetched(file: HubFile) -> None:
    """Without a size or a hash from the hub there is no promise to hold it to."""
    with pytest.raises(HubProblem, match="cannot be checked"):
        planned("m", parsed("o/m"), "https://h", Listing("o/m", "main", (file,)))


def test_the_speed_is_that_of_the_last_seconds() -> None:
    """Bytes that lay there before do not count, and old times are forgotten."""
    pace = Pace()
    assert pace.speed(0.0) is None
    pace.note(0.0, 5000)
    assert pace.speed(0.0) is None
    for second in range(1, 31):
        pace.note(float(second), 5000 + (100 if second <= 15 else 900) * second)
    assert pace.speed(30.0) == pytest.approx(900.0)
    pace.note(31.0, 0)
    assert pace.speed(31.0) is None


def test_a_stall_brings_the_speed_down() -> None:
    """The time without a byte counts."""
    pace = Pace()
    pace.note(0.0, 0)
    pace.note(1.0, 1000)
    assert pace.speed(10.0) == pytest.approx(100.0)
