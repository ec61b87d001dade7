"""What the chart makes of each file of values is reviewed as a difference: `UPDATE=1 scripts/check-chart` writes it anew."""

import os
import shutil

import pytest
import yaml

from conftest import CHART, EXAMPLES, TESTS, VALUES, helm_template, render

CASES = [(path.stem, path) for path in VALUES] + [(path.parent.name, path) for path in EXAMPLES]


def dumped(objects):
    """Without comments and in the order of names, so that Helm's version does not matter."""
    objects = sorted(objects, key=lambda item: (item["kind"], item["metadata"]["name"]))
    # What the monitoring files hold is tested there.
    for item in objects:
        if item["kind"] == "PrometheusRule":
            item["spec"] = {"groups": [group["name"] for group in item["spec"]["groups"]]}
        if item["kind"] == "ConfigMap":
            item["data"] = sorted(item["data"])
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


def compare(path, text):
    if os.environ.get("UPDATE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.exists() and text == path.read_text(), f"{path.name} differs: UPDATE=1 scripts/check-chart, and review it"


@pytest.mark.parametrize(("name", "values"), CASES, ids=[name for name, _ in CASES])
def test_objects_are_as_reviewed(name, values):
    compare(TESTS / "golden" / f"{name}.yaml", dumped(render(values=(values,))))


@pytest.mark.parametrize(("name", "values"), CASES, ids=[name for name, _ in CASES])
def test_notes_are_as_reviewed(name, values, tmp_path):
    # `helm template` prints no notes: render them as a ConfigMap of a copy of the chart.
    chart = tmp_path / "pim-authz"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + notes + "{{- end -}}\n")
    (chart / "templates" / "notes.yaml").write_text(
        'kind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | quote }}\n'
    )
    done = helm_template("--show-only", "templates/notes.yaml", values=(values,), chart=chart)
    assert done.returncode == 0, done.stderr
    compare(TESTS / "golden" / f"{name}.notes.txt", yaml.safe_load(done.stdout)["text"] + "\n")


def test_every_golden_file_has_its_values():
    held = {path.name for path in (TESTS / "golden").iterdir()}
    assert held == {f"{name}.{end}" for name, _ in CASES for end in ("yaml", "notes.txt")}
