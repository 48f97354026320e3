"""The documentation: what it shows runs, and its tables agree with the code."""

import re
import shlex
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest

from fcnet.cli import main
from fcnet.experiments.folder import LOCK, RUN_FILES, STATUS
from fcnet.experiments.recipe import RULE_DEFAULTS, Recipe, recipe_names
from fcnet.nn.layers import ACTIVATIONS
from fcnet.preprocessing.scaling import SCALINGS
from fcnet.training.batches import BatchKind
from fcnet.training.schedules import SCHEDULES
from fcnet.training.updates import UPDATES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]
TYPES = {str: "text", bool: "boolean", int: "integer", float: "number", list: "list of integers"}


def blocks(page, language):
    """Return the fenced blocks of a language, each with as many empty lines before it as stand before it in the page."""
    text = page.read_text(encoding="utf-8")
    fences = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    return ["\n" * text[: match.start(1)].count("\n") + match[1] for match in fences]


def section(page, heading):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def first_cells(table):
    return re.findall(r"^\| `(.+?)` \|", table, re.M)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__docs__"}
    for code in blocks(page, "python"):
        exec(compile(code, page, "exec"), namespace)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.stem)
def test_commands_have_words_and_options_that_exist(page):
    console = "".join(blocks(page, "console")).replace("\\\n", " ")
    shown = [line for line in console.splitlines() if line.startswith("$ fcnet ")]
    for line in shown:
        words = shlex.split(line.partition(" > ")[0], comments=True)[2:]
        if words[0] in main.commands and "--help" not in words:
            main.commands[words[0]].make_context(words[0], words[1:])  # a usage error if not
        else:
            assert words[-1] in ("--help", "--version"), line


def test_every_setting_of_a_recipe_is_in_the_table():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| `(.+?)` \| .", section("recipes.md", "Every key"), re.M)
    defaults = {key: RULE_DEFAULTS[key] if value is None else value for key, value in asdict(Recipe()).items()}
    assert [key for key, _, _ in rows] == list(defaults)
    for key, kind, default in rows:
        assert tomllib.loads(f"value = {default}")["value"] == defaults[key], key
        assert kind == ("text or number" if key == "weight_init" else TYPES[type(defaults[key])]), key


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("batches", get_args(BatchKind)),
        ("activation", ACTIVATIONS),
        ("update", UPDATES),
        ("schedule", SCHEDULES),
        ("scaling", SCALINGS),
    ],
)
def test_every_choice_of_a_setting_is_in_the_table(key, names):
    row = re.search(rf"^\| `{key}` \|.*", section("recipes.md", "Every key"), re.M)[0]
    assert [name for name in names if f'"{name}"' not in row] == []


def test_the_levels_are_the_same_everywhere():
    root = DOCS.parent
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    levels = [level.replace("fcnet.", "") for level in contract["layers"]]
    shown = re.search(r"From the top:\n\n(.*?)\n\n", (root / "CONTRIBUTING.md").read_text(), re.S)[1]
    assert [line.strip() for line in shown.splitlines()] == levels
    table = re.findall(r"^\| (.*?) \|", section("how-it-works.md", "Where it is in the source"), re.M)
    described = {name.removesuffix(".py").rstrip("/") for row in table for name in re.findall(r"`(\S+?)`", row)}
    assert described == set(re.findall(r"\w+", " ".join(levels)))
    package = root / "src" / "fcnet"
    assert {path.relative_to(package).parts[0].removesuffix(".py") for path in package.glob("**/[!_]*.py")} <= described


def test_every_recipe_is_in_the_table():
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert first_cells(text.partition("\n## ")[0]) == recipe_names()


@pytest.mark.parametrize("name", main.commands)
def test_every_option_of_a_command_is_described(name):
    described = {cell.split()[0] for cell in first_cells(section("command-line.md", f"fcnet {name}")) if cell.startswith("--")}
    assert described == {option.opts[0] for option in main.commands[name].params if option.param_type_name == "option"}


def test_every_file_of_a_run_folder_is_described():
    text = (DOCS / "run-folder.md").read_text(encoding="utf-8")
    assert set(first_cells(text.partition("\n## ")[0])) == {*RUN_FILES, STATUS, LOCK}


def test_every_accuracy_is_recorded():
    recorded = (DOCS.parent / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    for page in PAGES:
        accuracies = re.findall(r"\d+\.\d ± \d+\.\d %", page.read_text(encoding="utf-8"))
        assert [accuracy for accuracy in accuracies if accuracy not in recorded] == [], page


def test_every_error_of_the_troubleshooting_page_exists():
    source = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "src").rglob("*.py"))
    source = re.sub(r'"\n +f?"', "", source)  # a message that goes on in the next line
    quoted = re.findall(r'^### "(.+?)(?: …)?"$', (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    assert len(quoted) > 5
    assert [words for words in quoted if words not in source] == []
