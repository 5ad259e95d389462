"""What the manual shows: its fenced blocks, its marks, its links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "keys" / "README.md"])
THE_END = "=== the end of the page"
NOT_RUN = re.compile(r"<!-- not run:(.*?)-->", re.DOTALL)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where its fence opens. `not_run`: the reason of its mark."""

    line: int
    language: str
    text: str
    not_run: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()].rstrip()
        mark = next((m for m in NOT_RUN.finditer(before) if m.end() == len(before)), None)
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(line, fence[1], fence[2], mark[1].strip() if mark else None))
    return found


def links(page: Path) -> list[str]:
    """Links to files of the project, with their anchors."""
    return [x for x in _LINK.findall(page.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:", x)]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in heads}


def script(*pages: Path) -> str:
    """The pages as one bash script: their blocks from top to bottom, as a reader would type them.

    A Python block's first line names the file that it is written to; then it is run, by pytest if it holds tests. A
    JavaScript block whose first line names a file is written, for a command of the page to run. A command that is left
    running ends with ` &` in the page, and names its port if it is not the server's; the script goes on once that
    answers. At the end it says so, and leaves everything running until its input ends.
    """
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for page, block in ((p, b) for p in pages for b in blocks(p)):
        kinds = {"python": _python, "sh": _shell} | ({"js": _file} if block.text.startswith("// ") else {})
        if block.not_run is not None or block.language not in kinds:
            continue
        lines.append(f"echo '=== {page.name}:{block.line}' >&2")
        lines.append(kinds[block.language](block.text))
    lines += [f"echo '{THE_END}'", "read -r _ || true"]
    return "\n".join(lines)


def _name(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ").removeprefix("// ")


def _file(text: str) -> str:
    return f"cat > {_name(text)} <<'END-OF-BLOCK'\n{text}END-OF-BLOCK"


def _python(text: str) -> str:
    name = _name(text)
    run = f"python -m pytest -q -p no:cacheprovider {name}" if name.startswith("test_") else f"python {name}"
    return f"{_file(text)}\n{run}"


def _shell(text: str) -> str:
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if re.search(r" &( #.*)?$", line):
            port = re.search(r"(?:--port |127\.0\.0\.1:)(\d+)", line)
            address = f"http://127.0.0.1:{port[1]}/" if port else "-f http://127.0.0.1:8000/readyz"
            asked = f"curl -s -o /dev/null {address}"
            lines.append(f"for _ in $(seq 300); do {asked} && break; sleep 0.1; done; {asked}")
    return "\n".join(lines)
