"""The chart's README has every value, and its links lead somewhere."""

import os
import re

from conftest import CHART, TESTS, default_values, schema
from values_table import BEGIN, END, README, comments, leaves, table


def test_every_value_is_documented():
    documented = comments()
    for leaf in leaves(default_values()):
        parents = [leaf.rsplit(".", depth)[0] for depth in range(leaf.count(".") + 1)]
        assert any(path in documented for path in parents), leaf


def test_the_table_is_that_of_the_values():
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    expected = f"{before}{BEGIN}{table()}{END}{after}"
    if os.environ.get("UPDATE") == "1":
        README.write_text(expected)
    assert expected == README.read_text(), "UPDATE=1 scripts/check-chart writes the table"


def test_every_setting_is_documented():
    text = README.read_text()
    for name in schema()["properties"]["settings"]["properties"]:
        assert f"`{name}`" in text or f"`settings.{name}`" in text, name


def test_the_schema_knows_every_value():
    def compare(values, described, path):
        if isinstance(values, dict) and "properties" in described:
            assert described["additionalProperties"] is False, path
            assert set(values) <= set(described["properties"]), path
            for name, value in values.items():
                compare(value, described["properties"][name], f"{path}.{name}")

    compare(default_values(), schema(), "values")
    # And no value that values.yaml does not show, but the options that keep the program's default.
    assert set(schema()["properties"]) - set(default_values()) == {"global"}


def test_links_lead_to_files():
    for page in [README, *TESTS.parent.glob("examples/*/README.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text().replace("\n   ", " ").replace("\n", " ")):
            if "://" not in target:
                assert (page.parent / target.strip()).exists(), f"{page.relative_to(CHART.parent)}: {target}"
