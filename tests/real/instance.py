"""A production instance: `b2b-idp init` and `b2b-idp serve` as an administrator runs them, spoken to by HTTP only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import urllib3

from tests.canaries import WATCH

B2B_IDP = [sys.executable, "-m", "b2b_idp.cli"]


class Instance:
    """One instance on a port of its own; `issuer` when it stands behind a front, `database` where it is not a file of
    its own. `kill` and `start` may be called at any time."""

    def __init__(
        self,
        data: Path,
        port: int,
        issuer: str | None = None,
        database: str = "",
        replicas: Sequence[str] = (),
    ) -> None:
        self.data, self.port = data, port
        self._env = os.environ | {"B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true"}
        if database:
            self._env["B2B_IDP_DATABASE_URL"] = database
        if replicas:
            self._env["B2B_IDP_REPLICA_URLS"] = ",".join(replicas)
        self.issuer = issuer or f"http://127.0.0.1:{port}"
        made = self.run("init", "--data", str(data), "--issuer", self.issuer, "--json")
        self.init: dict[str, Any] = json.loads(made)
        self._http = urllib3.PoolManager(retries=urllib3.Retry(connect=3, read=2), timeout=20)
        self._token = ""
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> str:
        done = subprocess.run([*B2B_IDP, *arguments], capture_output=True, text=True, env=self._env, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *options: str, log: IO[bytes] | None = None, **variables: str) -> None:
        """`log`: where its lines go, else they are looked through for secrets; `variables`: of its environment."""
        self._process = subprocess.Popen(
            [*B2B_IDP, "serve", "--data", str(self.data), "--port", str(self.port), *options],
            env=self._env | {"B2B_IDP_LOG_LEVEL": "DEBUG"} | variables,
            stderr=log or WATCH.server_log(),
            start_new_session=True,
        )
        ready = f"http://127.0.0.1:{self.port}{urlsplit(self.issuer).path}/readyz"
        for _ in range(600):
            try:
                if self._http.request("GET", ready, retries=False).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.05)
        raise AssertionError("the server did not become ready")

    def beside(self, port: int) -> Instance:
        """A second server of the same instance, over the same database."""
        second = copy(self)
        second.port, second._process = port, None
        return second

    @property
    def pid(self) -> int:
        """Of the process that the workers belong to."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to the server and its workers: no handler runs, nothing is flushed."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def bearer(self) -> str:
        """The administrator's token."""
        if not self._token:
            admin = self.init["admin"]
            answer = self._http.request(
                "POST",
                admin["tokenEndpoint"],
                fields={
                    "grant_type": "client_credentials",
                    "scope": f"{self.issuer}/.default",
                    "client_id": admin["clientId"],
                    "client_secret": admin["clientSecret"],
                },
                encode_multipart=False,
            )
            self._token = answer.json()["access_token"]
        return self._token

    def graph(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(
            method,
            f"{self.init['graph']}{path}",
            body=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.bearer()}", "Content-Type": "application/json"},
        )
        assert answer.status < 400, (method, path, answer.status, answer.data)
        return answer.json() if answer.data else None
