"""The pages a reader has, and the marked blocks in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "bench" / "README.md")
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    mark: str
    text: str

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of each `tollkeeper` command, without the path it is called by."""
        for line in self.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\|", line.removeprefix("$ ")):
                words = [
                    word for word in shlex.split(part, comments=True) if not word.startswith(">")
                ]
                at = [Path(word).name for word in words]
                if "tollkeeper" in at:
                    yield words[at.index("tollkeeper") + 1 :]


def in_order(page: Path) -> list[Block]:
    return [
        Block(page.name, found[1], found[2].strip(), found[3])
        for found in BLOCK.finditer(page.read_text())
    ]


def blocks(language: str, mark: str = "") -> list[Block]:
    """`mark`: what follows the language in a block's first line; empty for any."""
    return [
        block
        for page in PAGES
        for block in in_order(page)
        if block.language == language and (not mark or block.mark == mark)
    ]
