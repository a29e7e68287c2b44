"""Every way in which Pointsman says no, in one tree.

    PointsmanError              code, HTTP status, one sentence for a person
    ├── Refusal                 the door says no to one request
    │   ├── BadRequest          400  the body cannot be read or asks for what does not exist
    │   │   ├── PreviousNotFound  400  no answer of this agent's has the id that a request continues from
    │   │   └── ContextExceeded  400  the prompt is longer than the model here can read
    │   ├── Unanswerable        400  nothing may and can answer, and time will not mend it
    │   ├── NotAuthorised       401  no key, or an unknown one
    │   ├── PaymentRequired     402  a cap, a person or an unknown price stands in the way
    │   ├── Forbidden           403  a foreign Host or Origin, or a rule
    │   ├── NotFound            404  no such path or model
    │   ├── WrongMethod         405  the path is served, by other methods
    │   ├── UpgradeRequired     426  a WebSocket was asked for
    │   ├── TooLarge            413  the body passes the bound
    │   ├── Busy                429  the local queue is full
    │   ├── Paused              402  the person paused this agent
    │   ├── Stopped             402  the person stopped this request
    │   ├── UpstreamFailed      502  every attempt failed
    │   │   ├── TimedOut        504  no answer came in time
    │   │   └── UpstreamSaid    as the upstream said  the last attempt was refused by its upstream
    │   ├── Unavailable         503  nothing is there to answer
    │   │   └── Resting         503  what could answer has failed and rests
    │   └── Broken              500  a mistake of Pointsman's own
    └── SetupError              the program cannot start, or a command cannot be done

Sentences never hold key material or the text of a prompt.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """An upstream's own words for its refusal, for a client that knows them; `dialect` is the one it spoke."""

    dialect: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None


_UNTOLD = Fault()


class PointsmanError(Exception):
    """`sentence` is what a person reads: what was wrong, where, and what to do."""

    code: ClassVar[str] = "error"
    status: int = 500

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class SetupError(PointsmanError):
    """Start-up or a command failed; `exit_code` is what the process ends with."""

    code = "setup"
    exit_code = 1


class Refusal(PointsmanError):
    """The door says no. `retry` tells SDKs whether trying again by themselves makes sense.

    `detail` is for the client alone, for it may speak of the client's own text: it is never written down.
    """

    code = "refused"
    status = 400
    retry: ClassVar[bool] = False
    param: ClassVar[str | None] = None

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail


class BadRequest(Refusal):
    """The body is not what the dialect says."""

    code = "invalid_request"


class PreviousNotFound(BadRequest):
    """Nothing is kept under the id of a previous response; clients that know this code send everything again."""

    code = "previous_response_not_found"
    param = "previous_response_id"


class ContextExceeded(BadRequest):
    """The prompt is longer than the model can read; agents that know this code shorten their conversation."""

    code = "context_length_exceeded"


class NotAuthorised(Refusal):
    """No agent has this key."""

    code = "invalid_api_key"
    status = 401


class PaymentRequired(Refusal):
    """Money, or the person's answer about it, stands in the way."""

    code = "insufficient_quota"
    status = 402


class Paused(Refusal):
    """The person paused this agent, or all of them."""

    code = "paused"
    status = 402


class Stopped(Refusal):
    """The person stopped this request."""

    code = "stopped"
    status = 402


class Forbidden(Refusal):
    """The caller is not a program on this machine, or a rule says no."""

    code = "forbidden"
    status = 403


class NotFound(Refusal):
    """Nothing has this name."""

    code = "not_found"
    status = 404


class WrongMethod(Refusal):
    """The path is served, but not by this method; `allowed` are those that serve it."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, sentence: str, allowed: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.allowed = allowed


class UpgradeRequired(Refusal):
    """Only plain HTTP is spoken here; clients that hear it fall back at once."""

    code = "upgrade_required"
    status = 426


class TooLarge(Refusal):
    """The body is over the bound."""

    code = "request_too_large"
    status = 413


class Busy(Refusal):
    """The queue for the local model is full."""

    code = "busy"
    status = 429
    retry = True


class UpstreamFailed(Refusal):
    """Every attempt of the plan failed; trying again may help."""

    code = "upstream_failed"
    status = 502
    retry = True


class TimedOut(UpstreamFailed):
    """No answer came in the time that the client, or patience, allows."""

    code = "timed_out"
    status = 504


class UpstreamSaid(UpstreamFailed):
    """An upstream's own refusal, passed on with its status, its words and those of its headers that a client obeys."""

    code = "upstream_refused"

    def __init__(
        self, sentence: str, detail: str, *, status: int, headers: dict[str, str], fault: Fault = _UNTOLD
    ) -> None:
        super().__init__(sentence, detail)
        self.status = status
        self.headers = headers
        self.fault = fault


class Unavailable(Refusal):
    """No target may and can answer."""

    code = "unavailable"
    status = 503


class Resting(Unavailable):
    """What could answer has failed and rests; `seconds` until it is tried again."""

    code = "resting"
    retry = True

    def __init__(self, sentence: str, seconds: int) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Unanswerable(Refusal):
    """No target may and can answer, and the same request will not fare better later: agents try a 503 again and again."""

    code = "unanswerable"


class Broken(Refusal):
    """A mistake of Pointsman's own; the log has the traceback."""

    code = "internal_error"
    status = 500
