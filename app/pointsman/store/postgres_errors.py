"""PostgreSQL's errors as one sentence each, with no password and nothing of what was being written."""

from __future__ import annotations

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from pointsman.core.errors import Unavailable
from pointsman.store.backend import Away, Clash

_GOES_ON = "Until it can, what costs money is refused and free local models go on."
_REMEDY = {
    "28P01": "it refused the password: put the right one in PGPASSWORD or in ~/.pgpass",
    "28000": "it refused the user: give this user access in pg_hba.conf, or write another name in the address",
    "3D000": "it has no database of that name: make it with createdb",
    "42501": "the user may not do that there: make this user the owner of the database",
    "25006": "it only reads: name the server that takes writes",
    "53100": "its disk is full: make room there",
    "53300": "it has no connection left: end other programs there, or raise max_connections",
    "55P03": "another gateway kept it locked for too long: see whether one hangs",
    "57014": "it took too long over a statement: see whether it is overloaded",
    "57P01": "it was shut down",
    "57P02": "it crashed",
    "57P03": "it is starting or stopping",
    "25P03": "it ended a connection that lay idle, as after a sleep of this machine",
}
_SAID = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "is not permitted to log in": "28000",
    "too many clients": "53300",
    "remaining connection slots": "53300",
    "is starting up": "57P03",
    "is shutting down": "57P03",
}
_AWAY = ("08", "28", "3D", "53", "57", "55P03", "25006", "25P03")


class Trouble:
    """Tells the errors of one server."""

    def __init__(self, address: URL) -> None:
        self.where = _shown(address)

    def plain(self, error: Exception) -> Exception:
        """What the caller sees. An error that is none of the driver's stays what it is."""
        from psycopg import Error, IntegrityError, InterfaceError, OperationalError

        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, Error):
            return error
        state = cause.sqlstate
        if isinstance(cause, IntegrityError):
            return Clash(f"a row breaks the rule {cause.diag.constraint_name} of {cause.diag.table_name}")
        broken = state is None and isinstance(cause, OperationalError | InterfaceError)
        if broken or (state or "").startswith(_AWAY):
            return Away(f"The shared ledger {self.where} cannot be used: {_reason(state, str(cause))}. {_GOES_ON}")
        why = _REMEDY.get(state or "", f"{type(cause).__name__}, {state}")
        return Unavailable(f"The shared ledger {self.where} did not take what was asked of it: {why}.")


def _shown(address: URL) -> str:
    """The address without user, password and options."""
    host = address.host or address.query.get("host") or "localhost"
    port = f":{address.port}" if address.port else ""
    return f"postgresql://{host}{port}/{address.database}"


def _reason(state: str | None, text: str) -> str:
    """In our words where the trouble is known: the driver gives no code for a connection that was not made."""
    known = state or next((code for words, code in _SAID.items() if words in text), None)
    if known is None and "database" in text and "does not exist" in text:
        known = "3D000"
    if known in _REMEDY:
        return _REMEDY[known]
    if "Connection refused" in text or "No such file" in text:
        return "no server answers there: start it, or mend the address"
    if "resolve" in text or "Name or service" in text:
        return "there is no machine of that name: mend the address"
    if "timeout" in text or "timed out" in text:
        return "no answer came in time: see whether the network reaches it"
    return "the connection broke off, or could not be made"
