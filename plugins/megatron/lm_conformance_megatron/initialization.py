"""The weights of `GPTModel` and `BertModel`, built on the CPU as one tensor-parallel rank has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lm_conformance.trainer import Trainer, offers
from megatron.core.models.bert.bert_layer_specs import bert_layer_local_spec
from megatron.core.models.bert.bert_model import BertModel
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.transformer import MegatronModule, TransformerConfig
from torch import Tensor

from lm_conformance_megatron.cpu import cpu, world

Weights = dict[str, list[Tensor]]

EMBEDDINGS = {
    "token_embedding": "embedding.word_embeddings.weight",
    "position_embedding": "embedding.position_embeddings.weight",
}
LAYER = {"attention_output": ".self_attention.linear_proj.weight"}
GPT_LAYER = {**LAYER, "mlp_input": ".mlp.linear_fc1.weight", "mlp_output": ".mlp.linear_fc2.weight"}
BERT_LAYER = {
    **LAYER,
    "feed_forward_input": ".mlp.linear_fc1.weight",
    "feed_forward_output": ".mlp.linear_fc2.weight",
}
BERT_HEADS = {
    "segment_embedding": "embedding.tokentype_embeddings.weight",
    "pooler": "pooler.dense.weight",
    "transform": "lm_head.dense.weight",
    "next_sentence": "binary_head.weight",
}


def built(create: Callable[[TransformerConfig], MegatronModule], *, seed: int, **sizes: Any) -> MegatronModule:
    """A model that is drawn on the CPU."""
    world()
    config = TransformerConfig(use_cpu_initialization=True, **sizes)
    with torch.random.fork_rng(devices=()), cpu():
        torch.manual_seed(seed)
        return create(config)


def by_role(model: MegatronModule, *, heads: int, roles: Mapping[str, str]) -> Weights:
    """The parameters of a model by role, each with the end of its name; all that is left are vectors."""
    left = dict(model.named_parameters())
    found: Weights = {role: [] for role in ("query", "key", "value")}
    for role, end in roles.items():
        found[role] = [left.pop(name) for name in list(left) if name.endswith(end)]
    for name in list(left):
        if name.endswith(".linear_qkv.weight"):
            # the rows of one head's query, key and value lie side by side
            for role, rows in zip(found, left.pop(name).unflatten(0, (heads, 3, -1)).unbind(1), strict=False):
                found[role].append(rows.flatten(0, 1))
    found["gains"] = [left.pop(name) for name in list(left) if name.endswith("norm.weight")]
    found["biases"] = [left.pop(name) for name in list(left) if name.endswith("bias")]
    if left:
        raise ValueError(f"the parameters {', '.join(left)} have no role")
    return found


class Initialization(Trainer):
    """Models as their configuration draws them by default."""

    @offers("initialization.gpt2", positions="shared")
    def gpt2(self, *, layers: int, width: int, heads: int, vocabulary: int, positions: int, seed: int) -> Weights:
        def create(config: TransformerConfig) -> MegatronModule:
            return GPTModel(
                config,
                get_gpt_layer_local_spec(),
                vocab_size=vocabulary,
                max_sequence_length=positions,
                share_embeddings_and_output_weights=True,
            )

        model = built(create, seed=seed, num_layers=layers, hidden_size=width, num_attention_heads=heads)
        return by_role(model, heads=heads, roles={**EMBEDDINGS, **GPT_LAYER})

    @offers("initialization.bert", law="normal")
    def bert(
        self, *, layers: int, width: int, heads: int, feed_forward: int, vocabulary: int, positions: int, seed: int
    ) -> Weights:
        def create(config: TransformerConfig) -> MegatronModule:
            return BertModel(
                config,
                num_tokentypes=2,
                transformer_layer_spec=bert_layer_local_spec,
                vocab_size=vocabulary,
                max_sequence_length=positions,
                share_embeddings_and_output_weights=True,
            )

        sizes = {"hidden_size": width, "ffn_hidden_size": feed_forward}
        model = built(create, seed=seed, num_layers=layers, num_attention_heads=heads, **sizes)
        return by_role(model, heads=heads, roles={**EMBEDDINGS, **BERT_LAYER, **BERT_HEADS})
