"""Checks of gradient descent, plain, with momentum and with Nesterov's."""

from __future__ import annotations

from lm_conformance.cases.optimizers import cases
from lm_conformance.optimizer_judges import checks_of, side

CHECKS = [
    checks_of("optimizers.sgd")(
        name="penalty",
        clauses=(1,),
        title="The gradient of the penalty is added before the rate, with its own sign.",
        search=lambda target: cases(target, updates=(1, 2), settings={"weight_decay": (0.5, 0.125, 0.01)}, drifts=(0,)),
        skip=side("weight_decay", "coupled"),
    ),
    checks_of("optimizers.momentum")(
        name="first_update",
        clauses=(2,),
        title="The first buffer is the first gradient, as declared.",
        search=lambda target: cases(target, updates=(1, 2), settings={"momentum": (0.5, 0.75)}),
    ),
    checks_of("optimizers.momentum")(
        name="buffer",
        clauses=(3,),
        title="The buffer decays by μ and takes each new gradient in, dampened.",
        search=lambda target: cases(target, updates=(2, 3, 5), settings={"momentum": (0.5, 0.75, 0.9)}),
    ),
    checks_of("optimizers.momentum")(
        name="penalty",
        clauses=(1,),
        title="The gradient of the penalty goes into the buffer.",
        search=lambda target: cases(target, updates=(1, 2, 3), settings={"weight_decay": (0.5, 0.125)}, drifts=(0,)),
        skip=side("weight_decay", "coupled"),
    ),
    checks_of("optimizers.nesterov")(
        name="buffer",
        clauses=(2,),
        title="The buffer decays by μ and takes each new gradient in whole.",
        search=lambda target: cases(target, updates=(1, 2, 3, 5)),
    ),
    checks_of("optimizers.nesterov")(
        name="penalty",
        clauses=(1,),
        title="The gradient of the penalty goes into the buffer and into the step ahead.",
        search=lambda target: cases(target, updates=(1, 2, 3), settings={"weight_decay": (0.5, 0.125)}, drifts=(0,)),
        skip=side("weight_decay", "coupled"),
    ),
]
