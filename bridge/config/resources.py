"""Find what a configuration names: a folder in a package, an object in a module.

A folder is located without importing its package; only an object is imported.
"""

from __future__ import annotations

import importlib
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_RESOURCE = re.compile(rf"({_DOTTED}):(.+)", re.DOTALL)
_OBJECT = re.compile(rf"({_DOTTED}):({_DOTTED})")


def is_object_name(text: str) -> bool:
    """Tell whether the text has the form ``module:attribute``."""
    return _OBJECT.fullmatch(text) is not None


def package_folder(text: str, *, where: str, sys_path: Sequence[str] = ()) -> Path | None:
    """Locate ``package:folder`` without importing the package; None for a plain path.

    Raises UsageError if there is no such package on ``sys_path`` and ``sys.path``. Whether
    the folder exists is not looked at, except to choose between the parts of a namespace.
    """
    match = None if Path(text).is_absolute() else _RESOURCE.fullmatch(text)
    if match is None:
        return None
    package, rest = match.groups()
    spec = _package_spec(package, sys_path)
    if spec is None or not spec.submodule_search_locations:
        fact = "was not found" if spec is None else "is a module, not a package"
        raise UsageError(
            f"{where} is {text!r}, a folder in the Python package {package!r}, but that package"
            f" {fact}. Install it in this environment, or name the folder it lies in with"
            f" prepend_sys_path in the configuration. (For a plain path, write no colon.)"
        )
    places = [Path(place, *rest.split(":")) for place in spec.submodule_search_locations]
    return next((place for place in places if place.is_dir()), places[0])


def _package_spec(package: str, sys_path: Sequence[str]) -> ModuleSpec | None:
    top, *rest = package.split(".")
    spec = PathFinder.find_spec(top, list(sys_path)) or _top_level_spec(top)
    name = top
    for part in rest:
        # importlib.util.find_spec would import every parent, and run its code.
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def _top_level_spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ValueError:  # a module made by hand, without a spec
        return None


def load_object(target: str, *, setting: str, sys_path: Sequence[str] = ()) -> object:
    """Import ``module:attribute`` and return the object.

    Folders of ``sys_path`` that are missing from ``sys.path`` are put at its front and stay
    there, as Alembic does with ``prepend_sys_path``. ``setting`` is the name messages give.
    Raises UsageError if the module cannot be imported or has no such attribute.
    """
    if not is_object_name(target):
        raise UsageError(
            f"{setting} is {target!r}; it must be a module and an attribute, such as"
            f" app.models:Base.metadata."
        )
    sys.path[:0] = [folder for folder in sys_path if folder not in sys.path]
    module_name, _, path = target.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        raise _import_fault(error, target, module_name, setting) from error
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            raise UsageError(
                f"{setting} is {target!r}, but {module_name} has no {path}: {error}."
            ) from error
    return found


def _import_fault(error: Exception, target: str, module: str, setting: str) -> UsageError:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (module == missing or module.startswith(f"{missing}.")):
        return UsageError(
            f"{setting} is {target!r}, but there is no module {missing}. Install it in this"
            f" environment, or name the folder it lies in with prepend_sys_path."
        )
    return UsageError(
        f"{setting} is {target!r}, but importing {module} failed: {type(error).__name__}: {error}"
    )


def load_metadata(target: str, *, sys_path: Sequence[str] = ()) -> object:
    """Load ``target_metadata``: a MetaData, a list of them, a Base, or a function giving one.

    Raises UsageError if it is none of these, or the function fails.
    """
    from sqlalchemy import MetaData

    setting = "target_metadata"
    found = load_object(target, setting=setting, sys_path=sys_path)
    if callable(found) and not isinstance(getattr(found, "metadata", None), MetaData):
        try:
            found = found()
        except Exception as error:
            raise UsageError(
                f"{setting} is {target!r}, but calling it failed: {type(error).__name__}: {error}"
            ) from error
    inner = getattr(found, "metadata", None)
    if isinstance(inner, MetaData):
        return inner
    several = list(found) if isinstance(found, list | tuple) else [found]
    if several and all(isinstance(each, MetaData) for each in several):
        return found
    raise UsageError(
        f"{setting} is {target!r}, which is a {type(found).__name__}; it must be a"
        f" sqlalchemy.MetaData (or a list of them, or a function that returns one)."
    )
