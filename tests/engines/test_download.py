"""One file from a hub that cuts, stalls, corrupts, denies and changes its mind: the bytes are right, or there is a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core.errors import NotFound, PointsmanError
from pointsman.engines import part
from pointsman.engines.download import Patience
from pointsman.engines.hub import HubProblem
from pointsman.engines.part import WrongBytes
from tests.fakes.fake_hub import TOKEN, Cut, FakeHub, Flip, Hold, Lie, Onward, Status
from tests.fakes.fetching import DATA, NAME, REPO, Told, get, is_clean, promise


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub with one model."""
    with FakeHub({REPO: {NAME: DATA}}) as fake:
        yield fake


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file belongs."""
    return tmp_path / "models" / REPO / NAME


async def test_a_file_comes_whole_and_leaves_nothing_beside_it(hub: FakeHub, target: Path) -> None:
    """The bytes are right, in their place, and no part is left."""
    told = await get(hub, target)
    assert target.read_bytes() == DATA and is_clean(target)
    assert told.counts[-1] == len(DATA)


async def test_it_goes_on_from_the_last_byte_after_a_cut(hub: FakeHub, target: Path) -> None:
    """Each try asks for what is missing and no more."""
    hub.script.extend([Cut(1_000_001), Cut(500_000)])
    await get(hub, target)
    assert target.read_bytes() == DATA
    assert hub.ranges_asked == [None, "bytes=1000001-", "bytes=1500001-"]


async def test_a_cancelled_one_goes_on_from_its_last_byte(hub: FakeHub, target: Path) -> None:
    """What had come when it was paused is not fetched again."""
    hub.script.append(Hold(1_234_567))
    told = Told()
    work = asyncio.create_task(get(hub, target, told=told))
    await told.until(lambda: told.counts[-1:] == [1_234_567])
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    hub.released.set()
    assert part.there(target) == 1_234_567
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.ranges_asked == [None, "bytes=1234567-"]


async def test_a_stall_ends_the_try_and_not_the_download(hub: FakeHub, target: Path) -> None:
    """A server that stops sending is asked again for the rest."""
    hub.script.append(Hold(700_000))
    told = await get(hub, target, patience=Patience(stall=0.2, first_wait=0.0, flush=0.02))
    assert target.read_bytes() == DATA and hub.ranges_asked == [None, "bytes=700000-"]
    assert told.sentences == ["127.0.0.1 has stopped sending. It goes on by itself."]


async def test_a_server_that_always_cuts_ends_in_a_sentence(hub: FakeHub, target: Path) -> None:
    """Tries that bring nothing are counted, and what came before them stays."""
    hub.script.extend([Cut(900_000), *[Cut(0)] * 9])
    with pytest.raises(HubProblem, match=r"cut the connection 3 times in a row\. Resume it later"):
        await get(hub, target)
    assert part.there(target) == 900_000 and not target.exists()


async def test_a_new_byte_starts_the_count_of_tries_anew(hub: FakeHub, target: Path) -> None:
    """A bad line that goes on all the same is never given up."""
    hub.script.extend([step for _ in range(6) for step in (Cut(1), Cut(0))])
    await get(hub, target)
    assert target.read_bytes() == DATA


async def test_wrong_bytes_are_thrown_away_with_a_sentence(hub: FakeHub, target: Path) -> None:
    """One wrong bit in three million bytes: neither the file nor the part is left."""
    hub.script.append(Flip(2_999_999))
    with pytest.raises(WrongBytes, match="not what its publisher promised"):
        await get(hub, target)
    assert list(target.parent.iterdir()) == []


async def test_a_part_that_went_bad_on_the_disk_is_found_out(hub: FakeHub, target: Path) -> None:
    """The hash covers what an earlier try left, read again from the disk."""
    await interrupted(hub, target)
    path = part.beside(target)[0]
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    with pytest.raises(WrongBytes):
        await get(hub, target)
    assert not target.exists()


async def interrupted(hub: FakeHub, target: Path) -> None:
    """A try that brought 800,000 bytes."""
    hub.script.extend([Cut(800_000), Status(404)])
    with pytest.raises(PointsmanError):
        await get(hub, target)
    hub.seen.clear()


async def test_a_file_that_changed_between_two_tries_begins_anew(hub: FakeHub, target: Path) -> None:
    """A part that belongs to other bytes is never mixed with the new ones."""
    await interrupted(hub, target)
    newer = DATA[::-1]
    hub.repos[REPO][NAME] = newer
    await get(hub, target, promise=promise(newer))
    assert target.read_bytes() == newer and hub.ranges_asked == [None]


async def test_a_file_that_changes_in_the_middle_is_noticed_before_its_bytes_come(hub: FakeHub, target: Path) -> None:
    """The hub names the sha256 it is about to send; another one than promised ends the download."""
    await interrupted(hub, target)
    hub.repos[REPO][NAME] = DATA[::-1]
    with pytest.raises(HubProblem, match=r"was changed at .* meanwhile\. Pull it again"):
        await get(hub, target)
    assert hub.ranges_asked == ["bytes=800000-"] and part.there(target) == 0


async def test_a_server_without_ranges_sends_it_all_again(hub: FakeHub, target: Path) -> None:
    """A whole answer to a question for the rest begins the file anew."""
    hub.ranges = False
    hub.script.append(Cut(600_000))
    told = await get(hub, target)
    assert target.read_bytes() == DATA and 0 in told.counts[1:]


async def test_a_server_without_ranges_that_always_cuts_is_given_up(hub: FakeHub, target: Path) -> None:
    """Beginning anew is no progress, however much comes each time."""
    hub.ranges = False
    hub.script.extend([Cut(600_000)] * 20)
    with pytest.raises(HubProblem, match="3 times in a row"):
        await get(hub, target)


@pytest.mark.parametrize(
    "lie",
    [
        Lie({"content-range": f"bytes 5-{len(DATA) - 1}/{len(DATA)}"}),
        Lie({"content-range": f"bytes 800000-{len(DATA)}/{len(DATA) + 1}"}),
        Lie({"content-range": "nonsense"}),
    ],
)
async def test_other_bytes_than_asked_for_are_not_written(hub: FakeHub, target: Path, lie: Lie) -> None:
    """A range that is not the one asked for is thrown away, and the file begins anew."""
    await interrupted(hub, target)
    hub.script.append(lie)
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.ranges_asked == ["bytes=800000-", None]


async def test_an_answer_of_another_size_is_a_sentence(hub: FakeHub, target: Path) -> None:
    """The page of a network that wants a password is no model."""
    hub.script.append(Lie({"content-length": "12"}, more=12 - len(DATA)))
    with pytest.raises(HubProblem, match="Does the network ask you to sign in"):
        await get(hub, target)


async def test_more_bytes_than_promised_are_thrown_away(hub: FakeHub, target: Path) -> None:
    """Without a length the server may send for ever; the first byte too many ends it."""
    hub.script.append(Lie({"content-length": ""}, more=100_000))
    with pytest.raises(WrongBytes, match="longer than its publisher promised"):
        await get(hub, target)
    assert list(target.parent.iterdir()) == []


async def test_fewer_bytes_without_a_length_are_a_cut(hub: FakeHub, target: Path) -> None:
    """An end that comes too early is asked on from."""
    hub.script.append(Lie({"content-length": ""}, more=-1_000_000))
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.ranges_asked == [None, "bytes=2000000-"]


async def test_a_part_longer_than_the_file_begins_anew(hub: FakeHub, target: Path) -> None:
    """Somebody else's bytes at the end of a part do not come into the file."""
    await interrupted(hub, target)
    with part.beside(target)[0].open("ab") as file:
        file.write(b"x" * len(DATA))
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.ranges_asked == [None]


async def test_a_whole_part_is_only_checked(hub: FakeHub, target: Path) -> None:
    """A kill between the last byte and the new name costs no byte."""
    await interrupted(hub, target)
    part.beside(target)[0].write_bytes(DATA)
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.seen == []


async def test_a_part_without_its_sidecar_is_not_trusted(hub: FakeHub, target: Path) -> None:
    """Bytes of which nothing is known are not built upon."""
    await interrupted(hub, target)
    part.beside(target)[1].unlink()
    await get(hub, target)
    assert hub.ranges_asked == [None]


async def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: FakeHub, target: Path) -> None:
    """The server of the bytes never sees it, though the hub itself sends us there."""
    await get(hub, target, token=TOKEN)
    assert {(one.at, one.token) for one in hub.seen} == {("hub", TOKEN), ("bytes", None)}


async def test_a_way_round_in_circles_ends(hub: FakeHub, target: Path) -> None:
    """Redirects have an end."""
    hub.script.extend([Onward(f"{hub.endpoint}/{REPO}/resolve/main/{NAME}")] * 50)
    with pytest.raises(HubProblem, match="in circles"):
        await get(hub, target)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://me:secret@127.0.0.1/x"])
async def test_an_address_that_is_not_safe_is_not_followed(hub: FakeHub, target: Path, to: str) -> None:
    """A redirect leads to http or https, without a password, or nowhere."""
    hub.script.append(Onward(to))
    with pytest.raises(HubProblem, match="not safe"):
        await get(hub, target)


async def test_a_link_that_expired_is_asked_for_anew(hub: FakeHub, target: Path) -> None:
    """A refusal by the server of the bytes is no refusal of the hub's."""
    hub.script.extend([Cut(500_000), Status(403, at_hub=False)])
    await get(hub, target)
    assert target.read_bytes() == DATA


async def test_a_range_that_the_server_does_not_know_begins_anew(hub: FakeHub, target: Path) -> None:
    """416 for a part that fits throws the part away."""
    await interrupted(hub, target)
    hub.script.append(Status(416, at_hub=False))
    await get(hub, target)
    assert target.read_bytes() == DATA and hub.ranges_asked == ["bytes=800000-", None]


async def test_trouble_of_the_hub_is_waited_out(hub: FakeHub, target: Path) -> None:
    """5xx and 429 pass."""
    hub.script.extend([Status(503), Status(429, {"retry-after": "0"}), Status(502, at_hub=False)])
    told = await get(hub, target, patience=Patience(first_wait=0.0, longest_wait=0.0, tries=5))
    assert target.read_bytes() == DATA and len(told.sentences) == 3


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "accept its licence first: do so at {page}, then set HF_TOKEN"),
        (TOKEN, "accept its licence at {page}, then pull again"),
        ("hf_wrong", "does not know the token in HF_TOKEN"),
    ],
)
async def test_a_model_behind_a_licence_is_explained(hub: FakeHub, target: Path, token: str | None, words: str) -> None:
    """Which page to open, and what to set; the token itself is never said."""
    hub.gated.add(REPO)
    with pytest.raises(HubProblem) as told:
        await get(hub, target, token=token)
    assert words.format(page=f"{hub.endpoint}/{REPO}") in told.value.sentence
    assert "hf_" not in told.value.sentence


async def test_a_licence_that_was_accepted_opens_the_model(hub: FakeHub, target: Path) -> None:
    """With the token of that account it comes."""
    hub.gated.add(REPO)
    hub.accepted = True
    await get(hub, target, token=TOKEN)
    assert target.read_bytes() == DATA


async def test_a_file_that_is_gone_is_a_sentence(hub: FakeHub, target: Path) -> None:
    """404 is not tried again."""
    del hub.repos[REPO][NAME]
    with pytest.raises(NotFound, match=r"has no such file in org/m\. Check the spelling"):
        await get(hub, target)


def test_a_full_disk_is_a_sentence_and_what_came_stays(target: Path) -> None:
    """A device without room, a real one: what to do, and no traceback."""
    begun = part.Part(target, promise())
    begun.open()
    begun.append(DATA[:1000])
    begun.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        begun._file = full
        with pytest.raises(HubProblem, match="The disk is full"):
            begun.append(DATA[1000:])
    assert part.there(target) == 1000


def test_a_disk_that_is_full_at_the_first_byte_is_a_sentence(target: Path) -> None:
    """Even the note beside the file has no room."""
    begun = part.Part(target, promise())
    begun.open()
    sidecar = part.beside(target)[1]
    sidecar.with_name(f"{sidecar.name}.new").symlink_to("/dev/full")
    with pytest.raises(HubProblem, match="The disk is full"):
        begun.note("an-etag")
    begun.close()


async def test_a_folder_that_cannot_be_written_is_a_sentence(hub: FakeHub, target: Path) -> None:
    """The place is named."""
    target.parent.parent.mkdir(parents=True)
    target.parent.write_text("a file where the folder should be")
    with pytest.raises(HubProblem, match="cannot be written to"):
        await get(hub, target)


async def test_no_connection_is_waited_out(tmp_path: Path, target: Path) -> None:
    """A hub that is away longer than all tries comes back, and the download goes on."""
    with FakeHub({REPO: {NAME: DATA}}) as gone:
        pass
    told = Told()
    work = asyncio.create_task(
        get(gone, target, told=told, patience=Patience(first_wait=0.01, longest_wait=0.01, tries=2))
    )
    await told.until(lambda: len(told.sentences) == 4)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert "No connection to 127.0.0.1" in told.sentences[0]
