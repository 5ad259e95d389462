"""The dashboard and the alert rules name metrics and labels that there are, in words that Prometheus understands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from b2b_idp.metrics import FAMILIES, Gauge, Metrics

FILES = Path(__file__).parents[2] / "docs" / "monitoring"
HOW_TO = FILES.parent / "how-to" / "watch.md"
RULES = [rule for group in yaml.safe_load((FILES / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((FILES / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [t["expr"] for panel in PANELS for t in panel["targets"]]
OF_PROMETHEUS = {"le", "job", "instance"}
"""Labels that Prometheus gives."""


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        reason = "promtool is not installed; see tests/real/system-parts"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """Sample → labels, of a server in which everything happened once."""
    metrics = Metrics()
    metrics.signin("home", "allowed", double_mfa=True)
    metrics.decision(0.001)
    metrics.upstream("home", answered=True, seconds=0.1)
    metrics.request("/token", 200, 0.01)
    metrics.transaction("read", 0.001)
    metrics.connections(1)
    metrics.undone("conflict", given_up=True)
    metrics.reads(primary=1, replica=1)
    metrics.replica_fallback("stale")
    now = [Gauge(f.name, 1.0, f.labels) for f in FAMILIES if f.kind == "gauge"]
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text(now).decode()):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression reads, and the labels it asks of each."""
    for name, braces in re.findall(r"\b(b2b_idp_\w+)(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', braces)))


@pytest.mark.parametrize("expression", [*(r["expr"] for r in RULES), *QUERIES])
def test_what_is_asked_for_is_told(expression: str, told: dict[str, set[str]]) -> None:
    asked = list(selectors(expression))
    assert asked or "up{" in expression
    for name, labels in asked:
        assert name in told
        assert labels <= told[name] | OF_PROMETHEUS
    grouped = {x.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for x in by.split(",")}
    assert grouped <= set().union(*(told[name] for name, _ in asked)) | OF_PROMETHEUS


def test_every_metric_is_shown() -> None:
    shown = {name for expression in QUERIES for name, _ in selectors(expression)}
    assert [f.name for f in FAMILIES if not any(name.startswith(f.name) for name in shown)] == []


def test_every_alert_says_what_to_do() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    assert [r["alert"] for r in RULES if f"`{r['alert']}`" not in text] == []
    assert all(r["labels"]["severity"] in ("page", "ticket") and r["annotations"]["summary"] for r in RULES)


def test_a_legend_and_a_sentence_name_labels_that_are_left() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped, panel["title"]
    for rule in RULES:
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) - {"instance"}
        assert named <= grouped, rule["alert"]


def test_the_dashboard_is_one_that_grafana_10_loads() -> None:
    assert DASHBOARD["schemaVersion"] >= 38
    assert "id" not in DASHBOARD
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    variables = {v["name"] for v in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([p.get("targets") for p in PANELS]))) - {"__rate_interval"}
    assert used == variables == {"datasource", "home"}
    for a, b in combinations([p["gridPos"] for p in DASHBOARD["panels"]], 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], (a, b)


def test_prometheus_takes_the_rules_and_the_dashboards_queries(promtool: str, tmp_path: Path) -> None:
    queries = [re.sub(r"\$__rate_interval", "5m", q).replace("$home", ".*") for q in QUERIES]
    recorded = [{"record": f"panel:{n}", "expr": q} for n, q in enumerate(queries)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    for file in (FILES / "alerts.yml", tmp_path / "panels.yml"):
        done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_not_before(promtool: str) -> None:
    cases = Path(__file__).with_name("alerts_test.yml")
    done = subprocess.run([promtool, "test", "rules", cases], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
