"""Which of the processes that train together are alive, and how those ended that are not.

Every process leaves a sign of life in a store that the first one keeps, and looks for those of the others. A
collective operation alone would not tell: it fails without saying who is missing, or waits.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

from torch.distributed import Store  # type: ignore[attr-defined]

from selcon_training.errors import ProcessLost

BEAT_SECONDS = 1.0
"""Seconds between two signs of life."""
SILENCE_SECONDS = 60
"""Seconds without one after which a process is lost."""
BROKEN_SECONDS = 8
"""The same once an operation with it has failed."""
GRACE_SECONDS = 10.0
"""Seconds in which the main thread may end by itself before the process is ended."""
_GOES_ON = "-"


class Liveness:
    """The signs of life of processes `names`, of which this is number `rank`.

    `store` is where they are left; all processes have it. `advice` is added to what is told of a loss, to say
    how to go on. When a process is lost and this one has not ended `GRACE_SECONDS` later, because it waits
    for the lost one in an operation, it is ended with that message and exit status 1.
    """

    def __init__(self, rank: int, names: Sequence[str], store: Store) -> None:
        self.rank, self.names = rank, list(names)
        self.advice = ""
        self._store = store
        self._others = [other for other in range(len(names)) if other != rank]
        self._signs = dict.fromkeys(self._others, b"")
        self._ends = dict.fromkeys(self._others, _GOES_ON.encode())
        self._age = dict.fromkeys(self._others, 0)  # counted seconds: one that was stopped has not waited
        self._unanswered = 0
        self._store_lost = False
        self._meetings = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._show, self._watch)]
        self._leave("sign", "0")
        self._leave("end", _GOES_ON)

    def start(self) -> None:
        """Begin to show signs of life and to look for the others'; all have made their Liveness by now."""
        for thread in self._threads:
            thread.start()

    def lost(self, silence: float | None = None) -> str | None:
        """Who has ended, or shown no sign of life for SILENCE_SECONDS; None if all are there."""
        silence = SILENCE_SECONDS if silence is None else silence
        for other, end in self._ends.items():
            if end != _GOES_ON.encode():
                return f"{self.names[other]} ended: {end.decode(errors='replace')}"
        if self._store_lost:
            return f"{self.names[0]} is lost: the connection to it has ended"
        if self.rank and self._unanswered > silence:
            return f"{self.names[0]} is lost: it has not answered for {self._unanswered} s"
        silent = {other: age for other, age in self._age.items() if age > silence}
        if not silent:
            return None
        named = " and ".join(self.names[other] for other in silent)
        verb = "is" if len(silent) == 1 else "are"
        return f"{named} {verb} lost: no sign of life for {min(silent.values())} s"

    def explain(self) -> ProcessLost | None:
        """Who is lost, so that an operation with others failed, once that is clear; None if all are there."""
        for _ in range(BROKEN_SECONDS + 3):
            if (found := self.lost(BROKEN_SECONDS)) is not None:
                return ProcessLost(found + self.advice)
            time.sleep(1.0)
        return None

    def meet(self) -> None:
        """Wait until every process is here, however long that takes. Raises ProcessLost if one is lost."""
        self._meetings += 1
        key = f"meeting {self._meetings}"
        there = self._store.add(key, 1)
        while there < len(self.names):
            if (found := self.lost()) is not None:
                raise ProcessLost(found + self.advice)
            time.sleep(0.1)
            there = self._store.add(key, 0)

    def tell(self, reason: str) -> None:
        """Tell the others how this process ends."""
        self.stop()
        try:
            self._leave("end", reason)
        except RuntimeError:
            return  # nobody is left who keeps it

    def linger(self) -> None:
        """In the first process: wait until the others have read in the store what it and they said."""
        if self.rank == 0:
            time.sleep(3 * BEAT_SECONDS)

    def stop(self) -> None:
        """Show no more signs of life, and look for none."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=2 * BEAT_SECONDS)

    def _leave(self, what: str, value: str) -> None:
        self._store.set(f"{what} {self.rank}", value)

    def _show(self) -> None:
        """Leave signs of life, and read the others'. On a lost network this waits, maybe for ever."""
        keys = [f"{what} {other}" for what in ("sign", "end") for other in self._others]
        number = 0
        while not self._over.wait(BEAT_SECONDS):
            number += 1
            try:
                self._leave("sign", str(number))
                found = self._store.multi_get(keys)
            except RuntimeError:
                self._store_lost = True
                return
            self._unanswered = 0
            signs, ends = found[: len(self._others)], found[len(self._others) :]
            self._ends = dict(zip(self._others, ends, strict=True))
            for other, sign in zip(self._others, signs, strict=True):
                if sign != self._signs[other]:
                    self._signs[other], self._age[other] = sign, 0

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self._unanswered += 1
            for other in self._others:
                self._age[other] += 1
            found = self.lost()
            if found is not None:
                if not self._over.wait(GRACE_SECONDS):
                    self.linger()
                    print(f"\nError: {found}{self.advice}", file=sys.stderr, flush=True)
                    os._exit(1)
                return
