"""README.md and reports/ say what is so: examples run, tables are those of the reports."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from lm_conformance.pytest_plugin import conformance_tests
from lm_conformance.report import pictures, tables
from lm_conformance.results import read


@pytest.fixture
def readme(repository: Path) -> str:
    """The text of README.md."""
    return (repository / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def documents(repository: Path) -> list[Any]:
    """The published reports."""
    return [read(path) for path in sorted((repository / "reports").glob("*.json"))]


@pytest.fixture
def example(readme: str, tmp_path: Path) -> Path:
    """The trainer that README.md shows, as a file."""
    (code,) = re.findall(r"```python\n(# my_trainer\.py\n.*?)```", readme, re.DOTALL)
    path = tmp_path / "my_trainer.py"
    path.write_text(code, encoding="utf-8")
    return path


def between(text: str, name: str) -> str:
    """What stands between the two marks of a table."""
    _, _, rest = text.partition(f"<!-- {name} -->")
    table, mark, _ = rest.partition(f"<!-- end of {name} -->")
    assert mark
    return table.strip()


def test_the_trainer_of_the_readme_passes(main, example, rows_of):
    said = main("run", example.name, "--seed", "0", "--examples", "0.5", "--output", "report.json")

    assert (said.code, said.err) == (0, "")
    assert {row["verdict"] for row in rows_of("report.json")} == {"pass", "skip"}
    assert {row["check"] for row in rows_of("report.json") if row["verdict"] == "skip"} == {
        "optimizers.sgd/penalty",
        "optimizers.sgd/missing_gradient",
    }


@pytest.mark.usefixtures("example")
def test_one_clause_of_it_is_run_as_the_readme_says(main, readme):
    (command,) = re.findall(r"^lm-conformance (run my_trainer\.py \S+/\d+)", readme, re.MULTILINE)

    assert main(*command.split()).code == 0


def test_its_tests_are_made_as_the_readme_says(example, readme, monkeypatch):
    monkeypatch.chdir(example.parent)
    (call,) = re.findall(r"`test_conformance = conformance_tests\(\"(.+?)\"\)`", readme)

    test = conformance_tests(call)

    assert [row.trainer for row in test.pytestmark[0].args[1]] == ["mine"] * len(test.pytestmark[0].args[1])


@pytest.mark.parametrize("command", ["list", "show"])
def test_other_commands_of_the_readme_work(main, readme, command):
    (line,) = re.findall(rf"^lm-conformance ({command}[^#\n]*)", readme, re.MULTILINE)

    assert main(*line.split()).code == 0


def test_links_of_the_readme_lead_somewhere(readme, repository: Path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)

    assert [link for link in links if not (repository / link).exists()] == []
    assert links


def test_the_table_of_the_readme_is_that_of_the_reports(readme, documents):
    assert between(readme, "table") == tables.summary(documents, variants=False)


def test_the_published_page_is_that_of_the_reports(repository: Path, documents, tmp_path: Path):
    links = pictures.write(documents, tmp_path / "README.md")

    published = (repository / "reports" / "README.md").read_text(encoding="utf-8")

    assert published == tables.markdown(documents, links)
    assert [link for link in links.values() if not (repository / "reports" / link).exists()] == []


def test_the_margins_of_the_guide_are_those_of_the_reports(repository: Path, documents):
    margins = runpy.run_path(str(repository / ".ci" / "tables.py"))["margins"]

    guide = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert between(guide, "margins") == margins(documents)


def test_published_reports_are_whole_and_of_full_size(documents):
    assert [(d["complete"], d["planned"], d["example_factor"], d["selectors"]) for d in documents] == [
        (True, len(d["results"]), 1.0, []) for d in documents
    ]
    assert documents
