"""Strict configuration: YAML and secrets in, frozen settings out, or every mistake at once.

The way in, top to bottom: `documents` reads YAML with line numbers, `schema*` says what may be
written, `validation` compares the two, `reading` does so for all files, `checks` looks at rules
between settings, `build` and `rate_card` make the values of `values`. No environment variable is
read here: the environment is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError
from gateway.settings.build import build
from gateway.settings.checks import check
from gateway.settings.problems import Problem, Problems
from gateway.settings.reading import read_files
from gateway.settings.sources import Sources
from gateway.settings.values import Settings

# What commands and the composition root ask for; everything else has its own module.
__all__ = ["Examined", "Problem", "Settings", "examine", "load"]


@dataclass(frozen=True, slots=True)
class Examined:
    """Either settings and no problem, or problems and no settings."""

    settings: Settings | None
    problems: tuple[Problem, ...]


def examine(path: Path, environ: Mapping[str, str]) -> Examined:
    """Read everything the configuration at `path` refers to, and judge it."""
    problems = Problems()
    sources = Sources(path, environ, problems)
    files = read_files(path, sources, problems)
    settings = None
    if files is not None:
        check(files, problems)
        settings = build(files, sources, problems)
    return Examined(None if problems else settings, problems.ordered())


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings, complete and checked. Raises ConfigError with all problems, one a line."""
    examined = examine(path, environ)
    if examined.settings is None:
        raise ConfigError("\n".join(map(str, examined.problems)))
    return examined.settings
