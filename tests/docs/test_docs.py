"""The manual is true: what it shows runs, its tables are current, its links lead somewhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2b_idp.testing.home_tenant import ScriptedHome
from tests.docs.pages import NOT_RUN, PAGES, ROOT, anchors, blocks, links, script

RUN = [p for p in PAGES if any(b.language in ("sh", "python") and b.not_run is None for b in blocks(p))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def home() -> Iterator[ScriptedHome]:
    """What stands in for https://login.fabrikam.example."""
    with ScriptedHome("fabrikam.example", client_id="b2b-idp", client_secret="the-secret-from-there") as home:
        yield home


def test_there_are_pages_to_run() -> None:
    assert {"README.md", "docs/how-to/connect-a-home.md", "docs/how-to/run.md"} <= {name(p) for p in RUN}


@pytest.mark.parametrize("page", RUN, ids=name)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, home: ScriptedHome, tmp_path: Path) -> None:
    """With the documented ports and the other organisation's issuer replaced, nothing else."""
    if shutil.which("curl") is None:
        reason = "curl is not installed: apt-get install curl"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    text = script(page).replace("https://login.fabrikam.example", home.issuer)
    for documented in ("8000", "8001", "5001"):
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{(port := free_port())}")
        text = text.replace(f"--port {documented}", f"--port {port}")
    here = Path(sys.executable).parent
    env = {k: v for k, v in os.environ.items() if not k.startswith("B2B_IDP_")}
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=env | {"PATH": f"{here}:{env['PATH']}", "B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


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


def test_the_tables_are_what_the_code_says() -> None:
    """Settings, decisions and reasons; `make docs` writes them."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
