"""Write the trained network as a GGUF file that llama.cpp loads as a qwen3 model."""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, LlamaFileType, TokenType
from model import Model, Shape
from render import TEMPLATE_FILE
from tokenizer import CONTROL, MARKS, Tokenizer

FORMATS = {
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}

# Names inside a block: ours -> GGUF's.
_BLOCK = {
    "attn_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
    "attention.q": "attn_q",
    "attention.k": "attn_k",
    "attention.v": "attn_v",
    "attention.o": "attn_output",
    "attention.q_norm": "attn_q_norm",
    "attention.k_norm": "attn_k_norm",
}
_WHOLE = {"embedding": "token_embd", "norm": "output_norm", "output": "output"}


def _gguf_name(name: str) -> str:
    """Our name of a tensor in the terms of the format."""
    name = name.removesuffix(".weight")
    if not name.startswith("blocks."):
        return f"{_WHOLE[name]}.weight"
    _, layer, part = name.split(".", 2)
    return f"blk.{layer}.{_BLOCK[part]}.weight"


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    kinds = dict.fromkeys(MARKS, TokenType.USER_DEFINED)
    kinds |= dict.fromkeys(CONTROL, TokenType.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([kinds.get(token, TokenType.NORMAL) for token in tokenizer.tokens])
    writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.ids["<|endoftext|>"])
    writer.add_pad_token_id(tokenizer.ids["<|endoftext|>"])
    writer.add_eos_token_id(tokenizer.ids["<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE_FILE.read_text(encoding="utf-8"))


def _add_tensor(writer: gguf.GGUFWriter, name: str, weights: np.ndarray, kind: GGMLQuantizationType) -> None:
    """Matrices in the chosen format; the small vectors of the norms stay whole."""
    if weights.ndim == 1:
        writer.add_tensor(name, weights)
    else:
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)


def write(path: Path, model: Model, tokenizer: Tokenizer, form: str) -> None:
    """Write one file; the same weights always give the same bytes."""
    kind, file_type = FORMATS[form]
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name("Pointsman starter")
    writer.add_description("It is there so that the pipes work without a download.")
    writer.add_license("apache-2.0")
    writer.add_file_type(file_type)
    _add_shape(writer, model.shape)
    _add_tokenizer(writer, tokenizer)
    for name, weights in model.state_dict().items():
        _add_tensor(writer, _gguf_name(name), weights.float().numpy(), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
