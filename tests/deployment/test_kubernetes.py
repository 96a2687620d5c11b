"""The chart: by Helm itself, by Kubernetes' own schemas, and by our configuration check."""

import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import orjson
import pytest
import yaml
from support.helm import helm

from gateway.settings import load

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "tollkeeper"
RENDERED = ROOT / "deploy" / "kubernetes" / "tollkeeper.yaml"
EVERYTHING = {
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
}
# Not Kubernetes' own: resources of the Prometheus operator.
OPERATORS = ("ServiceMonitor", "PrometheusRule")
KUBERNETES = ["1.32", "1.36"]


def rendered(**values: Any) -> list[dict[str, Any]]:
    text = helm("helm_template", chart=str(CHART), release_name="tollkeeper", values=values)
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [each for each in documents if each["kind"] == kind]
    return found


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    found = orjson.loads(helm("helm_lint", paths=[str(CHART)], strict=True))
    assert found["passed"]
    assert {"INFO"} >= {each["severity"] for each in found["messages"]}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_every_object_fits_kubernetes_schema(version: str, values: dict[str, Any]) -> None:
    documents = rendered(**values)
    for each in documents:
        if each["kind"] not in OPERATORS:
            kubernetes_validate.validate(each, version, strict=True)
    assert len(documents) == (9 if values else 6)


def test_a_value_that_the_chart_does_not_have_is_refused() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = orjson.loads((CHART / "values.schema.json").read_bytes())
    assert set(values) == set(schema["properties"]) - {"global"}
    with pytest.raises(AssertionError, match="replicaCount"):
        rendered(replicaCount=3)


def test_the_chart_brings_the_rules_that_are_tested() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yaml").read_text())
    assert rules == of_kind(rendered(**EVERYTHING), "PrometheusRule")["spec"]


def test_the_plain_manifests_are_what_the_chart_makes_of_its_defaults() -> None:
    """Made anew by: (cd tests && python -m support.helm_manifests)"""
    assert rendered() == [each for each in yaml.safe_load_all(RENDERED.read_text()) if each]


def test_the_configuration_in_the_chart_is_one_the_gateway_takes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path, dirs_exist_ok=True)
    (tmp_path / "live").mkdir()
    (tmp_path / "secrets").mkdir()
    for name, secret in {
        "STORE_URL": "redis://redis:6379/0",
        "TOLLKEEPER_PEPPER": "p" * 64,
        "OPENAI_API_KEY": "sk-test",
    }.items():
        (tmp_path / "secrets" / name).write_text(secret)
    config = of_kind(rendered(), "ConfigMap")["data"]["gateway.yaml"]
    (tmp_path / "live" / "gateway.yaml").write_text(config)
    settings = load(tmp_path / "live" / "gateway.yaml", {})
    assert "redis://redis:6379/0" == settings.store.url
    assert "0.0.0.0" == settings.admin.host  # noqa: S104 - reached by probes

    pod = of_kind(rendered(), "StatefulSet")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    pause_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed_s = pause_s + settings.listen.unready_s + settings.listen.drain_s + 15
    assert pod["terminationGracePeriodSeconds"] >= needed_s
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert {"http": settings.listen.port, "admin": settings.admin.port} == ports


def test_nothing_in_the_pod_may_do_more_than_it_needs() -> None:
    pod = of_kind(rendered(), "StatefulSet")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert {"drop": ["ALL"]} == container["securityContext"]["capabilities"]
    writable = {each["mountPath"] for each in container["volumeMounts"] if "readOnly" not in each}
    assert {"/var/lib/tollkeeper", "/tmp"} == writable  # noqa: S108 - of the pod
