"""Every object is one that Kubernetes accepts: compared, strictly, with the schemas of the oldest version that the chart
allows, and of later ones. Objects of operators have no schema there, and are named."""

import kubernetes_validate
import pytest
import yaml

from conftest import CHART, EXAMPLES, VALUES, render

VERSIONS = ["1.30.0", "1.34.0", "1.37.0"]
# Of cert-manager and of the Prometheus operator, which no schema of Kubernetes describes.
OF_OPERATORS = {"Certificate", "PrometheusRule", "ServiceMonitor"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [*VALUES, *EXAMPLES], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_object_fits_the_schema(version, values):
    objects = render(values=(values,))
    described = [item for item in objects if item["kind"] not in OF_OPERATORS]
    assert {"Deployment", "Service"} <= {item["kind"] for item in described}
    for item in described:
        kubernetes_validate.validate(item, version, strict=True)


def test_a_wrong_object_is_found():
    objects = render()
    deployment = next(item for item in objects if item["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_the_oldest_version_is_the_one_that_the_chart_allows():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={VERSIONS[0]}-0"


def test_objects_without_a_schema_are_those_of_operators(full):
    custom = {item["kind"] for item in full if "." in item["apiVersion"] and ".k8s.io" not in item["apiVersion"]}
    assert custom == OF_OPERATORS
