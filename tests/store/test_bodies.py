"""Kept bodies: sealed, bounded, forgotten when told, and never in a request's way."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.catalog import Keep
from pointsman.core.errors import BadRequest, NotFound
from pointsman.store import bodies as bodies_
from pointsman.store.bodies import Bodies, KeptBody, Terms
from pointsman.store.shelf import Shelf
from pointsman.system.keychain import Keychain, KeychainProblem
from tests.fakes.memory_keychain import MemoryKeychain

KEY = bytes(range(32))
NOON = 1_795_262_400.0  # 2026-11-21, 12:00 UTC
DAY = 86_400.0
EXAMPLES = settings(max_examples=2_000 if os.environ.get("POINTSMAN_SOAK") == "1" else 100)
Make = Callable[..., Bodies]


def kept(request: str = "req_1", at: float = NOON, agent: str = "claude", text: bytes = b"a prompt") -> KeptBody:
    """A body as the pipeline hands it over."""
    return KeptBody(request, agent, "s1", at, "public", "chat", text, b"an answer")


def files(folder: Path) -> list[Path]:
    """The files kept, the oldest first."""
    return sorted(folder.glob("*/*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where bodies are kept; not made yet."""
    return tmp_path / "bodies"


@pytest.fixture
def make(folder: Path) -> Make:
    """Bodies on terms of the test's own."""

    def make(keep: Keep | None = None, key: Callable[[], bytes] = lambda: KEY, **more: object) -> Bodies:
        allowed = more.pop("allowed", lambda _kept: True)
        return Bodies(folder, Terms(key=key, keep=lambda: keep or Keep(), allowed=allowed, **more))  # type: ignore[arg-type]

    return make


class TestShelf:
    """The folder."""

    def test_a_file_lies_in_its_day_for_its_owner_alone(self, folder: Path) -> None:
        """Mode 0600 in a folder of mode 0700."""
        Shelf(folder).put("req_1", NOON, b"x")
        [file] = files(folder)
        assert file.relative_to(folder) == Path("2026-11-21/001795262400000-req_1.sealed")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]

    @pytest.mark.parametrize("request_", ["../req", "a/b", "", "x" * 101, "a\0b"])
    def test_an_id_that_is_no_name_is_refused(self, folder: Path, request_: str) -> None:
        """Nothing is written outside the folder."""
        with pytest.raises(ValueError, match="cannot be a file's name"):
            Shelf(folder).put(request_, NOON, b"x")
        assert files(folder) == []

    def test_the_oldest_go_first(self, folder: Path) -> None:
        """In whatever order they were written; as many as it takes."""
        shelf = Shelf(folder)
        for number in (3, 1, 2, 0):
            shelf.put(f"req_{number}", NOON + number, bytes(4096))
        shelf.evict(3 * 4096, 0.0)
        assert [file.request for file in shelf.files()] == ["req_2", "req_3"]  # 5 % more than asked for is free

    def test_nothing_goes_that_fits(self, folder: Path) -> None:
        """At the very bound, all stay."""
        shelf = Shelf(folder)
        shelf.put("req_1", NOON, bytes(4096))
        shelf.evict(4096, 0.0)
        assert len(files(folder)) == 1

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9_000)), max_size=12), st.integers(0, 12))
    @settings(max_examples=30)
    def test_what_stays_is_the_newest_and_fits(self, many: list[tuple[int, int]], blocks: int) -> None:
        """For any files and any bound; the total is what is there."""
        import tempfile

        with tempfile.TemporaryDirectory() as place:
            shelf = Shelf(Path(place) / "bodies")
            for number, (hours, size) in enumerate(many):
                shelf.put(f"r{number}", NOON + hours * 3600, bytes(size))
            before = list(shelf.files())
            shelf.evict(blocks * 4096, NOON + 3600)
            after = list(shelf.files())
            assert after == before[len(before) - len(after) :]
            assert sum(file.size for file in after) == shelf.total() <= blocks * 4096
            assert all(file.at >= NOON + 3600 for file in after)

    def test_what_is_too_old_goes_with_its_folder(self, folder: Path) -> None:
        """Age counts also where there is room."""
        shelf = Shelf(folder)
        shelf.put("old", NOON - 40 * DAY, b"x")
        shelf.put("new", NOON, b"x")
        shelf.evict(10**9, NOON - 30 * DAY)
        assert [day.name for day in folder.iterdir()] == ["2026-11-21"]

    def test_what_was_kept_before_counts_after_a_restart(self, folder: Path) -> None:
        """The total is read from the disk once."""
        Shelf(folder).put("req_1", NOON, bytes(5000))
        assert Shelf(folder).total() == 8192

    def test_a_half_written_file_of_a_crash_is_cleared(self, folder: Path) -> None:
        """It was never kept."""
        (folder / "2026-11-21").mkdir(parents=True)
        (folder / "2026-11-21" / "001795262400000-req_1.sealed.part").write_bytes(b"half")
        assert Shelf(folder).total() == 0
        assert files(folder) == []

    def test_other_peoples_files_are_left_alone(self, folder: Path) -> None:
        """Neither counted nor removed."""
        (folder / "2026-11-21").mkdir(parents=True)
        (folder / "2026-11-21" / "notes.txt").write_text("mine")
        shelf = Shelf(folder)
        shelf.evict(0, NOON * 2)
        assert (shelf.total(), [file.name for file in files(folder)]) == (0, ["notes.txt"])

    def test_a_folder_that_the_person_removed_is_made_again(self, folder: Path) -> None:
        """And what was in it is not missed."""
        shelf = Shelf(folder)
        shelf.put("req_1", NOON, b"x")
        for file in files(folder):
            file.unlink()
        shelf.evict(0, 0.0)
        shelf.put("req_2", NOON, b"x")
        assert shelf.total() == 4096


class TestBodies:
    """Keeping, reading, forgetting."""

    async def test_what_is_kept_is_read_back(self, make: Make) -> None:
        """After it was written, by its request."""
        bodies = make()
        await bodies.keep(kept())
        assert await bodies.read("req_1") == kept()
        assert bodies.notices() == []
        await bodies.close()

    async def test_what_may_not_be_kept_is_not(self, make: Make, folder: Path) -> None:
        """No key is asked for, no folder is made."""
        bodies = make(allowed=lambda _kept: False, key=lambda: pytest.fail("asked for a key"))
        await bodies.keep(kept())
        await bodies.close()
        assert (folder.exists(), bodies.notices()) == (False, [])

    async def test_a_request_that_nobody_kept_is_one_sentence(self, make: Make) -> None:
        """It may have been evicted, or never been kept."""
        with pytest.raises(NotFound, match="Nothing is kept of request 'req_9'"):
            await make().read("req_9")

    async def test_a_lost_key_is_one_sentence(self, make: Make) -> None:
        """The key of a new keychain does not open what the old one sealed."""
        before, after = make(), make(key=lambda: bytes(32))
        await before.keep(kept())
        await before.close()
        with pytest.raises(BadRequest, match=r"^What is kept of req_1 cannot be opened: the key in the keychain"):
            await after.read("req_1")

    async def test_two_files_that_changed_places_are_one_sentence(self, make: Make, folder: Path) -> None:
        """Each names its own request inside."""
        bodies = make()
        for name in ("req_1", "req_2"):
            await bodies.keep(kept(name))
        await bodies.read("req_2")
        one, two = files(folder)
        data = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(data)
        with pytest.raises(BadRequest, match="or the file was changed"):
            await bodies.read("req_1")

    async def test_it_stays_under_its_bound(self, make: Make, folder: Path) -> None:
        """The oldest are evicted as new ones come."""
        bodies = make(Keep(max_mb=1))
        for number in range(12):
            await bodies.keep(kept(f"req_{number}", NOON + number, text=os.urandom(200_000)))
        await bodies.close()
        assert sum(file.stat().st_size for file in files(folder)) <= 2**20
        assert files(folder)[-1].name.endswith("req_11.sealed")

    async def test_one_that_is_larger_than_all_room_is_not_kept(self, make: Make, folder: Path) -> None:
        """It would drive out everything else."""
        bodies = make(Keep(max_mb=1))
        await bodies.keep(kept("small"))
        await bodies.keep(kept("huge", text=os.urandom(2**20)))
        await bodies.close()
        assert [file.name[16:] for file in files(folder)] == ["small.sealed"]

    async def test_a_sweep_removes_what_is_too_old(self, make: Make, folder: Path) -> None:
        """Also when nothing new comes."""
        bodies = make(Keep(days=3))
        await bodies.keep(kept())
        await bodies.sweep(NOON + 2 * DAY)
        assert len(files(folder)) == 1
        await bodies.sweep(NOON + 4 * DAY)
        assert files(folder) == []

    async def test_the_first_write_removes_what_is_too_old(self, make: Make, folder: Path) -> None:
        """A gateway that starts once a month keeps to the days too."""
        Shelf(folder).put("old", NOON - 31 * DAY, b"x")
        bodies = make()
        await bodies.keep(kept())
        await bodies.close()
        assert [file.name[16:] for file in files(folder)] == ["req_1.sealed"]

    @pytest.mark.parametrize(
        ("asked", "left"),
        [
            ({"before": NOON + 2}, ["req_2", "req_3"]),
            ({"agent": "codex"}, ["req_0", "req_2"]),
            ({"before": NOON + 2, "agent": "codex"}, ["req_0", "req_2", "req_3"]),
        ],
    )
    async def test_what_is_told_to_be_forgotten_goes(
        self, make: Make, folder: Path, asked: dict[str, object], left: list[str]
    ) -> None:
        """By time, by agent or by both; without a key."""
        bodies = make()
        for number in range(4):
            await bodies.keep(kept(f"req_{number}", NOON + number, ("claude", "codex")[number % 2]))
        await bodies.close()
        keyless = make(key=lambda: pytest.fail("asked for a key"))
        assert await keyless.forget(**asked) == 4 - len(left)  # type: ignore[arg-type]
        assert [file.name[16:-7] for file in files(folder)] == left


class TestTrouble:
    """Whatever is wrong, requests go on and the person reads one sentence."""

    async def test_no_keychain_is_one_sentence(self, make: Make, folder: Path) -> None:
        """The real backend of the test run is none; it is asked again later, not for each request."""
        asked: list[int] = []
        chain = Keychain("home1", environ={})

        def key() -> bytes:
            asked.append(1)
            return chain.seal_key()

        bodies = make(key=key, clock=lambda: 5.0)
        for number in range(3):
            await bodies.keep(kept(f"req_{number}"))
        await bodies.close()
        assert bodies.notices() == [
            "There is no keychain here to seal them with, so requests and answers are not kept."
        ]
        assert (len(asked), folder.exists()) == (1, False)

    @pytest.mark.parametrize(
        ("state", "says"), [("locked", "Your keychain is locked"), ("denied", "Your keychain keeps no key")]
    )
    async def test_a_keychain_that_says_no_is_asked_again(self, make: Make, state: str, says: str) -> None:
        """After a while; when it opens, bodies are kept and the notice is gone."""
        told, now = [KeychainProblem(state, "x")], [0.0]  # type: ignore[arg-type]

        def key() -> bytes:
            if told:
                raise told.pop()
            return KEY

        bodies = make(key=key, clock=lambda: now[0])
        await bodies.keep(kept())
        await bodies.forget(before=0.0)
        assert says in bodies.notices()[0]
        now[0] = 4000.0
        await bodies.keep(kept("req_2"))
        assert await bodies.read("req_2") == kept("req_2")
        assert bodies.notices() == []

    async def test_a_keychain_that_drops_the_key_keeps_no_bodies(self, make: Make, folder: Path) -> None:
        """Read back after writing: what cannot be opened again is not written."""
        backend = MemoryKeychain()
        backend.forgetful = True
        bodies = make(key=Keychain("home1", lambda: backend, {}).seal_key)
        await bodies.keep(kept())
        await bodies.close()
        assert (folder.exists(), len(bodies.notices())) == (False, 1)

    async def test_a_disk_that_cannot_be_written_is_one_sentence(self, make: Make, folder: Path) -> None:
        """A file stands where the folder should be; once it is gone, bodies are kept again."""
        folder.write_text("in the way")
        bodies = make()
        await bodies.keep(kept())
        with pytest.raises(BadRequest, match=r"cannot be used \(Not a directory\)"):
            await bodies.forget(before=0.0)
        with pytest.raises(BadRequest, match=r"cannot be used \(Not a directory\)"):
            await bodies.read("req_1")
        [said] = bodies.notices()
        assert (
            said == f"Requests and answers are not kept: {folder} cannot be written (Not a directory). Make room there."
        )
        folder.unlink()
        await bodies.keep(kept("req_2"))
        await bodies.close()
        assert bodies.notices() == []

    async def test_a_full_disk_is_one_sentence(self, make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing half written is left, and what was kept before stays."""
        bodies = make()
        await bodies.keep(kept())
        await bodies.read("req_1")
        monkeypatch.setattr("pointsman.store.shelf._write", _full)
        await bodies.keep(kept("req_2"))
        await bodies.close()
        assert "No space left on device" in bodies.notices()[0]
        assert [file.name[16:] for file in files(folder)] == ["req_1.sealed"]

    async def test_a_slow_disk_drops_instead_of_growing(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """So much may wait and no more; the rest is counted, and `keep` never waits."""
        monkeypatch.setattr(bodies_, "_MOST_WAITING", 100)
        go_on = threading.Event()

        def slow() -> bytes:
            go_on.wait(30)
            return KEY

        bodies = make(key=slow)
        for number in range(5):
            await bodies.keep(kept(f"req_{number}", text=bytes(31)))  # 40 bytes with the answer
        assert bodies.dropped == 3
        go_on.set()
        await bodies.read("req_1")
        await bodies.keep(kept("req_9"))
        assert await bodies.read("req_9") == kept("req_9")
        assert bodies.notices() == ["3 requests were not kept with the answer: the disk was too slow for them."]

    async def test_a_mistake_of_our_own_is_a_notice(self, make: Make) -> None:
        """A key of a wrong length cannot seal; the request does not hear of it."""
        bodies = make(key=lambda: b"short")
        await bodies.keep(kept())
        await bodies.close()
        assert bodies.notices() == ["Requests and answers are not kept: an error of Pointsman's own (ValueError)."]

    async def test_after_the_end_nothing_is_kept(self, make: Make) -> None:
        """A request that outlives the gateway's end is not disturbed."""
        bodies = make()
        await bodies.close()
        await bodies.keep(kept())


def _full(path: Path, data: bytes) -> None:
    path.write_bytes(data[:10])
    raise OSError(28, "No space left on device")
