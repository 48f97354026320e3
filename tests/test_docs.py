"""The documentation: what it shows runs, and its tables agree with the code."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from fcnet.cli import main
from fcnet.experiments.folder import LOCK, RUN_FILES, STATUS
from fcnet.experiments.recipe import load_recipe, recipe_names
from fcnet.experiments.schema import settings_markdown, settings_table

pytestmark = pytest.mark.any_kernel

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_that_are_changed_exist(page):
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        changes = [change for change in re.findall(r'--set "?([a-z_.]+=[^\s"`]+)', line) if change != "key=value"]
        for together in [changes] if line.startswith("$") else [[change] for change in changes]:
            load_recipe("table", together)


def test_every_setting_of_a_recipe_is_on_its_page():
    """With its default and its meaning, below the heading of its part."""
    assert section("recipes.md", "Every key").count("<!-- the settings") == 1  # where the tables are put
    text = settings_markdown()
    parts = re.split(r"^### `(\w+)`$", text, flags=re.M)[1:]
    tables = dict(zip(parts[::2], parts[1::2], strict=True))
    shown = {name: re.findall(r"^\| `(.+?)` \| `(.+?)` \| (.+?) \|$", table, re.M) for name, table in tables.items()}
    assert list(shown) == ["recipe", "preprocessing", "augmentation", "network", "training"]
    for row in settings_table():
        part, _, key = row["path"].partition(".")
        rows = shown["recipe" if not key and row["type"] == "text" else part]
        cells = [cells for name, *cells in rows if name == (key or part) and row["meaning"] in cells[1]]
        assert cells, row["path"]
        assert tomllib.loads(f"value = {cells[0][0]}")["value"] == row["default"]


def test_the_extras_are_the_same_everywhere():
    root = DOCS.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    assert set(first_cells((DOCS / "getting-started.md").read_text().partition("| extra |")[2].partition("\n\n")[0])) == extras
    listed = re.search(r"The extras are(.*?)\.\n", (root / "README.md").read_text(), re.S)[1]
    assert set(re.findall(r"`(\w+)`", listed)) == extras
    sources = "".join(path.read_text(encoding="utf-8") for path in (root / "src").rglob("*.py"))
    named = re.findall(r"""install_extra\(["'](\w+)["']\)""", sources)
    named += re.search(r"\[([\w,]+)\]. --group", (root / "Makefile").read_text())[1].split(",")
    assert {"log", "onnx", "sweep"} <= set(named) <= extras


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


def test_every_picture_of_the_readme_exists():
    readme = DOCS.parent / "README.md"
    pictures = re.findall(r'src(?:set)?="(.+?)"', readme.read_text(encoding="utf-8"))
    assert len(pictures) == 4
    assert [picture for picture in pictures if not (readme.parent / picture).is_file()] == []
