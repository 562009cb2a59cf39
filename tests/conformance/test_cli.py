"""The command line: exit codes, words, and what it says about names that do not exist."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_conformance
import pytest
from lm_conformance import cli
from lm_conformance.selftest import survivors
from lm_reference.page import pages

COMMANDS = ("run", "list", "show", "report", "selftest")
ONE_ROW = ("optimizers.sgd/updates", "--seed", "1", "--examples", "0.1")


@pytest.fixture
def refused(main: Callable[..., Any]) -> Callable[..., str]:
    """Runs a command that cannot be used; gives the one line that it says."""

    def run(*arguments: str) -> str:
        said = main(*arguments)
        lines = said.err.splitlines()
        assert (said.code, said.out, len(lines)) == (2, "", 1)
        assert lines[0].startswith("lm-conformance: ")
        return lines[0].removeprefix("lm-conformance: ")

    return run


def test_a_run_in_which_all_passes_has_code_0(main, trainer_file):
    said = main("run", trainer_file(), *ONE_ROW)

    assert (said.code, said.err) == (0, "")
    assert "mine: 1 of 1 rows ran: 1 pass; 0 skipped" in said.out


def test_a_must_that_fails_has_code_1(main, trainer_file):
    file = trainer_file(code="Descent.step = lambda self, gradients, lr: self.parameters")

    said = main("run", file, *ONE_ROW)

    assert (said.code, said.err) == (1, "")
    assert "FAIL mine optimizers.sgd/updates float32 (MUST)" in said.out


def test_an_error_in_a_must_has_code_1(main, trainer_file):
    file = trainer_file(code="Descent.step = None")

    said = main("run", file, *ONE_ROW)

    assert said.code == 1
    assert "ERROR mine optimizers.sgd/updates float32 (MUST)" in said.out


@pytest.mark.parametrize(
    ("rows", "problems", "code"),
    [
        ([("MUST", "pass"), ("MUST", "known"), ("MUST", "fixed"), ("MUST", "skip")], False, 0),
        ([("MUST", "pass"), ("SHOULD", "fail"), ("MAY", "error")], False, 0),
        ([("MUST", "pass"), ("MUST", "fail")], False, 1),
        ([("MUST", "pass"), ("MUST", "error")], True, 1),
        ([("MUST", "pass")], True, 2),
        ([("MUST", "skip"), ("SHOULD", "skip")], False, 3),
        ([], False, 3),
    ],
)
def test_the_exit_code_follows_from_levels_and_verdicts(rows, problems, code):
    results = [SimpleNamespace(level=level, verdict=verdict) for level, verdict in rows]

    assert cli.exit_code(results, problems=problems) == code


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "reference", "--colour"], ["report"], ["report", "x", "y", "-z"], []]
)
def test_wrong_use_has_code_2_and_shows_the_usage(main, capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(*arguments)

    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("usage: lm-conformance")


def test_a_trainer_that_offers_nothing_of_what_was_asked_has_code_3(main, trainer_file):
    said = main("run", trainer_file(), "optimizers.adam")

    assert (said.code, said.out) == (3, "")
    assert said.err == "lm-conformance: nothing to run: the trainer offers none of what was asked for.\n"


def test_a_run_in_which_all_is_skipped_has_code_3(main, trainer_file):
    said = main("run", trainer_file(), "optimizers.sgd/penalty")

    assert said.code == 3
    assert "0 of 1 rows ran: nothing; 1 skipped" in said.out


def test_a_failure_of_the_suite_itself_has_code_3_and_one_line(main, trainer_file, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr("lm_conformance.evaluate.search", fail)

    said = main("run", trainer_file(), *ONE_ROW)

    assert said.code == 3
    assert said.err == (
        "lm-conformance: only 0 of 1 rows ran: optimizers.sgd/updates itself failed: ZeroDivisionError: of our own\n"
    )


def test_an_engine_that_breaks_has_code_3_and_one_line(main, trainer_file, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(pytest, "main", fail)

    said = main("run", trainer_file(), *ONE_ROW)

    assert said.code == 3
    assert said.err == (
        "lm-conformance: only 0 of 1 rows ran: the engine failed: ValueError: I/O operation on closed file\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["refrence"], "there is no trainer 'refrence'; the nearest is 'reference'. Installed: "),
        (["reference[fast]"], "there is no trainer 'reference[fast]'; the nearest is 'reference'. This plugin has: "),
        (["his.py"], "there is no file 'his.py'."),
        (["mine.py", "optimizers.adm"], "there is no page 'optimizers.adm'; the nearest is 'optimizers.adam'. "),
        (["mine.py", "optimzers"], "there is no page 'optimzers'; the nearest is 'optimizers'. "),
        (["mine.py", "optimizers/2"], "there is no page 'optimizers'"),
        (["mine.py", "optimizers.adam/99"], "optimizers.adam has no clause 99: its clauses are 1 to 9. "),
        (["mine.py", "optimizers.adam/0"], "optimizers.adam has no clause 0: its clauses are 1 to 9. "),
        (["mine.py", "optimizers.adam/²"], "optimizers.adam has no check '²'"),
        (
            ["mine.py", "optimizers.adam/epsilonn"],
            "optimizers.adam has no check 'epsilonn'; the nearest is 'optimizers.adam/epsilon'. ",
        ),
        (["mine.py", "--dtype", "flot32"], "there is no dtype 'flot32'; the nearest is 'float32'. Dtypes: float64, "),
        (["mine.py", "--examples", "0"], "--examples is 0, but must be a number above 0."),
        (["mine.py", "--examples", "nan"], "--examples is nan, but must be a number above 0."),
        (["mine.py", "--examples", "inf"], "--examples is inf, but must be a number above 0."),
        (["mine.py", "--timeout", "-1"], "--timeout is -1, but must be above 0 and at most "),
        (["mine.py", "--timeout", "inf"], "--timeout is inf, but must be above 0 and at most "),
        (["mine.py", "--jobs", "0"], "--jobs is 0, but must be at least 1."),
    ],
)
def test_a_name_or_number_that_cannot_be_run_is_refused_in_one_line(refused, trainer_file, arguments, words):
    trainer_file()

    assert refused("run", *arguments).startswith(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("optimizers.adm", "there is no page 'optimizers.adm'; the nearest is 'optimizers.adam'. "),
        ("optimizers.adm/5", "there is no page 'optimizers.adm'; the nearest is 'optimizers.adam'. "),
        ("optimizers.adam/99", "optimizers.adam has no clause 99: its clauses are 1 to 9."),
        ("optimizers.adam/²", "optimizers.adam has no check '²'"),
        (
            "optimizers.adam/epsilonn",
            "optimizers.adam has no check 'epsilonn'; the nearest is 'optimizers.adam/epsilon'.",
        ),
    ],
)
def test_a_name_that_cannot_be_shown_is_refused_in_one_line(refused, name, words):
    assert refused("show", name).startswith(words)


@pytest.mark.parametrize("arguments", [["optimizers.adm"], ["optimizers.sgd", "optimizers.adm"]])
def test_a_name_that_cannot_be_proved_is_refused_in_one_line(refused, arguments):
    words = "there is no page or area 'optimizers.adm'; the nearest is 'optimizers.adam'."

    assert refused("selftest", *arguments) == words


def test_a_proof_in_no_process_is_refused(refused):
    assert refused("selftest", "optimizers.sgd", "--jobs", "-1") == "--jobs is -1, but must be at least 1."


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(main, capsys, name):
    with pytest.raises(SystemExit) as exit_:
        main(name, "--help")

    said = capsys.readouterr()
    assert (exit_.value.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: lm-conformance {name} [-h]")


def test_the_help_names_every_command_and_exit_code(main, capsys):
    with pytest.raises(SystemExit):
        main("--help")

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.startswith("    ") and line.strip()} >= set(COMMANDS)
    assert [line.split()[0] for line in lines if line.startswith("  ") and line.split()[0].isdigit()] == [*"0123"]


def test_the_version_is_that_of_the_package(main, capsys):
    with pytest.raises(SystemExit):
        main("--version")

    assert capsys.readouterr().out == f"lm-conformance {lm_conformance.__version__}\n"


def test_a_list_has_every_page_and_the_reference(main):
    said = main("list")

    words = [line.split()[0] for line in said.out.splitlines() if line.startswith("  ")]
    assert said.code == 0
    assert words[: len(pages())] == list(pages())
    assert "reference" in words[len(pages()) :]


def test_a_list_is_made_without_torch():
    code = "import sys; from lm_conformance.cli import main; sys.exit(main(['list']) or 'torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [["list"], ["show", "optimizers.adam/5"]])
def test_a_reader_that_goes_away_is_no_error(executable, arguments, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    process = subprocess.Popen([executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()

    assert (process.wait(), process.stderr and process.stderr.read()) == (0, b"")
    process.communicate()


@pytest.mark.parametrize(("trainer", "code"), [("", 0), ("Descent.step = None", 1)])
def test_the_exit_code_is_the_verdict_though_nobody_reads_the_output(executable, trainer_file, tmp_path, trainer, code):
    file = trainer_file(code=trainer)
    process = subprocess.Popen([executable, "run", file, *ONE_ROW], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()

    assert process.wait() == code


@pytest.mark.parametrize("name", pages())
def test_a_page_is_shown_with_its_text_its_checks_and_its_file(main, name):
    said = main("show", name)

    assert said.code == 0
    assert said.out.startswith(pages()[name].title)
    assert "\nChecks:\n" in said.out
    assert said.out.endswith(f"\nCode: {pages()[name].path}\n")


def test_a_clause_is_shown_with_its_source_line_forks_forms_checks_and_faults(main):
    said = main("show", "optimizers.adam/5")

    page = pages()["optimizers.adam"]
    assert said.code == 0
    assert said.out.startswith(f"optimizers.adam/5 (MUST, {page.clauses[5].hash})\n")
    for part in (
        page.clauses[5].text,
        f"Source: {page.source}",
        "Line:\n    theta = ",
        "Forks:\n    epsilon = hat: theta = ",
        "Forms:\n    theta = ",
        "Checks:\n    optimizers.adam/",
        "Faults:\n    ",
        "FluxML/Flux.jl#448",
    ):
        assert part in said.out


def test_a_check_is_shown_with_its_sentence_its_clauses_and_their_faults(main, check_named):
    said = main("show", "optimizers.adam/epsilon")

    assert said.code == 0
    assert said.out.startswith(
        f"optimizers.adam/epsilon (MUST)\n\n    {check_named('optimizers.adam/epsilon').title}\n"
    )
    assert "Clauses:\n    5: θ_t = " in said.out
    assert "Faults of these clauses:\n    ε inside the root (FluxML/Flux.jl#448)" in said.out


@pytest.fixture
def report(main: Callable[..., Any], trainer_file: Callable[..., str]) -> str:
    """A report of one row."""
    main("run", trainer_file(), *ONE_ROW, "--output", "report.json")
    return "report.json"


def test_a_report_is_shown_on_the_terminal_as_the_run_showed_it(main, trainer_file):
    ran = main("run", trainer_file(), *ONE_ROW, "--output", "report.json")

    said = main("report", "report.json")

    assert (said.code, said.err) == (0, "")
    assert ran.out.startswith(said.out.rstrip("\n"))
    assert "mine: 1 of 1 rows ran: 1 pass; 0 skipped" in said.out


def test_a_report_becomes_markdown_in_a_file(main, report, tmp_path: Path):
    said = main("report", report, "--format", "markdown", "--output", "made/table.md")

    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "made" / "table.md").read_text(encoding="utf-8") == main(
        "report", report, "--format", "markdown"
    ).out.rstrip("\n") + "\n"


def test_several_reports_stand_side_by_side_in_markdown(main, trainer_file, report):
    other = trainer_file(code="Conforming.name = 'hers'", name="hers.py")
    main("run", other, *ONE_ROW, "--output", "hers.json")

    said = main("report", report, "hers.json", "--format", "markdown")

    page = said.out.partition("## optimizers.sgd\n")[2]
    assert [cell.strip() for cell in page.partition("\n|")[2].splitlines()[0].split("|")][1:-1] == [
        "clause",
        "level",
        "mine",
        "hers",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "the report 'bad.json' cannot be read: No such file or directory."),
        ("", "'bad.json' is no report: it is no JSON ("),
        ("not JSON", "'bad.json' is no report: it is no JSON ("),
        ("{}", "'bad.json' is no report: at its top level, 'format' is a required property."),
        ("[]", "'bad.json' is no report: at its top level, [] is not of type 'object'."),
        ('{"format": 2}', "'bad.json' is no report: at "),
        (b"\xff\xfe", "'bad.json' is no report: it is no JSON ("),
    ],
)
def test_a_file_that_is_no_report_is_refused_in_one_line(refused, tmp_path: Path, text, words):
    if text is not None:
        (tmp_path / "bad.json").write_bytes(text.encode() if isinstance(text, str) else text)

    assert refused("report", "bad.json").startswith(words)


def test_a_report_about_pages_that_do_not_exist_is_refused_in_one_line(refused, report, tmp_path: Path):
    path = tmp_path / report
    path.write_text(path.read_text(encoding="utf-8").replace("optimizers.sgd", "optimizers.lion"), encoding="utf-8")

    assert refused("report", report).startswith("'report.json' is about clauses of optimizers.lion that version ")


@pytest.mark.parametrize("output", ["mine.py/table.md", ".", "", "folder"])
def test_a_report_that_cannot_be_written_is_refused_in_one_line(refused, report, tmp_path: Path, output):
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))

    assert " cannot be written: " in refused("report", report, "--format", "markdown", "--output", output)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("output", ["mine.py/report.json", ".", "", "folder"])
def test_a_run_whose_report_cannot_be_written_is_refused_before_it_begins(main, trainer_file, tmp_path: Path, output):
    file = trainer_file()
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))

    said = main("run", file, *ONE_ROW, "--output", output)

    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert " cannot be written: " in said.err
    assert "0 of 1 rows" in said.out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_proof_is_written_and_summed_up(main, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("lm_conformance.selftest.faults", lambda: ())

    said = main("selftest", "gradients.global_norm_clipping", "--jobs", "1", "--output", "matrix.md")

    kinds = Counter(kind for kind, _, _ in survivors(pages()["gradients.global_norm_clipping"]))
    assert (said.code, said.err) == (0, "")
    assert said.out == f"0 faults, {kinds['form']} forms, {kinds['fork']} sides of forks; 0 problems\n"
    assert (tmp_path / "matrix.md").read_text(encoding="utf-8").startswith("# Kill matrix\n")


def test_an_interruption_has_code_3_and_one_line(main, trainer_file, monkeypatch):
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lm_conformance.plan.plan", interrupt)

    said = main("run", trainer_file(), *ONE_ROW)

    assert (said.code, said.out, said.err) == (3, "", "lm-conformance: interrupted.\n")
