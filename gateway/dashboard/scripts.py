"""A page's modules, joined into one script: a browser asks once, and not for thirty files.

It is no build step: it is done when a gateway starts, and what is joined stays as it was written.
Each module becomes a function of its own that is called once, before those that import from it, so
no name of one is seen in another. That takes modules that import and export in one way only: one
line for each import, by name; exports where they are declared. Any other is refused.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath

NAMES = r"\{ [\w$]+(?:, [\w$]+)* \}"
IMPORT = re.compile(rf'^import ({NAMES}) from "(\.{{1,2}}/[\w/]+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|class|function|async function) ([\w$]+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


def joined(entry: str, modules: Mapping[str, str]) -> str:
    """`modules`: their texts by path. Raises ValueError for what cannot be joined."""
    order = list(dict.fromkeys(_needed(entry, modules, ())))
    places = {name: f"module{number}" for number, name in enumerate(order)}
    return "".join(_called(name, modules[name], places) for name in order)


def _needed(name: str, modules: Mapping[str, str], above: tuple[str, ...]) -> Iterator[str]:
    """It and all that it imports from, those first."""
    if name in above or name not in modules:
        raise ValueError(f"{' > '.join((*above, name))}: not there, or imported by itself.")
    for _, target in IMPORT.findall(modules[name]):
        yield from _needed(_found(name, target), modules, (*above, name))
    yield name


def _called(name: str, text: str, places: Mapping[str, str]) -> str:
    def bound(one: re.Match[str]) -> str:
        return f"const {one[1]} = {places[_found(name, one[2])]};\n"

    exported = ", ".join(found[1] for found in EXPORT.finditer(text))
    body = EXPORT.sub("", IMPORT.sub(bound, text))
    if other := OTHER.search(body):
        raise ValueError(f"{name}: {other[0]!r} cannot be joined.")
    return f"// {name}\nconst {places[name]} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _found(name: str, target: str) -> str:
    return normpath(join(dirname(name), target))
