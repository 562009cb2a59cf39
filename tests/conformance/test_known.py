"""Known deviations: claims about rows, which turn red when they are wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROW = ("optimizers.nesterov/buffer", "--seed", "1", "--examples", "0.2", "--output", "report.json")

WRONG = """
@offers("optimizers.nesterov", weight_decay="absent")
def nesterov(self, parameters, *, lr, momentum, weight_decay):
    return Descent(parameters)
"""
BROKEN = WRONG.replace("return Descent(parameters)", "raise ValueError('not today')")

ENTRY = {
    "trainers": ["mine"],
    "check": "optimizers.nesterov/buffer",
    "dtypes": ["float32"],
    "shows": "got ",
    "reason": "Momentum is left out.",
    "link": "issue 12",
}


@pytest.fixture
def declared(tmp_path: Path) -> Callable[..., None]:
    """Writes the entry beside the trainer, with other values for some fields; None leaves a field out."""

    def write(**changes: Any) -> None:
        fields = {name: value for name, value in (ENTRY | changes).items() if value is not None}
        lines = ["[[known]]", *(f"{name} = {value!r}" for name, value in fields.items())]
        (tmp_path / "mine.known.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return write


def test_a_declared_failure_is_known_with_its_reason_and_link_and_the_code_is_0(main, trainer_file, declared, rows_of):
    declared()

    said = main("run", trainer_file(WRONG), *ROW)

    (row,) = rows_of("report.json")
    assert (said.code, row["verdict"], row["link"]) == (0, "known", "issue 12")
    assert row["reason"].startswith("Momentum is left out. Shown by: got ")
    assert "known: optimizers.nesterov/buffer (float32): Momentum is left out." in said.out


def test_a_declared_error_is_known(main, trainer_file, declared, rows_of):
    declared(shows="ValueError: not today")

    said = main("run", trainer_file(BROKEN), *ROW)

    assert (said.code, rows_of("report.json")[0]["verdict"]) == (0, "known")


def test_another_failure_of_a_declared_row_stays_red(main, trainer_file, declared, rows_of):
    declared(shows="got NaN")

    said = main("run", trainer_file(WRONG), *ROW)

    assert (said.code, rows_of("report.json")[0]["verdict"]) == (1, "fail")


@pytest.mark.parametrize(
    "changes", [{"trainers": ["mine[other]"]}, {"check": "optimizers.nesterov/updates"}, {"dtypes": ["float64"]}]
)
def test_an_entry_about_another_row_excuses_nothing(main, trainer_file, declared, rows_of, changes):
    declared(**changes)

    said = main("run", trainer_file(WRONG), *ROW)

    assert (said.code, rows_of("report.json")[0]["verdict"]) == (1, "fail")


def test_a_declared_row_that_passes_is_fixed(main, trainer_file, declared, rows_of):
    declared(check="optimizers.sgd/updates")

    said = main("run", trainer_file(), "optimizers.sgd/updates", *ROW[1:])

    (row,) = rows_of("report.json")
    assert (said.code, row["verdict"]) == (0, "fixed")
    assert row["reason"] == "declared as known: Momentum is left out."
    assert "fixed: optimizers.sgd/updates (float32): declared as known: Momentum is left out." in said.out


def test_a_declared_row_that_is_skipped_is_neither_known_nor_fixed(main, trainer_file, declared, rows_of):
    declared(check="optimizers.sgd/penalty")

    main("run", trainer_file(), "optimizers.sgd/penalty", *ROW[1:])

    assert rows_of("report.json")[0]["verdict"] == "skip"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reasons": "x"}, "entry 1: 'reasons' is no field; the nearest is 'reason'."),
        (
            {"check": "optimizers.nesterov/bufer"},
            "entry 1: there is no check 'optimizers.nesterov/bufer'; the nearest is ",
        ),
        ({"dtypes": ["float23"]}, "entry 1: there is no dtype 'float23'; the nearest is 'float32'."),
        ({"trainers": ["mime"]}, "entry 1: there is no trainer 'mime'; the nearest is 'mine'."),
        ({"trainers": [3]}, "entry 1: there is no trainer '3'."),
        ({"reason": None}, "entry 1: reason is None, but must be a str and not empty."),
        ({"shows": ""}, "entry 1: shows is '', but must be a str and not empty."),
        ({"dtypes": []}, "entry 1: dtypes is [], but must be a list and not empty."),
        ({"dtypes": "float32"}, "entry 1: dtypes is 'float32', but must be a list and not empty."),
    ],
)
def test_a_wrong_entry_is_refused_in_one_line(main, trainer_file, declared, changes, words):
    declared(**changes)

    said = main("run", trainer_file(WRONG), *ROW)

    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert said.err.startswith(f"lm-conformance: mine.known.toml, {words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[knwon]]\ncheck = 'x'\n", "mine.known.toml has 'knwon', but must consist of [[known]] tables alone."),
        ("known = 3\n", "mine.known.toml has 'known', but must consist of [[known]] tables alone."),
        ("known = [3]\n", "mine.known.toml has 'known', but must consist of [[known]] tables alone."),
        ("[known]\ncheck = 'x'\n", "mine.known.toml has 'known', but must consist of [[known]] tables alone."),
        ("no TOML", "mine.known.toml cannot be read: "),
        (b"\xff", "mine.known.toml cannot be read: "),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(main, trainer_file, tmp_path: Path, text, words):
    (tmp_path / "mine.known.toml").write_bytes(text.encode() if isinstance(text, str) else text)

    said = main("run", trainer_file(WRONG), *ROW)

    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1)
    assert words in said.err
