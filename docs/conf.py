"""How Sphinx builds these pages; everything it needs is on this machine, and so is all that they show."""

import re
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.docutils import SphinxDirective

from fcnet import __version__
from fcnet.experiments.job import Training
from fcnet.experiments.schema import settings_markdown
from fcnet.preprocessing import Preprocessor

HERE = Path(__file__).parent
FIGURES = HERE / "_figures"
sys.path.insert(0, str(HERE))

project = "fcnet"
author = "The fcnet developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # -- in an option is no dash

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_imported_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more than the annotations, in fewer words
autodoc_preserve_defaults = True

numpydoc_show_class_members = False  # the templates list them
numpydoc_class_members_toctree = False
numpydoc_validation_checks = {
    *("GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "GL10"),  # there is a docstring, in order
    *("SS01", "SS02", "SS03", "SS04", "SS05", "SS06"),  # its summary is a sentence of one line
    *("PR02", "PR04", "PR05", "PR08", "PR09", "PR10"),  # it documents no parameter that does not exist
}
numpydoc_validation_exclude = {  # what a base class describes once
    r"callbacks\.(EarlyStopping|Progress)\.(on_|decides)",
    rf"experiments\.(gradient|kernel)\.\w+\.({'|'.join(vars(Training))})$",
    rf"preprocessing\.\w+\.({'|'.join(vars(Preprocessor))})$",
}

copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"  # and the lines without a prompt, which are what a command prints, are left out
html_math_renderer = "mathml"

html_theme = "furo"
html_title = f"fcnet {version}"
html_show_copyright = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["fcnet.css"]


class Drawing(SphinxDirective):
    """``{drawing} NAME…``: drawings of `figures.py`, side by side where there is room, and their caption."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        """Return a figure whose SVG is part of the page, so that it follows the theme."""
        drawings = ""
        for name in self.arguments[0].split():
            path = FIGURES / f"{name}.svg"
            self.env.note_dependency(path)
            drawings += path.read_text(encoding="utf-8")
        figure = nodes.figure("", nodes.raw("", f'<div class="drawings">{drawings}</div>', format="html"), classes=["drawn"])
        if self.content:
            caption = nodes.caption()
            caption += self.parse_inline(" ".join(self.content))[0]
            figure += caption
        return [figure]


def mathml(translator, node):
    """Write an equation as MathML, which browsers draw without a script and without a network."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    equation = convert(node.astext(), display=display)
    translator.body.append(f'<div class="equation">{equation}</div>' if display == "block" else equation)
    raise nodes.SkipNode


def draw_figures(_app):
    """Draw the figures before the pages are read, and forget pages of names that are public no more."""
    import figures

    figures.draw(FIGURES)
    public = (HERE / "api.md").read_text(encoding="utf-8")
    for page in (HERE / "api").glob("*.rst"):
        if page.stem not in public:
            page.unlink()


def insert_settings(app, name, source):
    """Put a table for each part of a recipe into its page."""
    if name == "recipes":
        app.env.note_reread()  # what it shows is in no file that Sphinx watches
        source[0] = re.sub(r"<!-- the settings.*?-->", lambda _: settings_markdown(), source[0])


def setup(app):
    """Add what these pages need beyond Sphinx's own."""
    # What every estimator inherits for scikit-learn's routing of metadata has its page there.
    app.connect("autodoc-skip-member", lambda _app, _what, name, _member, skip, _options: skip or name.endswith("_request"))
    app.connect("builder-inited", draw_figures)
    app.connect("source-read", insert_settings)
    app.add_directive("drawing", Drawing)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
