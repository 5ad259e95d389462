"""An outside project: nothing but the built wheel, what it depends on, and ten lines of test."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TEST = """\
from freezegun import freeze_time


@freeze_time("2030-01-01")
def test_the_department_is_in_the_token(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    ada = b2b_idp.invite("ada@fabrikam.example", department="Sales")
    crm = b2b_idp.app("CRM", requires="mfa", claims={"dept": "department"})
    done = b2b_idp.sign_in(ada, crm, mfa=True)
    b2b_idp.assert_claims(done.id_token, {"dept": "Sales", "iat": 1893456000})
"""


def run(*command: str | Path, cwd: Path) -> str:
    # the checkout must not help: what is imported is what was installed
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "B2B_IDP_"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # from the files that git has: a build leaves its own traces in a checkout, and takes up old ones
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if name.startswith(("b2b_idp/", "sample_app/")) or "/" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", "dist", ".", cwd=folder)
    return next((folder / "dist").glob("b2b_idp-*.whl"))


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    there = set(zipfile.ZipFile(wheel).namelist())
    files = run("git", "ls-files", "b2b_idp", "sample_app", cwd=ROOT).split()
    assert [f for f in files if f not in there] == []


def test_ten_lines_check_a_mapped_claim_at_another_time(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{wheel}[testing]", cwd=tmp_path)
    (tmp_path / "test_claims.py").write_text(TEST)
    assert "1 passed" in run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
