"""A language model of half a megabyte with random weights, in the file format of llama.cpp.

It has the architecture of llama: two layers of width 64, a tokenizer of 256 bytes and some words,
and the chat template ChatML. It says nothing sensible, and always says it at once.
"""

from pathlib import Path

import gguf
import numpy as np

_LAYERS, _WIDTH, _HEADS, _INNER = 2, 64, 4, 128
_CONTROL = ["<unk>", "<s>", "</s>"]
_MARKS = ["<|im_start|>", "<|im_end|>"]
_SENTENCE = """
my goal today was to read and write more but the rain returned so I felt calm not tired of what we
learned about time memory files hope rest with you again in this place
"""
_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_model(path: Path, *, context: int) -> None:
    """Write the file."""
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(place) for place in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    for name, tensor in _tensors(len(tokens)).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[str], list[int]]:
    kind = gguf.TokenType
    words = [f"\u2581{word}" for word in _SENTENCE.split()]
    tokens = [*_CONTROL, *_MARKS, *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *words]
    kinds = [
        kind.UNKNOWN,
        *[kind.CONTROL] * (len(_CONTROL) - 1),
        *[kind.USER_DEFINED] * len(_MARKS),
        *[kind.BYTE] * 256,
        *[kind.NORMAL] * (len(words) + 1),
    ]
    return tokens, [int(each) for each in kinds]


def _tensors(vocabulary: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (chance.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)

    output = matrix(vocabulary, _WIDTH)
    # what is no word is hardly ever said
    output[: len(_CONTROL) + len(_MARKS) + 256] *= 0.02
    tensors = {
        "token_embd.weight": matrix(vocabulary, _WIDTH),
        "output_norm.weight": np.ones(_WIDTH, np.float32),
        "output.weight": output,
    }
    for layer in range(_LAYERS):
        block = f"blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}.{name}.weight"] = matrix(_WIDTH, _WIDTH)
        tensors[f"{block}.ffn_gate.weight"] = matrix(_INNER, _WIDTH)
        tensors[f"{block}.ffn_up.weight"] = matrix(_INNER, _WIDTH)
        tensors[f"{block}.ffn_down.weight"] = matrix(_WIDTH, _INNER)
        for name in ("attn_norm", "ffn_norm"):
            tensors[f"{block}.{name}.weight"] = np.ones(_WIDTH, np.float32)
    return tensors
