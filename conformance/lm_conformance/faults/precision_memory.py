"""Mistakes in what is kept, and in what is said of it."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import SLIP, fault

_here = partial(fault, "precision.memory")

FAULTS = [
    _here(1, "the model computes with float32 weights", "weight = 4", "a cast that is forgotten"),
    _here(1, "16 bits, where float32 was asked for", "weight = 2", "autocast left on"),
    _here(2, "no masters", "master = 0", "vllm-project/speculators#765"),
    _here(2, "masters of 16 bits", "master = 2 if width == 2 else 0", "masters made by cloning the model"),
    _here(2, "float32 weights are kept twice", "master = 4", "masters whatever the format"),
    _here(2, "two masters", "master = 8 if width == 2 else 0", "optimizer and wrapper each have their own"),
    _here(3, "gradients are kept twice", "gradient = 2 * width + 4", "the narrow ones are not freed"),
    _here(3, "no gradients", "gradient = 0", SLIP),
    _here(4, "moments of 16 bits", "moments = 2 * width", "state in the format of the weights"),
    _here(4, "three moments", "moments = 3 * 4", "AMSGrad where Adam was asked for"),
    _here(4, "one moment", "moments = 4", "Adafactor where Adam was asked for"),
    _here(
        5,
        "half of float32",
        {
            2: "master = 0",
            4: "moments = 2 * width",
            5: "return {'weights': weight, 'masters': master, 'gradients': gradient, 'moments': moments}",
        },
        "lecture notes",
    ),
]
