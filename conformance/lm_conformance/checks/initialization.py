"""Checks of initial weights: laws by statistics in two stages, everything else exactly."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lm_conformance import initialization_judges as judges
from lm_conformance.cases.initialization import CASES
from lm_conformance.check import ANY, Check

if TYPE_CHECKING:
    from lm_conformance.check import Target


def _check(page: str, name: str, clause: int | tuple[int, ...], title: str, **more: Any) -> Check:
    clauses = (clause,) if isinstance(clause, int) else clause
    return Check(page, name, clauses, title, edges=lambda target: [CASES[target.offer.page]], at=ANY, **more)


def _law(page: str, name: str, clause: int | tuple[int, ...], title: str, *roles: str, **more: Any) -> Check:
    """Roles that are asked one by one, and pools of roles that are asked together."""
    skip = more.pop("skip", None)
    pools = {role: (role,) for role in roles} | more
    own = {} if skip is None else {"skip": skip}
    judge, explain = partial(judges.follows, pools=pools), partial(judges.looks_like_law, pools=pools)
    return _check(page, name, clause, title, judge=judge, explain=explain, **own)


def _constant(page: str, name: str, clause: int, title: str) -> Check:
    judge, explain = partial(judges.constant, role=name), partial(judges.looks_like_constant, role=name)
    return _check(page, name, clause, title, judge=judge, explain=explain)


def _others(page: str, first: int) -> list[Check]:
    """What all pages demand beside their laws, in four clauses in a row."""
    asked = (
        ("complete", "No row and no column is left out, padded or drawn otherwise.", judges.complete),
        ("independent", "No tensor, row or column follows from another.", judges.independent),
        ("largest", "Every element is finite, and none is larger than the law and chance allow.", judges.largest),
    )
    found = [
        _check(
            *(page, name, clause, title),
            judge=partial(judges.asked, ask=ask),
            explain=partial(judges.looks_like, ask=ask),
        )
        for clause, (name, title, ask) in enumerate(asked, start=first)
    ]
    title = "Equal seeds give equal weights, and another seed gives others."
    return [*found, _check(page, "seeds", first + 3, title, judge=judges.reproducible, explain=judges.looks_like)]


def _tied(target: Target) -> str | None:
    return "the head is tied: it is the token table" if target.offer.forks["head"] == "tied" else None


_FAN_IN, _GLOROT = "initialization.fan_in", "initialization.glorot"
_GPT2, _BERT, _T5 = "initialization.gpt2", "initialization.bert", "initialization.t5"

CHECKS = [
    _law(_FAN_IN, "law", (1, 2), "The elements have the law of the fan-in, for matrices that are not square."),
    *_others(_FAN_IN, 3),
    _law(_GLOROT, "law", (1, 2), "The elements have the law of both fans, for matrices that are not square."),
    *_others(_GLOROT, 3),
    _law(
        *(_GPT2, "matrices", 1, "Matrices and the token table follow N(0, 0.02²)."),
        *("token_embedding", "query", "key", "value", "mlp_input"),
    ),
    _law(_GPT2, "positions", 2, "The position table follows its law.", "position_embedding"),
    _law(
        *(_GPT2, "residual", 3, "The two matrices that write into the residual stream follow their law."),
        *("attention_output", "mlp_output"),
    ),
    _constant(_GPT2, "biases", 4, "Biases are 0."),
    _constant(_GPT2, "gains", 5, "Gains are 1."),
    *_others(_GPT2, 6),
    _law(
        *(_BERT, "matrices", (1, 2), "All matrices and tables follow one law."),
        *("token_embedding", "position_embedding", "query", "key", "value", "attention_output"),
        *("feed_forward_input", "feed_forward_output"),
        heads=("segment_embedding", "pooler", "transform", "next_sentence"),
    ),
    _constant(_BERT, "biases", 3, "Biases are 0."),
    _constant(_BERT, "gains", 4, "Gains are 1."),
    *_others(_BERT, 5),
    _law(_T5, "token_embedding", 1, "The token table follows N(0, 1).", "token_embedding"),
    _law(_T5, "query", 2, "The queries are scaled by the width and the width of a head.", "query"),
    _law(_T5, "key_value", 3, "Keys and values are scaled by the width alone.", "key", "value"),
    _law(_T5, "attention_output", 4, "The outputs of attention are scaled by their fan-in.", "attention_output"),
    _law(
        *(_T5, "feed_forward", 5, "Both matrices of the feed-forward network are scaled by their fan-in."),
        *("feed_forward_input", "feed_forward_output"),
    ),
    _law(_T5, "relative_bias", 6, "The tables of relative positions follow their law.", "relative_bias"),
    _law(_T5, "head", 7, "A head of its own is scaled by the width.", "head", skip=_tied),
    _constant(_T5, "gains", 8, "Gains are 1."),
    *_others(_T5, 9),
]
