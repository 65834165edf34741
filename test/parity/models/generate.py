"""Makes the parity fixtures beside this file: tiny random models and what transformers + peft compute from them.

In: the table MODELS below, fixed seeds. Out: one Hugging Face folder per model with reference.json, gradients and
adapters (formats: ../README.md). It does not judge anything: the tests that read these files do.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

if os.environ.get("PYTHONHASHSEED") != "0":  # peft writes sets into adapter_config.json: fix their order
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, Trainer, get_linear_schedule_with_warmup
from transformers.utils import logging as hf_logging

HERE = Path(__file__).parent
STEPS, FREEZE_STEPS, LEARNING_RATE, WEIGHT_DECAY, MAX_GRAD_NORM = 20, 5, 1e-3, 0.01, 1.0
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPT_TOKENS, NEW_TOKENS = 5, 12

# Keys that every config.json here has; rope keys in the style of transformers 4 unless a model says otherwise.
COMMON = dict(
    vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, hidden_act="silu", max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0,
    tie_word_embeddings=False, attention_dropout=0.0, initializer_range=0.02, bos_token_id=1, eos_token_id=2,
    use_cache=True, torch_dtype="float32",
)  # fmt: skip
LLAMA = dict(COMMON, architectures=["LlamaForCausalLM"], model_type="llama", attention_bias=False, mlp_bias=False)
# Enough for another layout of the layer, in smaller files.
SMALL = dict(COMMON, vocab_size=64, hidden_size=24, intermediate_size=32)
QWEN2 = dict(
    COMMON, architectures=["Qwen2ForCausalLM"], model_type="qwen2", rms_norm_eps=1e-6, rope_theta=1000000.0,
    tie_word_embeddings=True, use_sliding_window=False, sliding_window=8, max_window_layers=1,
)  # fmt: skip


FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
GEMMA = dict(
    {k: v for k, v in SMALL.items() if k != "hidden_act"}, hidden_activation="gelu_pytorch_tanh", head_dim=8,
    rms_norm_eps=1e-6, query_pre_attn_scalar=5, attention_bias=False, tie_word_embeddings=True, sliding_window=6,
)  # fmt: skip
PHI3 = dict(SMALL, architectures=["Phi3ForCausalLM"], model_type="phi3", pad_token_id=0,
            resid_pdrop=0.0, embd_pdrop=0.0)  # fmt: skip
GLM = dict(SMALL, attention_bias=True, head_dim=8, partial_rotary_factor=0.5, rms_norm_eps=1.5625e-7, pad_token_id=0)


def in_v5_style(config):
    """The same config as transformers 5 writes it: rope_parameters and dtype in place of the older keys."""
    config = dict(config)
    scaling = config.pop("rope_scaling", None) or {"rope_type": "default"}
    if "partial_rotary_factor" in config:
        scaling["partial_rotary_factor"] = config.pop("partial_rotary_factor")
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta"), **scaling}
    config["dtype"] = config.pop("torch_dtype")
    return config


MODELS = {
    "llama": dict(config=dict(LLAMA, num_hidden_layers=3), rslora=True, freeze=True),
    "llama-tied": dict(config=dict(LLAMA, tie_word_embeddings=True)),
    "llama-llama3-rope": dict(
        config=in_v5_style(dict(LLAMA, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128,
            rope_scaling=dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                              original_max_position_embeddings=32)))),
    "llama-linear-rope": dict(config=dict(LLAMA, rope_scaling=dict(type="linear", factor=2.5))),
    "llama-dynamic-rope": dict(
        config=dict(LLAMA, max_position_embeddings=10, rope_scaling=dict(rope_type="dynamic", factor=3.0)),
        lengths=(7, 16, 28)),
    "llama-yarn-rope": dict(
        config=dict(LLAMA, num_attention_heads=2, num_key_value_heads=1, rope_theta=500.0, max_position_embeddings=64,
            rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)),
        lengths=(9, 20, 34)),
    "llama-yarn-mscale-rope": dict(
        config=in_v5_style(dict(LLAMA, num_attention_heads=2, num_key_value_heads=1, rope_theta=500.0,
            max_position_embeddings=64,
            rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=2.0,
                              beta_slow=0.25, mscale=1.0, mscale_all_dim=0.5, truncate=False))),
        lengths=(9, 20, 34)),
    # An epsilon large enough to be seen: a reader that assumes the usual one fails here.
    "llama-bias": dict(config=dict(LLAMA, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-2)),
    "mistral": dict(
        config=dict(COMMON, architectures=["MistralForCausalLM"], model_type="mistral", head_dim=12, sliding_window=6)),
    "qwen2": dict(config=QWEN2),
    "qwen2-window": dict(config=dict(QWEN2, use_sliding_window=True, sliding_window=6)),
    "qwen3": dict(
        config=in_v5_style(dict(QWEN2, architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=12,
                                tie_word_embeddings=False, attention_bias=False, sliding_window=None))),
    # Caps low enough to bend scores and logits.
    "gemma2": dict(
        config=dict(GEMMA, architectures=["Gemma2ForCausalLM"], model_type="gemma2", num_hidden_layers=3,
                    attn_logit_softcapping=3.0, final_logit_softcapping=6.0)),
    "gemma3": dict(
        config=dict({k: v for k, v in GEMMA.items() if k not in ("rope_theta", "torch_dtype")}, dtype="float32",
                    architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", num_hidden_layers=3,
                    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                    rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
                                         sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "phi3": dict(config=dict(PHI3, sliding_window=7, rope_scaling=None), targets=FUSED),
    # The greedy answer grows past the original maximum, where the factors change and the cache is made anew.
    "phi3-longrope": dict(
        config=dict(PHI3, tie_word_embeddings=True, partial_rotary_factor=0.5, hidden_size=32, max_position_embeddings=48,
                    original_max_position_embeddings=12, sliding_window=None,
                    rope_scaling=dict(type="longrope", short_factor=[1.0, 1.5], long_factor=[2.0, 7.0])),
        lengths=(7, 11, 22), targets=FUSED),
    "glm": dict(config=dict(GLM, architectures=["GlmForCausalLM"], model_type="glm"), targets=TARGETS[:4] + FUSED[2:]),
    "glm4": dict(config=in_v5_style(dict(GLM, architectures=["Glm4ForCausalLM"], model_type="glm4")),
                 targets=TARGETS[:4] + FUSED[2:]),
    # Experts: in every layer, and in every other one with weights that do not add up to one. The adapter is on attention and
    # on each expert's matrices, which in transformers 5 are slices of stacked parameters: see `with_linear_experts`.
    "mixtral": dict(
        config=dict(SMALL, architectures=["MixtralForCausalLM"], model_type="mixtral", sliding_window=None,
                    num_local_experts=4, num_experts_per_tok=2),
        targets=TARGETS[:4] + ["w1", "w2", "w3"], rank=2, balance=0.5),
    "qwen3-moe": dict(
        config=in_v5_style(dict(SMALL, architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe", head_dim=8,
                                num_hidden_layers=3, decoder_sparse_step=1, mlp_only_layers=[1], norm_topk_prob=False,
                                moe_intermediate_size=16, num_experts=5, num_experts_per_tok=2, use_sliding_window=False,
                                attention_bias=False, output_router_logits=False, router_aux_loss_coef=0.001)),
        rank=2),
    "llama-sharded-bf16": dict(config=dict(LLAMA, torch_dtype="bfloat16"), shard_bytes=16_000),
}  # fmt: skip


def seed_of(*parts):
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "little")


def normal(shape, std, *seed_parts):
    return torch.from_numpy(np.random.default_rng(seed_of(*seed_parts)).normal(0, std, shape).astype(np.float32))


class LinearExperts(torch.nn.Module):
    """The experts of a layer as one module with three linears each, as in transformers 4 and in checkpoints."""

    def __init__(self, stacked, names):
        super().__init__()
        self.names, self.activation = names, stacked.act_fn.forward
        gate_up, down = stacked.gate_up_proj.detach(), stacked.down_proj.detach()
        for e in range(len(down)):
            gate, up = gate_up[e].chunk(2)
            each = torch.nn.Module()
            for key, weight in zip(names, (gate, up, down[e])):
                linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
                linear.weight.data.copy_(weight)
                setattr(each, key, linear)
            self.add_module(str(e), each)

    def forward(self, hidden, index, shares):
        out = torch.zeros_like(hidden)
        for e, each in enumerate(self.children()):
            token, rank = torch.where(index == e)
            gate, up, down = (getattr(each, key) for key in self.names)
            y = down(self.activation(gate(hidden[token])) * up(hidden[token]))
            out.index_add_(0, token, y * shares[token, rank, None])
        return out


def with_linear_experts(model):
    """Experts as linears that peft can adapt by name, under the names of checkpoints; the same logits to the last digits."""
    kind = model.config.model_type
    if kind not in ("mixtral", "qwen3_moe"):
        return model
    ids = torch.arange(3, 9)[None]
    single = model.dtype == torch.float32  # grouped products have no float64
    with torch.no_grad():
        before = model(ids).logits if single else None
    names = ("w1", "w3", "w2") if kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
    for layer in model.model.layers:
        if not hasattr(layer.mlp, "experts"):
            continue
        layer.mlp.experts = LinearExperts(layer.mlp.experts, names)
        if kind == "mixtral":
            layer.block_sparse_moe = layer.mlp
            del layer.mlp
            layer.forward = forward_of(layer)
    with torch.no_grad():
        assert not single or relative(model(ids).logits, before) < 1e-6
    model.config.model_type = "llama"  # or peft stacks the names again
    return model


def forward_of(layer):
    """A decoder layer's forward that finds its block under the older name."""
    def forward(hidden_states, **kwargs):
        attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(hidden_states), **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + layer.block_sparse_moe(layer.post_attention_layernorm(hidden_states))

    return forward


def write_model(folder, name, spec):
    """config.json and weights: every tensor far from its usual initial value, so that nothing cancels."""
    config = spec["config"]
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    dtype = getattr(torch, config.get("torch_dtype") or config["dtype"])
    model = AutoModelForCausalLM.from_config(load_config(folder), dtype=dtype)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            if key.endswith("mlp.gate.weight"):
                value = normal(shape, 0.6, name, key)  # clear choices
            elif key.endswith("norm.weight"):
                around = 0 if config["model_type"].startswith("gemma") else 1  # Gemma multiplies by 1 + weight
                value = around + normal(shape, 0.25, name, key).clamp(-0.6, 0.6)
            elif key.endswith("bias"):
                value = normal(shape, 0.2, name, key)
            else:
                value = normal(shape, 0.3 if "embed" in key or "lm_head" in key else 0.2, name, key)
            parameter.copy_(value.to(dtype))
    model.save_pretrained(folder, max_shard_size=spec.get("shard_bytes", 10_000_000))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")  # ours, not the rewritten one
    (folder / "generation_config.json").unlink(missing_ok=True)


def load_config(folder):
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


def load(folder, adapter=None, dtype=torch.float32, trainable=True):
    """A fresh model each time: dynamic rope keeps the longest length it has seen."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    model = with_linear_experts(model)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, is_trainable=trainable).to(dtype)
    return model.eval()  # no dropout anywhere: eval only says so


def make_batch(name, lengths, vocab):
    rng = np.random.default_rng(seed_of(name, "batch"))
    ids = [[1, *rng.integers(3, vocab, n - 1).tolist()] for n in lengths]
    labels = []
    for row, (n, tokens) in enumerate(zip(lengths, ids)):
        prompt = max(1, n // 3)
        label = [-100] * prompt + tokens[prompt:]
        if row == 2:  # a second masked stretch, as in a conversation with several turns
            label[n // 2 : n // 2 + 3] = [-100] * 3
        labels.append(label)
    return ids, labels


def padded(rows, fill):
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows])


def tensors_of(ids, labels):
    return dict(
        input_ids=padded(ids, 0), attention_mask=padded([[1] * len(row) for row in ids], 0), labels=padded(labels, -100)
    )


def loss_of(model, batch):
    """As the Trainer asks for it: the sum over label tokens divided by their number in the whole batch."""
    return model(**batch, num_items_in_batch=batch["labels"].ne(-100).sum()).loss


def rounded(values):
    """Nested lists with 8 significant digits: enough to tell float32 values apart to 1e-7 relative."""
    if isinstance(values, torch.Tensor):
        values = values.tolist()
    return [rounded(v) for v in values] if isinstance(values, list) else float(f"{values:.8g}")


def gradients(model, batch):
    model.zero_grad()
    loss = loss_of(model, batch)
    loss.backward()
    return loss.item(), {k: p.grad.detach().clone() for k, p in model.named_parameters() if p.requires_grad}


def peft_key(name):
    return name.replace(".default.weight", ".weight")


def train(model, batch, steps):
    """AdamW with the Trainer's two weight-decay groups, linear schedule without warm-up, clipping by global norm."""
    decay = set(Trainer.get_decay_parameter_names(None, model))
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        dict(params=[p for n, p in named if n in decay], weight_decay=WEIGHT_DECAY),
        dict(params=[p for n, p in named if n not in decay], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    losses, norms, rates = [], [], []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM).item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    losses.append(loss_of(model, batch).item())
    curve = dict(loss=rounded(losses), grad_norm=rounded(norms), learning_rate=rounded(rates))
    return dict(curve, no_decay=sorted(peft_key(n) for n, _ in named if n not in decay))


def greedy(model, prompt, use_cache=True):
    """New token ids and the smallest gap between the best and second-best logit on the way."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False,
            use_cache=use_cache, return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
    best = torch.cat(out.logits).topk(2).values
    new = out.sequences[0, len(prompt) :].tolist()
    assert len(new) == NEW_TOKENS
    return new, (best[:, 0] - best[:, 1]).min().item()


def greedy_answers(name, folder, adapter, modes, vocab):
    """The first random prompt whose answers are not too close to call and differ with and without the adapter."""
    for attempt in range(100):
        rng = np.random.default_rng(seed_of(name, "prompt", str(attempt)))
        prompt = [1, *rng.integers(3, vocab, PROMPT_TOKENS - 1).tolist()]
        runs = {
            kind: {mode: greedy(load(folder, path), prompt, mode == "cached") for mode in modes}
            for kind, path in (("full", None), ("lora", adapter))
        }
        answers = {kind: {mode: new for mode, (new, _) in by_mode.items()} for kind, by_mode in runs.items()}
        margin = min(m for by_mode in runs.values() for _, m in by_mode.values())
        if margin > 0.01 and answers["full"] != answers["lora"]:
            return dict(prompt=prompt, smallest_margin=rounded(margin), **answers)
    raise AssertionError(f"{name}: no prompt with clear greedy choices")


def forward_facts(model, ids, batch):
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    rows = [logits[i, : len(row)] for i, row in enumerate(ids)]
    nll = [cross_entropy(r[:-1], torch.tensor(t[1:]), reduction="none") for r, t in zip(rows, ids)]
    return rows, [rounded(v) for v in nll]


def write_adapter(folder, model_folder, name, rslora, targets=TARGETS, rank=4):
    config = LoraConfig(r=rank, lora_alpha=8, lora_dropout=0.0, target_modules=targets, use_rslora=rslora,
                        bias="none", task_type="CAUSAL_LM")  # fmt: skip
    model = get_peft_model(load(model_folder), config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(normal(tuple(parameter.shape), 0.15 if "lora_A" in key else 0.05, name, key))
    model.peft_config["default"].base_model_name_or_path = f"test/parity/models/{name}"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)


def relative(a, b):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return ((a - b).norm() / b.norm()).item()


@contextmanager
def softmax_in_its_own_dtype():
    """Eager attention casts scores to float32; a float64 mask value would overflow there."""
    softmax = torch.nn.functional.softmax

    def same_dtype(scores, dim=None, dtype=None, **kwargs):
        return softmax(scores, dim=dim, dtype=None if scores.dtype == torch.float64 else dtype, **kwargs)

    torch.nn.functional.softmax = same_dtype
    try:
        yield
    finally:
        torch.nn.functional.softmax = softmax


@softmax_in_its_own_dtype()
def float_noise(folder, adapter, batch, facts):
    """How far the float32 figures are from the same ones with float64 weights and products: a floor for tolerances."""
    double = {k: load(folder, a, torch.float64) for k, a in (("full", None), ("lora", adapter))}
    noise = {}
    for kind, model in double.items():
        loss, grads = gradients(model, batch)
        each = {k: relative(facts[kind]["grads"][k], g) for k, g in grads.items()}
        worst = max(each, key=each.get)
        noise[f"{kind}_loss"] = relative(facts[kind]["loss"], loss)
        noise[f"{kind}_grad_worst"] = dict(tensor=peft_key(worst), relative=each[worst])
        curve = train(load(folder, adapter if kind == "lora" else None, torch.float64), batch, STEPS)
        for key in ("loss", "grad_norm"):
            pairs = zip(facts[kind]["curve"][key], curve[key])
            noise[f"{kind}_curve_{key}"] = max(abs(a - b) / abs(b) for a, b in pairs)
    assert all(math.isfinite(v) for v in noise.values() if isinstance(v, float))
    return noise


def make(name, spec):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_model(folder, name, spec)
    adapter = folder / "adapter"
    write_adapter(adapter, folder, name, rslora=False, targets=spec.get("targets", TARGETS),
                  rank=spec.get("rank", 4))
    ids, labels = make_batch(name, spec.get("lengths", (7, 12, 20)), spec["config"]["vocab_size"])
    batch = tensors_of(ids, labels)
    modes = ("cached", "uncached") if "dynamic" in name else ("cached",)
    facts, reference = {}, dict(
        format=1, model=name, libraries={p: version(p) for p in ("torch", "transformers", "peft")},
        batch=dict(input_ids=ids, labels=labels, label_tokens=int(batch["labels"].ne(-100).sum())),
    )  # fmt: skip
    for kind, path in (("full", None), ("lora", adapter)):
        rows, nll = forward_facts(load(folder, path), ids, batch)
        loss, grads = gradients(load(folder, path), batch)
        assert all(g.norm() > 1e-7 for g in grads.values())
        model = load(folder, path)
        curve = train(model, batch, STEPS)
        assert curve["loss"][-1] < curve["loss"][0] and max(curve["grad_norm"]) > MAX_GRAD_NORM
        save_file({peft_key(k): g for k, g in grads.items()}, folder / f"grads_{kind}.safetensors")
        if kind == "lora":
            state = {k: v.contiguous() for k, v in get_peft_model_state_dict(model).items()}
            save_file(state, folder / "adapter_after20.safetensors")
        entry = dict(loss=rounded(loss), nll=nll, logits=rounded([r.tolist() for r in rows]) if kind == "full" else None,
                     last_logits=rounded([r[-1].tolist() for r in rows]), curve=curve)  # fmt: skip
        if entry["logits"] is None:
            del entry["logits"]
        reference[kind] = entry
        facts[kind] = dict(loss=loss, grads=grads, curve=curve)
    reference["greedy"] = greedy_answers(name, folder, adapter, modes, spec["config"]["vocab_size"])
    if spec.get("rslora"):
        write_adapter(folder / "adapter-rslora", folder, name, rslora=True)
        rows, nll = forward_facts(load(folder, folder / "adapter-rslora"), ids, batch)
        loss, grads = gradients(load(folder, folder / "adapter-rslora"), batch)
        save_file({peft_key(k): g for k, g in grads.items()}, folder / "grads_rslora.safetensors")
        last = rounded([r[-1].tolist() for r in rows])
        reference["rslora"] = dict(loss=rounded(loss), nll=nll, last_logits=last)
    if spec.get("balance"):
        model = load(folder, adapter)
        inner = model.get_base_model()
        inner.router_aux_loss_coef = spec["balance"]
        loss, grads = gradients(model, dict(batch, output_router_logits=True))
        assert loss > facts["lora"]["loss"]
        save_file({peft_key(k): g for k, g in grads.items()}, folder / "grads_balance.safetensors")
        reference["balance"] = dict(weight=spec["balance"], loss=rounded(loss))
    if spec.get("freeze"):
        model = load(folder)
        last_layer = f"model.layers.{spec['config']['num_hidden_layers'] - 1}."
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(key.startswith(last_layer))
        trainable = [k for k, p in model.named_parameters() if p.requires_grad]
        reference["freeze"] = dict(trainable=trainable, curve=train(model, batch, FREEZE_STEPS))
    reference["float_noise"] = float_noise(folder, adapter, batch, facts)
    (folder / "reference.json").write_text(json.dumps(reference, separators=(",", ":")) + "\n")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(name, f"{size / 1024:.0f} KiB", "loss", reference["full"]["loss"], "noise", reference["float_noise"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], help="models to make; all when none is given")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    for chosen in parser.parse_args().names or MODELS:
        make(chosen, MODELS[chosen])
