"""What the parts of the report share: the plan, the cores, the home, and the contenders that run."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from benchmarks.contenders import ALL, B2bIdp, Contender
from benchmarks.contenders.contender import DOMAIN
from benchmarks.home import Home
from benchmarks.measure import Disk

BROWSERS = (8, 32, 64)
GUESTS = [f"guest{number}@{DOMAIN}" for number in range(max(BROWSERS))]
_CANNOT_RUN = (pytest.skip.Exception, pytest.fail.Exception)
"""How the parts that tests use too say that the machine lacks something."""


@dataclass(frozen=True)
class Plan:
    """How long is measured: rounds of so many `seconds`, and directories grown to so many `guests`, `partners` and
    `groups` of each guest. `warm_up`: how much of the time that a contender needs to get warm it is given."""

    rounds: int
    seconds: float
    warm_up: float
    guests: int = 1_000_000
    partners: int = 5_000
    groups: int = 500


STANDARD = Plan(rounds=3, seconds=2.0, warm_up=1.0)
QUICK = Plan(rounds=1, seconds=0.6, warm_up=0.2, guests=100_000, partners=500, groups=100)


class World:
    """The folder of a run and all that runs in it. Servers have the first core; this process and the home the last."""

    def __init__(self, plan: Plan, contenders: Sequence[type[Contender]]) -> None:
        self.plan = plan
        self._wanted = contenders
        self.cores = sorted(os.sched_getaffinity(0))
        self.missing: dict[str, str] = {}
        """Why a contender is not there, by its name."""
        self._running: list[Contender] | None = None
        self._folders = itertools.count()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="b2b-idp-bench-")))
            self.folder.chmod(0o711)  # PostgreSQL is another user
            stack.callback(os.sched_setaffinity, 0, self.cores)
            os.sched_setaffinity(0, self.cores[-1:])
            self.disk = Disk(self.folder)
            self.home = Home(self.folder, self.cores[-1:], [contender.client_id() for contender in ALL])
            stack.callback(self.home.server.stop)
            stack.callback(self.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def served(self) -> list[int]:
        """The core of the servers and their databases."""
        return self.cores[:1]

    def new_folder(self) -> Path:
        """Where a contender may put itself."""
        return self.folder / f"contender-{next(self._folders)}"

    def ours(self) -> list[type[B2bIdp]]:
        """b2b-idp on those databases that are wanted and here."""
        return [kind for kind in self._wanted if issubclass(kind, B2bIdp) and kind.missing() is None]

    def contenders(self) -> list[Contender]:
        """Those that can run here, running, with all guests."""
        if self._running is None:
            self._running = []
            for kind in self._wanted:
                if why := kind.missing():
                    self.missing[kind.name] = why
                else:
                    self._start(kind, self._running)
        return self._running

    def _start(self, kind: type[Contender], running: list[Contender]) -> None:
        contender = kind(self.new_folder(), self.home, self.served)
        try:
            contender.start()
            contender.furnish(GUESTS)
        except (Exception, *_CANNOT_RUN) as why:
            contender.stop()
            if isinstance(contender, B2bIdp):
                raise
            self.missing[kind.name] = str(why)[:1000]
        except BaseException:
            contender.stop()
            raise
        else:
            running.append(contender)

    def stop(self) -> None:
        """Ends the contenders, at once."""
        threads = [threading.Thread(target=contender.stop) for contender in self._running or []]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._running = None
