"""What cannot be run in a test is judged by its own linter: image, compose file, systemd unit."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import orjson
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.texts import reworded

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
EXTRAS_IN_THE_IMAGE = ("kafka", "postgres", "prices")


def told(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = told(BIN / "hadolint", "--format", "json", ROOT / "Dockerfile")
    assert [] == orjson.loads(found.stdout)


def test_the_compose_file_fits_its_specification() -> None:
    found = told(
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        DEPLOY / "compose.yaml",
    )
    assert 0 == found.returncode, found.stdout


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "tollkeeper.service"
    text = (DEPLOY / "systemd" / "tollkeeper.service").read_text()
    # What is not installed here must not be what it complains of.
    unit.write_text(text.replace("/opt/tollkeeper/bin/tollkeeper", "/bin/true"))
    found = told("systemd-analyze", "verify", "--man=no", unit)
    about_us = [line for line in found.stderr.splitlines() if "tollkeeper" in line]
    assert [] == about_us
    rated = told("systemd-analyze", "security", "--offline=true", unit)
    [level] = re.findall(r"exposure level for tollkeeper.service: ([0-9.]+)", rated.stdout)
    assert float(level) < 2


def test_no_core_is_dumped() -> None:
    """It would hold what memory holds: credentials, prompts."""
    assert "\nLimitCORE=0\n" in (DEPLOY / "systemd" / "tollkeeper.service").read_text()
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {"core": 0} == services["gateway"]["ulimits"]


def test_commands_run_as_the_gateways_user_with_its_secrets(tmp_path: Path) -> None:
    """The script for root, with everything that it takes for granted in a folder."""
    (tmp_path / "bin").mkdir()
    told_by = {
        "tollkeeper": 'echo "$PWD $TOLLKEEPER_CONFIG $A $B" "$@"',
        "runuser": 'shift 3; "$@"',
    }
    for name, line in told_by.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "secrets.env").write_text("# A comment\nA=sk-$x 'y'\nB=2=3\n")
    places = {
        "< /etc/tollkeeper/secrets.env": f"< {tmp_path}/secrets.env",
        "cd /var/lib/tollkeeper": f"cd {tmp_path}",
        "runuser -u tollkeeper -- /opt/tollkeeper": f"{tmp_path}/bin/runuser -u x -- {tmp_path}",
    }
    text = (DEPLOY / "systemd" / "tollkeeper").read_text()
    (tmp_path / "script").write_text(reworded(text, places.items()))
    ran = told("sh", tmp_path / "script", "accounts", "list", "--name", "a b")
    assert (
        "",
        f"{tmp_path} /etc/tollkeeper/gateway.yaml sk-$x 'y' 2=3 accounts list --name a b\n",
    ) == (
        ran.stderr,
        ran.stdout,
    )


def pins(name: str) -> dict[str, str]:
    """Package → version, of a file of requirements; each line must have its hashes."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=[a-z])", (DEPLOY / name).read_text()):
        match = re.match(r"([a-z0-9-]+)==([^ ]+) [^\n]*\\\n", block)
        if match is None:
            assert block.startswith("#"), block[:80]
            continue
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]
        found[match[1]] = match[2]
    return found


def test_the_image_is_built_from_pinned_packages_with_hashes_that_fit_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS_IN_THE_IMAGE:
        wanted += project["optional-dependencies"][extra]
    pinned = pins("requirements.txt")
    for each in map(Requirement, wanted):
        version = pinned[canonicalize_name(each.name)]
        assert each.specifier.contains(version), f"{each} is pinned to {version}"


def test_the_image_is_built_by_what_is_pinned_too() -> None:
    built_by = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = pins("build-requirements.txt")
    assert set(pinned) == {Requirement(each).name for each in built_by}
    for each in map(Requirement, built_by):
        assert each.specifier.contains(pinned[each.name])
    commands = re.findall(
        r"pip (?:\S+ \S+ )?(?:install|wheel) .*", (ROOT / "Dockerfile").read_text()
    )
    assert 4 == len(commands)
    offline = ("--require-hashes", "--no-build-isolation", "--no-index")
    assert [] == [each for each in commands if not any(option in each for option in offline)]


@pytest.mark.parametrize("place", ["requirements.txt", "build-requirements.txt", "compose.yaml"])
def test_no_index_is_named(place: str) -> None:
    text = (DEPLOY / place).read_text()
    assert "--index-url" not in text
    assert "--find-links" not in text
