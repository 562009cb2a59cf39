"""Results as data."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lm_conformance import results
from lm_conformance.check import Picture, Statistic
from lm_conformance.evaluate import Verdict
from lm_conformance.plan import Row

ROW = Row("torch", "torch[fused]", "optimizers.adam/epsilon", "float32")


@pytest.fixture
def result(check_named: Any) -> Any:
    """The row of a verdict."""

    def make(verdict: Verdict, *, row: Row = ROW, factor: float = 1.0) -> results.Result:
        return results.result(row, check_named("optimizers.adam/epsilon"), verdict, seed=7, factor=factor)

    return make


def test_a_row_has_the_names_and_the_level_of_its_check(result):
    found = result(Verdict("pass", 12, 9, 0.5, seconds=0.12345))

    assert (found.page, found.check, found.clauses, found.level) == (
        "optimizers.adam",
        "optimizers.adam/epsilon",
        [5],
        "MUST",
    )
    assert (found.examples, found.conclusive, found.margin, found.seconds, found.repeat) == (12, 9, 0.5, 0.123, "")


def test_an_infinite_margin_is_a_word_that_json_can_hold(result):
    found = result(Verdict("fail", 1, 1, math.inf))

    assert json.loads(json.dumps(found.margin, allow_nan=False)) == "inf"


@pytest.mark.parametrize(
    ("row", "factor", "command"),
    [
        (ROW, 1.0, "lm-conformance run 'torch[fused]' optimizers.adam/epsilon --dtype float32 --seed 7"),
        (
            Row("mine.py", "mine[other]", "optimizers.adam/epsilon", "mixed"),
            0.5,
            "lm-conformance run mine.py optimizers.adam/epsilon --dtype mixed --seed 7 --examples 0.5",
        ),
    ],
)
def test_a_red_row_has_the_command_that_repeats_it(result, row, factor, command):
    assert result(Verdict("fail", 1, 1, 5.0), row=row, factor=factor).repeat == command


def test_every_field_of_a_row_stands_in_the_schema_and_is_demanded(result):
    properties = json.loads(results.SCHEMA.read_text(encoding="utf-8"))["properties"]["results"]["items"]

    names = list(vars(result(Verdict("pass", 1, 1, 0.0))))

    assert sorted(properties["properties"]) == sorted(properties["required"]) == sorted(names)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads(results.SCHEMA.read_text(encoding="utf-8")))


@pytest.fixture
def document(main: Any, trainer_file: Any, tmp_path: Path) -> Any:
    """A report of one row."""
    main("run", trainer_file(), "optimizers.sgd/updates", "--seed", "1", "--examples", "0.1", "--output", "report.json")
    return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_a_report_is_read_as_it_was_written(document, tmp_path: Path):
    assert results.read(tmp_path / "report.json") == document


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verdict", "passed"),
        ("margin", "infinite"),
        ("margin", -1),
        ("clauses", []),
        ("clauses", [99]),
        ("level", "OUGHT"),
        ("dtype", "float8"),
        ("page", "optimizers.lion"),
        ("colour", "green"),
    ],
)
def test_a_report_with_a_wrong_row_is_refused(document, tmp_path: Path, field, value):
    document["results"][0][field] = value
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(results.UsageError, match=r"wrong\.json"):
        results.read(path)


def test_a_report_without_a_field_is_refused(document, tmp_path: Path):
    del document["complete"]
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(results.UsageError, match="'complete' is a required property"):
        results.read(path)


def test_statistics_and_pictures_stand_in_the_row(result):
    statistic = Statistic("the mean is 0", 1000, 0.25, 1e-6, "a mean of 0.1")
    picture = Picture("update", "rate", (0.0, 1.0), (0.0, 1.0), (0.0, 0.5))

    found = result(Verdict("fail", 1, 1, 0.0, statistics=(statistic,), picture=picture))

    assert found.statistics == [vars(statistic)]
    assert found.picture == vars(picture)
