"""Make the notebook for students from the one with the solutions: `python notebooks/make_student.py`.

What stands between the marks ``BEGIN SOLUTION: hint`` and ``END SOLUTION`` becomes a blank that says the hint: in code a line
that raises it, in a text the hint alone. All other cells are the same, checks among them.
"""

import json
import re
from pathlib import Path
from typing import Any

SOLUTION = Path(__file__).with_name("two_layer_net.ipynb")
STUDENT = Path(__file__).with_name("two_layer_net_student.ipynb")
CODE = re.compile(r"^( *)# BEGIN SOLUTION: (.+)\n(?:.*\n)*? *# END SOLUTION$", re.MULTILINE)
TEXT = re.compile(r"<!-- BEGIN SOLUTION:\n(.+?)\n-->\n.*?<!-- END SOLUTION -->", re.DOTALL)


def blanked(kind: str, source: str) -> str:
    """Return the source of a cell with blanks for its solutions."""
    if kind == "markdown":
        return TEXT.sub(lambda match: match[1], source)
    return CODE.sub(lambda match: f'{match[1]}raise NotImplementedError("{match[2]}")', source)


def student_notebook(solution: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook for students, of the one with the solutions."""
    cells = [
        cell | {"source": blanked(cell["cell_type"], "".join(cell["source"])).splitlines(keepends=True)}
        for cell in solution["cells"]
    ]
    return solution | {"cells": cells}


def main() -> None:
    """Write the notebook for students."""
    notebook = student_notebook(json.loads(SOLUTION.read_text(encoding="utf-8")))
    STUDENT.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
