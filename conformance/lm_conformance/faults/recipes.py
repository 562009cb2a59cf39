"""Mistakes in recipes."""

from __future__ import annotations

from functools import partial

from lm_conformance.faults import SLIP, fault

_gpt3 = partial(fault, "recipes.gpt3")

FAULTS = [
    _gpt3(
        1,
        "layers of the size before",
        'model = {"layers": 24 if size == "125M" else layers, "head_width": head_width}',
        SLIP,
    ),
    _gpt3(1, "heads of 64 in all sizes", 'model = {"layers": layers, "head_width": 64}', "GPT-2's"),
    _gpt3(
        1,
        "head width of the width",
        'model = {"layers": layers, "head_width": width // heads}',
        "a division that hides contradictions",
    ),
    _gpt3(
        1,
        "heads and their width swapped",
        'heads, head_width = head_width, heads; model = {"layers": layers, "head_width": head_width}',
        SLIP,
    ),
    _gpt3(2, "32 heads", 'heads = 32 if size == "1.3B" else heads', "the row below"),
    _gpt3(3, "the width 5124", 'width = 5124 if size == "13B" else width', SLIP),
    _gpt3(4, "three times the width", 'model |= {"width": width, "heads": heads, "feed_forward": 3 * width}', SLIP),
    _gpt3(4, "the width of the largest", 'model |= {"width": width, "heads": heads, "feed_forward": 4 * 12288}', SLIP),
    _gpt3(5, "1,024 tokens", 'context = {"context": 1024}', "GPT-2's"),
    _gpt3(6, "the rate of the largest in all sizes", 'peak = {"peak": 0.6e-4}', "one recipe for all sizes"),
    _gpt3(6, "6e-4 for 0.6e-4", 'peak = {"peak": 6e-4 if size == "175B" else rate}', "a misread table"),
    _gpt3(6, "rate off by 1 %", 'peak = {"peak": 1.01 * rate}', SLIP),
    _gpt3(7, "β2 of 0.999", 'adam = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}', "Adam's default"),
    _gpt3(7, "ε of 1e-6", 'adam = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-6}', "BERT's"),
    _gpt3(7, "β1 and β2 swapped", 'adam = {"beta1": 0.95, "beta2": 0.9, "eps": 1e-8}', SLIP),
    _gpt3(8, "no clipping", 'clipping = {"max_norm": 0.0}', "0 for off"),
    _gpt3(8, "clipped to 0.25", 'clipping = {"max_norm": 0.25}', "Transformer-XL's"),
    _gpt3(9, "weight decay 0.01", 'decay = {"weight_decay": 0.01, "decoupled": True}', "AdamW's default"),
    _gpt3(
        9,
        "decay passes through the moments",
        'decay = {"weight_decay": 0.1, "decoupled": False}',
        "L2 for weight decay",
    ),
    _gpt3(10, "375 updates", 'warmup = {"warmup": 375, "schedule": "warmup_cosine"}', "the unit is lost"),
    _gpt3(10, "375 billion tokens", 'warmup = {"warmup": 375e9, "schedule": "warmup_cosine"}', SLIP),
    _gpt3(
        10, "restarts", 'warmup = {"warmup": 375e6, "schedule": "cosine_restarts"}', "the paper that lecture notes cite"
    ),
    _gpt3(11, "decay to zero", 'cosine = {"floor": 0.0, "horizon": 260e9}', "cosine's default"),
    _gpt3(11, "decay over all tokens", 'cosine = {"floor": 0.1 * rate, "horizon": 300e9}', "horizon = end of training"),
    _gpt3(11, "a floor of 0.1", 'cosine = {"floor": 0.1, "horizon": 260e9}', "a share taken for a rate"),
    _gpt3(12, "260 billion tokens", 'tokens = {"tokens": 260e9}', "end of training = horizon"),
    _gpt3(13, "the batch of the largest in all sizes", 'full = {"full": about(3.2e6)}', "lecture notes"),
    _gpt3(
        13, "counted in rows", 'full = {"full": Between(batch // CONTEXT, batch // CONTEXT + 1, 1)}', "the unit is lost"
    ),
    _gpt3(13, "no whole rows", 'full = {"full": Between(batch + 1, batch + 2, 1)}', "the rounded figure itself"),
    _gpt3(14, "the full batch from the start", 'first = {"first": about(batch)}', "no ramp"),
    _gpt3(14, "32 rows", 'first = {"first": Between(32 * CONTEXT, 32 * CONTEXT, 1)}', "tokens taken for rows"),
    _gpt3(15, "a ramp of 375 million tokens", 'ramp = {"ramp": Between(375e6, 375e6, 1)}', "the warm-up's length"),
    _gpt3(15, "no ramp", 'ramp = {"ramp": Between(0, 0, 1)}', SLIP),
    _gpt3(16, "documents are padded", 'rows = {"packed": False, "separated": True}', "a row for each document"),
    _gpt3(16, "nothing between documents", 'rows = {"packed": True, "separated": False}', SLIP),
    _gpt3(
        17,
        "attention stops at documents",
        'documents = {"document_mask": True, "document_positions": False}',
        "Megatron-LM's reset-attention-mask",
    ),
    _gpt3(
        17,
        "positions begin again",
        'documents = {"document_mask": False, "document_positions": True}',
        "Megatron-LM's reset-position-ids",
    ),
    _gpt3(
        18,
        "norms after each block",
        'network = {"norm": "after", "vocabulary": 50257, "initialization": "gpt2"}',
        "GPT's",
    ),
    _gpt3(
        18,
        "the vocabulary is padded",
        'network = {"norm": "before", "vocabulary": 50304, "initialization": "gpt2"}',
        "a multiple of 64",
    ),
    _gpt3(
        18,
        "initial weights of BERT",
        'network = {"norm": "before", "vocabulary": 50257, "initialization": "bert"}',
        SLIP,
    ),
    _gpt3(19, "sparse alone", 'attention = {"attention": "sparse"}', SLIP),
]
