"""Writes deploy/kubernetes/tollkeeper.yaml: what the chart makes of its defaults."""

from pathlib import Path

from support.helm import helm

DEPLOY = Path(__file__).parents[2] / "deploy"
HEAD = """\
# The chart in deploy/helm/tollkeeper with its defaults, for `kubectl apply -f`. Not written by
# hand: (cd tests && python -m support.helm_manifests) makes it anew. The Secret `tollkeeper`
# is yours to make.
"""

if __name__ == "__main__":
    text = helm(
        "helm_template", chart=str(DEPLOY / "helm" / "tollkeeper"), release_name="tollkeeper"
    )
    (DEPLOY / "kubernetes" / "tollkeeper.yaml").write_text(HEAD + text.lstrip())
