"""The hub that models come from: what a repository holds, with sizes and checksums, and its answers as sentences."""

from __future__ import annotations

import contextlib
import functools
import re
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from pointsman.core.errors import NotFound, PointsmanError
from pointsman.engines.hub_choice import Checksum, HubFile

if TYPE_CHECKING:  # it takes 0.1 s and 6 MB, and most gateways download nothing
    import httpx

ENDPOINT = "https://huggingface.co"
_MOST_REDIRECTS = 8
_LARGEST_LIST = 32 * 1024 * 1024
_LONGEST_WAIT = 3600.0
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class HubProblem(PointsmanError):
    """The hub did not give what was asked for, and asking again by ourselves would not help."""

    code = "hub"
    status = 502


class Interrupted(HubProblem):
    """It may work in a while: `wait` is what the hub asks for, `offline` means that no server was reached."""

    def __init__(self, sentence: str, *, wait: float | None = None, offline: bool = False) -> None:
        super().__init__(sentence)
        self.wait = wait
        self.offline = offline


class LicenceAsked(HubProblem):
    """The publisher wants its licence accepted first, by the account whose token goes along; `page` is where."""

    code = "licence"

    def __init__(self, sentence: str, page: str) -> None:
        super().__init__(sentence)
        self.page = page


class Hub:
    """An endpoint, and the token that goes to it and to nobody else."""

    def __init__(self, endpoint: str = ENDPOINT, token: str | None = None) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._token = token or None
        if not _is_address(self.endpoint):
            raise HubProblem(f"HF_ENDPOINT is {self.endpoint[:100]!r}, which is no address such as {ENDPOINT!r}.")
        if self._token and not (self._token.isascii() and self._token.isprintable() and " " not in self._token):
            raise HubProblem("HF_TOKEN holds characters that no token has. Copy it again.")

    @property
    def host(self) -> str:
        """The name that people know it by."""
        return urlsplit(self.endpoint).netloc

    @property
    def has_token(self) -> bool:
        """Whether a token goes along."""
        return self._token is not None

    def with_endpoint(self, endpoint: str | None, token: str | None) -> Hub:
        """Another endpoint, with its own token: ours goes along only where the endpoint is ours."""
        there = (endpoint or self.endpoint).rstrip("/")
        return Hub(there, token or (self._token if there == self.endpoint else None))

    def headers(self, url: str) -> dict[str, str]:
        """What goes along to this address."""
        if self._token is None or not self.is_at(url):
            return {}
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise HubProblem(f"{self.host} is not reached over https, so HF_TOKEN is not sent there. Unset it.")
        return {"authorization": f"Bearer {self._token}"}

    def is_at(self, url: str) -> bool:
        """Whether this address is the hub's own."""
        ours, theirs = urlsplit(self.endpoint), urlsplit(url)
        return (ours.scheme, ours.hostname, ours.port) == (theirs.scheme, theirs.hostname, theirs.port)

    def page(self, repo: str) -> str:
        """Where a person reads about a repository."""
        return f"{self.endpoint}/{repo}"

    def address(self, repo: str, commit: str, path: str) -> str:
        """Where a file's bytes are."""
        return f"{self.endpoint}/{repo}/resolve/{quote(commit, safe='')}/{quote(path)}"


class Listing(NamedTuple):
    """A repository at one commit."""

    repo: str
    commit: str
    files: tuple[HubFile, ...]


class Opened(NamedTuple):
    """An answer whose body has not been read; `promised` is the sha256 that the hub names for it, if it does."""

    response: httpx.Response
    promised: str | None


class _Lfs(msgspec.Struct):
    sha256: str = ""
    size: int | None = None


class _Sibling(msgspec.Struct):
    rfilename: str
    size: int | None = None
    blobId: str | None = None  # noqa: N815 the hub's own name
    lfs: _Lfs | None = None


class _Model(msgspec.Struct):
    id: str = ""
    sha: str | None = None
    siblings: list[_Sibling] = []


def from_environment(environ: Mapping[str, str]) -> Hub:
    """The hub of HF_ENDPOINT and HF_TOKEN, or the one that everybody uses."""
    return Hub(environ.get("HF_ENDPOINT") or ENDPOINT, environ.get("HF_TOKEN"))


def client(stall: float) -> httpx.AsyncClient:
    """Follows no redirect by itself, so that each is looked at; `stall` is the longest time without a byte."""
    import httpx

    limits = httpx.Timeout(30.0, connect=15.0, read=stall)
    agent = {"user-agent": "pointsman", "accept-encoding": "identity"}
    return httpx.AsyncClient(timeout=limits, headers=agent, follow_redirects=False, verify=_trusted())


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The authorities that name servers, read once: 50 to 250 ms."""
    import httpx

    return httpx.create_ssl_context()


async def listing(http: httpx.AsyncClient, hub: Hub, repo: str) -> Listing:
    """What a repository holds now. Raises `HubProblem` or `NotFound`."""
    async with opened(http, hub, f"{hub.endpoint}/api/models/{repo}?blobs=true") as (response, _):
        if response.status_code != 200:
            raise refusal(hub, repo, response)
        raw = await _bounded(response)
    try:
        model = msgspec.json.decode(raw, type=_Model)
    except msgspec.DecodeError:
        raise HubProblem(
            f"{hub.host} answered with something that is no list of files. Is HF_ENDPOINT right?"
        ) from None
    commit = model.sha if model.sha and _COMMIT.fullmatch(model.sha) else "main"
    return Listing(repo, commit, tuple(_file(one) for one in model.siblings))


def _file(one: _Sibling) -> HubFile:
    if one.lfs is not None and _SHA256.fullmatch(one.lfs.sha256.lower()):
        size = one.size if one.lfs.size is None else one.lfs.size
        return HubFile(one.rfilename, size, Checksum("sha256", one.lfs.sha256.lower()))
    if one.blobId and _COMMIT.fullmatch(one.blobId) and one.lfs is None:
        return HubFile(one.rfilename, one.size, Checksum("git", one.blobId))
    return HubFile(one.rfilename, one.size)


async def _bounded(response: httpx.Response) -> bytes:
    raw = bytearray()
    with reaching(response.url.host):
        async for part in response.aiter_bytes():
            raw += part
            if len(raw) > _LARGEST_LIST:
                raise HubProblem(f"{response.url.host} sent a list of files that is too large to be one.")
    return bytes(raw)


@contextlib.asynccontextmanager
async def opened(
    http: httpx.AsyncClient, hub: Hub, url: str, headers: Mapping[str, str] | None = None
) -> AsyncGenerator[Opened, None]:
    """An answer after its redirects; the token goes to the hub's own address alone. Raises `HubProblem`."""
    promised = None
    for _ in range(_MOST_REDIRECTS):
        sent = {**(headers or {}), **hub.headers(url)}
        with reaching(urlsplit(url).netloc):
            request = http.build_request("GET", url, headers=sent)
            response = await http.send(request, stream=True)
        try:
            promised = promised or _promise(response)
            if not response.has_redirect_location:
                yield Opened(response, promised)
                return
            url = _onward(url, response.headers["location"])
        finally:
            await response.aclose()
    raise HubProblem(f"{hub.host} sends us round in circles. Is HF_ENDPOINT right?")


def _promise(response: httpx.Response) -> str | None:
    named = response.headers.get("x-linked-etag", "").strip('W/"').lower()
    return named if _SHA256.fullmatch(named) else None


def _onward(url: str, location: str) -> str:
    there = urljoin(url, location)
    if not _is_address(there) or (url.startswith("https:") and not there.startswith("https:")):
        raise HubProblem(f"{urlsplit(url).netloc} sends us on to an address that is not safe. Nothing was downloaded.")
    return there


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False


@contextlib.contextmanager
def reaching(host: str) -> Iterator[None]:
    """Errors of the connection, as sentences."""
    import httpx

    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        if "certificate" in str(error).lower():
            raise HubProblem(f"{host} does not prove that it is {host}: its certificate is not valid.") from None
        raise Interrupted(f"No connection to {host}.", offline=True) from None
    except httpx.TimeoutException:
        raise Interrupted(f"{host} has stopped sending.") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise HubProblem(f"{host} is no address that can be reached. Is HF_ENDPOINT right?") from None
    except httpx.HTTPError:
        raise Interrupted(f"{host} cut the connection.") from None


def refusal(hub: Hub, repo: str, response: httpx.Response) -> PointsmanError:
    """What a status that is no success means, in one sentence."""
    status, why = response.status_code, response.headers.get("x-error-code", "")
    if status == 429:
        wait = wait_asked(response, time.time())
        after = f" for {wait:.0f} seconds" if wait else ""
        return Interrupted(f"{hub.host} asks us to wait{after}: too many downloads from this address.", wait=wait)
    if status >= 500:
        return Interrupted(f"{hub.host} has trouble of its own ({status}).", wait=wait_asked(response, time.time()))
    if status in {401, 403}:
        return _denied(hub, repo, why, status)
    if status == 404:
        return NotFound(
            f"{hub.host} has no {'such file in ' if why == 'EntryNotFound' else ''}{repo}. Check the spelling."
        )
    return HubProblem(f"{hub.host} answered {status} when asked for {repo}.")


def _denied(hub: Hub, repo: str, why: str, status: int) -> HubProblem:
    page = hub.page(repo)
    if why == "GatedRepo" and not hub.has_token:
        return LicenceAsked(
            f"{repo} asks you to accept its licence first: do so at {page}, "
            f"then set HF_TOKEN to a token of that account and pull again.",
            page,
        )
    if why == "GatedRepo" or (status == 403 and hub.has_token):
        return LicenceAsked(
            f"The account of HF_TOKEN may not read {repo} yet: accept its licence at {page}, then pull again.", page
        )
    if hub.has_token and why != "RepoNotFound":
        return HubProblem(
            f"{hub.host} does not know the token in HF_TOKEN. Make a new one at {hub.endpoint}/settings/tokens."
        )
    return HubProblem(
        f"{hub.host} has no {repo} that everybody may read. Check the spelling; "
        f"if it is private or asks for a licence, open {page} and set HF_TOKEN."
    )


def wait_asked(response: httpx.Response, now: float) -> float | None:
    """The seconds of a Retry-After header, whichever way it is written; at most an hour."""
    given = response.headers.get("retry-after", "")
    if given.isdecimal():
        return min(float(given), _LONGEST_WAIT)
    try:
        return min(max(0.0, parsedate_to_datetime(given).timestamp() - now), _LONGEST_WAIT) if given else None
    except ValueError:
        return None
