"""The part of the admin contract about models on this machine: what is on its way, and what a person may ask for."""

from __future__ import annotations

from typing import Literal

import msgspec


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """A local model and its worker: unloaded, loading, ready or broken (then `sentence` says why).

    `program` is whose file it is, where another program's is used in its place; "" for our own.
    """

    name: str
    state: str
    resident_bytes: int
    tokens_per_second: float | None
    active: int
    waiting: int
    sentence: str | None
    program: str = ""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A model on its way, or one that came since the gateway started.

    `name` is what commands call it. waiting: for its turn; checking: files that are there are read; retrying: no
    connection, goes on by itself; failed: `sentence` says why. What has come stays, in all states but done.
    `page` is where a licence has to be accepted before it goes on, "" where none has.
    """

    name: str
    source: str
    state: Literal["waiting", "checking", "downloading", "retrying", "paused", "failed", "done"]
    received: int
    total: int
    bytes_per_second: float | None = None
    seconds_left: float | None = None
    sentence: str = ""
    page: str = ""


class PullModel(msgspec.Struct, frozen=True, tag="pull_model"):
    """Get a model by its target's name or as owner/repository:QUANTISATION; joins or resumes one under way.

    `endpoint` and `token` are the caller's HF_ENDPOINT and HF_TOKEN; without them the gateway's own. The token is
    never written down. Answers with a `Download`.
    """

    model: str
    endpoint: str | None = None
    token: str | None = None


class PausePull(msgspec.Struct, frozen=True, tag="pause_pull"):
    """Let a download rest; what has come stays, also over restarts. Answers with a `Download`."""

    model: str


class ResumePull(msgspec.Struct, frozen=True, tag="resume_pull"):
    """Go on with a download that was paused or failed, from its last byte. Answers with a `Download`."""

    model: str


class CancelPull(msgspec.Struct, frozen=True, tag="cancel_pull"):
    """Give a download up and delete what has come. Answers {"freed"}."""

    model: str


class ListPulls(msgspec.Struct, frozen=True, tag="list_pulls"):
    """What is on its way, as in the snapshot. Answers with a list of `Download`."""


class RemoveModel(msgspec.Struct, frozen=True, tag="remove_model"):
    """Delete a downloaded model; files of other programs stay. Answers {"freed", "sentence"}."""

    model: str


class LoadModel(msgspec.Struct, frozen=True, tag="load_model"):
    """Load a local model now."""

    model: str


class UnloadModel(msgspec.Struct, frozen=True, tag="unload_model"):
    """End a local model's worker."""

    model: str


class FitModels(msgspec.Struct, frozen=True, tag="fit_models"):
    """Look at the machine and say which models run on it. Answers with a `Fitted`."""


class FitRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a model runs here. `where` is gpu, both, main, or "" when it does not; `here`: it need not be downloaded.

    `size` is that of its weights, `memory` what it takes, or would take at least; `kv` is how what is kept of each
    token is rounded.
    """

    name: str
    use: str
    licence: str
    here: bool
    size: int
    where: str
    memory: int
    context: int
    kv: str
    tokens_per_second: float | None


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """What runs on this machine; `proposal` is a sentence for somebody who has no model yet."""

    machine: str
    models: list[FitRow]
    proposal: str | None


ModelCommand = (
    FitModels | PullModel | PausePull | ResumePull | CancelPull | ListPulls | RemoveModel | LoadModel | UnloadModel
)
