"""Finding trainers: by the name of an installed plugin, or in a Python file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy
from lm_reference.rounding import FORMATS

from lm_conformance import hookspecs
from lm_conformance.errors import UsageError, nearest
from lm_conformance.trainer import Trainer

GROUP = "lm_conformance"


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin."""

    name: str  # of the entry point, or the path that was given
    trainers: tuple[Trainer, ...]
    known_file: Path  # where its known deviations are declared, if there is such a file


def installed() -> dict[str, EntryPoint]:
    """The installed plugins by name."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def plugin_name(name: str) -> str:
    """The plugin of a trainer: `torch` for `torch[foreach]`, a file for itself."""
    return name if name.endswith(".py") else name.partition("[")[0]


def load(name: str) -> Plugin:
    """The plugin `name`, which is a name or a file that ends in .py.

    What the plugin prints while it is loaded goes to standard error.

    Raises:
        UsageError: there is none, it cannot be imported, or it yields no usable trainer.

    """
    with redirect_stdout(sys.stderr):
        module = _from_file(Path(name)) if name.endswith(".py") else _from_entry_point(name)
        trainers = tuple(_trainers(name, module))
    if not trainers:
        raise UsageError(f"plugin {name!r} yields no trainer here.")
    for trainer in trainers:
        try:
            _validate(name, trainer)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"plugin {name!r} cannot be used: {_said(error)}") from error
    file = Path(module.__file__ or name)
    is_package = file.name == "__init__.py"
    return Plugin(name, trainers, file.with_name("known.toml" if is_package else f"{file.stem}.known.toml"))


def _from_entry_point(name: str) -> ModuleType:
    points = installed()
    if name not in points:
        names = ", ".join(points) or "none"
        raise UsageError(f"there is no trainer {name!r}{nearest(name, points)}. Installed: {names}.")
    try:
        module = points[name].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"plugin {name!r} cannot be imported: {_said(error)}") from error
    if not isinstance(module, ModuleType):
        raise UsageError(f"the entry point {name!r} is {points[name].value!r}, but must name a module.")
    return module


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {str(path)!r}.")
    spec = importlib.util.spec_from_file_location(f"lm_conformance_file_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(path)!r} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    search, bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(path.resolve().parent))
    sys.dont_write_bytecode = True  # a run leaves no file but its report
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # pytest.importorskip, for one, raises no Exception
        raise UsageError(f"{path} cannot be imported: {_said(error)}") from error
    finally:
        sys.path[:], sys.dont_write_bytecode = search, bytecode
    return module


def _trainers(name: str, module: ModuleType) -> Iterable[Trainer]:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
        manager.check_pending()
        found = [list(result) for result in manager.hook.lm_conformance_trainers()]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UsageError(f"plugin {name!r} cannot be used: {_said(error)}") from error
    if not found:
        raise UsageError(f"{name} has no function lm_conformance_trainers marked with @hookimpl.")
    return found[0]


def _validate(plugin: str, trainer: Trainer) -> None:
    if not isinstance(trainer, Trainer):
        kind = type(trainer).__name__
        raise UsageError(
            f"plugin {plugin!r} yields {kind}, but must yield instances of lm_conformance.trainer.Trainer."
        )
    if not isinstance(getattr(trainer, "name", None), str):
        raise UsageError(f"plugin {plugin!r} yields a {type(trainer).__name__} without a name.")
    unknown = [dtype for dtype in trainer.precisions if dtype not in FORMATS]
    if unknown or not trainer.precisions:
        got = f"{unknown[0]!r}" if unknown else "no dtype"
        raise UsageError(f"{trainer.name} declares {got} in its precisions; dtypes are {', '.join(FORMATS)}.")
    if not isinstance(trainer.version, str):
        raise UsageError(f"{trainer.name} has the version {trainer.version!r}, but must have a string.")
    for precision in trainer.precisions.values():
        for name in (precision.compute, precision.scalars, precision.state):
            if isinstance(name, str) and name not in FORMATS:
                raise UsageError(f"{trainer.name} declares the format {name!r}; formats are {', '.join(FORMATS)}.")
    offered = [offer.page for offer in trainer.offered()]
    for page in offered:
        if offered.count(page) > 1:
            raise UsageError(f"{trainer.name} offers {page} twice, but must offer a page in one method.")


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def select(plugin: Plugin, name: str, *, variants: bool) -> list[Trainer]:
    """The trainers of a plugin that a name on the command line means: one, or all with `variants` and in a file.

    Raises:
        UsageError: the plugin has no trainer of this name.

    """
    if variants or name.endswith(".py"):
        return list(plugin.trainers)
    found = [trainer for trainer in plugin.trainers if trainer.name == name]
    if not found:
        names = [trainer.name for trainer in plugin.trainers]
        raise UsageError(f"there is no trainer {name!r}{nearest(name, names)}. This plugin has: {', '.join(names)}.")
    return found
