"""How the documentation is built: `nox -s docs`."""

import ast
import inspect
import textwrap
from importlib.metadata import version as installed_version
from typing import Any

project = "tl_steer"
author = "tl_steer contributors"
project_copyright = "2026, tl_steer contributors"
release = version = installed_version("tl_steer")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tl_steer {release}"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The shapes are the better half of a signature, so they stay in it.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": False}
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def as_written(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: Any
) -> tuple[str, str] | None:
    """Signatures with the names of types that the source has, not what these stand for."""
    if what not in {"function", "method", "class"}:
        return None
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))
    except (OSError, TypeError):
        return None
    node = ast.parse(source).body[0]
    made = [each for each in getattr(node, "body", []) if getattr(each, "name", "") == "__init__"]
    if isinstance(node, ast.ClassDef) and not made:
        if "dataclass" not in source.split("class ", 1)[0]:
            return None
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        required_first = sorted(map(_field, fields), key=lambda field: " = " in field)
        return "(" + ", ".join(required_first) + ")", ""
    call = made[0] if made else node
    if not isinstance(call, ast.FunctionDef):
        return None
    if made or what == "method":
        call.args.args = [each for each in call.args.args if each.arg not in {"self", "cls"}]
    back = ast.unparse(call.returns) if call.returns and not made else ""
    return f"({ast.unparse(call.args)})", back


def _field(field: ast.AnnAssign) -> str:
    default = "" if field.value is None else ast.unparse(field.value)
    if default.startswith("field("):
        default = "..." if "default" in default else ""
    known = f"{ast.unparse(field.target)}: {ast.unparse(field.annotation)}"
    return f"{known} = {default}" if default else known


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", as_written)
