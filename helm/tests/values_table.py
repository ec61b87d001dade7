"""The table of values in the chart's README, made of the comments (`# --`) in values.yaml."""

import json
import re

import yaml

from conftest import CHART

BEGIN, END = "<!-- values: written by UPDATE=1 scripts/check-chart -->\n", "<!-- end of values -->"
README = CHART / "README.md"


def comments():
    """The comment of each value that has one, by its path."""
    found, parents, comment = {}, [], None
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = text.removeprefix("# -- ")
        named = re.match(r"( *)([A-Za-z.\-/0-9]+):", line)
        if not named or text.startswith(("#", "-")):
            continue
        depth = len(named.group(1)) // 2
        parents = [*parents[:depth], named.group(2)]
        if comment:
            found[".".join(parents)] = comment
        comment = None
    return found


def leaves(values, path=()):
    """Every value that is not a map of values."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield ".".join((*path, name))


def value_at(path):
    value = yaml.safe_load((CHART / "values.yaml").read_text())
    for name in path.split("."):
        value = value[name]
    return value


def default(path, documented):
    value = value_at(path)
    if isinstance(value, dict) and any(other.startswith(f"{path}.") for other in documented):
        return ""
    return f"`{json.dumps(value)}`" if value not in ("", [], {}) else ""


def table():
    documented = comments()
    rows = ["| value | default | |", "|---|---|---|"]
    rows += [f"| `{path}` | {default(path, documented)} | {comment} |".replace("|  |", "| |") for path, comment in documented.items()]
    return "\n".join(rows) + "\n"
