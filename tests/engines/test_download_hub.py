"""What the hub says a repository holds, which of it is meant, and its refusals as sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import BadRequest, NotFound, PointsmanError
from pointsman.engines import hub as hub_
from pointsman.engines.hub import ENDPOINT, Hub, HubProblem, Interrupted, from_environment, listing
from pointsman.engines.hub_choice import Checksum, HubFile, Source, choose, matches, parse, parsed
from tests.fakes.fake_hub import COMMIT, TOKEN, FakeHub, Status

REPO = "Org/Model-8B-GGUF"
MANY = [
    "Model-8B-Q4_K_M.gguf", "Model-8B-UD-Q4_K_M.gguf", "Model-8B-Q8_0.gguf", "Model-8B-IQ4_XS.gguf",
    "mmproj-F16.gguf", "imatrix.gguf", "README.md", "big/Model-8B-BF16-00001-of-00002.gguf",
    "big/Model-8B-BF16-00002-of-00002.gguf", "half/Model-8B-F32-00001-of-00003.gguf",
]  # fmt: skip


def files(*names: str) -> list[HubFile]:
    """Files of which only the names matter."""
    return [HubFile(name) for name in names]


def chosen(wanted: str | None, names: list[str] = MANY) -> list[str]:
    """The names of the files that a quantisation means."""
    return [file.path for file in choose(Source("o/m", wanted), files(*names)).files]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub with one repository."""
    with FakeHub({REPO: {"Model-8B-Q4_K_M.gguf": b"weights", "config.json": b"{}"}}) as fake:
        fake.small.add("config.json")
        yield fake


async def asked(fake: FakeHub, repo: str = REPO, token: str | None = None) -> hub_.Listing:
    """A list from the fake hub."""
    async with hub_.client(5.0) as http:
        return await listing(http, Hub(fake.endpoint, token), repo)


class TestSource:
    """How a model is named."""

    @pytest.mark.parametrize(
        ("text", "repo", "wanted"),
        [
            ("Qwen/Qwen3-8B-GGUF:Q4_K_M", "Qwen/Qwen3-8B-GGUF", "Q4_K_M"),
            ("a/b", "a/b", None),
            ("o/m:sub/m-Q8_0.gguf", "o/m", "sub/m-Q8_0.gguf"),
        ],
    )
    def test_a_repository_and_what_of_it(self, text: str, repo: str, wanted: str | None) -> None:
        """Owner, name and, after a colon, which."""
        assert parsed(text) == Source(repo, wanted) and str(parsed(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            "starter",
            "/models/m.gguf",
            "~/m/x.gguf",
            "models/m.gguf",
            "a/../b",
            "a/b:../c",
            "a/b/c",
            "../b",
            "a/b:",
            "C:\\m",
        ],
    )
    def test_anything_else_is_no_source(self, text: str) -> None:
        """A path, the starter, or a way out of the folder."""
        assert parse(text) is None
        with pytest.raises(BadRequest, match="is neither a model"):
            parsed(text)

    @given(st.text(max_size=40))
    def test_no_text_leads_out_of_the_folder(self, text: str) -> None:
        """Whatever is written, a source's parts are plain names."""
        source = parse(f"a/{text}")
        assert source is None or (".." not in str(source) and not str(source).startswith("/"))


class TestChoice:
    """Which files a source means."""

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ("Q4_K_M", ["Model-8B-Q4_K_M.gguf"]),
            ("q8_0", ["Model-8B-Q8_0.gguf"]),
            ("UD-Q4_K_M", ["Model-8B-UD-Q4_K_M.gguf"]),
            ("Model-8B-IQ4_XS.gguf", ["Model-8B-IQ4_XS.gguf"]),
            ("BF16", ["big/Model-8B-BF16-00001-of-00002.gguf", "big/Model-8B-BF16-00002-of-00002.gguf"]),
            (None, ["Model-8B-Q4_K_M.gguf"]),
        ],
    )
    def test_a_quantisation_is_its_files(self, wanted: str | None, names: list[str]) -> None:
        """Whole words only, all parts of a model in parts, and the usual one when none is named."""
        assert chosen(wanted) == names

    @pytest.mark.parametrize("wanted", ["Q4", "K_M", "F32", "F16", "Q5_K_M", "mmproj", ".*"])
    def test_what_is_not_there_is_said_with_what_is(self, wanted: str) -> None:
        """A model that lacks parts is not there, and neither is a projector."""
        with pytest.raises(NotFound, match=r"after a colon: BF16, IQ4_XS, Q4_K_M, Q8_0\."):
            chosen(wanted)

    def test_one_model_alone_needs_no_name(self) -> None:
        """Whatever its quantisation."""
        assert chosen(None, ["strange-name.gguf", "mmproj.gguf"]) == ["strange-name.gguf"]

    def test_a_folder_of_safetensors_is_taken_whole(self) -> None:
        """Weights, configuration and tokenizer; neither pictures nor code."""
        names = ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "x.py", "logo.png"]
        choice = choose(Source("o/m"), files(*names))
        assert choice.folder
        assert [file.path for file in choice.files] == [names[3], *names[:3]]

    def test_a_repository_without_models_is_a_sentence(self) -> None:
        """A picture is no model."""
        with pytest.raises(NotFound, match="holds no model that runs here"):
            choose(Source("o/m"), files("logo.png", "config.json"))

    @pytest.mark.parametrize(
        "name", ["../m-Q4_K_M.gguf", "/etc/m.gguf", "a\\b.gguf", "a//m.gguf", "C:m.gguf", "con.gguf", "a\n.gguf"]
    )
    def test_a_name_that_leads_elsewhere_is_refused(self, name: str) -> None:
        """The hub does not choose where we write."""
        with pytest.raises(BadRequest, match="no file name"):
            choose(Source("o/m"), files(name))

    def test_files_got_earlier_are_known_again(self) -> None:
        """By their names alone, without the hub."""
        held = files("Model-8B-Q4_K_M.gguf")
        assert matches(Source("ORG/model-8b-gguf", "q4_k_m"), REPO, held)
        assert not matches(Source(REPO, "Q8_0"), REPO, held)
        assert not matches(Source("o/m", "Q4_K_M"), REPO, held)


class TestListing:
    """Asking the hub."""

    async def test_sizes_and_checksums_come_with_the_names(self, hub: FakeHub) -> None:
        """A large file has a sha256, a small one git's hash."""
        told = await asked(hub)
        git = hashlib.sha1(b"blob 2\0{}").hexdigest()
        weights = Checksum("sha256", hashlib.sha256(b"weights").hexdigest())
        assert told.commit == COMMIT
        assert told.files == (
            HubFile("Model-8B-Q4_K_M.gguf", 7, weights),
            HubFile("config.json", 2, Checksum("git", git)),
        )

    async def test_a_repository_that_is_not_there_is_a_sentence(self, hub: FakeHub) -> None:
        """What to check, and what to do for a private one."""
        with pytest.raises(HubProblem, match=r"no o/x that everybody may read\. Check the spelling"):
            await asked(hub, "o/x")
        with pytest.raises(NotFound, match=r"has no o/x\. Check the spelling"):
            await asked(hub, "o/x", TOKEN)

    @pytest.mark.parametrize("raw", [b"<html>sign in</html>", b"[]", b'{"siblings": 3}', b"\xff"])
    async def test_an_answer_that_is_no_list_is_a_sentence(self, hub: FakeHub, raw: bytes) -> None:
        """No traceback for a page that something between us and the hub put there."""
        hub.raw_list = raw
        with pytest.raises(HubProblem, match="no list of files"):
            await asked(hub)

    async def test_a_busy_hub_says_how_long(self, hub: FakeHub) -> None:
        """Retry-After is heard, up to an hour."""
        hub.lists.append(Status(429, {"retry-after": "999999"}))
        with pytest.raises(Interrupted, match="wait for 3600 seconds") as told:
            await asked(hub)
        assert told.value.wait == 3600.0

    async def test_a_hub_that_is_away_is_a_sentence(self) -> None:
        """Nobody listens there."""
        with FakeHub({}) as gone:
            pass
        with pytest.raises(Interrupted, match=r"No connection to 127\.0\.0\.1"):
            await asked(gone)


class TestHub:
    """Where the token goes."""

    def test_the_environment_names_endpoint_and_token(self) -> None:
        """HF_ENDPOINT and HF_TOKEN, or the hub that everybody uses without one."""
        ours = from_environment({"HF_ENDPOINT": "https://mirror.example/", "HF_TOKEN": TOKEN})
        assert (ours.endpoint, ours.has_token) == ("https://mirror.example", True)
        assert (from_environment({}).endpoint, from_environment({}).has_token) == (ENDPOINT, False)

    @pytest.mark.parametrize(
        "url",
        [
            "https://mirror.example.evil/x",
            "http://mirror.example/x",
            "https://mirror.example:8443/x",
            "https://cdn.example",
        ],
    )
    def test_another_address_gets_no_token(self, url: str) -> None:
        """Scheme, name and port are all the hub's, or the token stays here."""
        hub = Hub("https://mirror.example", TOKEN)
        assert hub.headers(url) == {}
        assert hub.headers("https://mirror.example/x") == {"authorization": f"Bearer {TOKEN}"}

    def test_a_token_does_not_travel_unprotected(self) -> None:
        """Plain http is for this machine alone."""
        with pytest.raises(HubProblem, match="HF_TOKEN is not sent there"):
            Hub("http://mirror.example", TOKEN).headers("http://mirror.example/x")

    def test_our_token_does_not_go_to_an_endpoint_that_a_caller_names(self) -> None:
        """Only with a token of its own."""
        ours = Hub("https://mirror.example", TOKEN)
        assert not ours.with_endpoint("https://other.example", None).has_token
        assert ours.with_endpoint("https://mirror.example/", None).has_token
        assert ours.with_endpoint("https://other.example", "t").has_token

    @pytest.mark.parametrize("endpoint", ["mirror", "ftp://x", "https://me:pw@x", "http://", "http://x:port"])
    def test_an_endpoint_that_is_no_address_is_a_sentence(self, endpoint: str) -> None:
        """It is named."""
        with pytest.raises(HubProblem, match="is no address"):
            Hub(endpoint)

    def test_a_token_with_a_line_break_is_a_sentence(self) -> None:
        """And is not said."""
        with pytest.raises(HubProblem) as told:
            Hub(ENDPOINT, "hf_x\nevil: y")
        assert "hf_x" not in told.value.sentence

    @pytest.mark.parametrize(
        ("given_", "seconds"), [("7", 7.0), ("", None), ("soon", None), ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0)]
    )
    def test_a_time_to_wait_is_read_either_way(self, given_: str, seconds: float | None) -> None:
        """Seconds, or a date."""
        assert hub_.wait_asked(httpx.Response(429, headers={"retry-after": given_}), 100.0) == seconds

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 429, 500, 599])
    @pytest.mark.parametrize("token", [None, TOKEN])
    def test_every_refusal_is_one_sentence(self, status: int, token: str | None) -> None:
        """With the repository or the hub in it."""
        problem = hub_.refusal(Hub(ENDPOINT, token), "o/m", httpx.Response(status))
        assert isinstance(problem, PointsmanError) and problem.sentence.endswith(".") and TOKEN not in problem.sentence
