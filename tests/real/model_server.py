"""A real local model server on the CPU: llama.cpp with a tiny model of random weights, made here.

    python model_server.py DIRECTORY        prints the server's address, then serves until stdin is closed

Runs in an environment of its own (requirements-real.lock), as nothing else of the project needs these packages. The
model speaks gibberish: its vocabulary is some hundred syllables and the 256 bytes, its weights come from a fixed seed.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

_WIDTH, _HEADS, _FORWARD, _CONTEXT = 64, 4, 128, 8192
_SYLLABLES = [first + second for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "u")]
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
"""Kinds of tokens, as llama.cpp numbers them."""
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_model(path: Path) -> None:
    gguf: Any = importlib.import_module("gguf")
    numpy: Any = importlib.import_module("numpy")
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(at) for at in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    for name, tensor in _tensors(numpy, kinds).items():
        writer.add_tensor(name, tensor.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[str], list[int]]:
    words = [f"\u2581{syllable}" for syllable in _SYLLABLES] + _SYLLABLES
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    return tokens, [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * len(words)]


def _tensors(numpy: Any, kinds: list[int]) -> dict[str, Any]:
    random = numpy.random.default_rng(7)

    def weights(*shape: int) -> Any:
        return random.normal(0, 0.2, shape)

    # Of what is no word nothing is likely, so that it speaks in syllables, and until it is stopped.
    spoken = numpy.array([[1.0 if kind == _NORMAL else 0.0] for kind in kinds])
    block = "blk.0"
    return {
        "token_embd.weight": weights(len(kinds), _WIDTH),
        "output_norm.weight": numpy.ones(_WIDTH),
        "output.weight": weights(len(kinds), _WIDTH) * spoken,
        f"{block}.attn_norm.weight": numpy.ones(_WIDTH),
        f"{block}.ffn_norm.weight": numpy.ones(_WIDTH),
        **{f"{block}.attn_{name}.weight": weights(_WIDTH, _WIDTH) for name in ("q", "k", "v", "output")},
        f"{block}.ffn_gate.weight": weights(_FORWARD, _WIDTH),
        f"{block}.ffn_up.weight": weights(_FORWARD, _WIDTH),
        f"{block}.ffn_down.weight": weights(_WIDTH, _FORWARD),
    }


def serve(path: Path) -> str:
    """The server's address."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = _CONTEXT
    params.n_parallel = 2
    params.warmup = False
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.hostnames, params.port = ["127.0.0.1"], 0
    globals()["_kept"] = server = xllamacpp.Server(params)
    return str(server.listening_address)


if __name__ == "__main__":
    model = Path(sys.argv[1]) / "tiny.gguf"
    write_model(model)
    sys.stdout.write(f"{serve(model)}\n")
    sys.stdout.flush()
    sys.stdin.read()
