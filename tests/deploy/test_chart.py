"""What the chart makes. Helm's engine is 244 MB, so `scripts/deploy-check` renders into `rendered/` and holds it to
Kubernetes' schemas; here it is looked at that the chart is still the one that was rendered, and that it is closed."""

import hashlib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "acclimate"
KEPT = Path(__file__).parent / "rendered"
CASES = ("plain", "ingress", "store")


def objects(case):
    text = (KEPT / f"{case}.yaml").read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def containers(case):
    pod = objects(case)["StatefulSet"]["spec"]["template"]["spec"]
    return pod, pod["initContainers"] + pod["containers"]


def test_the_rendered_chart_is_the_one_that_is_here():
    digest = hashlib.sha256()
    for file in sorted(path for path in CHART.rglob("*") if path.is_file()):
        digest.update(file.relative_to(CHART).as_posix().encode() + b"\0" + file.read_bytes())
    kept = (KEPT / "chart.sha256").read_text(encoding="utf-8").strip()
    assert digest.hexdigest() == kept, "scripts/deploy-check renders it anew"
    assert {file.stem for file in KEPT.glob("*.yaml")} == set(CASES)


def test_the_chart_has_the_version_of_the_package():
    import acclimate

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == acclimate.__version__


@pytest.mark.parametrize("case", CASES)
def test_pods_have_no_rights_that_they_do_not_need(case):
    pod, all_of_them = containers(case)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for one in all_of_them:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in one["resources"]["limits"]
        assert not any(
            "PASSWORD" in env["name"] or "KEY" in env["name"] for env in one.get("env", ())
        )


@pytest.mark.parametrize("case", CASES)
def test_what_is_mounted_exists_and_the_service_finds_the_pod(case):
    made = objects(case)
    pod, all_of_them = containers(case)
    claimed = made["StatefulSet"]["spec"].get("volumeClaimTemplates", [])
    volumes = {one["name"] for one in pod["volumes"]} | {one["metadata"]["name"] for one in claimed}
    assert {mount["name"] for one in all_of_them for mount in one["volumeMounts"]} <= volumes
    labels = made["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert made["Service"]["spec"]["selector"].items() <= labels.items()
    assert made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    (port,) = made["Service"]["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in pod["containers"][0]["ports"]}


def test_nothing_goes_out_unless_values_say_so():
    for case in ("plain", "ingress"):
        policy = objects(case)["NetworkPolicy"]["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert policy["egress"] == []
    ports = [one["ports"][0]["port"] for one in objects("store")["NetworkPolicy"]["spec"]["egress"]]
    assert ports == [5432, 53]


def test_an_ingress_has_tls_and_its_names_are_allowed():
    made = objects("ingress")
    names = ["docs.example.org", "handbook.example.org"]
    assert made["Ingress"]["spec"]["tls"] == [{"hosts": names, "secretName": "docs-tls"}]
    assert [rule["host"] for rule in made["Ingress"]["spec"]["rules"]] == names
    env = {one["name"]: one["value"] for one in containers("ingress")[1][1]["env"]}
    assert yaml.safe_load(env["ACCLIMATE_SERVE__HOSTS"]) == names
    assert yaml.safe_load(env["ACCLIMATE_SERVE__ORIGINS"]) == [f"https://{name}" for name in names]
    assert "Ingress" not in objects("plain")
