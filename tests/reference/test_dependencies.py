"""Dependencies run one way: plugins -> lm_conformance -> lm_reference -> torch. The imports are read, not run."""

import ast
import sys
import tomllib
from pathlib import Path

import lm_conformance
import lm_reference
import pytest

REFERENCE, CONFORMANCE = (Path(package.__file__).parent for package in (lm_reference, lm_conformance))
OF_PAGES = {"__future__", "collections.abc", "math", "torch", "typing", "lm_reference.laws", "lm_reference.rounding"}


def pytest_generate_tests(metafunc):
    """One test for each plugin of the repository; an installed or packed project has none."""
    if "plugin" in metafunc.fixturenames:
        folders = sorted(path.parent for path in metafunc.config.inipath.parent.glob("plugins/*/pyproject.toml"))
        metafunc.parametrize("plugin", folders, ids=[folder.name for folder in folders])


def imported(folder):
    """Each module that a Python file below a folder imports, with the file: `path: module`."""
    return {
        (str(path.relative_to(folder)), name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names(node)
    }


def names(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and node.level == 0 else []


def package(name):
    return name.partition(".")[0]


def test_the_reference_imports_nothing_but_torch_and_numpy():
    allowed = {*sys.stdlib_module_names, "torch", "numpy", "lm_reference"}

    assert [entry for entry in sorted(imported(REFERENCE)) if package(entry[1]) not in allowed] == []


def test_pages_import_nothing_that_computes_for_them():
    areas = [folder for folder in REFERENCE.iterdir() if (folder / "__init__.py").is_file()]

    foreign = [(area.name, *entry) for area in areas for entry in imported(area) if entry[1] not in OF_PAGES]
    assert (bool(areas), foreign) == (True, [])


def test_no_module_of_the_reference_imports_a_page():
    areas = {f"lm_reference.{folder.name}" for folder in REFERENCE.iterdir() if folder.is_dir()}

    assert [entry for entry in sorted(imported(REFERENCE)) if ".".join(entry[1].split(".")[:2]) in areas] == []


def test_the_suite_imports_no_plugin():
    assert [entry for entry in sorted(imported(CONFORMANCE)) if package(entry[1]).startswith("lm_conformance_")] == []


def test_a_plugin_imports_the_suite_and_no_other_plugin(plugin):
    ours = [entry for entry in sorted(imported(plugin)) if package(entry[1]).startswith("lm_")]

    allowed = {"lm_conformance", f"lm_conformance_{plugin.name}"}
    assert (bool(ours), [entry for entry in ours if package(entry[1]) not in allowed]) == (True, [])


@pytest.fixture
def project(plugin):
    return tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_plugin_is_a_distribution_that_needs_the_suite(plugin, project):
    assert project["project"]["name"] == f"lm-conformance-{plugin.name}"
    assert "lm-conformance" in project["project"]["dependencies"]


def test_a_plugin_registers_its_module_under_the_name_of_its_folder(plugin, project):
    assert project["project"]["entry-points"]["lm_conformance"] == {plugin.name: f"lm_conformance_{plugin.name}"}


def test_a_plugin_installs_its_module_and_what_it_knows(plugin, project):
    module, wheel = f"lm_conformance_{plugin.name}", project["tool"]["hatch"]["build"]["targets"]["wheel"]

    if (plugin / module).is_dir():
        assert wheel == {"packages": [module]}
    else:
        assert {path.name for path in plugin.glob(f"{module}.*")} <= set(wheel["include"])
