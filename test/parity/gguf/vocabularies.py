"""Makes the tokenizers in vocabularies/ and vocabularies.json: what llama.cpp's own converter writes of them.

In: a checkout of ggml-org/llama.cpp (see README.md). Out: small tokenizers of each kind, trained on the text below, and for
each the keys that the converter writes. Its table of published vocabularies is left out: these are none of them, so the name
of the pre-tokenizer is given.
"""

import io
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import gguf  # noqa: E402
import sentencepiece  # noqa: E402
from conversion import ModelBase, ModelType, TextModel, get_model_architecture, get_model_class  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

TEXT = (
    "The quick brown fox jumps over the lazy dog, and the dog's owner isn't there.\n"
    "It costs 1,234.50 in 2024; we've paid 99 % of it.   Three  spaces, a\ttab and a line\n\n"
    "def total(items):\n    return sum(item.price for item in items)\n"
    "Über die Brücke gehen wir. Le garçon a mangé. Сегодня хорошая погода. 今天天气很好，我们去公园。\n"
    "she sells sea shells by the sea shore and the sun shines on the shore of the sea\n"
) * 8
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def byte_level(digits, size, added, ignore_merges=False, bos=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    split = pre_tokenizers.Split(Regex(CONTRACTIONS % digits), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_tokens([AddedToken(text, special=special, normalized=False) for text, special in added])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return json.loads(tokenizer.to_str())


def sentence_piece(prefix, size=420, controls=()):
    """tokenizer.model, and tokenizer.json as transformers makes it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()), model_writer=model, model_type="bpe", vocab_size=size, byte_fallback=True,
        add_dummy_prefix=prefix, normalization_rule_name="identity", remove_extra_whitespaces=False, hard_vocab_limit=False,
        character_coverage=0.98, control_symbols=list(controls), minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    merges = []
    for piece, i in vocab.items():
        if pieces.is_control(i) or pieces.is_byte(i) or pieces.is_unknown(i):
            continue
        pairs = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]
        merges += [(pieces.get_score(i), pair) for pair in sorted(pairs, key=lambda p: (vocab[p[0]], vocab[p[1]]))]
    merges = [pair for _, pair in sorted(merges, key=lambda m: m[0], reverse=True)]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    space = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), space]) if prefix else space
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prefix else [])
    )
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<unk>", "<s>", "</s>", *controls)])
    return model.getvalue(), json.loads(tokenizer.to_str())


def added_tokens_decoder(definition):
    """As transformers 4 wrote it."""
    return {
        str(token["id"]): {k: token[k] for k in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
        for token in definition["added_tokens"]
    }


def write(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def make():
    """Name → the model whose converter it goes through, the name of its pre-tokenizer, rows beyond the vocabulary, files."""
    llama = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}
    chatml = [("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<tool_call>", False)]
    model, definition = sentence_piece(prefix=True)
    yield "spm-v5", "llama", None, 0, {"tokenizer.model": model, "tokenizer.json": definition, "tokenizer_config.json": llama}
    extended = json.loads(json.dumps(definition))
    size = len(extended["model"]["vocab"])
    for i, (text, special) in enumerate([("<|user|>", True), ("▁▁▁", False)]):
        extended["added_tokens"].append(
            {"id": size + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
        )
    yield "spm-v4-added", "mistral", None, 2, {
        "tokenizer.model": model, "tokenizer.json": extended,
        "tokenizer_config.json": llama | {"add_bos_token": True, "add_eos_token": False, "add_prefix_space": True,
                                          "added_tokens_decoder": added_tokens_decoder(extended), "chat_template": CHAT},
    }  # fmt: skip
    model, definition = sentence_piece(prefix=False, controls=("<pad>", "<start_of_turn>", "<end_of_turn>"))
    yield "gemma", "gemma2", None, 3, {
        "tokenizer.model": model, "tokenizer.json": definition,
        "tokenizer_config.json": llama | {"pad_token": "<pad>", "tokenizer_class": "GemmaTokenizer"},
    }  # fmt: skip
    yield "qwen2", "qwen2", "qwen2", 5, {
        "tokenizer.json": byte_level(r"\p{N}", 330, chatml) | {"normalizer": {"type": "NFC"}},
        "tokenizer_config.json": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "add_bos_token": False,
                                  "add_prefix_space": False, "chat_template": CHAT, "tokenizer_class": "Qwen2Tokenizer"},
    }  # fmt: skip
    yield "llama3", "llama-bias", "llama-bpe", 0, {
        "tokenizer.json": byte_level(r"\p{N}{1,3}", 330, [("<|begin_of_text|>", True), ("<|end_of_text|>", True), ("<|eot_id|>", True)],
                                     ignore_merges=True, bos="<|begin_of_text|>"),
        "tokenizer_config.json": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>",
                                  "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True},
    }  # fmt: skip
    yield "glm4", "glm4", "glm4", 3, {
        "tokenizer.json": byte_level(r"\p{N}{1,3}", 320, [("<|endoftext|>", True), ("[gMASK]", True), ("<sop>", True), ("<|user|>", True),
                                                          ("<|assistant|>", True)]),
        "tokenizer_config.json": {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "tokenizer_class": "PreTrainedTokenizerFast"},
    }  # fmt: skip


def describe(folder, model, pre, rows):
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "model"
        shutil.copytree(HERE.parent / "models" / model, whole)
        for file in folder.iterdir():
            shutil.copy(file, whole)
        config = json.loads((whole / "config.json").read_text()) | {"vocab_size": rows}
        (whole / "config.json").write_text(json.dumps(config))
        TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
        hparams = ModelBase.load_hparams(whole, False)
        instance = get_model_class(get_model_architecture(hparams, ModelType.TEXT))(whole, gguf.LlamaFileType.ALL_F32, whole)
        instance.set_vocab()
        kept = {}
        for key, field in instance.gguf_writer.kv_data[0].items():
            if not key.startswith("tokenizer."):
                continue
            value = field.value
            if isinstance(value, (list, tuple)):
                value = [v.decode() if isinstance(v, bytes) else v for v in value]
            kept[key] = value
        return kept


def main():
    logging.basicConfig(level=logging.ERROR)
    shutil.rmtree(HERE / "vocabularies", ignore_errors=True)
    cases = {}
    for name, model, pre, beyond, files in make():
        folder = HERE / "vocabularies" / name
        write(folder, files)
        definition = files["tokenizer.json"]
        ids = [*definition["model"]["vocab"].values(), *(token["id"] for token in definition["added_tokens"])]
        rows = max(ids) + 1 + beyond
        cases[name] = {"model": model, "rows": rows, "fields": describe(folder, model, pre, rows)}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}" for name, case in cases.items())
    (HERE / "vocabularies.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
