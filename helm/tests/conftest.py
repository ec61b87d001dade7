"""Renders the chart for the tests beside this file, which `scripts/check-chart` runs."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parent
ROOT = TESTS.parent.parent
CHART = TESTS.parent / "pim-authz"
HELM = os.environ.get("HELM", "helm")
VALUES = sorted((TESTS / "values").glob("*.yaml"))
EXAMPLES = sorted((TESTS.parent / "examples").glob("*/values.yaml"))


def helm_template(*options, values=(TESTS / "values" / "minimal.yaml",), release="pim-authz", chart=CHART):
    """Runs `helm template`; `values` are files, or settings as a dictionary."""
    command = [HELM, "template", release, str(chart), "--namespace", "authz", "--kube-version", "1.34.0", *options]
    text = ""
    for value in values:
        if isinstance(value, dict):
            command += ["--values", "-"]
            text = yaml.safe_dump(value)
        else:
            command += ["--values", str(value)]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def render(settings=None, **options):
    """The objects that the chart makes of the least settings and `settings`."""
    values = options.pop("values", (TESTS / "values" / "minimal.yaml",))
    done = helm_template(values=(*values, settings or {}), **options)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def refusal(settings, **options):
    """The error with which the chart refuses `settings`."""
    values = options.pop("values", (TESTS / "values" / "minimal.yaml",))
    done = helm_template(values=(*values, settings), **options)
    assert done.returncode != 0, done.stdout
    return done.stderr


def only(objects, kind, name=None):
    """The one object of a kind, and of a name if one is given."""
    found = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, [(item["kind"], item["metadata"]["name"]) for item in objects]
    return found[0]


def kinds(objects):
    return {item["kind"] for item in objects}


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def server_of(objects):
    return pod_of(only(objects, "Deployment"))["containers"][0]


def environment(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def default_values():
    return yaml.safe_load((CHART / "values.yaml").read_text())


def schema():
    return json.loads((CHART / "values.schema.json").read_text())


@pytest.fixture(scope="session")
def full():
    """Everything switched on."""
    return render(values=(TESTS / "values" / "full.yaml",))


@pytest.fixture(scope="session")
def minimal():
    return render()


SKIPPED = set()


def pytest_runtest_logreport(report):
    if report.skipped:
        SKIPPED.add(report.longrepr[2].removeprefix("Skipped: "))


def pytest_sessionfinish():
    """Names what was not tested, for the last line of `scripts/check-chart`."""
    if "SKIPPED" in os.environ:
        Path(os.environ["SKIPPED"]).write_text("".join(f"{reason}\n" for reason in sorted(SKIPPED)))
