"""What the pods of servers and of the migration are, and that each value reaches the option it is named after."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from conftest import CHART, ROOT, default_values, environment, only, pod_of, render, schema, server_of

SAMPLES = {"integer": 7777, "number": 0.25, "string": "x"}


def variable(setting):
    """`cacheMib` is `PIM_AUTHZ_CACHE_MIB`."""
    return "PIM_AUTHZ_" + re.sub(r"(?<!^)([A-Z])", r"_\1", setting).upper()


def sample(described):
    if "enum" in described:
        return described["enum"][0]
    if "pattern" in described:
        return {"^/": "/x", "^https?://.+": "http://x"}[described["pattern"]]
    return SAMPLES[described["type"]]


@pytest.mark.parametrize("setting", schema()["properties"]["settings"]["properties"])
def test_each_setting_reaches_its_variable(setting):
    value = sample(schema()["properties"]["settings"]["properties"][setting])
    with_it = {"settings": {"callerRate": 1, setting: value}, "resources": {"limits": {"memory": "100Gi"}}}
    assert environment(server_of(render(with_it)))[variable(setting)] == str(value)


def test_a_setting_that_is_null_keeps_the_default_of_the_program():
    objects = render({"settings": {"drainSeconds": None, "logFormat": None}})
    assert "PIM_AUTHZ_DRAIN_SECONDS" not in environment(server_of(objects))
    assert pod_of(only(objects, "Deployment"))["terminationGracePeriodSeconds"] == 5 + 20 + 5


@pytest.mark.parametrize(("sleep", "drain"), [(0, 0), (5, 20), (10, 60)])
def test_a_pod_has_the_time_that_it_needs_to_end(sleep, drain):
    pod = pod_of(only(render({"preStopSeconds": sleep, "settings": {"drainSeconds": drain}}), "Deployment"))
    assert pod["terminationGracePeriodSeconds"] == sleep + drain + 5
    handler = pod["containers"][0].get("lifecycle")
    assert handler == ({"preStop": {"sleep": {"seconds": sleep}}} if sleep else None)


def help_of(command):
    folder = Path(os.environ.get("PIM_AUTHZ_BIN", ROOT / "target" / "debug"))
    program = folder / "pim-authz"
    if not program.exists():
        pytest.skip(f"options against --help: there is no {os.path.relpath(program, ROOT)}")
    done = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=True)
    return set(re.findall(r"\[env: (PIM_AUTHZ_[A-Z0-9_]+)", done.stdout))


def test_every_variable_of_a_server_is_an_option_of_serve(full):
    set_here = {name for name in environment(server_of(full)) if name.startswith("PIM_AUTHZ_")}
    insecure = render({"tls": {"enabled": False, "insecure": True, "existingSecret": ""}})
    set_here |= {name for name in environment(server_of(insecure)) if name.startswith("PIM_AUTHZ_")}
    set_here |= {variable(setting) for setting in schema()["properties"]["settings"]["properties"]}
    assert set_here - help_of("serve") == set()


# Decided by the chart's kind of installation.
NOT_OFFERED = {"PIM_AUTHZ_DATABASE_URL", "PIM_AUTHZ_DATA_DIR", "PIM_AUTHZ_MIGRATE"}


def test_every_option_of_serve_has_a_value(full):
    offered = {name for name in environment(server_of(full))} | {"PIM_AUTHZ_INSECURE"}
    offered |= {variable(setting) for setting in schema()["properties"]["settings"]["properties"]}
    assert help_of("serve") - offered - NOT_OFFERED == set()


def test_every_variable_of_the_migration_is_an_option_of_migrate(full):
    job = pod_of(only(full, "Job"))["containers"][0]
    set_here = {name for name in environment(job) if name.startswith("PIM_AUTHZ_")}
    assert set_here - help_of("migrate") == set()


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_are_restricted(minimal, kind):
    pod = pod_of(only(minimal, kind))
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    # A service's variables would be read as options: PIM_AUTHZ_PORT and its like.
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


def test_probes_ask_a_port_that_is_listened_on(minimal):
    server = server_of(minimal)
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    variables = environment(server)
    assert variables["PIM_AUTHZ_LISTEN"] == f"0.0.0.0:{ports['grpc']}"
    assert variables["PIM_AUTHZ_HTTP_LISTEN"] == f"0.0.0.0:{ports['http']}"
    paths = {name: server[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {
        "startupProbe": {"path": "/livez", "port": "http"},
        "livenessProbe": {"path": "/livez", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }


def test_a_host_of_ipv6_is_written_in_brackets():
    assert environment(server_of(render({"listenHost": "::"})))["PIM_AUTHZ_LISTEN"] == "[::]:50051"


def test_a_rollout_starts_a_new_server_before_it_stops_one(minimal):
    spec = only(minimal, "Deployment")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert spec["minReadySeconds"] == 10


@pytest.mark.parametrize("which", ["minimal", "full"])
def test_every_file_that_is_named_is_mounted(which, request):
    objects = request.getfixturevalue(which)
    for kind in ("Deployment", "Job"):
        pod = pod_of(only(objects, kind))
        container = pod["containers"][0]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        files = set()
        for mount in container["volumeMounts"]:
            secret = volumes[mount["name"]].get("secret")
            if secret:
                assert mount["readOnly"] and "subPath" not in mount and secret["defaultMode"] == 0o440
                files |= {f"{mount['mountPath']}/{item['path']}" for item in secret["items"]}
        named = {value for value in environment(container).values() if (value or "").startswith("/etc/")}
        assert named == files


@pytest.mark.parametrize("which", ["minimal", "full"])
def test_no_secret_is_a_variable(which, request):
    for kind in ("Deployment", "Job"):
        for container in pod_of(only(request.getfixturevalue(which), kind))["containers"]:
            assert not any("valueFrom" in variable for variable in container.get("env", []))
            assert "envFrom" not in container


def test_no_object_holds_a_secret(full):
    assert "Secret" not in {item["kind"] for item in full}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("verify-full", "system")),
        ({"sslmode": "verify-full", "caSecret": {"name": "ca"}}, ("verify-full", "/etc/pim-authz/database-ca/ca.crt")),
        ({"sslmode": "require"}, ("require", None)),
        ({"sslmode": "require", "caSecret": {"name": "ca"}}, ("require", "/etc/pim-authz/database-ca/ca.crt")),
        ({"sslmode": ""}, (None, None)),
    ],
    ids=str,
)
def test_the_database_is_verified_by_the_given_ca_or_public_ones(settings, expected):
    objects = render({"database": settings})
    for kind in ("Deployment", "Job"):
        held = environment(pod_of(only(objects, kind))["containers"][0])
        assert (held.get("PIM_AUTHZ_DATABASE_SSLMODE"), held.get("PIM_AUTHZ_DATABASE_SSLROOTCERT")) == expected


def test_the_owner_and_the_servers_have_secrets_of_their_own(full):
    def secret(kind, volume):
        volumes = pod_of(only(full, kind))["volumes"]
        return next(item["secret"] for item in volumes if item["name"] == volume)

    assert secret("Deployment", "database")["items"] == [{"key": "servers", "path": "uri"}]
    assert secret("Job", "database")["items"] == [{"key": "owner", "path": "uri"}]
    assert secret("Deployment", "database-certificate")["secretName"] == "authz-database-certificate"
    assert secret("Job", "database-certificate")["secretName"] == "authz-owner-certificate"


def test_the_migration_is_named_after_what_it_runs():
    def name(settings, **options):
        return only(render(settings, **options), "Job")["metadata"]["name"]

    base = name({})
    assert re.fullmatch("pim-authz-migrate-[0-9a-f]{8}", base)
    assert name({}) == base
    # A Job cannot be changed, so whatever changes its pods must change its name.
    assert len({base, name({"image": {"tag": "2"}}), name({"migration": {"runtimeRole": "r"}}), name({"nodeSelector": {"a": "b"}})}) == 4
    # What does not change them keeps it: nothing is migrated for a change of the servers.
    assert name({"replicas": 5, "settings": {"cacheMib": 128}}) == base


def test_the_migration_is_no_hook(minimal):
    # Before the installation neither the account nor secrets of the same release are there, and a rollback
    # would wait for it: the servers wait for the schema instead.
    job = only(minimal, "Job")
    assert "annotations" not in job["metadata"]
    assert environment(server_of(minimal))["PIM_AUTHZ_WAIT_FOR_DATABASE"] == "true"


def test_without_a_migration_there_is_no_job():
    objects = render({"migration": {"enabled": False}})
    assert "Job" not in {item["kind"] for item in objects}


@pytest.mark.parametrize(
    ("image", "reference"),
    [({}, "pim-authz:0.1.0"), ({"tag": "1.2"}, "pim-authz:1.2"),
     ({"repository": "r/p", "tag": "1.2", "digest": "sha256:" + "a" * 64}, "r/p@sha256:" + "a" * 64)],
    ids=["default", "tag", "digest"],
)
def test_both_pods_run_the_image(image, reference):
    objects = render({"image": image})
    assert server_of(objects)["image"] == reference
    assert pod_of(only(objects, "Job"))["containers"][0]["image"] == reference


def test_the_chart_runs_the_release_it_is_part_of():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert chart["appVersion"] == version


def test_logs_are_json_unless_said():
    assert default_values()["settings"]["logFormat"] == "json"
    for kind in ("Deployment", "Job"):
        held = environment(pod_of(only(render(), kind))["containers"][0])
        assert held["PIM_AUTHZ_LOG_FORMAT"] == "json" and held["RUST_LOG"] == "info"


def test_a_platform_that_chooses_users_may_do_so():
    pod = pod_of(only(render({"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}), "Deployment"))
    assert "runAsUser" not in pod["securityContext"] and pod["securityContext"]["runAsNonRoot"] is True


def test_both_pods_run_the_entry_point_of_the_image(minimal):
    text = (ROOT / "Dockerfile").read_text()
    (entry,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', text, re.M)
    (user,) = re.findall(r"^USER (\d+:\d+)$", text, re.M)
    for kind in ("Deployment", "Job"):
        pod = pod_of(only(minimal, kind))
        assert pod["containers"][0]["command"] == [entry]
        assert user == f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
