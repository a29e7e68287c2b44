"""What must hold of the books when everything has ended, read from the file itself."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.fakes.billing_upstream import Bill

Rows = Sequence[sqlite3.Row]


class Books:
    """A ledger's tables, once nothing runs any more."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            self.holds = _all(connection, "SELECT * FROM holds")
            self.pledges = _all(connection, "SELECT * FROM pledges")
            self.accounts = _all(
                connection, "SELECT a.*, c.name, c.scope, c.'limit' AS most FROM accounts a JOIN caps c ON c.id = a.cap"
            )
            self.audit = _all(connection, "SELECT * FROM audit ORDER BY seq")
        self.rows = [row for row in self.audit if row["kind"] in ("request", "attempt")]

    def check(self, bills: Mapping[str, Sequence[Bill]]) -> None:
        """Everything but who passed the door."""
        self.check_holds()
        self.check_accounts()
        self.check_rows()
        self.check_bills(bills)

    def check_holds(self) -> None:
        """Every hold has ended."""
        assert [row["id"] for row in self.holds if row["state"] == "open" or row["ended"] is None] == []
        assert self.pledges == []

    def check_accounts(self) -> None:
        """No cap is overspent, nothing is held, and spent is the sum of what was charged there."""
        for account in self.accounts:
            said = dict(account)
            assert account["held"] == 0, said
            assert account["spent"] <= account["most"] + account["raised"] + account["overrun"], said
            assert account["spent"] == sum(hold["charge"] for hold in self.holds if _counts(account, hold)), said

    def check_rows(self) -> None:
        """Each charged hold has one row that says what it cost, each request one row, and their sum is the charges'."""
        told = Counter((row["request"], row["attempt"]) for row in self.rows if row["attempt"])
        assert [place for place, count in told.items() if count != 1] == []
        costs = {(row["request"], row["attempt"]): row["cost"] for row in self.rows}
        for hold in self.holds:
            if hold["state"] == "settled":
                assert costs[hold["request"], hold["attempt"]] == hold["charge"], dict(hold)
        assert sum(row["cost"] for row in self.audit) == sum(hold["charge"] for hold in self.holds)

    def check_door(self, passed: Collection[str]) -> None:
        """One request's row for each that passed the door, and no other."""
        assert Counter(row["request"] for row in self.rows if row["kind"] == "request") == Counter(passed)

    def check_bills(self, bills: Mapping[str, Sequence[Bill]]) -> None:
        """What was charged is what was billed where usage is known, and never less where it is not."""
        paid: dict[str, list[sqlite3.Row]] = defaultdict(list)
        for row in self.rows:
            if row["task"] is not None and row["tier"] == "cloud":
                paid[row["task"]].append(row)
        for name, bill in bills.items():
            _check_bill(bill, paid[name], (name, bill, [dict(row) for row in paid[name]]))


def _check_bill(bills: Sequence[Bill], rows: Sequence[sqlite3.Row], said: object) -> None:
    left = sorted(bills, key=lambda bill: -bill.amount)
    for row in rows:
        if row["cost"] and not row["estimated"]:
            found = next((bill for bill in left if bill.amount == row["cost"]), None)
            assert found is not None, said
            left.remove(found)
    estimated = [row["cost"] for row in rows if row["estimated"]]
    assert sum(estimated) >= sum(bill.fair for bill in left), said


def _all(connection: sqlite3.Connection, query: str) -> list[sqlite3.Row]:
    return connection.execute(query).fetchall()


def _counts(account: Any, hold: Any) -> bool:
    """Whether a hold falls into an account: these tests use no cap with a match and no window of a session."""
    if account["scope"] != "everything" and hold[account["scope"]] != account["key"]:
        return False
    starts, ends = account["starts"], account["ends"]
    return (starts is None or hold["made"] >= starts) and (ends is None or hold["made"] < ends)
