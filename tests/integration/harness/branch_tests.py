"""Lists the tests that one branch of Dovecot does not have, and why: `./run-tests --branch-tests`.

Prints the lines of the table in ../README.md. Read from the marks `only_on` in the tests' sources, so nothing needs to be installed.
"""

import ast
import glob
import os

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _marks(node):
    """Branch and reason of each mark in this piece of source."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "only_on":
            branch, why = call.args
            yield getattr(branch, "value", "2.3 or 2.4"), why.value


def found():
    """Rows (test, branch, why), in their order; a test is a file, or FILE::FUNCTION."""
    rows = []
    for path in sorted(glob.glob(os.path.join(_TESTS, "test_*.py"))):
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                rows += [(f"{name}::{node.name}", *mark) for place in node.decorator_list for mark in _marks(place)]
            else:
                rows += [(name, *mark) for mark in _marks(node)]
    return rows


if __name__ == "__main__":
    for test, branch, why in found():
        print(f"| `{test}` | {branch} | {why} |")
