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
from acclimate.models.merge import Heads
from acclimate.tuning.blocks import BLOCK_TYPES, BlockType, dequantise


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

    Raises ModelError for a type of block that is not known, and for a tensor that has no place.
    """
    config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
    with torch.device("meta"):
        network: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype)
    reader = gguf.GGUFReader(file, "c")  # copy on write: PyTorch takes no memory that is read-only
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    heads = Heads.of(reader)
    names = _names(config.model_type, config.num_hidden_layers)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear | nn.Embedding):
            parent, _, child = name.rpartition(".")
            made = _made(module, names(name), tensors, heads, dtype)
            setattr(network.get_submodule(parent), child, made)
    for name, parameter in list(network.named_parameters()):
        if parameter.is_meta:
            parent, _, child = name.rpartition(".")
            tensor = _tensor(tensors, f"{names(parent)}.weight")
            value = nn.Parameter(_values(tensor, dtype), requires_grad=False)
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


def _made(
    module: nn.Module,
    name: str,
    tensors: dict[str, gguf.ReaderTensor],
    heads: Heads,
    dtype: torch.dtype,
) -> nn.Module:
    shared = name == "output" and "output.weight" not in tensors  # the embeddings are the head
    tensor = _tensor(tensors, "token_embd.weight" if shared else f"{name}.weight")
    kind = BLOCK_TYPES.get(tensor.tensor_type.name)
    if kind is None:
        raise ModelError(
            f"'{tensor.name}' is of the type {tensor.tensor_type.name}, which cannot be trained on "
            f"in its blocks.",
            hint=f"Known: {', '.join(BLOCK_TYPES)}. Or train without them: acclimate tune lora",
        )
    blocks = torch.from_numpy(tensor.data.view("uint8").reshape(int(tensor.shape[1]), -1))
    if isinstance(module, nn.Embedding):
        return BlockEmbedding(blocks, kind, dtype)
    bias = tensors.get(f"{name}.bias")
    values = None if bias is None else _values(bias, dtype)
    order = _row_order(name, len(blocks), heads)
    if order is not None:
        blocks, values = blocks[order], None if values is None else values[order]
    return BlockLinear(blocks, kind, dtype, values)


def _row_order(name: str, rows: int, heads: Heads) -> torch.Tensor | None:
    """Where the network's rows stand in the file, for Llama's queries and keys."""
    count = {"attn_q": heads.query, "attn_k": heads.key}.get(name.rsplit(".", 1)[-1])
    if count is None or not heads.permuted:
        return None
    return torch.arange(rows).reshape(count, rows // count // 2, 2).transpose(1, 2).reshape(-1)


def _tensor(tensors: dict[str, gguf.ReaderTensor], name: str) -> gguf.ReaderTensor:
    if name not in tensors:
        raise ModelError(f"the file lacks the tensor '{name}'.", hint="Use a complete GGUF file.")
    return tensors[name]


def _values(tensor: gguf.ReaderTensor, dtype: torch.dtype) -> torch.Tensor:
    """A vector in its own memory."""
    kind = BLOCK_TYPES[tensor.tensor_type.name]
    blocks = torch.from_numpy(tensor.data.view("uint8").reshape(1, -1))
    return dequantise(blocks, kind, dtype)[0]
