"""Checks a bill of materials that scripts/make-sbom wrote: it conforms to CycloneDX's
schema, and contains every crate that Cargo.toml names for the program, in the version of
Cargo.lock. Run by scripts/check-supply-chain:

    python scripts/check-sbom.py FILE
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def crates_of_the_program():
    """The crates that Cargo.toml names, for this machine: pairs of name and version."""
    rustc = subprocess.run(["rustc", "--print", "host-tuple"], check=True, capture_output=True, text=True)
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", rustc.stdout.strip()]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    root = next(node for node in metadata["resolve"]["nodes"] if node["id"] == metadata["resolve"]["root"])
    return {
        (packages[one["pkg"]]["name"], packages[one["pkg"]]["version"])
        for one in root["deps"]
        if any(kind["kind"] is None for kind in one["dep_kinds"])
    }


def main():
    text = Path(sys.argv[1]).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if error:
        sys.exit(f"error: {sys.argv[1]} is no valid CycloneDX 1.5: {str(error).splitlines()[0]}")
    if str(Path.cwd()) in text:
        sys.exit(f"error: {sys.argv[1]} names the folder that it was made in")
    bill = json.loads(text)
    listed = {(one["name"], one["version"]) for one in bill["components"]}
    wanted = crates_of_the_program()
    missing = sorted(wanted - listed)
    if missing:
        sys.exit(f"error: {sys.argv[1]} lacks {', '.join(f'{name} {version}' for name, version in missing)}")
    print(f"{len(listed)} crates, among them the {len(wanted)} that Cargo.toml names")


main()
