"""Makes adapters.json beside this file: what llama.cpp's own convert_lora_to_gguf.py writes for the adapters of ../models.

In: a checkout of ggml-org/llama.cpp (see README.md) and ../models/*/adapter. Out: for every adapter its alpha, and shape, type
and hash of every tensor in f32. Hashes are the first 16 characters of SHA-256.
"""

import hashlib
import json
import runpy
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import gguf  # noqa: E402

# Models that llama.cpp cannot run, and repetitions of the same layout, are left out.
NAMES = ["gemma2", "glm4", "llama", "llama-bias", "mistral", "mixtral", "phi3", "qwen2", "qwen3"]


def describe(folder):
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "adapter.gguf"
        script = LLAMA_CPP / "convert_lora_to_gguf.py"
        sys.argv = [str(word) for word in (script, folder / "adapter", "--base", folder, "--outfile", out)]
        runpy.run_path(str(script), run_name="__main__")
        reader = gguf.GGUFReader(out)
        tensors = {
            t.name: [
                [int(d) for d in reversed(t.shape)],
                f"{t.tensor_type.name} {hashlib.sha256(t.data.tobytes()).hexdigest()[:16]}",
            ]
            for t in reader.tensors
        }
        fields = {key: field.contents() for key, field in reader.fields.items()}
        kept = ("general.architecture", "general.type", "adapter.type", "adapter.lora.alpha", "general.quantization_version")
        return {"metadata": {key: fields[key] for key in kept}, "tensors": tensors}


def main():
    lines = []
    for name in NAMES:
        print(name, flush=True)
        lines.append(f" {json.dumps(name)}: {json.dumps(describe(HERE.parent / 'models' / name))}")
    (HERE / "adapters.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
