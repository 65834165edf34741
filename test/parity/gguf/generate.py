"""Makes models.json beside this file: what llama.cpp's own converter writes for the models of ../models.

In: a checkout of ggml-org/llama.cpp (see README.md) and the folders of ../models. Out: for every model the metadata, and for
every tensor its shape and, for each output type, the type and a hash of its bytes. The vocabulary is left out: those models
have no tokenizer. Hashes are the first 16 characters of SHA-256.
"""

import hashlib
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import gguf  # noqa: E402
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class  # noqa: E402

FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
# What the converter guesses from names of folders and model cards.
GUESSED = ("general.name", "general.size_label", "general.basename", "general.finetune", "general.version")


def convert(folder, file_type, out):
    hparams = ModelBase.load_hparams(folder, False)
    model_class = get_model_class(get_model_architecture(hparams, ModelType.TEXT))
    model_class.set_vocab = lambda self: None
    model_class(folder, file_type, out).write()


def values(field):
    value = field.contents()
    kind = field.types[0].name.lower()
    return [kind, value] if kind != "array" else [f"array of {field.types[-1].name.lower()}", value]


def describe(folder):
    metadata, tensors = {}, {}
    for name, file_type in FILE_TYPES.items():
        with tempfile.TemporaryDirectory() as temporary:
            out = Path(temporary) / "model.gguf"
            convert(folder, file_type, out)
            reader = gguf.GGUFReader(out)
            for key, field in reader.fields.items():
                if not key.startswith("GGUF.") and key not in (*GUESSED, "general.file_type"):
                    metadata[key] = values(field)
            for tensor in reader.tensors:
                entry = tensors.setdefault(tensor.name, {"shape": [int(d) for d in reversed(tensor.shape)]})
                digest = hashlib.sha256(tensor.data.tobytes()).hexdigest()[:16]
                entry[name] = f"{tensor.tensor_type.name} {digest}"
            del reader
    return {"metadata": metadata, "tensors": tensors}


def variants(temporary):
    """The models of ../models, and what llama.cpp can run of those that it cannot."""
    for folder in sorted((HERE.parent / "models").iterdir()):
        if not (folder / "config.json").is_file():
            continue
        copy = Path(temporary) / folder.name
        shutil.copytree(folder, copy)
        config = json.loads((copy / "config.json").read_text())
        # Gemma 3's rows of the embedding are counted by the vocabulary.
        vocabulary = {f"t{i}": i for i in range(config["vocab_size"])}
        (copy / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
        if folder.name == "qwen3-moe":
            # It has experts in every layer there: without the dense one in the middle.
            copy = copy.rename(copy.with_name("qwen3-moe-every-layer"))
            config |= {"num_hidden_layers": 2, "mlp_only_layers": []}
            (copy / "config.json").write_text(json.dumps(config))
            weights = {
                name.replace("layers.2.", "layers.1."): tensor
                for name, tensor in load_file(folder / "model.safetensors").items()
                if "layers.1." not in name
            }
            save_file(weights, copy / "model.safetensors")
        yield copy


def main():
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory() as temporary:
        result = {folder.name: describe(folder) for folder in variants(temporary)}
    models = ",\n".join(
        f' {json.dumps(name)}: {{\n  "metadata": {json.dumps(model["metadata"])},\n  "tensors": {{\n'
        + ",\n".join(f"   {json.dumps(k)}: {json.dumps(v)}" for k, v in model["tensors"].items())
        + "\n  }\n }"
        for name, model in result.items()
    )
    (HERE / "models.json").write_text(f"{{\n{models}\n}}\n")


if __name__ == "__main__":
    main()
