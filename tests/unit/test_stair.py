"""The stair: which folder may import which, and which folders may import the heavy libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import tunetrack

PACKAGE = "tunetrack"
ROOT = Path(tunetrack.__file__).parent

BASE = {"_version", "errors", "spec"}
WORKERS = {"ledger", "training", "tracking", "study"}
#: What of tracking reads stored runs and never writes.
STORED = {"tracking.queries", "tracking.reader"}
PAGES = {*STORED, "report", "server"}

#: Folder (or module) -> what it may import of ours, beside itself. A dotted name opens one module of a folder.
MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "errors": set(),
    "spec": {"errors"},
    "stats": BASE,
    "ledger": BASE,
    "training": BASE,
    "tracking": BASE,
    "study": BASE | {"stats", "ledger", "training", "tracking"},
    "report": BASE | STORED | {"stats"},
    "server": BASE | STORED | {"report", "tracking.upkeep"},
    "api": BASE | WORKERS | PAGES | {"stats"},
    "cli": BASE | WORKERS | PAGES | {"api"},
    "__init__": BASE | {"api"},
    "__main__": {"cli"},
}
#: Library -> the folders that may import it.
LIBRARY_USERS: dict[str, set[str]] = {
    "torch": {"training"},
    "torchvision": {"training"},
    "mlflow": {"tracking", "server"},
    "optuna": {"ledger", "report"},
    "hyperopt": {"ledger"},
    "statsmodels": {"stats"},
}
FREE = {"testing"}  # shipped test suites: they need everything
LAZY = {"__init__", "__main__", "cli"}  # may import ours inside functions, so that --help stays light
ENVIRONMENT_READERS = {"cli"}
ENVIRONMENT_NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


@dataclass(frozen=True)
class Import:
    """One import: `name` is the dotted module, as deep as it is a module."""

    name: str
    line: int
    in_function: bool


def modules(root: Path) -> dict[str, Path]:
    """Dotted name below the package -> file; a folder's __init__ under the folder's name, the top one as __init__."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = list(file.relative_to(root).with_suffix("").parts)
        if len(parts) > 1 and parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = file
    return found


def imports(tree: ast.Module, module: str, is_folder: bool, known: set[str]) -> Iterator[Import]:
    in_functions = {
        id(inner)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(function)
    }
    for node in ast.walk(tree):
        for name in imported_names(node, module, is_folder):
            yield Import(as_module(name, known), node.lineno, id(node) in in_functions)


def imported_names(node: ast.AST, module: str, is_folder: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            here = [] if module == "__init__" else module.split(".")
            above = here[: len(here) - node.level + (1 if is_folder else 0)] if here else []
            base = ".".join([PACKAGE, *above, *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            yield node.args[0].value


def as_module(name: str, known: set[str]) -> str:
    """``tunetrack.spec.study.Budget`` -> ``tunetrack.spec.study``; foreign names stay as they are."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return name
    least = min(len(parts), 2 if len(parts) > 2 else 1)  # a folder that is not here (yet) still has its place
    while len(parts) > least and ".".join(parts[1:]) not in known:
        parts.pop()
    return ".".join(parts)


def is_open(target: str, allowed: set[str]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in allowed)


def environment_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os" and node.attr in ENVIRONMENT_NAMES:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in ENVIRONMENT_NAMES)


def violations(root: Path) -> list[str]:
    """Every breach of the table in a package's source, with file and line."""
    files = modules(root)
    graph: dict[str, set[str]] = {}
    found = []
    for module, file in files.items():
        folder = module.split(".")[0]
        if folder in FREE:
            continue
        where = file.relative_to(root).as_posix()
        if folder not in MAY_IMPORT:
            found.append(f"{where}: {folder} has no place in the stair; give it one in MAY_IMPORT")
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        all_imports = list(imports(tree, module, file.name == "__init__.py", set(files)))
        found += [
            f"{where}:{line}: reads the environment"
            for line in environment_lines(tree)
            if folder not in ENVIRONMENT_READERS
        ]
        found += [f"{where}:{i.line}: {text}" for i in all_imports if (text := mistake(i, folder))]
        ours = (i.name.removeprefix(f"{PACKAGE}.") for i in all_imports if i.name.startswith(f"{PACKAGE}."))
        graph[module] = {name for name in ours if name != module}
    return found + [f"import cycle: {' -> '.join(cycle)}" for cycle in cycles(graph)]


def mistake(found: Import, folder: str) -> str:
    top, _, below = found.name.partition(".")
    if top in LIBRARY_USERS and folder not in LIBRARY_USERS[top]:
        return f"{folder} may not import {top}"
    if top != PACKAGE:
        return ""
    if found.in_function and folder not in LAZY:
        return f"imports {found.name} inside a function"
    if not below:
        return f"{folder} may not import the whole package" if folder != "cli" else ""
    if below.split(".")[0] == folder or is_open(below, MAY_IMPORT[folder]):
        return ""
    return f"{folder} may not import {below}"


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Each import cycle that a depth-first walk closes."""
    done: set[str] = set()
    found: list[list[str]] = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return found


def test_the_package_keeps_to_the_stair() -> None:
    assert violations(ROOT) == []


def test_the_checker_sees_the_package() -> None:
    assert {"__init__", "errors", "spec", "spec.study"} <= set(modules(ROOT))


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("spec/a.py", "import torch", "spec/a.py:1: spec may not import torch"),
        ("spec/a.py", "import mlflow.pytorch", "spec/a.py:1: spec may not import mlflow"),
        ("tracking/a.py", "from torch import nn", "tracking/a.py:1: tracking may not import torch"),
        ("study/a.py", "from optuna import trial", "study/a.py:1: study may not import optuna"),
        ("report/a.py", "import hyperopt", "report/a.py:1: report may not import hyperopt"),
        ("training/a.py", "def f():\n    import mlflow", "training/a.py:2: training may not import mlflow"),
        ("ledger/a.py", "from tunetrack.training import fit", "ledger/a.py:1: ledger may not import training.fit"),
        ("ledger/a.py", "from tunetrack import training", "ledger/a.py:1: ledger may not import training"),
        ("ledger/a.py", "from ..training import fit", "ledger/a.py:1: ledger may not import training.fit"),
        ("errors.py", "import tunetrack.spec", "errors.py:1: errors may not import spec"),
        ("report/a.py", "from tunetrack.tracking import write", "report/a.py:1: report may not import tracking.write"),
        ("study/a.py", "from tunetrack import report", "study/a.py:1: study may not import report"),
        ("ledger/a.py", "from tunetrack.stats import x", "ledger/a.py:1: ledger may not import stats.x"),
        ("training/a.py", "from tunetrack import stats", "training/a.py:1: training may not import stats"),
        ("tracking/a.py", "from ..stats import x", "tracking/a.py:1: tracking may not import stats.x"),
        ("spec/a.py", "from tunetrack import stats", "spec/a.py:1: spec may not import stats"),
        ("stats/a.py", "from tunetrack.report import x", "stats/a.py:1: stats may not import report.x"),
        ("report/a.py", "import statsmodels", "report/a.py:1: report may not import statsmodels"),
        ("api.py", "from tunetrack.cli import main", "api.py:1: api may not import cli"),
        ("spec/a.py", "from tunetrack.nowhere import f", "spec/a.py:1: spec may not import nowhere"),
        ("spec/a.py", "import tunetrack", "spec/a.py:1: spec may not import the whole package"),
        (
            "ledger/a.py",
            "def f():\n    import tunetrack.spec",
            "ledger/a.py:2: imports tunetrack.spec inside a function",
        ),
        (
            "ledger/a.py",
            "import importlib\nimportlib.import_module('tunetrack.training')",
            "ledger/a.py:2: ledger may not import training",
        ),
        ("training/a.py", "import os\nos.environ['X']", "training/a.py:2: reads the environment"),
        ("api.py", "import os\nos.getenv('X')", "api.py:2: reads the environment"),
        ("api.py", "from os import environ", "api.py:1: reads the environment"),
        ("helpers.py", "", "helpers.py: helpers has no place in the stair; give it one in MAY_IMPORT"),
        ("spec/a.py", "from tunetrack.spec import b", "import cycle: spec.a -> spec.b -> spec.a"),
    ],
)
def test_the_checker_finds_each_breach(tmp_path: Path, file: str, code: str, expected: str) -> None:
    assert violations(fake_package(tmp_path, {file: code})) == [expected]


def test_the_checker_lets_pass_what_is_allowed(tmp_path: Path) -> None:
    root = fake_package(
        tmp_path,
        {
            "training/a.py": "import torch\nfrom tunetrack.spec import b\nfrom ..errors import E\nfrom . import fit",
            "tracking/a.py": "import mlflow\nfrom tunetrack.tracking import queries",
            "ledger/a.py": "import optuna, hyperopt\ndef f():\n    import numpy",
            "study/a.py": "from tunetrack import ledger, training\nfrom tunetrack.tracking import write",
            "report/a.py": "import optuna\nfrom tunetrack.tracking import queries",
            "server/a.py": "import mlflow\nfrom tunetrack.report import a",
            "api.py": "from tunetrack import study, server",
            "cli.py": "import os\ndef main():\n    from tunetrack import api\n    return os.environ",
            "__init__.py": "import importlib\ndef f():\n    importlib.import_module('tunetrack.api')",
            "testing/a.py": "import torch, mlflow\nfrom tunetrack import ledger, cli",
        },
    )

    assert violations(root) == []


def fake_package(folder: Path, files: Mapping[str, str]) -> Path:
    root = folder / PACKAGE
    here = ["errors", "spec/b", "stats/x", "ledger/x", "training/fit", "tracking/queries", "tracking/write", "study/x"]
    here += ["report/x", "server/x", "api", "cli"]
    sources = {f"{name}.py": "" for name in here} | {
        "spec/b.py": "from tunetrack.spec import a" if "spec/a.py" in files else ""
    }
    sources |= {f"{Path(name).parent}/__init__.py": "" for name in [*sources, *files] if "/" in name}
    for name, code in (sources | {"__init__.py": ""} | dict(files)).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(code)
    return root
