"""The manual's table of who is asked what: the laws that every cell keeps."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
from matrix import PROOFS, REQUIREMENTS, TRUSTS, cells


def test_there_is_a_cell_for_every_trust_requirement_and_proof() -> None:
    at_home = [p for p in PROOFS if not p.mailed]
    assert len(cells()) == len(REQUIREMENTS) * (len(TRUSTS) * len(at_home) + 1)


def test_no_cell_asks_twice() -> None:
    for cell in cells():
        assert len(set(cell.first)) == len(cell.first), cell
        assert len(set(cell.again)) == len(cell.again), cell


def test_no_cell_asks_anything_for_another_app_right_afterwards() -> None:
    for cell in cells():
        assert cell.at_once == () or cell.outcome != "in", cell


def test_no_cell_is_a_dead_end_without_a_way_forward() -> None:
    for cell in cells():
        assert cell.outcome == "in" or cell.way_forward.startswith(("Sign in at your organisation", "Ask ")), cell


def test_no_cell_asks_here_for_what_a_trusted_home_proved() -> None:
    for cell in cells():
        proved = "passkey" in cell.proof.says or (cell.requirement == "MFA" and "mfa" in (cell.proof.amr or ()))
        if cell.trust.startswith("trusted") and proved:
            assert not [asked for asked in (*cell.first, *cell.again) if asked.startswith("here")], cell


def test_a_home_that_is_not_trusted_is_never_asked_for_mfa() -> None:
    for cell in cells():
        if cell.trust == "not trusted":
            assert not [asked for asked in (*cell.first, *cell.again) if asked.startswith("home")], cell
