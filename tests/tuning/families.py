"""Tiny networks of many families, made from their configurations by the Transformers that is installed."""

import warnings

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 100}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}
SIZES |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
NARROW = {"sliding_window": 4}  # narrower than the examples, so that it matters
LAYERS = {"layer_types": ["sliding_attention", "full_attention"]}
FAMILIES = {
    "gemma2": NARROW | LAYERS | {"head_dim": 8},
    "gemma3_text": NARROW | LAYERS | {"head_dim": 8},
    "granite": {"logits_scaling": 4.0, "residual_multiplier": 0.5},
    "mistral": NARROW,
    "olmo2": {},
    "phi3": NARROW,
    "qwen2_moe": EXPERTS | {"shared_expert_intermediate_size": 16},
    "qwen3_moe": EXPERTS | {"head_dim": 8},
    "smollm3": {},
}
"""Those whose packed sequences are computed as they are."""
WALKED = {"llama": {}, "qwen2": {}, "qwen3": {"head_dim": 8}}
PADDED = {
    "cohere": {"logit_scale": 0.25},
    "falcon_h1": {
        "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1,
    },
    "qwen3": NARROW | LAYERS | {"head_dim": 8, "use_sliding_window": True},
}  # fmt: skip
"""Those whose rows are padded: a family that is not tested, one with recurrent layers, one of ours with layers that the
fast path does not know."""


def tiny(family, more=None, seed=0):
    """A random network; its weights are wide enough that what is computed matters."""
    known = FAMILIES | WALKED | PADDED if more is None else {family: more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = AutoConfig.for_model(family, **(SIZES | known[family]))
        torch.manual_seed(seed)
        network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim > 1 and "conv" not in name:
                torch.nn.init.normal_(value, std=0.3)
    return network.eval()


def letters(template):
    """A tokenizer of single characters with this chat template."""
    words = ["<unk>", "<s>", "</s>", "<|turn|>", "\n", *map(chr, range(32, 127))]
    words = {word: at for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token) for token in ("<s>", "</s>", "<|turn|>")])
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.chat_template = template
    return fast
