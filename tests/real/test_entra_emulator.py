"""The manual's page on testing without Entra, followed word for word; its guests come, and its table is compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from b2b_idp.demo.world import PASSWORD
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.walker import Page, Walker
from tests.docs.following import followed
from tests.docs.pages import ROOT
from tests.real.nodes import HERE, free_ports, node

PAGE = ROOT / "docs" / "how-to" / "entra-emulator.md"
NILS, ZOE = "nils@northwind.example", "zoe@adatum.example"


@dataclass(frozen=True)
class Followed:
    folder: Path
    mailbox: str

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    def claims(self, email: str) -> dict[str, Any]:
        """What the portal shows to somebody who opens the link of the invitation."""

        def at_home(walker: Walker, page: Page) -> Page | None:
            known = {"username": email, "password": PASSWORD, "code": "123456"}
            return walker.submit(page, answers={k: known[k] for k in page.forms[0].fields if k in known})

        def mailed() -> str | None:
            codes = re.findall(r"\b\d{8}\b", Walker().get(self.mailbox).text)
            return codes[0] if codes else None

        walk = GuestDriver(Walker(), mailed, at_home).walk(self.read("scene.json")["links"][email])
        claims: dict[str, Any] = json.loads(walk.end.text)
        return claims


@pytest.fixture(scope="module")
def emulator(tmp_path_factory) -> Iterator[Followed]:
    node()
    folder = tmp_path_factory.mktemp("emulator")
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    ports = {"5000": free_ports(5)}
    with pytest.MonkeyPatch.context() as patch, followed(PAGE, home="", folder=folder, ports=ports) as used:
        patch.setenv("SSL_CERT_FILE", str(folder / "emulator" / "ca.pem"))
        yield Followed(folder, f"http://127.0.0.1:{used['5000']}/demo/mailbox")


def test_graphs_javascript_client_sees_whom_its_python_client_invited(emulator):
    assert {NILS, ZOE} <= set((emulator.folder / "pending.txt").read_text().split())


def test_the_token_of_a_guest_has_the_claims_of_the_table_and_no_others(emulator):
    claims = emulator.claims(NILS)
    rows = re.findall(r"^\| (`.+?) \| .+? \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    here = {name: said for names, said in rows for name in re.findall(r"`(\w+)`", names)}
    always = {name for name, said in here.items() if not said.startswith(("if ", "–"))}
    assert always <= claims.keys()
    assert claims.keys() <= {name for name, said in here.items() if said != "–"}


def test_a_guest_with_a_home_tenant_has_graphs_groups_and_roles_in_the_first_token(emulator):
    claims, scene, tenant = emulator.claims(NILS), emulator.read("scene.json"), emulator.read("emulator/admin.json")
    assert (claims["email"], claims["groups"], claims["roles"]) == (NILS, [scene["group"]], ["reader"])
    assert (claims["iss"], claims["tid"], claims["acct"]) == (tenant["issuer"], tenant["tenantId"], 1)
    assert claims["aud"] == scene["clientId"]


def test_a_guest_of_no_home_tenant_signs_in_by_the_code_in_the_mailbox(emulator):
    claims = emulator.claims(ZOE)
    assert (claims["email"], claims["roles"]) == (ZOE, ["reader"])
