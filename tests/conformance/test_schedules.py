"""How trainers of schedules are asked, and what a failing one looks like."""

import json
import math
from pathlib import Path

import pytest
from lm_conformance.check import ANY, Target, checks
from lm_conformance.cli import main
from lm_conformance.evaluate import evaluate
from lm_conformance.plan import plan
from lm_conformance.trainer import Trainer, offers

PAGE = "schedules.warmup_cosine"
HEADER = """
import math
from lm_conformance.trainer import Trainer, hookimpl, offers

@hookimpl
def lm_conformance_trainers():
    yield Mine()
"""
CLIMBING = (
    HEADER
    + """
class Curve:
    def __init__(self, **settings):
        self.__dict__.update(settings)

    def rate(self, x):
        if x < self.warmup:
            return self.peak * x / self.warmup
        p = (x - self.warmup) / (self.horizon - self.warmup)
        return self.floor + 0.5 * (self.peak - self.floor) * (1 + math.cos(math.pi * p))

class Mine(Trainer):
    name = "mine"

    @offers("schedules.warmup_cosine")
    def cosine(self, **settings):
        return Curve(**settings)
"""
)


class Followed:
    """A schedule that can only be followed, saved and loaded."""

    def __init__(self, *, peak, floor, warmup, horizon):
        self.peak, self.floor, self.warmup, self.horizon = peak, floor, warmup, horizon
        self.x = 0

    def step(self):
        x, self.x = self.x, self.x + 1
        if x < self.warmup:
            return self.peak * x / self.warmup
        p = min(1, (x - self.warmup) / (self.horizon - self.warmup))
        return self.floor + 0.5 * (self.peak - self.floor) * (1 + math.cos(math.pi * p))

    def save(self):
        return self.x

    def load(self, saved):
        self.x = saved


def verdict_of(make, check):
    """The verdict of one check of the cosine on a trainer that returns what `make` makes."""

    class Mine(Trainer):
        name = "mine"

        @offers(PAGE)
        def cosine(self, **settings):
            return make(**settings)

    one = next(one for one in checks() if one.id == f"{PAGE}/{check}")
    return evaluate(one, Target(Mine().offered()[0], ANY), seed=0)


@pytest.mark.parametrize("check", [one.name for one in checks() if one.page == PAGE and one.name != "any_order"])
def test_a_schedule_that_can_only_be_followed_passes(check):
    assert verdict_of(Followed, check).verdict == "pass"


def test_a_schedule_that_can_only_be_followed_is_not_asked_in_any_order():
    found = verdict_of(Followed, "any_order")

    assert (found.verdict, found.reason) == ("skip", "its schedule has no rate(): it can only be followed")


def test_a_schedule_that_forgets_where_it_was_fails():
    class Forgetful(Followed):
        def load(self, saved):
            self.x = saved - 1

    found = verdict_of(Forgetful, "resume")

    assert found.verdict == "fail"
    assert "where it was not interrupted" in found.reason


def test_schedules_that_share_their_counter_fail():
    class Shared(Followed):
        count = 0

        def step(self):
            self.x, Shared.count = Shared.count, Shared.count + 1
            return super().step()

    assert verdict_of(Shared, "two_schedules").verdict == "fail"


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("fast", "rate() returned str, but must return a number"),
        (None, "rate() returned NoneType, but must return a number"),
        ([1.0, 2.0], "rate() returned list, but must return a number"),
    ],
)
def test_a_rate_that_is_no_number_is_an_error(returned, reason):
    class Odd:
        def __init__(self, **settings):
            pass

        def rate(self, x):  # noqa: ARG002
            return returned

    found = verdict_of(Odd, "curve")

    assert (found.verdict, found.reason) == ("error", reason)


def test_a_rate_that_is_not_a_number_in_floating_point_fails():
    class Odd(Followed):
        def step(self):
            return float("nan")

    found = verdict_of(Odd, "curve")

    assert (found.verdict, found.reason.partition(",")[0]) == ("fail", "got NaN")


def test_a_method_that_returns_no_schedule_is_an_error():
    found = verdict_of(lambda **settings: 1e-3, "curve")  # noqa: ARG005

    assert (found.verdict, found.reason) == ("error", "cosine returned float, which has neither rate() nor step()")


def test_a_schedule_is_asked_once_whatever_dtypes_the_trainer_has(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(CLIMBING, encoding="utf-8")

    rows = plan([str(file)]).rows

    assert {row.dtype for row in rows} == {ANY}


def test_a_cosine_that_climbs_back_breaks_one_clause_and_is_drawn(tmp_path):
    file, report, page = tmp_path / "mine.py", tmp_path / "mine.json", tmp_path / "published" / "README.md"
    file.write_text(CLIMBING, encoding="utf-8")

    codes = [main(["run", str(file), "--seed", "0", "--jobs", "1", "--output", str(report)])]
    codes.append(main(["report", str(report), "--format", "markdown", "--output", str(page)]))
    red = [row for row in json.loads(report.read_text(encoding="utf-8"))["results"] if row["verdict"] == "fail"]
    (link,) = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("![")]
    drawing = page.parent / link.partition("](")[2].rstrip(")")

    assert codes == [1, 0]
    assert [(row["check"], row["as_if"].partition(" (")[0]) for row in red] == [
        (f"{PAGE}/after_horizon", "climbs back")
    ]
    assert Path(drawing).read_text(encoding="utf-8").startswith("<?xml")
