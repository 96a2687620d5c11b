"""Modules joined into one script: each once, after what it needs, with names of its own."""

import pytest

from gateway.dashboard.scripts import joined

MODULES = {
    "views/page.js": (
        'import { twice } from "../sums.js";\nimport { name } from "./names.js";\n'
        "const one = 1;\nstart(twice(one), name);\n"
    ),
    "views/names.js": (
        'import { twice } from "../sums.js";\nexport const name = String(twice(2));\n'
    ),
    "sums.js": "const one = 2;\nexport function twice(value) {\n  return one * value;\n}\n",
}


def test_each_module_is_called_once_after_those_it_imports_from() -> None:
    assert (
        "// sums.js\nconst module0 = (() => {\nconst one = 2;\nfunction twice(value) {\n"
        "  return one * value;\n}\nreturn { twice };\n})();\n"
        "// views/names.js\nconst module1 = (() => {\nconst { twice } = module0;\n"
        "const name = String(twice(2));\nreturn { name };\n})();\n"
        "// views/page.js\nconst module2 = (() => {\nconst { twice } = module0;\n"
        "const { name } = module1;\nconst one = 1;\nstart(twice(one), name);\nreturn {  };\n})();\n"
    ) == joined("views/page.js", MODULES)


@pytest.mark.parametrize(
    "text",
    [
        'import { a as b } from "./b.js";\n',
        'import * as b from "./b.js";\n',
        'import {\n  a,\n} from "./b.js";\n',
        'const b = await import("./b.js");\n',
        "export default 1;\n",
        "const a = 1;\nexport { a };\n",
        'import { a } from "./missing.js";\n',
        'import { a } from "./a.js";\n',
    ],
)
def test_what_cannot_be_joined_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"joined|not there"):
        joined("a.js", {"a.js": text, "b.js": "export const a = 1;\n"})
