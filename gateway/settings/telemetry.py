"""Where spans and GenAI metrics go, if anywhere."""

from gateway.settings.problems import Problems
from gateway.settings.reading import Files
from gateway.settings.values import Telemetry
from gateway.telemetry.spans import installed


def build_telemetry(files: Files, problems: Problems) -> Telemetry:
    url = files.main.telemetry.otlp_url
    if url is not None and not installed():
        problems.add(
            files.node.at("telemetry", "otlp_url"),
            "OpenTelemetry needs libraries that are not installed",
            suggestion="Install them with: pip install 'tollkeeper[otel]'",
        )
    return Telemetry(otlp_url=url)
