"""How the objects around the servers belong together."""

import re

import pytest

from conftest import helm_template, only, pod_of, render


def selected(selector, labels):
    return selector.items() <= labels.items()


@pytest.mark.parametrize("which", ["minimal", "full"])
def test_selectors_find_servers_and_not_migrations(which, request):
    objects = request.getfixturevalue(which)
    server = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    migration = only(objects, "Job")["spec"]["template"]["metadata"]["labels"]
    selectors = [only(objects, "Deployment")["spec"]["selector"]["matchLabels"]]
    selectors += [item["spec"]["selector"] for item in objects if item["kind"] == "Service"]
    selectors += [item["spec"]["selector"]["matchLabels"] for item in objects if item["kind"] == "PodDisruptionBudget"]
    for constraint in pod_of(only(objects, "Deployment"))["topologySpreadConstraints"]:
        selectors.append(constraint["labelSelector"]["matchLabels"])
    assert len(selectors) >= 5
    for selector in selectors:
        assert selected(selector, server) and not selected(selector, migration)


def test_two_releases_do_not_select_each_other():
    first, second = render(release="first"), render(release="second")
    labels = only(second, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for service in (item for item in first if item["kind"] == "Service"):
        assert not selected(service["spec"]["selector"], labels)
    names = [{(item["kind"], item["metadata"]["name"]) for item in objects} for objects in (first, second)]
    assert names[0].isdisjoint(names[1])


def test_selectors_do_not_change_with_a_release(minimal):
    labels = only(minimal, "Deployment")["spec"]["selector"]["matchLabels"]
    assert set(labels) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


@pytest.mark.parametrize("release", ["a", "pim-authz", "x" * 53])
def test_names_fit(release):
    for item in render(release=release):
        assert re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", item["metadata"]["name"]), item["metadata"]["name"]
    long = render({"fullnameOverride": "y" * 80, "dashboard": {"enabled": True}}, release=release)
    assert all(len(item["metadata"]["name"]) <= 63 for item in long)


def test_the_headless_service_leads_to_each_server(minimal):
    headless = only(minimal, "Service", "pim-authz-headless")["spec"]
    assert headless["clusterIP"] == "None"
    # Only servers that answer, so that a client's list is of those.
    assert "publishNotReadyAddresses" not in headless
    ports = {port["name"]: port["targetPort"] for port in headless["ports"]}
    assert ports == {"grpc": "grpc", "http": "http"}


def test_each_server_is_scraped_once(full):
    monitor = only(full, "ServiceMonitor")["spec"]
    matching = [
        service["metadata"]["name"]
        for service in full
        if service["kind"] == "Service"
        and selected(monitor["selector"]["matchLabels"], service["metadata"]["labels"])
        and monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    ]
    assert matching == ["authz-headless"]
    assert monitor["endpoints"][0]["path"] == "/metrics"


def test_the_certificate_names_both_services(full):
    certificate = only(full, "Certificate")["spec"]
    for name in ("authz", "authz-headless"):
        assert f"{name}.authz.svc.example.internal" in certificate["dnsNames"]
        assert f"{name}.authz" in certificate["dnsNames"]
    mounted = next(volume for volume in pod_of(only(full, "Deployment"))["volumes"] if volume["name"] == "tls")
    assert mounted["secret"]["secretName"] == certificate["secretName"]


def test_an_existing_secret_can_be_issued_by_cert_manager():
    objects = render({"tls": {"existingSecret": "mine", "certManager": {"enabled": True, "issuerRef": {"name": "ca"}}}})
    assert only(objects, "Certificate")["spec"]["secretName"] == "mine"


def test_an_autoscaler_alone_decides_how_many(full, minimal):
    assert "replicas" not in only(full, "Deployment")["spec"]
    target = only(full, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "authz"}
    assert only(minimal, "Deployment")["spec"]["replicas"] == 2
    assert "HorizontalPodAutoscaler" not in {item["kind"] for item in minimal}


def test_the_account_has_no_token(full):
    account = only(full, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for kind in ("Deployment", "Job"):
        assert pod_of(only(full, kind))["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize(("account", "name"), [({"create": False}, "default"), ({"create": False, "name": "mine"}, "mine")], ids=str)
def test_an_account_that_is_there_is_used(account, name):
    objects = render({"serviceAccount": account})
    assert "ServiceAccount" not in {item["kind"] for item in objects}
    assert pod_of(only(objects, "Deployment"))["serviceAccountName"] == name


def policies(settings):
    objects = render({"networkPolicy": {"enabled": True}, **settings})
    return only(objects, "NetworkPolicy", "pim-authz")["spec"], only(objects, "NetworkPolicy", "pim-authz-migrate")["spec"]


def ports(rules):
    return [[port["port"] for port in rule["ports"]] for rule in rules]


def test_a_policy_lets_in_callers_and_prometheus():
    servers, migration = policies({})
    assert servers["policyTypes"] == ["Ingress", "Egress"]
    callers, monitoring = servers["ingress"]
    assert callers == {"from": [{"podSelector": {}}], "ports": [{"port": 50051, "protocol": "TCP"}]}
    assert monitoring["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert ports([monitoring]) == [[9464]]
    assert migration["ingress"] == []
    assert ports(migration["egress"]) == [[53, 53], [5432]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [[53, 53], [5432]]),
        ({"settings": {"otlpEndpoint": "http://collector"}}, [[53, 53], [5432], [4317]]),
        ({"settings": {"otlpEndpoint": "https://collector"}}, [[53, 53], [5432], [443]]),
        ({"settings": {"otlpEndpoint": "http://[fd00::1]:4318/x"}}, [[53, 53], [5432], [4318]]),
        ({"callers": {"oidc": {"issuer": "https://id.example.com/a:1", "audience": "a"}}}, [[53, 53], [5432], [443]]),
        ({"callers": {"oidc": {"issuer": "https://id:8443", "audience": "a", "jwks": "https://keys/"}}}, [[53, 53], [5432], [8443, 443]]),
    ],
    ids=str,
)
def test_a_policy_lets_out_what_the_settings_need(settings, expected):
    servers, _ = policies(settings)
    assert ports(servers["egress"]) == expected


def test_the_peers_of_policies_are_those_that_are_given(full):
    policy = only(full, "NetworkPolicy", "authz")["spec"]
    assert policy["egress"][1]["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]
    assert policy["ingress"][1]["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}
    migration = only(full, "NetworkPolicy", "authz-migrate")["spec"]
    assert migration["egress"][1]["to"] == policy["egress"][1]["to"]


def test_an_older_kubernetes_is_refused():
    done = helm_template("--kube-version", "1.29.0")
    assert done.returncode != 0 and "incompatible with Kubernetes" in done.stderr
