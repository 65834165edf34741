"""What peft computes with LoRA variants on the tiny models of ../models: DoRA, modules saved whole, PiSSA, LoftQ.

Out, beside this file: an adapter folder per case as peft saves it, and one JSON and one safetensors file with its loss,
last logits, gradients and 20-step training curve; and one DoRA layer with dropout on its own. The figures are made by the
functions of ../models/generate.py. Run it with the same environment.
"""

import inspect
import json
import sys
from pathlib import Path

import torch
import peft.tuners.lora.layer as lora_layer
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "models"))
import generate as base  # noqa: E402

STEPS = 20
CASES = {
    "dora": dict(model="qwen2", config=dict(use_dora=True)),
    "dora-rslora": dict(model="llama", config=dict(use_dora=True, use_rslora=True, target_modules=["q_proj", "down_proj"])),
    "whole": dict(model="llama", config=dict(modules_to_save=["embed_tokens", "lm_head", "norm"])),
    "whole-tied": dict(model="llama-tied", config=dict(modules_to_save=["embed_tokens"])),
    # At a scale of 1, which peft's start takes for granted.
    "loftq": dict(model="llama", keep_init=True,
                  config=dict(init_lora_weights="loftq", lora_alpha=3, loftq_config=dict(loftq_bits=4, loftq_iter=3))),
    "pissa": dict(model="llama", config=dict(init_lora_weights="pissa"), keep_init=True),
}  # fmt: skip


def key_of(name):
    name = name.replace(".modules_to_save.default", "").replace(".default.weight", ".weight")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def loftq_on_cpu():
    """peft's own loftq_init, which asks for a GPU by name only."""
    from peft.utils import loftq_utils

    source = inspect.getsource(loftq_utils.loftq_init)
    changed = source.replace('"xpu" if is_xpu_available() else "cuda"', '"cpu"')
    assert changed != source
    exec(changed.replace(".to(compute_device)\n            dequantized_weight = bnb.functional.dequantize_4bit",
                         "._quantize(compute_device)\n            dequantized_weight = bnb.functional.dequantize_4bit"),
         loftq_utils.__dict__)
    lora_layer.loftq_init = loftq_utils.loftq_init


def adapted(name, spec):
    config = dict(r=3, lora_alpha=6, lora_dropout=0.0, target_modules=base.TARGETS, bias="none", task_type="CAUSAL_LM")
    model = get_peft_model(base.load(HERE.parent / "models" / spec["model"]), LoraConfig(**{**config, **spec["config"]}))
    if not spec.get("keep_init"):
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                if not parameter.requires_grad:
                    continue
                noise = base.normal(tuple(parameter.shape), 0.15 if "lora_A" in key else 0.05, name, key)
                is_low_rank = "lora_A" in key or "lora_B" in key
                parameter.copy_(noise if is_low_rank else parameter * (1 + noise))
    model.peft_config["default"].base_model_name_or_path = f"test/parity/models/{spec['model']}"
    return model


def make(name, spec):
    reference = json.loads((HERE.parent / "models" / spec["model"] / "reference.json").read_text())
    ids, labels = reference["batch"]["input_ids"], reference["batch"]["labels"]
    batch = base.tensors_of(ids, labels)
    model = adapted(name, spec)
    folder = HERE / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    rows, nll = base.forward_facts(model, ids, batch)
    loss, grads = base.gradients(model, batch)
    save_file({key_of(k): g.contiguous() for k, g in grads.items()}, HERE / f"{name}-grads.safetensors")
    curve = base.train(model, batch, STEPS)
    assert curve["loss"][-1] < curve["loss"][0]
    if name == "loftq":
        state = {k: v.contiguous() for k, v in get_peft_model_state_dict(model).items()}
        save_file(state, HERE / f"{name}-after20.safetensors")
    if name == "pissa":
        state = {k: v.contiguous() for k, v in get_peft_model_state_dict(model).items()}
        save_file(state, HERE / f"{name}-after20.safetensors")
        converted = HERE / f"{name}-converted"
        model.save_pretrained(converted, path_initial_model_for_weight_conversion=str(initial(name, spec)))
        (converted / "README.md").unlink(missing_ok=True)
    facts = dict(model=spec["model"], loss=base.rounded(loss), nll=nll, last_logits=base.rounded([r[-1].tolist() for r in rows]),
                 curve=curve)  # fmt: skip
    (HERE / f"{name}.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")
    print(name, loss, curve["loss"][-1])


def initial(name, spec):
    """The adapter before training, marked as one whose base is given, which the conversion asks for."""
    model = adapted(name, spec)
    model.peft_config["default"].init_lora_weights = True
    folder = HERE / f"{name}-initial"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return folder


class FixedDropout(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x):
        return x * self.mask


def dropout_layer():
    """One linear layer with DoRA and a fixed dropout mask: output and gradients."""
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(4, 5))
    config = LoraConfig(r=2, lora_alpha=3, lora_dropout=0.5, use_dora=True, target_modules=["0"])
    model = get_peft_model(layer, config)
    linear = model.base_model.model[0]
    values = {}
    with torch.no_grad():
        for key, shape in (("lora_A", (2, 4)), ("lora_B", (5, 2)), ("lora_magnitude_vector", (5,))):
            parameter = getattr(linear, key)["default"].weight
            parameter.copy_(torch.randn(shape).abs() + 0.5 if "mag" in key else torch.randn(shape))
            values[key] = parameter
    mask = (torch.rand(3, 4) > 0.5).float() * 2
    linear.lora_dropout["default"] = FixedDropout(mask)
    x = torch.randn(3, 4, requires_grad=True)
    dy = torch.randn(3, 5)
    model.train()
    y = model(x)
    y.backward(dy)
    flat = lambda t: t.detach().flatten().tolist()  # noqa: E731
    facts = dict(
        scale=1.5, x=flat(x), mask=flat(mask), dy=flat(dy), weight=flat(linear.base_layer.weight),
        bias=flat(linear.base_layer.bias), y=flat(y), d_x=flat(x.grad),
        **{k: flat(v) for k, v in values.items()}, **{f"d_{k}": flat(v.grad) for k, v in values.items()},
    )  # fmt: skip
    (HERE / "dora-dropout.json").write_text(json.dumps({k: base.rounded(v) for k, v in facts.items()}) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    loftq_on_cpu()
    for chosen in sys.argv[1:] or CASES:
        make(chosen, CASES[chosen])
    dropout_layer()
