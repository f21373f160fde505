"""Compiles a file of the module under test so that every attribute access goes through ``pythonqt``.

``button.text`` becomes ``__pythonqt__(button).text``; line numbers stay. The file itself is unchanged, and so is
every other file that Python imports.
"""

import ast
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Testing.Host.pythonqt import attributes

_INJECTED = {
    "__pythonqt__": attributes.pythonqt,
    "getattr": attributes.pythonqt_getattr,
    "hasattr": attributes.pythonqt_hasattr,
    "setattr": attributes.pythonqt_setattr,
}


class _Accesses(ast.NodeTransformer):
    """Wraps the object of every attribute access, but for annotations, patterns and names with two underscores."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr.startswith("__"):
            return node
        call = ast.Call(func=ast.Name(id="__pythonqt__", ctx=ast.Load()), args=[node.value], keywords=[])
        node.value = ast.copy_location(call, node.value)
        ast.copy_location(call.func, node.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.target = self.visit(node.target)
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        return node

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.AST:
        return node


@functools.lru_cache(maxsize=256)  # as Slicer keeps compiled files
def compile_source(source: str | bytes, path: str) -> types.CodeType:
    """Code object of a file with PythonQt's manners."""
    tree = _Accesses().visit(ast.parse(source, path))
    return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


def execute(path: Path, module: types.ModuleType) -> None:
    """Run a file inside an existing module."""
    module.__dict__.update(_INJECTED)
    exec(compile_source(path.read_bytes(), str(path)), module.__dict__)


class Loader(importlib.machinery.SourceFileLoader):
    """Loads one file rewritten; neither reads nor writes compiled files, which hold the plain code."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return compile_source(self.get_data(path), path)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__.update(_INJECTED)
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds every Python file below the folders of loaded modules, so that helpers beside a module get the same."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        for entry in [*(path or ()), *([] if path else map(str, self.folders))]:
            folder = Path(entry).resolve()
            if not any(folder.is_relative_to(known) for known in self.folders):
                continue
            spec = self._spec(fullname, folder / fullname.rpartition(".")[2])
            if spec is not None:
                return spec
        return None

    def _spec(self, fullname: str, stem: Path) -> importlib.machinery.ModuleSpec | None:
        package = stem / "__init__.py"
        if package.is_file():
            loader = Loader(fullname, str(package))
            return importlib.util.spec_from_file_location(
                fullname, package, loader=loader, submodule_search_locations=[str(stem)]
            )
        file = stem.with_suffix(".py")
        if file.is_file():
            return importlib.util.spec_from_file_location(fullname, file, loader=Loader(fullname, str(file)))
        return None


def install(finder: Finder) -> None:
    """Ask this finder before Python's own."""
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)
