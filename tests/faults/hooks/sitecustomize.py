"""Puts faults into a program from outside: the calls that the variable TUNETRACK_FAULTS names go wrong.

Python imports this module at its start where its folder is on the path. The variable holds a list of faults as JSON;
`faults.inject` writes it and explains its keys. Nothing of tunetrack is imported here: a fault waits until the program
itself imports the module that it concerns. The variable TUNETRACK_FAULTS_SETTINGS gives other values to constants, as
JSON: module -> name -> value.
"""

from __future__ import annotations

import errno
import functools
import importlib.abc
import importlib.util
import inspect
import itertools
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Fault = dict[str, Any]

_EXIT_UNKNOWN_POINT = 97


def _strike(kind: str) -> None:
    """The fault itself; returns only where the process was told to go on."""
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise _ERRORS[kind]()


def _busy_engine() -> Exception:
    import sqlalchemy.exc

    return sqlalchemy.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))


def _unavailable() -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    return MlflowException("API request failed with error code 503", error_code=TEMPORARILY_UNAVAILABLE)


_ERRORS: dict[str, Callable[[], BaseException]] = {
    "disk full": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "locked": lambda: sqlite3.OperationalError("database is locked"),
    "engine locked": _busy_engine,
    "unavailable": _unavailable,
    "memory": lambda: MemoryError("injected"),
    "defect": lambda: RuntimeError("injected"),
}


def _claimed(fault: Fault) -> bool:
    """Whether the fault may strike (again): counted in files, since the process may not live to remember."""
    for number in range(fault["times"]):
        try:
            os.close(os.open(f"{fault['mark']}.{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return True
    return False


def _faulty(real: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    numbers = itertools.count(1)  # its next() is one instruction, so threads need no lock

    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        if fault["caller"] and sys._getframe(1).f_globals.get("__name__") != fault["caller"]:
            return real(*args, **kwargs)
        if next(numbers) < fault["call"] or not _claimed(fault):
            return real(*args, **kwargs)
        if fault["when"] == "before":
            _strike(fault["kind"])
        result = real(*args, **kwargs)
        _strike(fault["kind"])
        return result

    return call


def _put(module: ModuleType, fault: Fault) -> None:
    *path, name = fault["name"].split(".")
    try:
        owner = functools.reduce(getattr, path, module)
        raw = inspect.getattr_static(owner, name)
    except AttributeError:
        # Not an exception: whoever imports the module might catch it, and a fault that was not put in shows nothing.
        print(f"faults: {fault['module']} has no {fault['name']}", file=sys.stderr, flush=True)
        os._exit(_EXIT_UNKNOWN_POINT)
    if isinstance(raw, staticmethod | classmethod):
        setattr(owner, name, type(raw)(_faulty(raw.__func__, fault)))
    else:
        setattr(owner, name, _faulty(raw, fault))


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the module be found as usual, and changes it as soon as it has been executed."""

    def __init__(self, module: str, change: Callable[[ModuleType], None]) -> None:
        self._module, self._change = module, change

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec else None
        real = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            real(module)
            self._change(module)

        loader.exec_module = exec_module
        return spec


def _in(module: str, change: Callable[[ModuleType], None]) -> None:
    """Changes a module now, or when it is imported."""
    if module in sys.modules:
        change(sys.modules[module])
    else:
        sys.meta_path.insert(0, _Finder(module, change))


def _set(module: ModuleType, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if not hasattr(module, name):
            print(f"faults: {module.__name__} has no {name}", file=sys.stderr, flush=True)
            os._exit(_EXIT_UNKNOWN_POINT)
        setattr(module, name, value)


for _module, _values in json.loads(os.environ.get("TUNETRACK_FAULTS_SETTINGS", "{}")).items():
    _in(_module, functools.partial(_set, values=_values))
for _fault in json.loads(os.environ.get("TUNETRACK_FAULTS", "[]")):
    _in(_fault["module"], functools.partial(_put, fault=_fault))
