"""How a local engine says no: to the gateway as exceptions, inside a worker as `Rejected`."""

from __future__ import annotations

from pointsman.core.errors import PointsmanError


class ModelUnloadable(PointsmanError):
    """The model cannot be loaded now; nothing was sent to it."""

    code = "model_unloadable"
    status = 503


class UnreadableModel(ModelUnloadable):
    """Its file says so, and will go on saying so."""


class WorkerDied(PointsmanError):
    """The worker ended, or was ended because it hung, before its answer was complete.

    `fault`: it counts against the model. One death does once, however many answers it took, and a wished one never.
    """

    code = "worker_died"
    status = 502

    def __init__(self, sentence: str, *, fault: bool = True) -> None:
        super().__init__(sentence)
        self.fault = fault


class Rejected(Exception):
    """A worker refuses one request. `code` and `message` become those of `protocol.Failed`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LoadFailed(Exception):
    """A worker cannot load its model; the text is one sentence for a person."""
