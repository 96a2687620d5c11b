"""What is installed is what is in the tree, and asks nobody for more when it runs. (Requirements
pinned with hashes: tests/deployment.)"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from support.gateways import gateway_pair

# Python imports it at its start, in workers too: notes whom each process wants to reach.
NOTING = """
import os, sys
FAMILIES = ("socket.connect", "socket.sendto", "socket.getaddrinfo")
def note(event, told):
    if event in FAMILIES:
        whom = told[0] if event == "socket.getaddrinfo" else told[1]
        host = whom[0] if isinstance(whom, tuple) else whom
        with open(os.environ["REACHED"], "a") as noted:
            noted.write(f"{host}\\n")
sys.addaudithook(note)
"""
ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"


def test_the_wheel_holds_our_package_and_nothing_that_runs_by_itself(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    kept_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "gateway", tree / "gateway", ignore=kept_out)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree)
    # Without a network: the build needs what is installed here.
    subprocess.run([sys.executable, "-c", BUILD], cwd=tree, check=True, capture_output=True)
    [wheel] = (tree / "dist").glob("tollkeeper-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        same = [
            name
            for name in names
            if name.startswith("gateway/") and opened.read(name) == (ROOT / name).read_bytes()
        ]

    ours = {str(path.relative_to(tree)) for path in (tree / "gateway").rglob("*") if path.is_file()}
    about = {name for name in names if name.startswith("tollkeeper-")}
    assert ours == set(same)
    assert names == ours | about
    assert {name.partition("/")[2] for name in about} <= {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "top_level.txt",
    }
    assert not any(name.endswith(".pth") for name in names)


def test_nothing_but_what_is_known_runs_when_an_interpreter_starts() -> None:
    """A `.pth` file with an import in it runs at every start of Python."""
    known = ("distutils-precedence.pth", "a1_coverage.pth")
    found = [
        str(path)
        for folder in map(Path, sys.path)
        if folder.name == "site-packages"
        for path in folder.glob("*.pth")
        if path.name not in known
        and not path.name.startswith("__editable__")
        and any(line.startswith(("import ", "import\t")) for line in path.read_text().splitlines())
    ]
    assert [] == found


async def test_nothing_but_this_machine_is_asked_when_it_runs(
    tmp_path: Path, store_url: str
) -> None:
    """Neither for vocabularies nor for anything else: the call's tokens are counted by us."""
    noting, reached = tmp_path / "noting", tmp_path / "reached"
    noting.mkdir()
    (noting / "sitecustomize.py").write_text(NOTING)
    environ = {"PYTHONPATH": f"{noting}{os.pathsep}{ROOT}", "REACHED": str(reached)}
    async with gateway_pair(tmp_path, store_url, environ=environ) as pair:
        assert 200 == await pair.client.status("tokens=30,no_usage")
        await pair.other.settled(charged=lambda ucr: ucr > 0)
        [event] = await pair.other.events()

    assert "counted" == event["provenance"]
    assert "127.0.0.1" in (hosts := set(reached.read_text().split()))
    assert {"127.0.0.1", "localhost", "::1"} >= {host for host in hosts if "/" not in host}
