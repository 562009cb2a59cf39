"""Mistakes in initial weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lm_conformance.faults import LIMIT, SLIP, fault

if TYPE_CHECKING:
    from lm_conformance.faults import Fault

_fan_in, _glorot = partial(fault, "initialization.fan_in"), partial(fault, "initialization.glorot")
_gpt2, _bert = partial(fault, "initialization.gpt2"), partial(fault, "initialization.bert")
_t5 = partial(fault, "initialization.t5")

_NAME = "lecture notes that call N(0, 1/n) Xavier"
_DEFAULT = "the default of torch.nn.Linear and torch.nn.Embedding"
_CORRECTED = "sapientinc/HRM#91: the truncated normal of JAX makes up for the cut"
_LAWS = "import lm_reference.laws as L; "
_UNSEEDED = "import torch; u = torch.rand({}, dtype=torch.float64)"
_SAME_SEED = "import torch; u = torch.rand({}, dtype=torch.float64, generator=torch.Generator().manual_seed(0))"
_ROWS_OF_64 = "sharded tables: rows beyond a multiple of 64 are allocated, but not drawn"
_PADDING = "torch.nn.Embedding with padding_idx"


def _matrix(page: str, scale: str) -> list[Fault]:
    """What can go wrong with the draws of one matrix; `scale` is the standard deviation."""
    one, shape = partial(fault, page), "shape(fan_out, fan_in)"
    return [
        one(3, "the first row is zero", "W[:1] = 0; return W", _PADDING),
        one(3, "rows beyond a multiple of 64 are zero", "W[W.shape[0] // 64 * 64 :] = 0; return W", _ROWS_OF_64),
        one(3, "the last column is twice as large", "W[:, -1] *= 2; return W", SLIP),
        one(4, "one row for all", f"u = noise(0, {shape}); u = u[:1].expand(u.shape)", "a broadcast draw"),
        one(4, "the last rows repeat the first", f"u = noise(0, {shape}); u[-100:] = u[:100]", "a copied tile"),
        one(4, "the last rows mirror the first", f"u = noise(0, {shape}); u[-100:] = 1 - u[:100]", "antithetic draws"),
        one(4, "columns repeat", f"u = noise(0, {shape}); u[:, -100:] = u[:, :100]", "shards with one seed"),
        one(
            *(4, "rows of equal length"),
            {3: f"return W / W.norm(dim=1, keepdim=True) * W.shape[1] ** 0.5 * {scale}"},
            "weights that are normalised after the draw",
            {"law": "normal"},
        ),
        one(
            *(4, "orthogonal"),
            {3: f"U, _, V = W.svd(); return (U @ V.T) * max(W.shape) ** 0.5 * {scale}"},
            "torch.nn.init.orthogonal_",
            {"law": "normal"},
        ),
        one(5, "one element is 1000 std", {3: f"W[0, 0] = 1000 * {scale}; return W"}, LIMIT),
        one(5, "one element is 8 std", {3: f"W[-1, -1] = 8 * {scale}; return W"}, LIMIT),
        one(5, "one element is infinite", {3: "W[0, 0] = float('inf'); return W"}, SLIP),
        one(6, "the seed is ignored", _SAME_SEED.format(shape), "an option never read"),
        one(6, "nothing is seeded", _UNSEEDED.format(shape), "an option never read"),
    ]


def _model(page: str, first: int, std: float) -> list[Fault]:
    """What can go wrong with the draws of a model; `std` is that of its token table."""
    one, table = partial(fault, page), 'if role == "token_embedding"'
    return [
        one(first, "the padding row is zero", f"W[:1] *= 0.0 {table} else 1.0; found[role].append(W)", _PADDING),
        one(
            *(first, "rows beyond a multiple of 64 are zero"),
            f"W[W.shape[0] // 64 * 64 :] *= 0.0 {table} else 1.0; found[role].append(W)",
            _ROWS_OF_64,
        ),
        one(
            *(first, "the last row is twice as large"),
            f"W[-1:] *= 2.0 {table} else 1.0; found[role].append(W)",
            SLIP,
        ),
        one(
            *(first + 1, "all layers have the same draws"),
            "u = noise(list(found).index(role), shape)",
            "one seed for each role",
        ),
        one(first + 1, "every tensor starts the same draws", "u = noise(0, shape)", "the seed is set for each tensor"),
        one(
            *(first + 1, "key and query are the same"),
            'u = noise(number - len(found["query"]) if role == "key" else number, shape)',
            "a matrix that is copied",
        ),
        one(
            *(first + 1, "all heads are the same"),
            'u = noise(number, shape); h = sizes["heads"]; '
            'u = u[: len(u) // h].repeat(h, 1) if role in ("query", "key", "value") else u',
            "one head is drawn and repeated",
        ),
        one(
            *(first + 1, "every matrix has one row"),
            "u = noise(number, shape); u = u[:1].expand(u.shape) if len(shape) == 2 else u",
            "a broadcast draw",
        ),
        one(
            *(first + 2, "one element is 1000 std"),
            {first: f"W.view(-1)[:1] += {1000 * std} if number == 5 else 0.0; found[role].append(W)"},
            LIMIT,
        ),
        one(
            *(first + 2, "one element is infinite"),
            {first: f"W[-1:] *= float('inf') {table} else 1.0; found[role].append(W)"},
            SLIP,
        ),
        one(first + 3, "the seed is ignored", _SAME_SEED.format("shape"), "an option never read"),
        one(first + 3, "nothing is seeded", _UNSEEDED.format("shape"), "an option never read"),
    ]


FAULTS = [
    _fan_in(1, "Glorot", "return Normal((2 / (fan_out + fan_in)) ** 0.5)", _NAME),
    _fan_in(1, "He", "return Normal((2 / fan_in) ** 0.5)", "the law for rectified linear units"),
    _fan_in(1, "the variance for the std", "return Normal(1 / fan_in)", "N(0, s) read as the standard deviation"),
    _fan_in(1, "std 1.5 % too large", "return Normal(1.015 * fan_in**-0.5)", LIMIT),
    _fan_in(1, "std 1.5 % too small", "return Normal(0.985 * fan_in**-0.5)", LIMIT),
    _fan_in(1, "uniform with the same std", "return Uniform((3 / fan_in) ** 0.5)", LIMIT),
    _fan_in(1, "truncated at 2 std", "return TruncatedNormal(fan_in**-0.5)", "torch.nn.init.trunc_normal_"),
    _fan_in(1, "truncated at 3 std", "return TruncatedNormal(fan_in**-0.5, 3)", LIMIT),
    _fan_in(1, "truncated, std corrected", "return TruncatedNormal(fan_in**-0.5 / TruncatedNormal(1).std)", _CORRECTED),
    _fan_in(1, "U(-1/√n, 1/√n)", "return Uniform(fan_in**-0.5)", _DEFAULT),
    _fan_in(1, "magnitudes only", {3: "return W.abs()"}, "uniform numbers that are not centred"),
    _fan_in(1, "a mean of 3 % of the std", {3: "return W + 0.03 * fan_in**-0.5"}, LIMIT),
    _fan_in(
        *(1, "std corrected for the cut"),
        "return TruncatedNormal(fan_in**-0.5 / TruncatedNormal(1).std)",
        *(_CORRECTED, {"law": "truncated"}),
    ),
    _fan_in(1, "not truncated", "return Normal(fan_in**-0.5)", "a cut that is never made", {"law": "truncated"}),
    _fan_in(1, "the std for the bound", "return Uniform(fan_in**-0.5)", SLIP, {"law": "uniform"}),
    _fan_in(2, "the fan-out", {1: "return Normal(fan_out**-0.5)"}, "transposed matrices"),
    _fan_in(2, "the larger fan", {1: "return Normal(max(fan_out, fan_in) ** -0.5)"}, SLIP),
    _fan_in(
        *(2, "the fan of the second axis"),
        {1: "return Normal(shape(fan_out, fan_in)[1] ** -0.5)"},
        "torch.nn.init on matrices of y = x W",
        {"orientation": "in_out"},
    ),
    *_matrix("initialization.fan_in", "fan_in**-0.5"),
    _glorot(1, "fan-in alone", "return Uniform((3 / fan_in) ** 0.5)", _NAME),
    _glorot(1, "normal with the same std", "return Normal((2 / (fan_out + fan_in)) ** 0.5)", LIMIT),
    _glorot(1, "the std for the bound", "return Uniform((2 / (fan_out + fan_in)) ** 0.5)", SLIP),
    _glorot(1, "no root", "return Uniform(6 / (fan_out + fan_in))", SLIP),
    _glorot(1, "gain √2", "return Uniform((12 / (fan_out + fan_in)) ** 0.5)", "the gain of a rectified linear unit"),
    _glorot(1, "bound 1.5 % too large", "return Uniform(1.015 * (6 / (fan_out + fan_in)) ** 0.5)", LIMIT),
    _glorot(1, "bound 1.5 % too small", "return Uniform(0.985 * (6 / (fan_out + fan_in)) ** 0.5)", LIMIT),
    _glorot(1, "magnitudes only", {3: "return W.abs()"}, "uniform numbers that are not centred"),
    _glorot(
        1, "std 1.5 % too large", "return Normal(1.015 * (2 / (fan_out + fan_in)) ** 0.5)", LIMIT, {"law": "normal"}
    ),
    _glorot(2, "the mean fan is counted twice", {1: "return Uniform((3 / (fan_out + fan_in)) ** 0.5)"}, SLIP),
    _glorot(2, "the first axis for both", {1: "return Uniform((3 / shape(fan_out, fan_in)[0]) ** 0.5)"}, SLIP),
    _glorot(2, "the geometric mean of the fans", {1: "return Uniform((3 / (fan_out * fan_in) ** 0.5) ** 0.5)"}, SLIP),
    *_matrix("initialization.glorot", "(2 / (fan_out + fan_in)) ** 0.5"),
    _gpt2(1, "std 1.5 % too large", "found = dict.fromkeys(MATRICES, Normal(0.0203))", LIMIT),
    _gpt2(1, "std 1.5 % too small", "found = dict.fromkeys(MATRICES, Normal(0.0197))", LIMIT),
    _gpt2(
        *(1, "one role 1.5 % too large"),
        'found = dict.fromkeys(MATRICES, Normal(0.02)) | {"mlp_input": Normal(0.0203)}',
        LIMIT,
    ),
    _gpt2(1, "the variance is 0.02", "found = dict.fromkeys(MATRICES, Normal(0.02**0.5))", SLIP),
    _gpt2(1, "fan-in", "found = dict.fromkeys(MATRICES, Normal(width**-0.5))", "another scheme"),
    _gpt2(1, "truncated at 2 std", f"{_LAWS}found = dict.fromkeys(MATRICES, L.TruncatedNormal(0.02))", "BERT's law"),
    _gpt2(1, "truncated at 3 std", f"{_LAWS}found = dict.fromkeys(MATRICES, L.TruncatedNormal(0.02, 3))", LIMIT),
    _gpt2(
        *(1, "truncated, std corrected"),
        f"{_LAWS}found = dict.fromkeys(MATRICES, L.TruncatedNormal(0.02 / L.TruncatedNormal(1).std))",
        _CORRECTED,
    ),
    _gpt2(1, "uniform with the same std", f"{_LAWS}found = dict.fromkeys(MATRICES, L.Uniform(0.02 * 3**0.5))", LIMIT),
    _gpt2(
        *(1, "the token table at 1"),
        'found = dict.fromkeys(MATRICES, Normal(0.02)) | {"token_embedding": Normal(1.0)}',
        _DEFAULT,
    ),
    _gpt2(
        *(1, "names do not match"),
        f"{_LAWS}found = dict.fromkeys(MATRICES, L.Uniform(width**-0.5))",
        "Modalities/modalities#460: prefixes of wrapped modules, so the default stays",
    ),
    _gpt2(2, "std 1.5 % too large", 'found["position_embedding"] = Normal(0.01015)', LIMIT),
    _gpt2(2, "as the other tables", 'found["position_embedding"] = Normal(0.02)', "one deviation for all"),
    _gpt2(2, "std 1", 'found["position_embedding"] = Normal(1.0)', _DEFAULT),
    _gpt2(2, "truncated at 3 std", f'{_LAWS}found["position_embedding"] = L.TruncatedNormal(0.01, 3)', LIMIT),
    _gpt2(
        *(3, "never scaled"),
        'found["attention_output"] = found["mlp_output"] = Normal(0.02)',
        "huggingface/transformers#47458",
    ),
    _gpt2(
        *(3, "√L for √2L"),
        'found["attention_output"] = found["mlp_output"] = Normal(0.02 / layers**0.5)',
        "N read as the number of layers",
    ),
    _gpt2(3, "1/N for 1/√N", 'found["attention_output"] = found["mlp_output"] = Normal(0.02 / (2 * layers))', SLIP),
    _gpt2(
        *(3, "√3L for √2L"),
        'found["attention_output"] = found["mlp_output"] = Normal(0.02 / (3 * layers) ** 0.5)',
        SLIP,
    ),
    _gpt2(
        *(3, "std 1.5 % too small"),
        'found["attention_output"] = found["mlp_output"] = Normal(0.985 * 0.02 / (2 * layers) ** 0.5)',
        LIMIT,
    ),
    _gpt2(
        *(3, "the wrong matrix of the MLP"),
        'found["mlp_output"] = Normal(0.02); '
        'found["attention_output"] = found["mlp_input"] = Normal(0.02 / (2 * layers) ** 0.5)',
        "the matrix into the MLP in the place of the one out of it",
    ),
    _gpt2(
        *(3, "the attention output alone"),
        'found["mlp_output"] = Normal(0.02); found["attention_output"] = Normal(0.02 / (2 * layers) ** 0.5)',
        "two matrices, one of the name that is looked for",
    ),
    _gpt2(
        *(3, "by the number of the layer"),
        {
            3: 'found["attention_output"] = found["mlp_output"] = Normal(0.02)',
            6: "found[role].append(W / (2 * len(found[role]) + 2) ** 0.5 if '_output' in role else W)",
        },
        "another scheme: 1/√2l for layer l",
    ),
    _gpt2(
        *(3, "√(2L) of a model with half the layers"),
        'found["attention_output"] = found["mlp_output"] = Normal(0.02 / (2 * (layers // 2)) ** 0.5)',
        "each stage of a pipeline counts its own layers",
    ),
    _gpt2(4, "drawn", 'found["biases"] = Normal(0.02)', "every parameter is drawn alike"),
    _gpt2(4, "uniform", f'{_LAWS}found["biases"] = L.Uniform(width**-0.5)', _DEFAULT),
    _gpt2(4, "one", 'found["biases"] = Constant(1.0)', SLIP),
    _gpt2(5, "zero", 'found["gains"] = Constant(0.0)', "a gain that is meant to be added to 1"),
    _gpt2(5, "drawn", 'found["gains"] = Normal(0.02)', "every parameter is drawn alike"),
    *_model("initialization.gpt2", 6, 0.02),
    _gpt2(
        *(7, "the MLP's matrices are each other's transpose"),
        {
            6: 'i = len(found[role]); found[role].append(found["mlp_input"][i].T / (2 * sizes["layers"]) ** 0.5'
            ' if role == "mlp_output" else W)'
        },
        "tied by accident",
    ),
    _bert(1, "std 1.5 % too large", "drawn = TruncatedNormal(0.0203)", LIMIT),
    _bert(1, "std 1.5 % too small", "drawn = TruncatedNormal(0.0197)", LIMIT),
    _bert(1, "not truncated", "drawn = Normal(0.02)", "a cut that is never made"),
    _bert(1, "not truncated, same std", "drawn = Normal(TruncatedNormal(0.02).std)", LIMIT),
    _bert(1, "std corrected for the cut", "drawn = TruncatedNormal(0.02 / TruncatedNormal(1).std)", _CORRECTED),
    _bert(1, "cut at 3 std", "drawn = TruncatedNormal(0.02, 3)", SLIP),
    _bert(
        *(1, "clipped, not drawn again"),
        {1: "drawn = Normal(0.02)", 5: "found[role].append(W.clamp(-0.04, 0.04) if len(shapes(**sizes)[role]) else W)"},
        "torch.clamp after the draw",
    ),
    _bert(
        *(1, "cut at ±2"),
        "drawn = TruncatedNormal(0.02, 100)",
        "torch.nn.init.trunc_normal_ with its default bounds, which are absolute",
    ),
    _bert(1, "truncated at 3 std", "drawn = TruncatedNormal(0.02, 3)", LIMIT, {"law": "normal"}),
    _bert(1, "std 1.5 % too large, not truncated", "drawn = Normal(0.0203)", LIMIT, {"law": "normal"}),
    _bert(
        *(2, "scaled like GPT-2"),
        "found = dict.fromkeys(DRAWN, drawn); r = drawn.times((2 * layers) ** -0.5); "
        'found["attention_output"] = found["feed_forward_output"] = r',
        "the residual scaling of another model",
    ),
    _bert(2, "fan-in", "found = dict.fromkeys(DRAWN, TruncatedNormal(width**-0.5))", "another scheme"),
    _bert(
        *(2, "the segment table at 1"),
        'found = dict.fromkeys(DRAWN, drawn) | {"segment_embedding": Normal(1.0)}',
        _DEFAULT,
    ),
    _bert(
        *(2, "the pooler keeps the default"),
        f'{_LAWS}found = dict.fromkeys(DRAWN, drawn) | {{"pooler": L.Uniform(width**-0.5)}}',
        _DEFAULT,
    ),
    _bert(
        *(2, "the next-sentence classifier keeps the default"),
        f'{_LAWS}found = dict.fromkeys(DRAWN, drawn) | {{"next_sentence": L.Uniform(width**-0.5)}}',
        _DEFAULT,
    ),
    _bert(3, "drawn", 'found["biases"] = drawn', "every parameter is drawn alike"),
    _bert(3, "uniform", f'{_LAWS}found["biases"] = L.Uniform(width**-0.5)', _DEFAULT),
    _bert(4, "zero", 'found["gains"] = Constant(0.0)', "a gain that is meant to be added to 1"),
    _bert(4, "drawn", 'found["gains"] = drawn', "every parameter is drawn alike"),
    _bert(5, "the padding row is drawn", "found[role].append(W)", "a declared zero row", {"padding": "zero"}),
    *_model("initialization.bert", 5, 0.02),
    _t5(1, "1/√d", 'found["token_embedding"] = Normal(width**-0.5)', "the embedding of other models"),
    _t5(1, "0.02", 'found["token_embedding"] = Normal(0.02)', "the deviation of other models"),
    _t5(1, "std 1.5 % too large", 'found["token_embedding"] = Normal(1.015)', LIMIT),
    _t5(1, "truncated at 3 std", 'found["token_embedding"] = TruncatedNormal(1.0, 3)', LIMIT),
    _t5(2, "not scaled by the head", 'found["query"] = Normal(width**-0.5)', "the division of the logits is dropped"),
    _t5(2, "√d for √d_kv", 'found["query"] = Normal(1 / width)', "lecture notes"),
    _t5(2, "√h for √d_kv", 'found["query"] = Normal((width * heads) ** -0.5)', SLIP),
    _t5(2, "scaled by the fan-out", 'found["query"] = Normal((heads * head_width) ** -0.5)', "transposed matrices"),
    _t5(2, "std 1.5 % too small", 'found["query"] = Normal(0.985 * (width * head_width) ** -0.5)', LIMIT),
    _t5(
        *(3, "all three scaled by the head"),
        'found["key"] = found["value"] = Normal((width * head_width) ** -0.5)',
        "lecture notes: an extra 1/√d for the matrices of attention",
    ),
    _t5(
        *(3, "the key scaled by the head"),
        'found["value"] = Normal(width**-0.5); found["key"] = Normal((width * head_width) ** -0.5)',
        SLIP,
    ),
    _t5(
        *(3, "scaled by the fan-out"),
        'found["key"] = found["value"] = Normal((heads * head_width) ** -0.5)',
        "transposed matrices",
    ),
    _t5(3, "std 1.5 % too large", 'found["key"] = found["value"] = Normal(1.015 * width**-0.5)', LIMIT),
    _t5(4, "scaled by the fan-out", 'found["attention_output"] = Normal(width**-0.5)', "transposed matrices"),
    _t5(
        *(4, "scaled by the head"), 'found["attention_output"] = Normal((width * head_width) ** -0.5)', "lecture notes"
    ),
    _t5(4, "std 1.5 % too large", 'found["attention_output"] = Normal(1.015 * (heads * head_width) ** -0.5)', LIMIT),
    _t5(5, "fans swapped", "outer, inner = TruncatedNormal(width**-0.5), TruncatedNormal(feed_forward**-0.5)", SLIP),
    _t5(
        *(5, "one fan for both"),
        "inner = outer = TruncatedNormal(width**-0.5)",
        SLIP,
    ),
    _t5(
        *(5, "std corrected for the cut"),
        "inner, outer = (TruncatedNormal(n**-0.5 / TruncatedNormal(1).std) for n in (width, feed_forward))",
        _CORRECTED,
    ),
    _t5(5, "not truncated", "inner, outer = Normal(width**-0.5), Normal(feed_forward**-0.5)", "a cut never made"),
    _t5(
        *(5, "std 1.5 % too small"),
        "inner, outer = (TruncatedNormal(0.985 * n**-0.5) for n in (width, feed_forward))",
        LIMIT,
    ),
    _t5(
        *(5, "std 1.5 % too large"),
        "inner, outer = (Normal(1.015 * n**-0.5) for n in (width, feed_forward))",
        *(LIMIT, {"feed_forward": "normal"}),
    ),
    _t5(6, "zero", 'found["relative_bias"] = Constant(0.0)', "as biases"),
    _t5(6, "the number of heads alone", 'found["relative_bias"] = Uniform((6 / heads) ** 0.5)', SLIP),
    _t5(6, "normal with the same std", 'found["relative_bias"] = Normal((2 / (buckets + heads)) ** 0.5)', LIMIT),
    _t5(6, "bound 1.5 % too small", 'found["relative_bias"] = Uniform(0.985 * (6 / (buckets + heads)) ** 0.5)', LIMIT),
    _t5(
        *(7, "std 1"),
        'head = {"head": Normal(1.0)}',
        *("huggingface/transformers#26441, PiotrNawrot/nanoT5#25", {"head": "normal"}),
    ),
    _t5(
        *(7, "scaled by the vocabulary"),
        'head = {"head": TruncatedNormal(vocabulary**-0.5)}',
        *("transposed matrices", {"head": "truncated"}),
    ),
    _t5(8, "zero", 'found = {"gains": Constant(0.0)}', "a gain that is meant to be added to 1"),
    _t5(8, "drawn", 'found = {"gains": Normal(0.02)}', "every parameter is drawn alike"),
    *_model("initialization.t5", 9, 1.0),
]
