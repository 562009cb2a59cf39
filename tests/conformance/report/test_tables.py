"""Tables and words that are made of reports."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import jsonschema
import pytest
from lm_conformance.report import pictures, tables
from lm_conformance.results import SCHEMA, Result, _precision
from lm_conformance.trainer import Precision
from lm_reference.page import pages

SGD = "optimizers.sgd"


def row(verdict: str, clauses: tuple[int, ...] = (2,), dtype: str = "float32", **fields: Any) -> dict[str, Any]:
    """A row of a report."""
    settings: dict[str, Any] = {"trainer": "mine", "margin": 0.5, "level": "MUST", "check": f"{SGD}/updates"} | fields
    margin = None if verdict == "skip" else settings.pop("margin")
    settings.pop("margin", None)
    return asdict(
        Result(
            page=SGD,
            clauses=list(clauses),
            dtype=dtype,
            verdict=verdict,
            examples=3,
            conclusive=2,
            margin=margin,
            **settings,
        )
    )


def document(*rows: dict[str, Any], complete: bool = True, names: tuple[str, ...] = ("mine",), **fields: Any) -> Any:
    """A report."""
    return {
        "format": 1,
        "complete": complete,
        "suite": "1.0",
        "environment": {"python": "3.11"},
        "seed": 0,
        "example_factor": 1.0,
        "selectors": [],
        "started": "2026-01-01T00:00:00Z",
        "planned": 9,
        "problems": [],
        "trainers": [
            {
                "name": name,
                "version": "2.0",
                "precisions": {"float32": {"scalars": "float64"}},
                "forks": {SGD: {"weight_decay": "coupled", "missing": "skipped"}},
                "not_offered": ["optimizers.adam"],
            }
            for name in names
        ],
        "results": list(rows),
    } | fields


FAILED = row(
    "fail",
    clauses=(1, 2),
    margin=1234.5,
    reason="got 2, expected 1 ± 0.1",
    as_if="uphill (clause 2; a slip of the pen)",
    counterexample=["settings: none", "expected 1"],
    repeat="lm-conformance run mine optimizers.sgd/updates --dtype float32 --seed 0",
)


@pytest.fixture
def valid() -> Callable[[Any], Any]:
    """Sees to it that a report of ours is one."""

    def check(made: Any) -> Any:
        jsonschema.validate(made, json.loads(SCHEMA.read_text(encoding="utf-8")))
        return made

    return check


def lines(table: str) -> list[list[str]]:
    """The cells of a Markdown table, line by line, without the rule below the header."""
    found = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in [found[0], *found[2:]]]


def test_the_reports_of_these_tests_are_reports(valid):
    assert valid(document(FAILED, row("skip")))


@pytest.mark.parametrize(
    ("rows", "cell"),
    [
        ([], ""),
        ([row("pass"), row("pass", margin=0.75)], "0.75"),
        ([row("pass"), row("skip")], "0.50"),
        ([row("skip")], "skip"),
        ([row("pass"), row("fixed", margin=0.25)], "0.25 fixed"),
        ([row("pass"), row("known", margin="inf")], "known"),
        ([row("known"), row("fail", margin=1234.5), row("fail", margin=5.0)], "FAIL ×1.2e+03"),
        ([row("pass"), row("fail", margin="inf")], "FAIL"),
        ([row("fail"), row("error"), row("pass")], "ERROR"),
    ],
)
def test_a_cell_shows_the_worst_of_its_rows(rows, cell):
    assert tables.cell(rows) == cell


def statistics_of(ps: dict[str, float]) -> list[dict[str, Any]]:
    """Tests of hypotheses, by name."""
    return [{"test": name, "draws": 9000, "p": p, "level": 1e-3, "detects": "much"} for name, p in ps.items()]


def test_a_cell_of_drawn_numbers_shows_the_smallest_probability_times_the_number_of_tests():
    tests = statistics_of({"std": 0.5, "mean": 0.0123})

    assert tables.cell([row("pass", statistics=tests)]) == "p 0.025"


def test_a_second_sample_takes_the_place_of_the_first_in_a_cell():
    tests = statistics_of({"std": 0.9, "mean": 0.0001, "mean, second sample": 0.3})

    assert tables.cell([row("pass", statistics=tests)]) == "p 0.6"


def test_a_failure_says_what_its_tests_can_see():
    statistics = statistics_of({"std": 1e-9, "std, second sample": 1e-12, "mean": 0.5})

    said = tables.failure(row("fail", statistics=statistics))

    assert [line for line in said.splitlines() if "tested" in line] == [
        "  tested: std, second sample, 9,000 draws, p 1e-12; rejected below 0.001; sees much",
        "  tested: mean, 9,000 draws, p 0.5; rejected below 0.001; sees much",
    ]


@pytest.mark.parametrize(
    ("rows", "cell"),
    [
        ([row("pass"), row("pass", dtype="float16", margin=2.0)], "2.00"),
        (
            [row("pass"), row("known", dtype="float16"), row("known", dtype="bfloat16")],
            "0.50, known bfloat16 float16",
        ),
        ([row("fail", margin=7.0), row("error", dtype="mixed")], "FAIL ×7 float32, ERROR mixed"),
        ([row("fixed", dtype="float64"), row("pass")], "0.50, fixed float64"),
        ([row("skip")], "skip"),
    ],
)
def test_a_cell_of_the_matrix_names_the_dtypes_of_what_does_not_pass(rows, cell):
    assert tables.matrix_cell(rows) == cell


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row("pass", (1, 2, 3)), row("pass", (4,))], "4 of 4"),
        ([row("pass", (1, 2)), row("skip", (3,))], "2 of 2"),
        ([row("pass", (1,)), row("fixed", (2,))], "2 of 2"),
        ([row("pass", (1, 2)), row("known", (2,), "float16")], "1 of 2 (1 known)"),
        ([row("pass", (1,)), row("fail", (2,)), row("error", (3,)), row("known", (4,))], "1 of 4 (2 FAIL, 1 known)"),
        ([row("skip", (1,))], ""),
        ([], ""),
    ],
)
def test_a_summary_counts_clauses_by_the_worst_of_their_rows(rows, words):
    header, line = lines(tables.summary([document(*rows)]))

    assert dict(zip(header, line, strict=True)) == dict.fromkeys(header, "") | {"": "mine", "optimizers": words}
    assert header[1:] == sorted({page.partition(".")[0] for page in pages()})


def test_a_summary_without_variants_has_the_first_trainer_of_each_report():
    documents = [document(names=("a", "a[fused]")), document(names=("b",))]

    assert [line[0] for line in lines(tables.summary(documents))[1:]] == ["a", "a[fused]", "b"]
    assert [line[0] for line in lines(tables.summary(documents, variants=False))[1:]] == ["a", "b"]


def test_a_run_is_shown_with_clauses_down_dtypes_across_and_the_forks():
    made = document(row("pass", (1, 2)), row("known", (2,), "float16", reason="Rounds."), row("skip", (3,)))

    parts = list(tables.terminal(made))

    header, _, *table, forks = parts[1].splitlines()
    assert parts[0] == "mine 2.0"
    assert header.split() == [SGD, "level", "float32", "float16"]
    assert [line.split()[0] for line in table] == ["1", "2", "3"]
    assert [line.split()[-2:] for line in table] == [["MUST", "0.50"], ["0.50", "known"], ["MUST", "skip"]]
    assert forks == "forks: weight_decay = coupled, missing = skipped"
    assert parts[2:] == [
        f"known: {SGD}/updates (float16): Rounds.",
        f"mine: 2 of 3 rows ran: 1 pass, 1 known; 1 skipped; {len(pages()) - 1} of {len(pages())} pages are offered",
    ]


def test_a_run_of_nothing_says_so():
    assert list(tables.terminal(document()))[-1].startswith("mine: 0 of 0 rows ran: nothing; 0 skipped")


def test_a_failure_has_clause_source_reason_case_fault_and_command():
    page = pages()[SGD]

    assert tables.failure(FAILED).splitlines() == [
        "FAIL mine optimizers.sgd/updates float32 (MUST)",
        f"  clause 1: {page.clauses[1].text}",
        f"  clause 2: {page.clauses[2].text}",
        f"  source: {page.source}",
        "  got 2, expected 1 ± 0.1",
        "    settings: none",
        "    expected 1",
        "  as if: uphill (clause 2; a slip of the pen)",
        "  repeat: lm-conformance run mine optimizers.sgd/updates --dtype float32 --seed 0",
    ]


def test_failures_and_errors_are_shown_in_words_and_nothing_else_is():
    parts = list(tables.terminal(document(FAILED, row("pass"), row("error", reason="step() raised"), row("known"))))

    assert [part.partition(" ")[0] for part in parts if "\n  clause" in part] == ["FAIL", "ERROR"]


@pytest.mark.parametrize("make", [lambda made: "\n".join(tables.terminal(made)), lambda made: tables.markdown([made])])
def test_a_partial_report_is_never_shown_as_whole(make):
    words = "PARTIAL: the run was not finished; 1 of 9 rows are here."

    assert words in make(document(row("pass"), complete=False))
    assert "PARTIAL" not in make(document(row("pass")))


def test_markdown_begins_with_the_title_the_legend_and_the_summary():
    made = [document(row("pass"))]

    title, legend, summary, *_ = tables.markdown(made).split("\n\n")

    assert title == "# Conformance of trainers"
    assert "4 is the limit" in legend
    assert summary == tables.summary(made)


def test_markdown_has_clauses_down_and_trainers_across():
    both = [document(row("pass", (1,))), document(row("known", (2,), trainer="hers"), names=("hers",))]

    page = tables.markdown(both).split(f"## {SGD}\n\n")[1].split("\n\n## ")[0]
    header, *clauses = lines(page.split("\n\n")[1])
    forks = lines(page.split("\n\n")[2])

    assert header == ["", "clause", "level", "mine", "hers"]
    assert [line[0] for line in clauses] == [str(number) for number in pages()[SGD].clauses]
    assert [line[3:] for line in clauses[:2]] == [["0.50", ""], ["", "known float32"]]
    assert forks == [
        ["fork", "mine", "hers"],
        ["weight_decay", "coupled", "coupled"],
        ["missing", "skipped", "skipped"],
    ]


def test_markdown_has_only_pages_that_somebody_offers():
    text = tables.markdown([document(row("pass"))])

    assert [line for line in text.splitlines() if line.startswith("## ")] == [f"## {SGD}", "## What ran"]


def test_markdown_says_how_much_ran_of_how_much():
    text = tables.markdown([document(row("pass"), row("skip"))])

    ran = lines(text.split("## What ran\n\n")[1])
    offered = f"{len(pages()) - 1} of {len(pages())} pages are offered"
    assert ran[1] == ["mine", "2.0", f"1 of 2 rows ran: 1 pass; 1 skipped; {offered}"]


def test_markdown_shows_failures_in_words():
    text = tables.markdown([document(FAILED)])

    assert f"## Failures\n\n```\n{tables.failure(FAILED)}\n```\n" in text


def test_markdown_groups_known_deviations_by_check_and_reason():
    shown = {"reason": "Rounds. Shown by: got 3", "link": "issue 12"}
    text = tables.markdown(
        [
            document(
                row("known", dtype="float16", **shown),
                row("known", dtype="bfloat16", **shown | {"reason": "Rounds. Shown by: got 4"}),
                row("fixed", dtype="float64", reason="declared as known: Rounds."),
            )
        ]
    )

    assert text.split("## Known deviations\n\n")[1].splitlines() == [
        "- `optimizers.sgd/updates`: Rounds. (issue 12) Seen in mine bfloat16 float16.",
        "",
        (
            "- `optimizers.sgd/updates` now passes, although it is declared: declared as known: Rounds. "
            "Seen in mine float64."
        ),
    ]


@pytest.mark.parametrize("page", pages())
def test_no_clause_breaks_the_matrix(page):
    made = document(row("pass"), trainers=[document()["trainers"][0] | {"forks": {page: {}}}])

    text = tables.markdown([made]).split(f"## {page}\n\n")[1].split("\n\n")[1]

    cells = [line.replace(r"\|", "").count("|") for line in text.splitlines()]
    assert set(cells) == {cells[0]}
    assert len(cells) == len(pages()[page].clauses) + 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a short one", "a short one"), ("two\n   lines", "two lines"), ("x" * 60, "x" * 51 + "…"), ("x" * 52, "x" * 52)],
)
def test_a_long_text_is_shortened_to_one_line(text, expected):
    assert tables.shortened(text) == expected


def test_a_precision_stands_in_a_report_as_it_was_declared():
    assert _precision(Precision(scalars="float64", flush=True)) == {"scalars": "float64", "flush": True}


CURVE = {"across": "update", "up": "rate", "x": [0.0, 1.0], "expected": [0.0, 1.0], "obtained": [0.0, 0.5]}


def test_a_failure_that_is_better_seen_is_drawn_beside_the_markdown(tmp_path, valid):
    made = [valid(document(row("fail", picture=CURVE), row("pass", (1,))))]

    links = pictures.write(made, tmp_path / "table.md")

    (link,) = links.values()
    drawn = (tmp_path / link).read_text(encoding="utf-8")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.svg")] == [link]
    assert f"]({link})" in tables.markdown(made, links)
    assert all(f">{word}<" in drawn for word in ("update", "rate", "mine", SGD))


def test_the_same_picture_is_drawn_with_the_same_bytes():
    assert pictures.draw(row("fail", picture=CURVE)) == pictures.draw(row("fail", picture=CURVE))
