"""How Sphinx builds these pages; everything it needs is on this machine."""

from fcnet import __version__

project = "fcnet"
author = "The fcnet developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # -- in an option is no dash

myst_enable_extensions = ["dollarmath"]
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
numpydoc_validation_exclude = {r"callbacks\.(EarlyStopping|Progress)\.on_"}  # described once, in Callback


def setup(app):
    """Leave out what every estimator inherits for scikit-learn's routing of metadata, whose page is not among these."""
    app.connect("autodoc-skip-member", lambda _app, _what, name, _member, skip, _options: skip or name.endswith("_request"))


html_theme = "furo"
html_title = f"fcnet {version}"
html_show_copyright = False
html_copy_source = False
