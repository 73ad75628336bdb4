"""How Sphinx builds the site from what `pages.py` has gathered: `make docs`.

Notebooks are shown as they are kept; `docs/notebooks.py` executes them, the tests compare.
"""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from sipparty import __version__

project = "sipparty"
copyright = "the sipparty authors, Apache License 2.0"
release = version = __version__

extensions = ["myst_nb", "sphinx_copybutton"]
nb_execution_mode = "off"
nb_merge_streams = True
smartquotes = False
# Anchors of headings are those that GitHub makes, so that a link leads to the same place there.
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"sipparty {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []
pygments_style = "tango"
pygments_dark_style = "github-dark"


def setup(app: Sphinx) -> None:
    """Show the source of a Mermaid diagram as it is: Pygments has no lexer for it."""
    app.add_lexer("mermaid", TextLexer)
