"""A network whose matrices stay in the blocks of their GGUF file, dequantised layer by layer when
they are multiplied: once on the way forth and again on the way back.

The blocks are mapped from the file, so that a run holds no copy of them on a CPU, and programs that
use the same file share them. Embeddings are dequantised by rows, the head by slices of the
vocabulary.

Source: Dettmers et al., QLoRA, arXiv 2305.14314, section 3 (there with NF4; here with the blocks
that are served).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import gguf
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from acclimate.errors import ModelError
from acclimate.models.gguf_header import TensorPlace, read_header
from acclimate.tuning.blocks import BLOCK_TYPES, BlockType, dequantise

FAMILIES = ("llama", "qwen2", "qwen3")  # of network.py, whose layers these stand in


class Held(Protocol):
    """A matrix [out, in] that is made when it is needed."""

    def dequantised(self) -> torch.Tensor:
        """All of it, in the type that is computed in."""


class FrozenProduct(torch.autograd.Function):
    """x Wᵀ + b with a frozen W that is not kept for the way back, but made again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, held: Held, bias: torch.Tensor | None) -> torch.Tensor:
        """x: [..., in] → [..., out]."""
        ctx.held = held
        return nn.functional.linear(x, held.dequantised(), bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """The gradient of x."""
        return grads[0] @ ctx.held.dequantised(), None, None


class HeldLoRA(torch.autograd.Function):
    """W x + b + s · B A x, W made on the way forth and again on the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        held: Held,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        """x: [N, in] → [N, out]."""
        low = x @ a.T
        ctx.save_for_backward(x, a, b, low)
        ctx.held, ctx.scale = held, scale
        return nn.functional.linear(x, held.dequantised(), bias).addmm_(low, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients of x, A and B."""
        x, a, b, low = ctx.saved_tensors
        g, scale = grads[0], ctx.scale
        by_low = (g @ b).mul_(scale)
        by_x = (g @ ctx.held.dequantised()).addmm_(by_low, a) if ctx.needs_input_grad[0] else None
        return by_x, None, None, by_low.T @ x, (low.T @ g).mul_(scale).T, None


frozen_product: Callable[..., torch.Tensor] = FrozenProduct.apply
held_lora: Callable[..., torch.Tensor] = HeldLoRA.apply


class HeldLinear(nn.Module):
    """A frozen linear layer [in → out] whose matrix is made when it is needed."""

    def __init__(
        self, shape: tuple[int, int], dtype: torch.dtype, bias: torch.Tensor | None
    ) -> None:
        super().__init__()
        (self.out_features, self.in_features), self.dtype = shape, dtype
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def dequantised(self) -> torch.Tensor:
        """The matrix [out, in]."""
        raise NotImplementedError

    @property
    def weight(self) -> torch.Tensor:
        """The matrix [out, in], made anew each time."""
        return self.dequantised()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: [..., in] → [..., out]."""
        return frozen_product(x, self, self.bias)


class BlockLinear(HeldLinear):
    """A linear layer in a file's blocks; also the head, by slices of its rows."""

    blocks: torch.Tensor

    def __init__(
        self, blocks: torch.Tensor, kind: BlockType, dtype: torch.dtype, bias: torch.Tensor | None
    ) -> None:
        columns = blocks.shape[1] // kind.size * kind.weights
        super().__init__((len(blocks), columns), dtype, bias)
        self.kind = kind
        self.register_buffer("blocks", blocks, persistent=False)

    def dequantised(self) -> torch.Tensor:
        """The matrix [out, in]."""
        return dequantise(self.blocks, self.kind, self.dtype)

    def rows(self, wanted: slice | torch.Tensor) -> torch.Tensor:
        """Some rows of the matrix: [n, in]."""
        return dequantise(self.blocks[wanted], self.kind, self.dtype)


class BlockEmbedding(nn.Module):
    """Embeddings in a file's blocks: only the rows of the tokens that occur are dequantised."""

    blocks: torch.Tensor

    def __init__(self, blocks: torch.Tensor, kind: BlockType, dtype: torch.dtype) -> None:
        super().__init__()
        self.kind, self.dtype = kind, dtype
        self.register_buffer("blocks", blocks, persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """tokens: [...] → [..., h]."""
        found = dequantise(self.blocks[tokens.reshape(-1)], self.kind, self.dtype)
        return found.view(*tokens.shape, -1)


def is_held(network: nn.Module) -> bool:
    """Whether the network's matrices are made when they are needed."""
    return any(isinstance(module, HeldLinear) for module in network.modules())


def load_in_blocks(file: Path, dtype: torch.dtype) -> nn.Module:
    """The network of a GGUF file with its matrices in the file's blocks; norms and biases are
    `dtype`, in which it computes.

    Raises ModelError for another family, for a type of block that is not known, and for a file that
    lacks a tensor.
    """
    source = _Source(file, dtype)
    config = source.config()
    with torch.device("meta"):
        make: Any = AutoModelForCausalLM.from_config
        network: nn.Module = make(config, dtype=dtype)
    names = _names(config.model_type, config.num_hidden_layers)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear | nn.Embedding):
            parent, _, child = name.rpartition(".")
            made = source.layer(names(name), embeds=isinstance(module, nn.Embedding))
            setattr(network.get_submodule(parent), child, made)
    for name, parameter in list(network.named_parameters()):
        if parameter.is_meta:
            parent, _, child = name.rpartition(".")
            value = nn.Parameter(source.vector(f"{names(parent)}.weight"), requires_grad=False)
            setattr(network.get_submodule(parent), child, value)
    body: Any = network.model
    body.rotary_emb = type(body.rotary_emb)(config)
    return network.eval()


def _names(family: str, blocks: int) -> Callable[[str], str]:
    """From a module's name to its tensor's in the file, without `.weight`."""
    architecture = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[family]
    known = gguf.get_tensor_name_map(architecture, blocks)

    def find(name: str) -> str:
        found = known.get_name(name)
        if found is None:
            raise ModelError(f"the layer '{name}' of a '{family}' model has no name in GGUF files.")
        return found

    return find


class _Source:
    """A GGUF file's tensors, mapped into memory."""

    def __init__(self, file: Path, dtype: torch.dtype) -> None:
        self._header, self._dtype = read_header(file), dtype
        self._family = str(self._header.fields.get("general.architecture", ""))
        if self._family not in FAMILIES:
            raise ModelError(
                f"a '{self._family}' model cannot be tuned in 4 bits.",
                hint=f"Families: {', '.join(FAMILIES)}.",
            )
        # Private: PyTorch takes no memory that is read-only, and nothing is ever written.
        self._bytes = torch.from_file(
            str(file), shared=False, size=file.stat().st_size, dtype=torch.uint8
        )

    def _number(self, key: str, default: float | None = None) -> float:
        return self._header.number(f"{self._family}.{key}", default)

    def config(self) -> Any:
        """Transformers' configuration."""
        heads = int(self._number("attention.head_count"))
        width = int(self._number("embedding_length"))
        d = int(self._number("attention.key_length", self._number("rope.dimension_count", 0)))
        theta = self._number("rope.freq_base", 10_000.0)
        self._require_plain_rotation()
        return AutoConfig.for_model(
            self._family,
            hidden_size=width,
            intermediate_size=int(self._number("feed_forward_length")),
            num_hidden_layers=int(self._number("block_count")),
            num_attention_heads=heads,
            num_key_value_heads=int(self._number("attention.head_count_kv", heads)),
            head_dim=d or width // heads,
            max_position_embeddings=int(self._number("context_length")),
            rms_norm_eps=self._number("attention.layer_norm_rms_epsilon"),
            rope_parameters={"rope_type": "default", "rope_theta": theta},
            vocab_size=self._place("token_embd.weight").rows,
            tie_word_embeddings=False,  # our head and embeddings share the blocks themselves
        )

    def _require_plain_rotation(self) -> None:
        scaling = self._header.fields.get(f"{self._family}.rope.scaling.type", "none")
        if scaling != "none" or "rope_freqs.weight" in self._header.tensors:
            raise ModelError(
                "the model scales its rotary positions, which training in 4 bits does not know.",
                hint="Train without 4 bits: acclimate tune lora",
            )

    def layer(self, name: str, *, embeds: bool) -> BlockLinear | BlockEmbedding:
        """Embeddings, or a linear layer with its bias; a file without a head shares them."""
        shared = name == "output" and "output.weight" not in self._header.tensors
        blocks, kind = self._blocks("token_embd.weight" if shared else f"{name}.weight")
        if embeds:
            return BlockEmbedding(blocks, kind, self._dtype)
        bias = self.vector(f"{name}.bias") if f"{name}.bias" in self._header.tensors else None
        order = self._order(name, len(blocks))
        if order is not None:
            blocks, bias = blocks[order], None if bias is None else bias[order]
        return BlockLinear(blocks, kind, self._dtype, bias)

    def vector(self, name: str) -> torch.Tensor:
        """A vector in its own memory."""
        return dequantise(*self._blocks(name), self._dtype)[0]

    def _place(self, name: str) -> TensorPlace:
        place = self._header.tensors.get(name)
        if place is None:
            raise ModelError(
                f"the file lacks the tensor '{name}'.", hint="Use a complete GGUF file."
            )
        return place

    def _blocks(self, name: str) -> tuple[torch.Tensor, BlockType]:
        """Rows of bytes [rows, bytes], as they lie in the file."""
        place = self._place(name)
        kind = BLOCK_TYPES.get(place.kind)
        if kind is None:
            raise ModelError(
                f"'{name}' is of the type {place.kind}, which cannot be trained on in its blocks.",
                hint=f"Known: {', '.join(BLOCK_TYPES)}. Or train without: acclimate tune lora",
            )
        mapped = self._bytes[place.offset : place.offset + place.size]
        return mapped.view(place.rows, -1), kind

    def _order(self, name: str, rows: int) -> torch.Tensor | None:
        """Where the network's rows stand in the file, for Llama's queries and keys."""
        keys = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}
        key = keys.get(name.rsplit(".", 1)[-1])
        if key is None or self._family != "llama":
            return None
        heads = int(self._number(key))
        places = torch.arange(rows).reshape(heads, rows // heads // 2, 2)
        return places.transpose(1, 2).reshape(-1)
