"""The weights that models of transformers have when they are made of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import transformers
from lm_conformance.trainer import Trainer, offers
from torch import Tensor, nn


def biases(model: nn.Module) -> list[Tensor]:
    """All parameters that are named so."""
    return [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]


def gains(model: nn.Module) -> list[Tensor]:
    """All vectors that are weights: those of the norms."""
    named = model.named_parameters()
    return [parameter for name, parameter in named if name.endswith("weight") and parameter.dim() == 1]


def weights(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Their matrices."""
    return [module.weight for module in modules]


class Models(Trainer):
    """GPT-2, BERT with both of its heads, and T5 with a tied head."""

    @offers("initialization.gpt2", positions="shared")
    def gpt2(
        self, *, layers: int, width: int, heads: int, vocabulary: int, positions: int, seed: int
    ) -> Mapping[str, Sequence[Tensor]]:
        torch.manual_seed(seed)
        configuration = transformers.GPT2Config(
            n_layer=layers, n_embd=width, n_head=heads, vocab_size=vocabulary, n_positions=positions
        )
        model = transformers.GPT2LMHeadModel(configuration).transformer
        # Conv1D keeps its matrices as (inputs, outputs), and those of queries, keys and values as one
        attention = [block.attn.c_attn.weight.T.chunk(3) for block in model.h]
        return {
            "token_embedding": [model.wte.weight],
            "position_embedding": [model.wpe.weight],
            "query": [query for query, _, _ in attention],
            "key": [key for _, key, _ in attention],
            "value": [value for _, _, value in attention],
            "attention_output": [block.attn.c_proj.weight.T for block in model.h],
            "mlp_input": [block.mlp.c_fc.weight.T for block in model.h],
            "mlp_output": [block.mlp.c_proj.weight.T for block in model.h],
            "biases": biases(model),
            "gains": gains(model),
        }

    @offers("initialization.bert", law="normal", padding="zero")
    def bert(
        self, *, layers: int, width: int, heads: int, feed_forward: int, vocabulary: int, positions: int, seed: int
    ) -> Mapping[str, Sequence[Tensor]]:
        torch.manual_seed(seed)
        configuration = transformers.BertConfig(
            num_hidden_layers=layers,
            hidden_size=width,
            num_attention_heads=heads,
            intermediate_size=feed_forward,
            vocab_size=vocabulary,
            max_position_embeddings=positions,
        )
        model = transformers.BertForPreTraining(configuration)
        tables, blocks = model.bert.embeddings, model.bert.encoder.layer
        return {
            "token_embedding": [tables.word_embeddings.weight],
            "position_embedding": [tables.position_embeddings.weight],
            "segment_embedding": [tables.token_type_embeddings.weight],
            "query": weights(block.attention.self.query for block in blocks),
            "key": weights(block.attention.self.key for block in blocks),
            "value": weights(block.attention.self.value for block in blocks),
            "attention_output": weights(block.attention.output.dense for block in blocks),
            "feed_forward_input": weights(block.intermediate.dense for block in blocks),
            "feed_forward_output": weights(block.output.dense for block in blocks),
            "pooler": [model.bert.pooler.dense.weight],
            "transform": [model.cls.predictions.transform.dense.weight],
            "next_sentence": [model.cls.seq_relationship.weight],
            "biases": biases(model),
            "gains": gains(model),
        }

    @offers("initialization.t5", feed_forward="normal", relative_bias="normal")
    def t5(self, **sizes: int) -> Mapping[str, Sequence[Tensor]]:
        return t5(tied=True, **sizes)


class UntiedT5(Trainer):
    """T5 with a head of its own."""

    name = "transformers[untied_t5]"
    version = transformers.__version__

    @offers("initialization.t5", feed_forward="normal", relative_bias="normal", head="normal")
    def t5(self, **sizes: int) -> Mapping[str, Sequence[Tensor]]:
        return t5(tied=False, **sizes)


def t5(
    *,
    tied: bool,
    layers: int,
    width: int,
    heads: int,
    head_width: int,
    feed_forward: int,
    vocabulary: int,
    buckets: int,
    seed: int,
) -> dict[str, Sequence[Tensor]]:
    """The weights of a T5, encoder first."""
    torch.manual_seed(seed)
    configuration = transformers.T5Config(
        num_layers=layers,
        d_model=width,
        num_heads=heads,
        d_kv=head_width,
        d_ff=feed_forward,
        vocab_size=vocabulary,
        relative_attention_num_buckets=buckets,
        tie_word_embeddings=tied,
    )
    model = transformers.T5ForConditionalGeneration(configuration)
    blocks = [*model.encoder.block, *model.decoder.block]
    attention = [block.layer[0].SelfAttention for block in blocks]
    attention += [block.layer[1].EncDecAttention for block in model.decoder.block]
    first = [stack.block[0].layer[0].SelfAttention for stack in (model.encoder, model.decoder)]
    return {
        "token_embedding": [model.shared.weight],
        "query": weights(one.q for one in attention),
        "key": weights(one.k for one in attention),
        "value": weights(one.v for one in attention),
        "attention_output": weights(one.o for one in attention),
        "feed_forward_input": weights(block.layer[-1].DenseReluDense.wi for block in blocks),
        "feed_forward_output": weights(block.layer[-1].DenseReluDense.wo for block in blocks),
        "relative_bias": weights(one.relative_attention_bias for one in first),
        "gains": gains(model),
        **({} if tied else {"head": [model.lm_head.weight]}),
    }
