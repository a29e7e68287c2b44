"""What the person does not want to see again: offers, for good, and downloads whose end was told."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.tray.models_view import done_key, held_key
from pointsman.wire.admin import Snapshot


class PutAway:
    """`kept` outlives the tray; `asked` are models that the gateway was asked for and that are not listed yet."""

    def __init__(self, kept: Iterable[str] = ()) -> None:
        self.kept = frozenset(kept)
        self.asked: frozenset[str] = frozenset()
        self._told: frozenset[str] = frozenset()
        self._coming: frozenset[str] = frozenset()
        self._done: frozenset[str] | None = None

    @property
    def hidden(self) -> frozenset[str]:
        """What is not drawn."""
        return self.kept | self._told

    def take(self, snapshot: Snapshot) -> tuple[str, ...]:
        """The downloads that ended since the last snapshot, each once. What ended before the first one is no news."""
        listed = frozenset(one.name for one in snapshot.downloads)
        done = frozenset(one.name for one in snapshot.downloads if one.state == "done")
        if self._done is None:
            self._told = frozenset(map(done_key, done))
        finished = done & (self._coming | self.asked)
        self._told -= frozenset(map(done_key, (listed - done) | finished))
        self._coming, self._done = listed - done, done
        self.asked -= listed
        used = (one.name for one in snapshot.models if one.program and one.state in {"loading", "ready"})
        self.kept |= frozenset(map(held_key, used))
        return tuple(sorted(finished))

    def ask(self, model: str) -> None:
        """The gateway is asked for this one."""
        self.asked |= {model}

    def refused(self, model: str) -> None:
        """It said no."""
        self.asked -= {model}

    def put(self, *keys: str) -> None:
        """Never again; of a download that ended, not until it comes anew."""
        done = frozenset(map(done_key, self._done or ())) & frozenset(keys)
        self._told |= done
        self.kept |= frozenset(keys) - done

    def bring(self, key: str) -> None:
        """The person asked for it after all."""
        self.kept -= {key}

    def seen(self) -> None:
        """Whoever looked has seen which downloads ended."""
        self._told |= frozenset(map(done_key, self._done or ()))
