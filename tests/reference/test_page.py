"""The reader of pages, on small pages written for it; then laws that every page of the reference keeps."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from lm_conformance.check import checks
from lm_reference.page import Clause, Page, PageError, Variant, pages, read
from torch import Tensor

SMALL = '''\
"""A method: what it is.

    An equation that has no number.

    a = b                                       (1)
    A sentence that goes on
        over two lines, as in (1), to its end.  (2, SHOULD)
    c = a + b, or more                          (3, MAY)

Prose, which is no clause.

Source: Author, "Title", version 1,
    section 2.
Differs: in nothing.
Forks:
    place = here | there | nowhere
        there (1): a = 2 * b
        Someone, elsewhere,
        on two lines.
        nowhere: only a check can tell.
    count = one | both
        both (1): a = 5 * b
        both (2): c = 7 * a
Forms:
    (1): a = b * 1
"""


def compute(b):
    if b:
        a = b  # (1)
    c = a + b  # (2) (3)
    return c
'''


@pytest.fixture
def page_with(tmp_path):
    """The small page, with one piece of its text replaced."""

    def write(old="", new=""):
        assert old in SMALL
        path = tmp_path / "area" / "method.py"
        path.parent.mkdir()
        path.write_text(SMALL.replace(old, new, 1), encoding="utf-8")
        return read(path)

    return write


# what is read


def test_a_page_is_named_by_folder_and_file(page_with):
    assert page_with().id == "area.method"


def test_the_first_line_is_the_title(page_with):
    assert page_with().title == "A method: what it is."


def test_clauses_are_the_numbered_lines_and_those_that_lead_to_them(page_with):
    assert [clause.text for clause in page_with().clauses.values()] == [
        "a = b",
        "A sentence that goes on\nover two lines, as in (1), to its end.",
        "c = a + b, or more",
    ]


def test_a_clause_is_a_must_unless_it_says_otherwise(page_with):
    assert [clause.level for clause in page_with().clauses.values()] == ["MUST", "SHOULD", "MAY"]


def test_a_clause_is_named_by_page_and_number(page_with):
    assert [clause.id for clause in page_with().clauses.values()] == ["area.method/1", "area.method/2", "area.method/3"]


def test_source_and_differences_are_joined_to_one_line(page_with):
    page = page_with()

    assert (page.source, page.differs) == ('Author, "Title", version 1, section 2.', "in nothing.")


@pytest.mark.parametrize("heading", ["Source", "Differs"])
def test_what_a_page_does_not_say_is_empty(page_with, heading):
    page = page_with(f"{heading}:", "Nothing:")

    assert getattr(page, heading.lower()) == ""


def test_a_page_may_have_no_forks_and_forms(page_with):
    page = page_with(SMALL[SMALL.index("Forks:") : SMALL.index('"""\n\n\n')])

    assert (page.forks, page.forms) == ({}, ())


def test_the_first_side_of_a_fork_is_the_pages_own(page_with):
    assert {name: fork.default for name, fork in page_with().forks.items()} == {"place": "here", "count": "one"}


def test_sides_have_lines_and_say_where_they_are_published(page_with):
    sides = page_with().forks["place"].sides

    assert {name: (dict(side.lines), side.source) for name, side in sides.items()} == {
        "here": ({}, ""),
        "there": ({1: "a = 2 * b"}, "Someone, elsewhere, on two lines. nowhere: only a check can tell."),
        "nowhere": ({}, ""),
    }


def test_a_side_may_replace_several_lines(page_with):
    assert page_with().forks["count"].sides["both"].lines == {1: "a = 5 * b", 2: "c = 7 * a"}


def test_a_form_is_named_by_its_line(page_with):
    assert page_with().forms == (Variant("area.method", "form", "a = b * 1", {1: "a = b * 1"}),)


def test_one_line_may_carry_several_tags(page_with):
    tagged = page_with().tagged

    lines = SMALL.splitlines()
    assert {number: lines[line - 1].strip() for number, line in tagged.items()} == {
        1: "a = b  # (1)",
        2: "c = a + b  # (2) (3)",
        3: "c = a + b  # (2) (3)",
    }


# what is refused, and where


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("(1)\n", "(2)\n", "a = b  ", "clause (2) follows (0); clauses count 1, 2, 3, …"),
        ("(2, SHOULD)", "(3, SHOULD)", "over two lines", "clause (3) follows (1)"),
        ("(3, MAY)", "(2, MAY)", "or more", "clause (2) follows (2)"),
        ("SHOULD", "WILL", "over two lines", "level is 'WILL', but must be one of MUST, SHOULD, MAY"),
        ("# (1)", "# (4)", "a = b  #", "the line is tagged (4), but there is no such clause"),
        ("# (1)", "# (3)", "c = a + b  #", "clause (3) is tagged twice"),
        ("there (1):", "there (7):", "a = 2 * b", "a variant replaces the line of clause (7), but no line"),
        ("    (1): a = b * 1", "    (7): a = b * 1", "a = b * 1", "a variant replaces the line of clause (7)"),
        ("there (1):", "their (1):", "a = 2", "fork 'place' has no side 'their'; its sides: here, there, nowhere"),
    ],
)
def test_an_error_names_file_and_line(page_with, tmp_path, old, new, line, message):
    with pytest.raises(PageError) as error:
        page_with(old, new)

    place = next(n for n, text in enumerate(SMALL.replace(old, new, 1).splitlines(), start=1) if line in text)
    assert str(error.value).startswith(f"{tmp_path / 'area' / 'method.py'}:{place}: {message}")


def test_a_docstring_may_begin_on_its_second_line(page_with):
    with pytest.raises(PageError, match=r"method.py:7: clause \(2\) follows \(0\)"):
        page_with(
            SMALL[: SMALL.index("(1)\n") + 4],
            '"""\nA method: what it is.\n\n    An equation that has no number.\n\n\n    a = b  (2)\n',
        )


@pytest.mark.parametrize("text", ["", "x = 1\n", "# a comment\n"])
def test_a_page_starts_with_a_docstring(page_with, text):
    with pytest.raises(PageError, match=r"method.py:1: a page starts with a docstring"):
        page_with(SMALL, text)


def test_a_page_has_clauses(page_with):
    with pytest.raises(PageError, match=r"method.py:1: a page has at least one numbered clause"):
        page_with(SMALL, '"""A method."""\n')


# hashes


def clause(level="MUST", text="a = b"):
    return Clause("area.method", 1, level, text)


def test_the_hash_of_a_clause_changes_with_its_text():
    assert clause(text="a = c").hash != clause().hash


def test_the_hash_of_a_clause_changes_with_its_level():
    assert clause(level="SHOULD").hash != clause().hash


@pytest.mark.parametrize("text", ["a\n= b", "a  =   b", " a =\n\n    b "])
def test_the_hash_of_a_clause_does_not_change_with_line_breaks_and_spaces(text):
    assert clause(text=text).hash == clause().hash


def test_the_hash_of_a_clause_does_not_change_with_its_number():
    assert Clause("area.other", 2, "MUST", "a = b").hash == clause().hash


# other lines


def test_a_page_computes_what_it_says(page_with):
    assert page_with().module().compute(3) == 3 + 3


@pytest.mark.parametrize(
    ("declared", "result"),
    [
        ({}, 3 + 3),
        ({"place": "here", "count": "one"}, 3 + 3),
        ({"place": "there"}, 2 * 3 + 3),
        ({"place": "nowhere"}, 3 + 3),
        ({"count": "both"}, 7 * 5 * 3),
        ({"count": "both", "place": "there"}, 7 * 2 * 3),
    ],
)
def test_sides_replace_the_tagged_lines_the_last_one_wins(page_with, declared, result):
    page = page_with()

    assert page.module(*page.sides(declared)).compute(3) == result


def test_sides_that_replace_no_line_are_no_variants(page_with):
    page = page_with()

    assert page.sides({"place": "nowhere", "count": "both"}) == (page.forks["count"].sides["both"],)


def test_a_form_replaces_its_line_at_the_same_indentation(page_with):
    page = page_with()

    assert page.module(*page.forms).compute(3) == 3 + 3


def test_a_page_with_the_same_lines_is_compiled_once(page_with):
    page = page_with()

    assert page.module(*page.forms) is page.module(*page.forms)


def test_a_variant_is_named_in_the_traceback(page_with):
    page = page_with()
    broken = page.module(Variant(page.id, "fault", "it raises", {1: "raise ValueError"}))

    with pytest.raises(ValueError) as error:  # noqa: PT011 the place says which
        broken.compute(1)

    assert str(error.traceback[-1].path).endswith("method.py [fault it raises]")


def test_a_variant_of_another_page_is_refused(page_with):
    other = Variant("area.other", "form", "theirs", {1: "a = b"})

    with pytest.raises(PageError, match=r"'theirs' is a variant of area.other, not of area.method"):
        page_with().module(other)


def test_a_variant_for_a_clause_without_a_line_is_refused(page_with):
    with pytest.raises(PageError, match=r"area.method: .* clause \(4\), but no line carries that tag"):
        page_with().module(Variant("area.method", "form", "ours", {4: "a = b"}))


def test_an_unknown_fork_is_answered_with_the_known_ones(page_with):
    with pytest.raises(PageError, match=r"area.method has no fork 'plaice'; its forks: place, count"):
        page_with().sides({"plaice": "here"})


def test_an_unknown_fork_of_a_page_without_forks(page_with):
    page = page_with(SMALL[SMALL.index("Forks:") : SMALL.index("Forms:")])

    with pytest.raises(PageError, match=r"area.method has no fork 'place'; its forks: none"):
        page.sides({"place": "here"})


def test_an_unknown_side_is_answered_with_the_known_ones(page_with):
    with pytest.raises(PageError, match=r"fork 'place' of area.method has no side 'hear'; its sides: here, there, no"):
        page_with().sides({"place": "hear"})


# all pages


def test_pages_come_in_alphabetical_order():
    assert list(pages()) == sorted(pages())


def test_pages_cannot_be_changed():
    with pytest.raises(TypeError):
        pages()["area.method"] = None


def test_every_file_of_an_area_is_a_page():
    root = Path(inspect.getfile(Page)).parent

    assert len(pages()) == sum(path.stem != "__init__" for path in root.glob("*/*.py"))


def test_reading_pages_imports_neither_them_nor_torch():
    code = "import sys; from lm_reference.page import pages; pages(); print(sorted(sys.modules))"

    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert [name for name in ("'torch'", "lm_reference.optimizers") if name in modules] == []


every_page = pytest.mark.parametrize("page", pages().values(), ids=lambda page: page.id)


def variants(page):
    return [*page.forms, *(side for fork in page.forks.values() for side in fork.sides.values() if side.lines)]


def area_of(page):
    return page.id.partition(".")[0]


PAIRS = [(page, variant) for page in pages().values() for variant in variants(page)]
every_variant = pytest.mark.parametrize(
    ("page", "variant"), PAIRS, ids=[f"{page.id}-{variant.name}" for page, variant in PAIRS]
)


@every_page
def test_a_page_says_where_it_is_published_in_which_version(page):
    """A preprint by its version, a paper by its year, code by its commit."""
    assert re.search(r"arXiv:\d{4}\.\d{4,5}v\d|\b(1[89]|20)\d\d\b|\bat [0-9a-f]{7,}\b", page.source)


@every_page
def test_preprints_are_cited_with_their_version(page):
    preprints = re.findall(r"arXiv:[\d.]+\w*", page.text)

    assert [preprint for preprint in preprints if not re.fullmatch(r"arXiv:\d{4}\.\d{4,5}v\d+", preprint)] == []


@every_page
def test_every_tag_belongs_to_a_clause(page):
    assert set(page.tagged) <= set(page.clauses)


@every_page
def test_every_clause_is_computed_by_a_line_or_verified_by_a_check(page):
    verified = {number for check in checks() if check.page == page.id for number in check.clauses}

    assert set(page.clauses) - set(page.tagged) - verified == set()


@every_variant
def test_a_variant_is_another_line_than_the_pages_own(page, variant):
    lines = page.text.splitlines()

    own = {number: lines[page.tagged[number] - 1].partition("  #")[0].strip() for number in variant.lines}
    assert [number for number in own if own[number] == variant.lines[number]] == []


@every_variant
def test_a_page_with_a_variant_compiles(page, variant):
    assert page.module(variant).__file__ == str(page.path)


def code_of(page):
    """The syntax of a page and of all its variants."""
    lines = [line for variant in variants(page) for line in variant.lines.values()]
    texts = [page.text, *(f"{line} pass" if line[-1] == ":" else line for line in lines)]
    return [node for text in texts for node in ast.walk(ast.parse(text))]


@every_page
def test_a_page_calls_nothing_that_works_in_place(page):
    """Methods of torch whose names end in an underscore, and functions with the argument `out`."""
    names = [node.attr for node in code_of(page) if isinstance(node, ast.Attribute) and re.search("[^_]_$", node.attr)]
    outputs = [node.arg for node in code_of(page) if isinstance(node, ast.keyword) and node.arg == "out"]

    assert names + outputs == []


RANDOM = re.compile("rand|bernoulli|multinomial|poisson|dropout|seed|Generator")


@every_page
def test_a_page_names_nothing_that_draws_random_numbers(page):
    names = [node.attr for node in code_of(page) if isinstance(node, ast.Attribute)]
    names += [node.id for node in code_of(page) if isinstance(node, ast.Name)]

    assert [name for name in names if RANDOM.match(name)] == []


MAKERS = re.compile("arange|(as_|scalar_)?tensor|empty|eye|full|linspace|logspace|ones|zeros")


@every_page
def test_a_page_says_the_dtype_of_every_tensor_that_it_makes(page):
    calls = [node for node in code_of(page) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = [node for node in calls if MAKERS.fullmatch(node.func.attr)]

    assert [ast.unparse(node) for node in made if "dtype" not in {keyword.arg for keyword in node.keywords}] == []


# pages that are called alike, called

NUMBERS = {  # for each keyword of a page; no two of a page are equal, and none makes another of no account
    "lr": [0.5, 0.25, 0.0625, 0.125],
    "base_lr": 0.375,
    "momentum": 0.75,
    "dampening": 0.25,
    "weight_decay": 0.3,
    "beta1": 0.9,
    "beta2": 0.95,
    "eps": 0.01,
    "eps1": 0.02,
    "eps2": 0.001,
    "clipping_threshold": 1.0,
    "decay_exponent": 0.8,
    "peak": 0.3,
    "floor": 0.1,
    "warmup": 4.0,
    "horizon": 10.0,
    "period": 3.0,
    "factor": 2.0,
    "first": 16.0,
    "full": 128.0,
    "ramp": 40.0,
    "row": 8.0,
}


def tensors(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, device="cpu")


def number(x: float) -> Tensor:
    return torch.tensor(x, dtype=torch.float64, device="cpu")


def of_optimizers(module: ModuleType, lift) -> list:
    """The parameters after four updates, the second of which has no gradient."""
    results = []
    for shape, decayed in (((3,), True), ((5, 2, 3), False)):
        theta = lift(tensors(*shape))
        state = module.init(theta)
        given = inspect.signature(module.step).parameters
        for update, rate in enumerate(NUMBERS["lr"]):
            keywords = {name: lift(x) for name, x in NUMBERS.items() if name in given and name != "lr"}
            keywords |= {"decayed": decayed} if "decayed" in given else {}
            g = None if update == 1 else lift(tensors(4, *shape)[update])
            theta, state = module.step(theta, g, state, lr=lift(rate), **keywords)
            results.append(theta)
    return results


def of_gradients(module: ModuleType, lift) -> list:
    """Clipped gradients and their norm."""
    clipped, norm = module.clip([lift(tensors(3)), None, lift(tensors(2, 3))], max_norm=lift(0.5))
    return [*(g for g in clipped if g is not None), norm]


def of_schedules(module: ModuleType, lift) -> list:
    """The value at a number of places."""
    _, *keywords = inspect.signature(module.rate).parameters
    settings = {name: lift(number(NUMBERS[name])) for name in keywords}
    return [module.rate(lift(number(x)), **settings) for x in range(50)]


CALLS = {"optimizers": of_optimizers, "gradients": of_gradients, "schedules": of_schedules}
CALLED = [(page, variant) for page, variant in PAIRS if area_of(page) in CALLS]
every_called_page = pytest.mark.parametrize(
    "page", [page for page in pages().values() if area_of(page) in CALLS], ids=lambda page: page.id
)
every_form = pytest.mark.parametrize(
    ("page", "form"),
    [(page, form) for page, form in CALLED if form.kind == "form"],
    ids=[f"{page.id}-{form.name}" for page, form in CALLED if form.kind == "form"],
)
every_side = pytest.mark.parametrize(
    ("page", "side"),
    [(page, side) for page, side in CALLED if side.kind == "fork"],
    ids=[f"{page.id}-{side.name}" for page, side in CALLED if side.kind == "fork"],
)


def call(page, *variants, lift=lambda value: value) -> list:
    """What a page computes of some numbers. A new area needs a function in CALLS, a new keyword a line in NUMBERS."""
    return CALLS[area_of(page)](page.module(*variants), lift)


def bits(results: Sequence[Tensor]) -> list:
    return [(str(x.dtype), str(x.device), x.tolist()) for x in results]


@every_called_page
def test_a_page_leaves_its_arguments_as_they_are(page):
    seen = []

    def remember(value):
        if isinstance(value, Tensor):
            seen.append((value, value.clone()))
        return value

    call(page, lift=remember)

    assert all(torch.equal(value, before) for value, before in seen)


@every_called_page
def test_a_page_draws_no_random_number(page):
    before = torch.get_rng_state()

    call(page)

    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def default_dtype():
    yield torch.set_default_dtype
    torch.set_default_dtype(torch.float32)


@every_called_page
def test_a_page_takes_no_default_dtype(page, default_dtype):
    def single(value):
        return value.float() if isinstance(value, Tensor) else value

    usual = bits(call(page, lift=single))
    default_dtype(torch.float64)

    assert bits(call(page, lift=single)) == usual


@every_called_page
def test_a_page_takes_no_default_device(page):
    usual = bits(call(page))
    with torch.device("meta"):
        results = call(page)

    assert bits(results) == usual


@every_called_page
def test_a_page_computes_the_same_of_rounded_numbers(page, rounded, distance):
    of_tensors, of_rounded = call(page), call(page, lift=rounded)

    assert max(map(distance, map(rounded, of_tensors), of_rounded)) <= 1


@every_form
def test_a_form_is_the_same_number(page, form, rounded, distance):
    results, own = call(page, form, lift=rounded), call(page, lift=rounded)

    assert max(map(distance, results, own)) <= 1


@every_side
def test_a_side_is_another_number(page, side, rounded, distance):
    results, own = call(page, side, lift=rounded), call(page, lift=rounded)

    assert max(map(distance, results, own)) > 1
