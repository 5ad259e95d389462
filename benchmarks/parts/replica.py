"""How much of what a known guest's sign-in reads is read at a replica."""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from typing import Any

import urllib3

from b2b_idp.settings import Settings
from benchmarks.contenders import B2bIdpPostgres
from benchmarks.measure import measure
from benchmarks.postgres import Postgres
from benchmarks.works import RETURNING
from benchmarks.world import GUESTS, World

CONNECTIONS = 4
_READS = re.compile(r'^b2b_idp_reads_total\{.*?from="(\w+)".*?\} (\S+)$', re.MULTILINE)


class WithReplica(B2bIdpPostgres):
    """Beside the primary a streaming replica, on the same cores."""

    def make_database(self) -> str:
        url = super().make_database()
        assert self.postgres is not None
        self.replica = Postgres.replica_of(self.postgres, self.folder / "replica", self.cores)
        return url

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"B2B_IDP_REPLICA_URLS": self.replica.url("b2b_1")}

    def stop(self) -> None:
        super().stop()
        if hasattr(self, "replica"):
            self.replica.stop()

    def reads(self) -> Counter[str]:
        """Reads so far by where they were served."""
        text = urllib3.request("GET", f"{self.issuer}/metrics").data.decode()
        return Counter({where: int(float(count)) for where, count in _READS.findall(text)})


def run(world: World) -> dict[str, Any]:
    """The share, how many reads and sign-ins it is of; or why not."""
    if "replica_urls" not in {field.name for field in dataclasses.fields(Settings)}:
        return {"cannot": "this version reads nothing from replicas"}
    if B2bIdpPostgres not in world.ours():
        return {"cannot": "PostgreSQL is not installed, or not wanted"}
    contender = WithReplica(world.new_folder(), world.home, world.served)
    try:
        contender.start()
        contender.furnish(GUESTS[:CONNECTIONS])
        operations = RETURNING.begin(contender, GUESTS[:CONNECTIONS], 0)
        time.sleep(1)  # what was just written has reached the replica
        before = contender.reads()
        found = measure(contender.cpu_seconds, operations, world.plan.rounds * world.plan.seconds, world.disk)
        reads = contender.reads() - before
    finally:
        contender.stop()
    if found.errors:
        raise RuntimeError(f"with a replica: {found.errors}")
    total = reads.total()
    return {"share": reads["replica"] / total if total else 0.0, "reads": total, "sign_ins": len(found.latencies)}
