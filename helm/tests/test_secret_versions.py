"""An upgrade restarts servers when a secret that they read at their start alone has changed: seen in a cluster's API, of
which this serves as much as Helm asks for."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from conftest import CHART, HELM, TESTS, only, render


def discovery(kinds):
    """What the API says of itself, by its paths: that it knows these pairs of version and kind."""
    lists = {}
    for version, kind in sorted(kinds):
        resource = {"name": f"{kind.lower()}s", "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}
        lists.setdefault(version, []).append(resource)
    groups = [
        {"name": version.split("/")[0], "versions": [{"groupVersion": version, "version": version.split("/")[1]}]}
        for version in lists if "/" in version
    ]
    answers = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for version, resources in lists.items():
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    return answers


class Cluster(ThreadingHTTPServer):
    """The Secrets of the namespace `authz`: their names and versions."""

    def __init__(self, secrets, kinds):
        super().__init__(("127.0.0.1", 0), Api)
        self.secrets = secrets
        self.discovery = discovery({*kinds, ("v1", "Secret")})

    def answer(self, path):
        prefix = "/api/v1/namespaces/authz/secrets/"
        if path.startswith(prefix):
            name = path.removeprefix(prefix)
            if name in self.secrets:
                metadata = {"name": name, "namespace": "authz", "resourceVersion": self.secrets[name]}
                return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"uri": "c2VjcmV0"}}
        return self.discovery.get(path)


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.server.answer(self.path.split("?")[0])
        body = found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def annotation_with(tmp_path, full):
    """The annotation of the servers' pods in a cluster with these Secrets."""

    def annotation(secrets):
        with Cluster(secrets, {(item["apiVersion"], item["kind"]) for item in full}) as cluster:
            threading.Thread(target=cluster.serve_forever, daemon=True).start()
            config = tmp_path / "kubeconfig"
            config.write_text(yaml.safe_dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "users": [{"name": "test", "user": {}}],
            }))
            command = [HELM, "template", "pim-authz", CHART, "--namespace", "authz", "--dry-run=server", "--disable-openapi-validation",
                       "--kube-version", "1.34.0",
                       "--values", TESTS / "values" / "full.yaml", "--show-only", "templates/deployment.yaml"]
            environment = {**os.environ, "KUBECONFIG": str(config), "HOME": str(tmp_path)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
            cluster.shutdown()
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout)["spec"]["template"]["metadata"]["annotations"].get("pim-authz/secret-versions")

    return annotation


def test_secrets_that_are_read_at_the_start_are_named_with_their_versions(annotation_with):
    secrets = {"authz-database": "41", "database-ca": "7", "authz-tls": "1", "callers-ca": "2", "issuer-ca": "3", "others": "9"}
    before = annotation_with(secrets)
    # Not those that are read again when they change.
    assert before == "authz-database=41,database-ca=7,issuer-ca=3"
    assert annotation_with({**secrets, "authz-tls": "5", "callers-ca": "6"}) == before
    assert annotation_with({**secrets, "authz-database": "42"}) != before


def test_secrets_that_are_not_there_yet_are_no_error(annotation_with):
    assert annotation_with({}) is None


def test_without_a_cluster_nothing_is_looked_up():
    annotations = only(render(), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubectl.kubernetes.io/default-container": "pim-authz"}
