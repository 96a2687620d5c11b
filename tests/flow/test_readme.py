"""What README and docs tell a reader to type is typed here.

Blocks are marked in their first line. `console run`: commands with their output, run in order in a
directory with the sample configuration; numbers, keys and moments may differ. `python demo`: run
against a demo, with its address and key. `yaml`: read as part of the sample configuration; `yaml
plan`: of one of its plans. `sh`: each `tollkeeper` command must exist, with the options it is
given. `sh run`: also run, with the configuration of the page's `yaml` before it. All others:
`test_snippets`.
"""

import contextlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import pytest
import yaml
from support.commands import Demo, python, shell, tollkeeper
from support.pages import PAGES, ROOT, blocks, in_order
from support.settings_env import ENVIRON

from gateway.cli import main
from gateway.settings import load

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
SECRETS = ENVIRON | {
    "TOLLKEEPER_PEPPER": "0123456789abcdef0123456789abcdef",
    "STORE_URL": "redis://:secret@127.0.0.1/0",
    "STRIPE_WEBHOOK_SECRET": "whsec_a-secret-that-signs",
    "STRIPE_API_KEY": "sk_test_a-secret-key",
    "LAGO_API_KEY": "a-key-of-lago",
    "OPERATOR_KEY": "ts_an-operators-key-that-is-long-enough-00001",
    "AZURE_API_KEY": "a-key-of-azure",
    "SPARE_API_KEY": "a-key-of-the-spare",
    "BILLING_SERVICE_KEY": "ts_a-service-key-that-is-long-enough-000001",
}


def masked(text: str) -> str:
    """Without what is another at each run: keys, their ids, digits."""
    text = re.sub(r"tk_[0-9A-Za-z]{12}_[0-9A-Za-z]{39}", "KEY", text)
    text = re.sub(r"\b(?=[0-9A-Za-z]*[0-9A-Z])[0-9A-Za-z]{12}\b", "KEYID", text)
    return re.sub(r"[0-9]", "0", text).rstrip("\n")


def test_there_is_something_to_try() -> None:
    assert blocks("console", "run")
    assert blocks("python", "demo")
    assert len(blocks("sh")) >= 4


def parse(words: list[str]) -> None:
    """Raises what the command would be refused with; a group alone is a mention of all it has."""
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(main), words.pop(0))
        assert found is not None, f"{command.name} has no such command"
        command = found
    if not isinstance(command, click.Group):
        command.make_context(command.name or "", [*words], resilient_parsing=False)


@pytest.mark.parametrize("block", blocks("sh") + blocks("console"), ids=lambda block: block.page)
def test_every_command_exists_with_these_options(block) -> None:
    for words in block.commands:
        parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_mentioned_exists_with_these_options(page) -> None:
    """In running text, where what it must be given may be left out."""
    for mentioned in re.findall(r"`tollkeeper ([^`]+)`", page.read_text()):
        with contextlib.suppress(click.MissingParameter):
            parse(re.sub(r"<[^>]*>", "x", mentioned).split())


def test_what_the_files_of_a_deployment_tell_to_type_can_be_typed() -> None:
    names = "|".join(main.list_commands(click.Context(main)))
    call = re.compile(rf"(?:^|[\s/])tollkeeper ((?:{names})\b.*)$", re.MULTILINE)
    files = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    found = [typed for path in files for typed in call.findall(path.read_text())]

    assert len(found) >= 4
    for typed in found:
        parse(shlex.split(typed))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", blocks("console", "run"), ids=lambda block: block.page)
async def test_what_is_shown_is_what_is_printed(block, tmp_path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "tollkeeper"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gateway "$@"\n')
    program.chmod(0o755)
    for shown in block.text.removeprefix("$ ").split("\n$ "):
        command, _, expected = shown.partition("\n")
        ran = await shell(
            f"export OPENAI_API_KEY=sk-test; {command}", cwd=tmp_path, path=str(tmp_path / "bin")
        )

        assert "" == ran.err
        assert masked(expected) == masked(ran.out)


@pytest.mark.parametrize("block", blocks("python", "demo"), ids=lambda block: block.page)
async def test_python_snippets_run_against_the_demo(block, tmp_path) -> None:
    demo = Demo(tmp_path)
    await demo.start()
    try:
        origin = demo.told("Base URL").removesuffix("/v1")
        script = block.text.replace("http://127.0.0.1:8080", origin)
        ran = await python(script.replace("tk_...", demo.told("Key")), cwd=tmp_path)
        told = await demo.until("completed")
    finally:
        await demo.stop()

    assert (0, "") == (ran.code, ran.err)
    assert len(ran.out.split()) > 5
    assert "provider" in told


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.page)
def test_yaml_snippets_fit_into_the_sample_configuration(block, tmp_path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    document = yaml.safe_load(block.text)
    if block.mark == "plan":
        document = as_plan(tmp_path / "config", document)
    if isinstance(document.get("models"), dict):
        document = as_rate_card(tmp_path / "config", document)
    read_with(tmp_path / "config", document)


def recipes() -> list[tuple[str, str, str]]:
    """Page, configuration and commands of each `sh run`."""
    found = []
    for page in PAGES:
        configuration = ""
        for block in in_order(page):
            if (block.language, block.mark) == ("yaml", ""):
                configuration = block.text
            elif (block.language, block.mark) == ("sh", "run"):
                found.append((block.page, configuration, block.text))
                configuration = ""
    return found


# Each command is a process that starts a store of its own.
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("page", "configuration", "commands"), recipes())
async def test_recipes_can_be_followed(
    page, configuration, commands, tmp_path, monkeypatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-test")
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    changes = yaml.safe_load(configuration) if configuration else {}
    sample = yaml.safe_load((config / "gateway.yaml").read_text())
    (config / "gateway.yaml").write_text(yaml.safe_dump(sample | changes))
    for line in commands.splitlines():
        words = shlex.split(line, comments=True)
        ran = await tollkeeper(*words[1:], cwd=tmp_path)

        assert (0, "") == (ran.code, ran.err), line


def as_plan(folder: Path, lines: dict[str, object]) -> dict[str, object]:
    """The plans of the sample, one of them with these lines as well."""
    plans = yaml.safe_load((folder / "plans.yaml").read_text())["plans"]
    more = lines.get("plans", {"monthly": lines})
    assert isinstance(more, dict)
    return {"plans": {name: plan | more.get(name, {}) for name, plan in plans.items()}}


def as_rate_card(folder: Path, lines: dict[str, object]) -> dict[str, object]:
    """The change that names a card with these lines."""
    head = {"version": "v1", "effective_from": "2026-11-26", "checked": "2026-11-26", "source": "x"}
    (folder / "card.yaml").write_text(yaml.safe_dump(head | lines))
    return {"prices": ["card.yaml"], "models": [{"match": "*", "provider": "openai"}]}


def read_with(folder: Path, changes: dict[str, object]) -> None:
    """Raises ConfigError unless the sample with these sections is valid."""
    sample = folder / "gateway.yaml"
    document = yaml.safe_load(sample.read_text()) | changes
    sample.write_text(yaml.safe_dump(document))
    load(sample, SECRETS)


def test_the_compose_file_configures_the_gateway_it_starts(tmp_path) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    shutil.copytree(ROOT / "config", tmp_path / "config")
    config = tmp_path / "config" / "gateway.yaml"
    config.write_text(compose["configs"]["gateway"]["content"])
    settings = load(config, SECRETS)

    gateway = compose["services"]["gateway"]
    assert {"OPENAI_API_KEY", "TOLLKEEPER_PEPPER"} == set(gateway["environment"])
    assert "redis://redis:6379/0" == settings.store.url
    assert [f"{settings.listen.port}:{settings.listen.port}"] == gateway["ports"]
    assert "noeviction" in compose["services"]["redis"]["command"]
    grace_s = int(gateway["stop_grace_period"].removesuffix("s"))
    assert grace_s >= settings.listen.unready_s + settings.listen.drain_s + 15


def test_the_image_starts_the_command_that_exists_with_files_that_are_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    [command] = [yaml.safe_load(rest) for name, rest in words if name == "CMD"]
    sources = [rest.split()[:-1] for name, rest in words if name == "COPY" and "--from" not in rest]
    kept = (ROOT / ".dockerignore").read_text().split()

    assert ["tollkeeper", "serve", "--config", "/etc/tollkeeper/gateway.yaml"] == command
    for source in [word for group in sources for word in group]:
        assert (ROOT / source).exists()
        assert f"!{source}" in kept
    [check] = [rest for name, rest in words if name == "HEALTHCHECK"]
    assert "http://127.0.0.1:9090/healthz" in check
    compile(yaml.safe_load(check[check.index("[") :])[2], "HEALTHCHECK", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page) -> None:
    text = page.read_text()
    targets = [found[1] for found in LINK.finditer(text) if not found[1].startswith("http")]
    paths = re.findall(r"`((?:gateway|tests|docs|config|deploy|bench)/[\w./-]+)(?:::\w+)?`", text)

    assert [] == [target for target in targets if not (page.parent / target).exists()]
    assert [] == [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_exist(page) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())

    assert [] == [
        (path, name) for path, name in named if f"def {name}(" not in (ROOT / path).read_text()
    ]


def test_readme_gives_the_two_commands_that_the_gate_runs() -> None:
    readme, gate = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    [packages] = re.findall(r"apt-get install -y ([\w\s-]+?) &&", readme)

    assert set(packages.split()) <= set(re.findall(r"[\w-]+", gate))
    assert "pip install" in gate
    assert "python -m pytest" in gate
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
