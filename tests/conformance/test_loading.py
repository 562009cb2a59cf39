"""Finding trainers: what cannot be used is named in one line, and what can is run."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_conformance import loading
from lm_conformance.errors import UsageError

ROW = ("optimizers.sgd/updates", "--seed", "1", "--examples", "0.1", "--output", "report.json")

UNUSABLE = {
    "no module": (
        "import no_such_library",
        "bad.py cannot be imported: ModuleNotFoundError: No module named 'no_such_library'",
    ),
    "a slip of the pen": ("def broken(:", "bad.py cannot be imported: SyntaxError: "),
    "an error of many lines": ("raise ValueError('one\\ntwo')", "bad.py cannot be imported: ValueError: one"),
    "an exit": ("import sys; sys.exit(0)", "bad.py cannot be imported: SystemExit: 0"),
    "a skipped module": (
        "import pytest; pytest.importorskip('no_such_library')",
        "bad.py cannot be imported: Skipped: could not import 'no_such_library'",
    ),
    "nothing": ("", "bad.py has no function lm_conformance_trainers marked with @hookimpl."),
    "an unmarked hook": (
        "def lm_conformance_trainers(): yield 1",
        "bad.py has no function lm_conformance_trainers marked with @hookimpl.",
    ),
}

HOOKS = {
    "a misspelt hook": (
        "@hookimpl\ndef lm_conformance_trainer(): yield Conforming()",
        "yield Conforming()",
        "plugin 'bad.py' cannot be used: PluginValidationError: unknown hook 'lm_conformance_trainer' in plugin ",
    ),
    "no trainer": ("", "return []", "plugin 'bad.py' yields no trainer here."),
    "a number": ("", "return 3", "plugin 'bad.py' cannot be used: TypeError: 'int' object is not iterable"),
    "another thing": ("", "yield 3", "plugin 'bad.py' yields int, but must yield instances of "),
    "a class": ("", "yield Conforming", "plugin 'bad.py' yields type, but must yield instances of "),
    "an error": ("", "raise ValueError('no GPU')", "plugin 'bad.py' cannot be used: ValueError: no GPU"),
    "an exit": ("", "sys.exit(3)", "plugin 'bad.py' cannot be used: SystemExit: 3"),
    "no name": ("del Conforming.name", "yield Conforming()", "plugin 'bad.py' yields a Conforming without a name."),
    "a name that is none": (
        "Conforming.name = 3",
        "yield Conforming()",
        "plugin 'bad.py' yields a Conforming without a name.",
    ),
    "a version that is none": (
        "Conforming.version = 3",
        "yield Conforming()",
        "mine has the version 3, but must have a string.",
    ),
    "no dtype": ("Conforming.precisions = {}", "yield Conforming()", "mine declares no dtype in its precisions; "),
    "an unknown dtype": (
        "Conforming.precisions = {'float8': Precision()}",
        "yield Conforming()",
        "mine declares 'float8' in its precisions; dtypes are float64, float32, bfloat16, float16.",
    ),
    "an unknown format": (
        "Conforming.precisions = {'float32': Precision(compute='float23')}",
        "yield Conforming()",
        "mine declares the format 'float23'; formats are float64, float32, bfloat16, float16.",
    ),
    "precisions that are none": (
        "Conforming.precisions = 3",
        "yield Conforming()",
        "plugin 'bad.py' cannot be used: TypeError: ",
    ),
    "two methods for a page": (
        "Conforming.again = Conforming.sgd",
        "yield Conforming()",
        "mine offers optimizers.sgd twice, but must offer a page in one method.",
    ),
    "offers that raise": (
        "Conforming.offered = lambda self: 1 / 0",
        "yield Conforming()",
        "plugin 'bad.py' cannot be used: ZeroDivisionError: division by zero",
    ),
}

OFFERS = {
    "an unknown page": (
        "'optimizers.lion'",
        "mine: offers the page 'optimizers.lion', which does not exist",
    ),
    "a page that is nearly one": (
        "'optimizers.adm'",
        "mine: offers the page 'optimizers.adm', which does not exist; the nearest is 'optimizers.adam'.",
    ),
    "an unknown fork": (
        "'optimizers.adam', epsilonn='hat'",
        "mine: optimizers.adam has no fork 'epsilonn'; its forks: epsilon, ",
    ),
    "an unknown side": (
        "'optimizers.adam', epsilon='hot'",
        "mine: fork 'epsilon' of optimizers.adam has no side 'hot'; its sides: after, hat.",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(main, tmp_path: Path, name):
    code, words = UNUSABLE[name]
    (tmp_path / "bad.py").write_text(code, encoding="utf-8")

    said = main("run", "bad.py")

    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert said.err.startswith(f"lm-conformance: {words}")


@pytest.mark.parametrize("name", HOOKS)
def test_a_plugin_that_yields_no_usable_trainer_is_refused_in_one_line(main, trainer_file, name):
    code, yields, words = HOOKS[name]

    said = main("run", trainer_file("", code, yields, "bad.py"))

    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert said.err.startswith(f"lm-conformance: {words}")


@pytest.fixture
def passing_row(rows_of: Callable[[str], list[dict[str, Any]]]) -> Callable[[], None]:
    """Sees to it that the report has the one row, and that it passes."""

    def see() -> None:
        assert [row["verdict"] for row in rows_of("report.json")] == ["pass"]

    return see


def test_a_trainer_beside_one_that_cannot_be_used_is_run_and_the_code_is_2(
    main, trainer_file, tmp_path: Path, passing_row
):
    (tmp_path / "bad.py").write_text("raise ValueError", encoding="utf-8")

    said = main("run", "bad.py", "--also", trainer_file(), *ROW)

    assert (said.code, said.err) == (2, "lm-conformance: bad.py cannot be imported: ValueError: no message\n")
    passing_row()


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_of_what_does_not_exist_is_named_and_the_others_are_run(main, trainer_file, passing_row, name):
    offer, words = OFFERS[name]
    file = trainer_file(f"@offers({offer})\ndef other(self, parameters, **settings): return None")

    said = main("run", file, *ROW)

    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert said.err.startswith(f"lm-conformance: {words}")
    passing_row()


def test_a_second_trainer_of_a_name_is_named_and_not_run(main, trainer_file, passing_row):
    said = main("run", trainer_file(yields="yield Conforming(); yield Conforming()"), *ROW)

    assert (said.code, said.err) == (
        2,
        "lm-conformance: mine.py has another trainer 'mine'; only the first is run.\n",
    )
    passing_row()


def test_a_trainer_that_is_named_twice_is_run_once(main, passing_row):
    row = ("optimizers.sgd/updates", "--dtype", "float32", "--examples", "0.1", "--output", "report.json")

    said = main("run", "reference", "--also", "reference", *row)

    assert (said.code, said.err) == (0, "")
    passing_row()


def test_what_a_file_prints_while_it_is_loaded_goes_to_standard_error(main, trainer_file):
    quiet = main("run", trainer_file(), *ROW)

    said = main("run", trainer_file(code="print('loading')"), *ROW)

    assert (said.code, said.out, said.err) == (0, quiet.out, "loading\n")


def test_a_file_may_import_what_stands_beside_it(main, trainer_file, tmp_path: Path, passing_row):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "beside_the_trainer.py").write_text("VALUE = 1\n", encoding="utf-8")
    file = trainer_file(code="from beside_the_trainer import VALUE", name="folder/mine.py")
    search = list(sys.path)

    said = main("run", file, *ROW)

    assert (said.code, sys.path) == (0, search)
    passing_row()


def test_all_trainers_of_a_file_are_run(main, trainer_file, rows_of):
    code = "class Other(Conforming):\n    name = 'mine[other]'"

    main("run", trainer_file("", code, "yield Conforming(); yield Other()"), *ROW)

    assert [row["trainer"] for row in rows_of("report.json")] == ["mine", "mine[other]"]


def test_the_reference_is_installed():
    assert "reference" in loading.installed()


def test_an_entry_point_must_name_a_module(monkeypatch):
    point = loading.EntryPoint("mine", "collections:OrderedDict", loading.GROUP)
    monkeypatch.setattr(loading, "installed", lambda: {"mine": point})

    with pytest.raises(UsageError, match="the entry point 'mine' is 'collections:OrderedDict', but must name a module"):
        loading.load("mine")


def test_a_plugin_that_cannot_be_imported_is_refused(monkeypatch):
    point = loading.EntryPoint("mine", "no_such_library", loading.GROUP)
    monkeypatch.setattr(loading, "installed", lambda: {"mine": point})

    with pytest.raises(UsageError, match="plugin 'mine' cannot be imported: ModuleNotFoundError: No module named "):
        loading.load("mine")


def test_known_deviations_of_a_package_stand_in_it(monkeypatch, tmp_path: Path):
    (tmp_path / "his_package").mkdir()
    code = "from lm_conformance.reference_trainer import lm_conformance_trainers\n"
    (tmp_path / "his_package" / "__init__.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = loading.EntryPoint("reference", "his_package", loading.GROUP)
    monkeypatch.setattr(loading, "installed", lambda: {"reference": point})

    assert loading.load("reference").known_file == tmp_path / "his_package" / "known.toml"
