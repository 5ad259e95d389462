"""Keycloak as a home tenant: the distribution, kept in the user's cache, and one server of the manual's own realm.

The realm is docs/how-to/keycloak-realm.json; only the redirect URI is any on loopback.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from base64 import b32encode
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyotp
import urllib3

from tests.docs.pages import ROOT, script
from tests.ports import free_port
from tests.real.nodes import missing

VERSION = "26.4.5"
URL = (
    "https://repo1.maven.org/maven2/org/keycloak/keycloak-quarkus-dist/"
    f"{VERSION}/keycloak-quarkus-dist-{VERSION}.tar.gz"
)
SHA256 = "74fed80ab67607c86995824ad4b965f53cca0a706e2aeded45e173d3ccb0b24d"
BUILD = ("--db=dev-mem", "--features=log-mdc", "--log-mdc-enabled=true")
OLDEST_JAVA = 17
START = 180.0
"""Seconds that it may take to get ready."""
REALM = ROOT / "docs" / "how-to" / "keycloak-realm.json"
PAGE = ROOT / "docs" / "how-to" / "keycloak-as-a-home.md"
ADMIN = {"username": "admin", "password": "admin"}
_FACTORS = {"auth-username-password-form": "pwd", "auth-otp-form": "otp"}
_LINE = re.compile(
    r"kc\.authenticationSessionId=(?P<session>[\w-]+), kc\.authenticationTabId=(?P<tab>[\w-]+).*"
    r'(?:authenticator SUCCESS: (?P<passed>[\w-]+)$|type="LOGIN".* username="(?P<username>[^"@]+))'
)
_http = urllib3.PoolManager(retries=False, timeout=60)


def authentication_context() -> dict[str, Any]:
    """What the manual's page tells b2b-idp of Keycloak's words."""
    (written,) = re.findall(r"^cat > words\.json <<'END'\n(.+?)^END$", script(PAGE), re.MULTILINE | re.DOTALL)
    context: dict[str, Any] = json.loads(written)["b2bIdp"]["authenticationContext"]
    return context


@dataclass(frozen=True)
class Keycloak:
    """A running realm. Everybody's password is `password`."""

    base: str
    written: str
    client_id: str = "b2b-idp"
    client_secret: str = "the-secret-from-there"
    domain: str = "fabrikam.example"

    @property
    def issuer(self) -> str:
        return f"{self.base}/realms/fabrikam"

    def enrol(self, factors: str) -> str:
        """The address of somebody new, who has an authenticator app there if `factors` is "both"."""
        name = f"{factors}-{uuid4().hex[:12]}"
        email = f"{name}@{self.domain}"
        login = {"grant_type": "password", "client_id": "admin-cli"} | ADMIN
        address = f"{self.base}/realms/master/protocol/openid-connect/token"
        token = _http.request("POST", address, fields=login, encode_multipart=False).json()["access_token"]
        made = _http.request(
            "POST",
            f"{self.base}/admin/realms/fabrikam/users",
            headers={"Authorization": f"Bearer {token}"},
            json={
                "username": name,
                "email": email,
                "emailVerified": True,
                "enabled": True,
                "firstName": "Kim",
                "lastName": "Alder",
                "credentials": [
                    {"type": "password", "value": "password"},
                    *([_otp(email)] if factors == "both" else []),
                ],
            },
        )
        assert made.status == 201, made.data
        return email

    def answers(self, email: str) -> dict[str, str]:
        """What a person types, by field."""
        app = pyotp.TOTP(b32encode(_key(email).encode()).decode())
        return {"username": email, "password": "password", "otp": app.now()}

    def trips(self, email: str) -> int:
        """How often their browser was sent there, by its own events; a session that was good enough counts too."""
        return len(self._trips(email))

    def asked(self, email: str) -> list[str]:
        """The factors that its flow says they passed, "pwd" or "otp", in order."""
        return [_FACTORS[name] for trip in self._trips(email) for name in trip if name in _FACTORS]

    def _trips(self, email: str) -> list[list[str]]:
        """The authenticators passed in each trip that its log says ended as the person's login."""
        passed: dict[tuple[str, str], list[str]] = defaultdict(list)
        trips = []
        for line in Path(self.written).read_text().splitlines():
            if (found := _LINE.search(line)) is None:
                continue
            key = (found["session"], found["tab"])
            if found["passed"]:
                passed[key].append(found["passed"])
            elif found["username"] == email.partition("@")[0]:
                trips.append(passed.pop(key, []))
        return trips


def _key(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()[:20]


def _otp(email: str) -> dict[str, str]:
    kind = {"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"}
    return {
        "type": "otp",
        "secretData": json.dumps({"value": _key(email)}),
        "credentialData": json.dumps(kind),
    }


# --- one server for all the workers of a run --------------------------------------------------------


@contextmanager
def shared_keycloak(folder: Path) -> Iterator[Keycloak]:
    """The server of this folder: who comes first starts it, who leaves last stops it."""
    kept_there = distribution(BUILD)
    state = folder / "keycloak.json"
    with locked(folder / "keycloak.lock"):
        kept = json.loads(state.read_text()) if state.exists() else _start(kept_there, folder / "keycloak")
        state.write_text(json.dumps(kept | {"users": kept["users"] + 1}))
    try:
        yield Keycloak(**kept["keycloak"])
    finally:
        with locked(folder / "keycloak.lock"):
            kept = json.loads(state.read_text())
            if kept["users"] > 1:
                state.write_text(json.dumps(kept | {"users": kept["users"] - 1}))
            else:
                state.unlink()
                with suppress(ProcessLookupError):
                    os.killpg(kept["pid"], signal.SIGKILL)
                shutil.rmtree(folder / "keycloak")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds this file."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(kept: Path, home: Path) -> dict[str, Any]:
    realm = json.loads(REALM.read_text())
    realm["clients"][0]["redirectUris"] = ["http://127.0.0.1:*"]
    lay_out(kept, home, realm)
    port, written = free_port(), home / "written"
    levels = "info,org.keycloak.authentication.DefaultAuthenticationFlow:debug,org.keycloak.events:debug"
    with written.open("wb") as out:
        process = subprocess.Popen(
            [
                *(str(home / "bin" / "kc.sh"), "start", "--optimized", "--import-realm", "--cache=local"),
                *("--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={port}", "--hostname-strict=false"),
                f"--log-level={levels}",
            ],
            env=_environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Keycloak(f"http://127.0.0.1:{port}", str(written))
    try:
        _wait(running, process)
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    return {"keycloak": asdict(running), "pid": process.pid, "users": 0}


def lay_out(kept: Path, home: Path, realm: dict[str, Any]) -> None:
    """A server's own folder: kc.sh finds everything beside itself, writes to `data`, and imports `realm` from there."""
    shutil.copytree(kept / "bin", home / "bin")
    shutil.copytree(kept / "conf", home / "conf")
    for name in ("lib", "providers", "themes"):
        (home / name).symlink_to(kept / name)
    (home / "data" / "import").mkdir(parents=True)
    (home / "data" / "import" / "realm.json").write_text(json.dumps(realm))


def _wait(running: Keycloak, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        try:
            answer = _http.request("GET", f"{running.issuer}/.well-known/openid-configuration", timeout=5)
            if answer.status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"Keycloak did not get ready\n{Path(running.written).read_text()[-4000:]}")


def _environment() -> dict[str, str]:
    """Little memory, and a compiler that gets it ready in half the time."""
    given = {k: v for k, v in os.environ.items() if not k.startswith(("KC_", "JAVA_OPTS"))}
    return given | {
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx384m",
        "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC",
        **{f"KC_BOOTSTRAP_ADMIN_{name.upper()}": value for name, value in ADMIN.items()},
    }


# --- the distribution -------------------------------------------------------------------------------


def _check_java() -> None:
    if shutil.which("java") is None:
        missing("java is not installed: run `make test`")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        missing(f"java {OLDEST_JAVA} or newer is needed, there is {said.splitlines()[0]}")


def cache_folder() -> Path:
    """Where parts that are fetched or built once are kept for the next run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "b2b-idp-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def distribution(build: Sequence[str]) -> Path:
    """The unpacked distribution, built with these options; fetched once, whoever comes first. Skips the test, with
    CI=true fails it, where there can be none."""
    _check_java()
    cache = cache_folder()
    name = f"keycloak-{VERSION}-{hashlib.sha256(' '.join(build).encode()).hexdigest()[:8]}"
    kept = cache / name
    with locked(cache / f"{name}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                made = _fetch(Path(folder))
                done = subprocess.run(
                    [made / "bin" / "kc.sh", "build", *build],
                    env=_environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
                made.rename(kept)
    return kept


def _fetch(folder: Path) -> Path:
    packed, digest = folder / "keycloak.tar.gz", hashlib.sha256()
    try:
        with _http.request("GET", URL, preload_content=False) as answer, packed.open("wb") as out:
            if answer.status != 200:
                missing(f"Keycloak could not be fetched: {URL} answered {answer.status}")
            for piece in answer.stream(1 << 20):
                digest.update(piece)
                out.write(piece)
    except urllib3.exceptions.HTTPError as e:
        missing(f"Keycloak could not be fetched from {URL}: {e}")
    assert digest.hexdigest() == SHA256, f"{URL} is not the file that it was"
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"keycloak-{VERSION}"
