"""The dashboard and the alerts ask for what a server shows: metrics and labels of src/telemetry/metrics.rs alone."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from conftest import CHART, ROOT, only

DASHBOARD = json.loads((CHART / "monitoring" / "dashboard.json").read_text())
ALERTS = [rule for group in yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
METRICS = Path(os.environ.get("METRICS", ROOT / "src" / "telemetry" / "metrics.rs"))
# Of the process; and of each scraped target.
OF_THE_PROCESS = {
    "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
    "process_start_time_seconds", "process_threads",
}
OF_TARGETS = {"job", "namespace", "instance", "le"}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions():
    """Every expression, with the place where it is."""
    found = [(f"alert {rule['alert']}", rule["expr"]) for rule in ALERTS]
    for panel in panels():
        found += [(f"panel {panel['title']}", target["expr"]) for target in panel["targets"]]
    for annotation in DASHBOARD["annotations"]["list"]:
        found.append((f"annotation {annotation['name']}", annotation["expr"]))
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found.append((f"variable {variable['name']}", re.match(r"label_values\((.*), \w+\)$", variable["definition"]).group(1)))
    return found


def metric_names(expression):
    without_strings = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:authz|process)_[a-z0-9_]+", without_strings))


def labels_in(expression):
    """Labels that a metric is matched or grouped by."""
    grouped = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression)
    matched = re.findall(r"([a-z_]+)\s*(?:=~|!=|!~|=)\s*\"", expression)
    return {label.strip() for group in grouped for label in group.split(",")} | set(matched)


def shown_by_servers():
    """The labels of each metric's series, as the source declares them."""
    if "authz_build_info" not in METRICS.read_text():
        pytest.skip("metrics of alerts and dashboard: src/telemetry/metrics.rs declares no metrics to scrape")
    shown = {}
    for kind, name, labels in re.findall(r'(Counter|Gauge|Histogram) "(authz_\w+)" \[([^\]]*)\]', METRICS.read_text()):
        held = set(re.findall(r'"(\w+)"', labels))
        for suffix in ("_bucket", "_sum", "_count") if kind == "Histogram" else ("",):
            shown[name + suffix] = held
    assert len(shown) > 30
    return shown | {name: set() for name in OF_THE_PROCESS}


@pytest.mark.parametrize(("place", "expression"), expressions(), ids=lambda value: value if value.startswith(("alert", "panel")) else "")
def test_every_metric_and_label_is_shown(place, expression):
    shown = shown_by_servers()
    named = metric_names(expression)
    assert named - set(shown) == set(), place
    allowed = OF_TARGETS.union(*(shown[name] for name in named))
    assert labels_in(expression) - allowed == set(), place


def test_every_metric_is_on_the_dashboard():
    on_it = set().union(*(metric_names(expression) for place, expression in expressions() if place.startswith("panel")))
    counted = {re.sub("_(bucket|sum|count)$", "", name) for name in on_it}
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in shown_by_servers()}
    assert shown - counted == set()


def test_prometheus_parses_the_dashboard(tmp_path):
    promtool = os.environ.get("PROMTOOL")
    if not promtool:
        pytest.skip("expressions of the dashboard: there is no promtool")
    rules = []
    for index, (_, expression) in enumerate(expressions()):
        plain = expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        rules.append({"record": f"expression:{index}", "expr": plain})
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", "--lint=none", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_panel_asks_the_chosen_source_job_and_server():
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        for target in panel["targets"]:
            asked = target["expr"].count('job=~"$job", instance=~"$instance"')
            assert asked == len(re.findall(r"\b(?:authz|process)_\w+\{", target["expr"])) > 0, panel["title"]
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]


def test_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_alert_says_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert not notes["summary"].endswith(".") and notes["description"].endswith(".")
    assert notes["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_alert_has_a_section_in_the_manual():
    manual = ROOT / "docs" / "operations.md"
    headings = {line.lstrip("#").strip().lower() for line in manual.read_text().splitlines() if line.startswith("#")}
    assert {rule["alert"].lower() for rule in ALERTS} - headings == set()


def test_every_alert_is_tested():
    tests = (CHART / "monitoring" / "alerts_test.yaml").read_text()
    fired = set(re.findall(r'alertname="(\w+)"', tests))
    assert fired == {rule["alert"] for rule in ALERTS}


def test_the_chart_installs_both_files(full):
    assert [rule for group in only(full, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]] == ALERTS
    assert json.loads(only(full, "ConfigMap")["data"]["pim-authz.json"]) == DASHBOARD


def test_neither_is_installed_unless_said(minimal):
    assert {"PrometheusRule", "ServiceMonitor", "ConfigMap"}.isdisjoint({item["kind"] for item in minimal})
