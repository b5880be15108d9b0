"""Lints the Helm chart, renders it with each file of values, and holds the objects to Kubernetes'
schemas. `scripts/deploy-check` runs it, in an environment with Helm's engine.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm" / "acclimate"
KEPT = ROOT / "tests" / "deploy" / "rendered"
VERSIONS = ("1.27", "1.31", "1.37")  # the oldest that the chart allows, to the newest there is
WRONG = (
    {},
    {"image": {"repository": "a"}, "ingress": {"enabled": True}},
    {"image": {"repository": "a"}, "hosts": ["a.org"], "ingress": {"enabled": True}},
    {"image": {"repository": "a"}, "replicas": 2},
    {"image": {"repository": "a"}, "hosts": ["https://a.org"]},
)


def chart_hash() -> str:
    """Names the chart's files; tests/deploy/test_chart.py computes the same."""
    digest = hashlib.sha256()
    for file in sorted(path for path in CHART.rglob("*") if path.is_file()):
        digest.update(file.relative_to(CHART).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def render(values: dict[str, Any]) -> str:
    """The objects, as one stream of YAML; checked against values.schema.json first."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(chart.merge_values(values))
        made = chart.render(values, name="handbook", namespace="docs")
    parts = [made[name].strip() for name in sorted(made) if name.endswith(".yaml")]
    return "".join(f"---\n{part}\n" for part in parts if part)


def main() -> None:
    """Write what the chart renders to, or end with the first finding."""
    lint = helm.lint(str(CHART), values={"image": {"repository": "a"}})
    print("lint:", lint)
    KEPT.mkdir(parents=True, exist_ok=True)
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        text = render(yaml.safe_load(values.read_text(encoding="utf-8")))
        objects = list(yaml.safe_load_all(text))
        for version in VERSIONS:
            for one in objects:
                kubernetes_validate.validate(one, version, strict=True)
        name = values.name.removesuffix("-values.yaml")
        (KEPT / f"{name}.yaml").write_text(text, encoding="utf-8")
        kinds = ", ".join(one["kind"] for one in objects)
        print(f"{name}: {kinds}; valid for Kubernetes {', '.join(VERSIONS)}")
    for values in WRONG:
        try:
            render(values)
        except helm.HelmError as error:
            print(f"refused, as it must be: {values}: {str(error).splitlines()[-1]}")
        else:
            sys.exit(f"accepted, and must not be: {values}")
    (KEPT / "chart.sha256").write_text(chart_hash() + "\n", encoding="utf-8")
    print(f"Helm {helm.helm_sdk_version()}: tests/deploy/rendered is renewed.")


if __name__ == "__main__":
    main()
