"""`b2b-idp serve` with two workers: what it tells, logs and traces, as an operator gets it."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from b2b_idp.testing.home_tenant import Account, ScriptedHome
from b2b_idp.testing.walker import Walker
from tests.ports import free_port
from tests.real.instance import Instance

SECRETS = {
    "B2B_IDP_METRICS_TOKEN": "canary-metrics-0123456789",
    "B2B_IDP_MAIL_URL": "smtp://canary-user:canary-mail-password@127.0.0.1:9",
}
HOME_SECRET = "canary-home-secret"


@dataclass
class Collector:
    """A receiver of OTLP over HTTP."""

    spans: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.services.add(named["service.name"])
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    kept = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            kept.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kept, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Served:
    instance: Instance
    log: Path
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=5, timeout=20))

    def metrics(self) -> dict[str, float]:
        headers = {"Authorization": f"Bearer {SECRETS['B2B_IDP_METRICS_TOKEN']}", "Connection": "close"}
        answer = self.http.request("GET", f"{self.instance.issuer}/metrics", headers=headers)
        assert answer.status == 200
        lines = [x for x in answer.data.decode().splitlines() if not x.startswith("#")]
        return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines)}

    def answered(self) -> float:
        return self.metrics().get('b2b_idp_request_seconds_count{endpoint="/userinfo",status="4xx"}', 0.0)

    def ask(self, times: int) -> None:
        for _ in range(times):
            # a connection each: the workers take turns
            headers = {"Connection": "close"}
            assert self.http.request("GET", f"{self.instance.issuer}/userinfo", headers=headers).status == 401

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, collector: tuple[Collector, str]) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as administrator:
        administrator.setenv("HOME_CLIENT_SECRET", HOME_SECRET)
        instance = Instance(folder / "data", free_port())
    observed = {
        "B2B_IDP_LOG_LEVEL": "DEBUG",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector[1],
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with (folder / "log").open("wb") as log:
        try:
            instance.start("--workers", "2", log=log, **SECRETS, **observed)
            yield Served(instance, folder / "log")
        finally:
            instance.stop()


def workers_of(pid: int) -> set[int]:
    return {int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def until(true: Any) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to be")


def test_counts_are_those_of_all_workers_and_outlive_them(served: Served) -> None:
    served.ask(40)
    assert served.answered() == 40
    until(lambda: served.metrics()["b2b_idp_workers"] == 2)
    before = workers_of(served.instance.pid)
    os.kill(served.instance.pid, signal.SIGHUP)  # granian starts new workers and ends the old ones
    until(lambda: not before & workers_of(served.instance.pid))
    served.ask(10)
    assert served.answered() == 50
    until(lambda: served.metrics()["b2b_idp_workers"] == 2)


def test_a_sign_in_is_seen_in_metrics_lines_and_spans_and_its_secrets_in_none(
    served: Served, collector: tuple[Collector, str]
) -> None:
    instance = served.instance
    with ScriptedHome("fabrikam.example", client_id="b2b-idp", client_secret=HOME_SECRET) as home:
        home.script(Account(sub="ada", email="ada@fabrikam.example", name="Ada"), amr=["pwd"])
        instance.run(
            *("homes", "add", "--data", str(instance.data), "--issuer", home.issuer, "--name", "Fabrikam"),
            *("--client-id", "b2b-idp", "--domain", "fabrikam.example", "--profile", "rfc8176"),
        )
        invited = instance.graph(
            "POST",
            "/invitations",
            {"invitedUserEmailAddress": "ada@fabrikam.example", "inviteRedirectUrl": "http://127.0.0.1:9/"},
        )
        walker = Walker(stop_at="http://127.0.0.1:9/")
        page = walker.get(invited["inviteRedeemUrl"])
        while page.forms and page.status == 200:
            page = walker.submit(page)
    (entry,) = instance.graph("GET", "/auditLogs/signIns?$top=1")["value"]
    assert entry["b2bIdp"]["code"] is None, entry
    tenant_id, correlation_id = entry["homeTenantId"], entry["correlationId"]

    assert served.metrics()[f'b2b_idp_signins_total{{home="{tenant_id}",outcome="allowed"}}'] == 1

    of_it = [line for line in served.lines() if line.get("correlation_id") == correlation_id]
    assert {"request", "sign-in ended"} <= {line["event"] for line in of_it}
    assert all(re.fullmatch(r"[0-9a-f]{32}", line["trace_id"]) for line in of_it)

    seen, _ = collector

    def requests() -> list[Any]:
        return [s for s in seen.spans if any(a.value.string_value == correlation_id for a in s.attributes)]

    until(lambda: {s.name for s in requests()} >= {"GET /redeem", "POST /signin/<uuid:id>"})
    assert seen.services == {"b2b-idp"}
    until(lambda: any(s.name == "POST home" for s in seen.spans))

    said = served.log.read_text(encoding="utf-8") + str(seen.spans)
    told = [
        "canary",
        "ada@fabrikam.example",
        invited["inviteRedeemUrl"].rpartition("=")[2],
        instance.init["admin"]["clientSecret"],
    ]
    assert [word for word in told if word in said] == []


def test_every_line_is_one_object_with_its_time_and_level(served: Served) -> None:
    lines = served.lines()
    assert lines
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
