"""`make bench` still runs: b2b-idp alone, in rounds too short to tell anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.contenders import B2bIdp
from benchmarks.filling import add_groups, add_guests, add_partners
from benchmarks.manual import BEGIN, END, page
from benchmarks.plot import picture
from benchmarks.works import WORKS
from benchmarks.world import GUESTS, QUICK, World
from tests.docs.pages import ROOT
from tests.real.nodes import missing


@pytest.fixture(autouse=True)
def node() -> None:
    if shutil.which("node") is None:
        missing("node is not installed: run `make test`")


def test_the_command_does_every_work_and_its_report_goes_into_the_manual(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.json"
    asked = ["--quick", "--seconds", "0.1", "--only", "speed", "--only", "crowd", "--with", "b2b-idp"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *asked, "--json", str(numbers)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(numbers.read_text())
    for work in WORKS:
        assert report["speed"][work.name]["b2b-idp"]["per_second"]["median"] > 0
    assert all(found["sign_ins"] for found in report["crowd"]["b2b-idp"]["browsers"].values())
    assert "errors, 64 browsers" in done.stdout

    told = page(f"before\n{BEGIN}\nold\n{END}\nafter", report)
    assert re.fullmatch(f"before\n{BEGIN}\n(?!old).+\n{END}\nafter", told, re.DOTALL)
    assert {work.name for work in WORKS} <= set(re.findall(r"^\| (.+?) \|", told, re.MULTILINE))
    texts = [text.text for text in ElementTree.fromstring(picture(report)).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("b2b-idp") == 2  # two rows of panels


def test_guests_sign_in_to_a_directory_that_was_filled() -> None:
    with World(QUICK, [B2bIdp]) as world:
        contender = B2bIdp(world.new_folder(), world.home, world.served)
        try:
            contender.start()
            contender.furnish(GUESTS[:1])
            add_guests(contender, 50)
            add_partners(contender, 2)
            add_groups(contender, 2, GUESTS[:1])
            contender.client().sign_in(GUESTS[0])
            contender.client().sign_in("filler7@home.example")
        finally:
            contender.stop()
