"""The manual is true: what it shows runs, its tables are current, its links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2b_idp.testing.home_tenant import Account, ScriptedHome
from b2b_idp.testing.walker import Walker
from tests.docs.following import followed
from tests.docs.pages import NOT_RUN, PAGES, ROOT, anchors, blocks, links

README = ROOT / "README.md"
HOW_TO = ROOT / "docs" / "how-to"
REAL = [
    HOW_TO / "keycloak-as-a-home.md",
    HOW_TO / "entra-emulator.md",
    HOW_TO / "test-your-app.md",
    HOW_TO / "tls-front.md",
    *HOW_TO.glob("apps-*.md"),
]
"""Followed by tests/real, which has a Keycloak, node, nginx and these apps."""
RUN = [p for p in PAGES if any(b.language in ("sh", "python") and b.not_run is None for b in blocks(p))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def home() -> Iterator[ScriptedHome]:
    """What stands in for https://login.fabrikam.example."""
    with ScriptedHome("fabrikam.example", client_id="b2b-idp", client_secret="the-secret-from-there") as home:
        yield home


def test_there_are_pages_to_run() -> None:
    assert {"README.md", "docs/how-to/connect-a-home.md", "docs/how-to/run.md"} <= {name(p) for p in RUN}


@pytest.mark.parametrize("page", [p for p in RUN if p not in (README, *REAL)], ids=name)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, home: ScriptedHome, tmp_path: Path) -> None:
    with followed(page, home=home.issuer, folder=tmp_path):
        pass


def test_who_follows_the_readme_has_an_app_that_a_guest_can_sign_in_to(home: ScriptedHome, tmp_path: Path) -> None:
    ada = "ada@fabrikam.example"
    home.script(Account(sub="ada", email=ada, name="Ada Alder"), amr=["pwd"], step_up=["pwd", "mfa"])
    with followed(README, home=home.issuer, folder=tmp_path) as ports:
        walker = Walker()
        page = walker.submit(walker.get(f"http://127.0.0.1:{ports['5001']}/"), email=ada)
        while page.name in ("redeem", "consent"):
            page = walker.submit(page)
        claims = json.loads(page.text)
    assert claims["email"] == ada
    assert claims["amr"] == ["pwd", "mfa"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    reasons = [r.strip() for r in NOT_RUN.findall(page.read_text(encoding="utf-8"))]
    assert all(len(r.split()) > 3 for r in reasons)
    assert len(reasons) == sum(b.not_run is not None for b in blocks(page)), "a mark without a block behind it"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_python_block_names_its_file(page: Path) -> None:
    assert all(b.text.startswith("# ") for b in blocks(page) if b.language == "python" and b.not_run is None)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_files_and_functions_that_the_walk_names_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+\.(?:py|toml|cfg|md)|[\w/]+/)`", text))
    assert [x for x in named if not any((top / x).exists() for top in (ROOT, ROOT / "b2b_idp"))] == []
    code = "\n".join(f.read_text(encoding="utf-8") for f in (ROOT / "b2b_idp").rglob("*.py"))
    called = set(re.findall(r"`(?:[A-Z]\w+\.)?(_?[a-z]+(?:_[a-z]+)*)`", text)) - {"state", "redeem"}
    called -= {x for x in called if x.startswith(("login_", "domain_", "acr_"))}
    assert [x for x in called if f"def {x}(" not in code] == []


def test_the_tables_are_what_the_code_says() -> None:
    """Settings, decisions and reasons; `make docs` writes them."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
