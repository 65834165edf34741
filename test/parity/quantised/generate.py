"""Checkpoints that transformers saves after bitsandbytes has quantised a tiny model, and what the weights in them mean.

In: ../models/llama. Out, beside this file: one Hugging Face folder per case with reference.json: token losses of the batch of
that model with the weights that bitsandbytes reads from its codes, in float32. Run it with the environment of ../models, and
bitsandbytes.
"""

import json
import shutil
import sys
from pathlib import Path

import bitsandbytes as bnb
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "models"))
import generate as base  # noqa: E402

SOURCE = HERE.parent / "models" / "llama"
F32 = torch.float32
CASES = {
    "nf4-nested": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                     bnb_4bit_compute_dtype=F32),
    "fp4": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_compute_dtype=F32),
    "int8": BitsAndBytesConfig(load_in_8bit=True),
}  # fmt: skip


def values_of(module):
    weight = module.weight
    if isinstance(module, bnb.nn.Linear4bit):
        return bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
    return bnb.functional.int8_vectorwise_dequant(weight.data, weight.SCB)


def make(name, config):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(SOURCE, quantization_config=config, device_map="cpu", dtype=F32)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    plain = base.load(SOURCE)
    coded = {k: m for k, m in model.named_modules() if isinstance(m, (bnb.nn.Linear4bit, bnb.nn.Linear8bitLt))}
    assert coded
    with torch.no_grad():
        for key, module in coded.items():
            plain.get_submodule(key).weight.copy_(values_of(module).float())
    ids = json.loads((SOURCE / "reference.json").read_text())["batch"]["input_ids"]
    labels = [[-100, *row[1:]] for row in ids]
    _, nll = base.forward_facts(plain, ids, base.tensors_of(ids, labels))
    facts = dict(coded=sorted(coded), nll=nll, libraries=dict(bitsandbytes=bnb.__version__))
    (folder / "reference.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")
    print(name, len(coded), nll[0][:3])


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or CASES:
        make(chosen, CASES[chosen])
