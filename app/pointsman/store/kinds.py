"""The types of columns, and what partial indexes are over: said to the tables and to the statements alike.

The types are those that SQLite's STRICT tables know, and their equals on PostgreSQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import REAL as SQLITE_REAL
from sqlalchemy import BigInteger, Double, Integer, Text

WHOLE: Any = BigInteger().with_variant(Integer(), "sqlite")
REAL: Any = Double().with_variant(SQLITE_REAL(), "sqlite")
# SQLite sorts text by its bytes; so must PostgreSQL, whatever the language of the server.
TEXT: Any = Text().with_variant(Text(collation="C"), "postgresql")
REQUEST = "kind = 'request'"
"""What marks the rows of requests, as text in the statement."""
CHANGE = "kind NOT IN ('request', 'attempt')"
"""What marks the audit's few rows that are about no request; a query that says this finds them by an index."""
ATTEMPT = "kind = 'attempt'"
"""What marks the rows of attempts that did not answer, few as they are."""
