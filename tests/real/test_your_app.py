"""docs/how-to/test-your-app.md, followed to its end: each app is the framework's own, and so is its client library."""

from __future__ import annotations

from pathlib import Path

from tests.docs.following import followed
from tests.docs.pages import ROOT
from tests.real.nodes import node


def test_the_examples_for_each_framework_sign_a_guest_in(tmp_path: Path) -> None:
    node()
    (tmp_path / "node_modules").symlink_to(Path(__file__).parent / "node_modules")
    with followed(
        ROOT / "docs" / "how-to" / "test-your-app.md", home="https://login.fabrikam.example", folder=tmp_path
    ):
        pass
