"""Makes curves.json beside this file: 15 steps of each preference loss, KTO and a reward model with torch, peft and trl.

In: test/parity/models/llama with its adapter (the policy; the reference is the same model with the adapter off). Out: the
rows, and per case losses, gradient norms and metrics of every step. Losses of pairs and KTO are trl's own functions;
averages, ld_alpha, orpo, bco and the supervised term follow LLaMA-Factory's trainers, in their words above each.
"""

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from peft import PeftModel
from transformers import AutoModelForCausalLM

found = import_module("trl.import_utils")
for name, value in list(vars(found).items()):  # transformers 5 answers with a pair, which trl 0.24 takes for "available"
    if name.endswith("_available") and isinstance(value, tuple):
        setattr(found, name, value[0])

from trl import CPOTrainer, DPOTrainer, KTOTrainer, ORPOTrainer  # noqa: E402

HERE = Path(__file__).parent
MODEL = HERE.parent / "models" / "llama"
STEPS, RATE, DECAY, CLIP, BETA = 15, 5e-4, 0.01, 1.0, 0.3
ACCELERATOR = SimpleNamespace(device=torch.device("cpu"), gather_for_metrics=lambda x: x)

DPO_CASES = {
    "sigmoid": {},
    "smoothed_ftx": dict(label_smoothing=0.1, ftx=0.5),
    "ld": dict(ld_alpha=0.4, ftx=0.2),
    "bco": dict(bco=0.7),
    "hinge": dict(loss="hinge"),
    "ipo": dict(loss="ipo"),
    "orpo": dict(loss="orpo"),
    "simpo": dict(loss="simpo", gamma=0.5),
}
KTO_CASES = {"plain": {}, "weighted_ftx": dict(chosen_weight=1.2, rejected_weight=0.7, ftx=0.3)}


def rows_of(lengths, rng):
    """Per row a prompt and two answers of ids; the first id is bos."""
    draw = lambda n: rng.integers(3, 96, n).tolist()
    return [dict(prompt=[1, *draw(p - 1)], first=draw(a), second=draw(b)) for p, a, b in lengths]


def batch_of(sequences):
    width = max(len(p) + len(a) for p, a in sequences)
    pad = lambda row, fill: row + [fill] * (width - len(row))
    ids = torch.tensor([pad(p + a, 0) for p, a in sequences])
    mask = torch.tensor([pad([1] * (len(p) + len(a)), 0) for p, a in sequences])
    labels = torch.tensor([pad([-100] * len(p) + a, -100) for p, a in sequences])
    return ids, mask, labels


def policy():
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    return PeftModel.from_pretrained(base, MODEL / "adapter", is_trainable=True).eval()


def token_logps(model, sequences):
    ids, mask, labels = batch_of(sequences)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    labels = labels[:, 1:]
    keep = labels != -100
    logps = logits.log_softmax(-1).gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
    return logps * keep, keep


def sums(model, sequences):
    return token_logps(model, sequences)[0].sum(-1)


def train(model, parameters, loss_of):
    """AdamW without decay on biases, constant rate, clipping: the loop around every objective."""
    named = [(n, p) for n, p in parameters if p.requires_grad]
    groups = [
        dict(params=[p for n, p in named if not n.endswith("bias")], weight_decay=DECAY),
        dict(params=[p for n, p in named if n.endswith("bias")], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    loss, norm, metrics = [], [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value, logged = loss_of(model)
        value.backward()
        norm.append(torch.nn.utils.clip_grad_norm_([p for _, p in named], CLIP).item())
        optimizer.step()
        loss.append(value.item())
        metrics.append({k: float(v) for k, v in logged.items()})
    return dict(loss=loss, grad_norm=norm, metrics=metrics)


def dpo(rows, loss="sigmoid", label_smoothing=0.0, ftx=0.0, ld_alpha=None, bco=0.0, gamma=0.0):
    model = policy()
    n = len(rows)
    pairs = [(r["prompt"], r["first"]) for r in rows] + [(r["prompt"], r["second"]) for r in rows]
    averaged = loss in ("ipo", "orpo", "simpo")
    trl = SimpleNamespace(
        accelerator=ACCELERATOR, beta=BETA, label_smoothing=label_smoothing, reference_free=False, simpo_gamma=gamma,
        f_divergence_type="reverse_kl", f_divergence_params=None, loss_type=loss, alpha=0.0, cpo_alpha=0.0,
    )  # fmt: skip
    with torch.no_grad(), model.disable_adapter():
        logps, keep = token_logps(model, pairs)
        reference = logps.sum(-1) / (keep.sum(-1) if averaged else 1)
    moments = dict(mean=0.0, count=1e-24)

    def loss_of(model):
        logps, keep = token_logps(model, pairs)
        length = keep.sum(-1)
        all_logps = logps.sum(-1)
        if ld_alpha is not None:  # tokens past the shorter answer's length count ld_alpha
            common = torch.minimum(length[:n], length[n:]).repeat(2)
            front = (keep.cumsum(-1) <= common.unsqueeze(1)) & keep
            all_logps = (logps * front).sum(-1) + ld_alpha * (logps * ~front).sum(-1)
        if averaged:
            all_logps = all_logps / length
        c, r = all_logps[:n], all_logps[n:]
        c_avg = c if averaged else c / length[:n]
        if loss == "orpo":  # -c + beta * -logsigmoid(odds); trl's losses are beta * logsigmoid(odds)
            losses, rc, rr, ratio, _ = ORPOTrainer.odds_ratio_loss(trl, c, r)
            odds = -losses / BETA
            losses = -c - losses
        elif loss == "simpo":
            losses, rc, rr = CPOTrainer.cpo_loss(trl, c, r)
        else:
            losses, rc, rr = DPOTrainer.dpo_loss(trl, c, r, reference[:n], reference[n:], loss)
        if bco:  # (losses + w * bco) / (1 + w); delta is the running mean of rewards
            uc, ur = BETA * (c - reference[:n]), BETA * (r - reference[n:])
            mean = torch.cat((uc, ur)).mean().item()
            total = moments["count"] + 1
            moments.update(mean=moments["mean"] + (mean - moments["mean"]) / total, count=total)
            losses = (losses + bco * (-F.logsigmoid(uc - moments["mean"]) - F.logsigmoid(-(ur - moments["mean"])))) / (1 + bco)
        if ftx:
            losses = losses + ftx * -c_avg
        logged = {"rewards/chosen": rc.mean(), "rewards/rejected": rr.mean(), "rewards/accuracies": (rc > rr).float().mean(),
                  "rewards/margins": (rc - rr).mean(), "logps/chosen": c.mean(), "logps/rejected": r.mean()}  # fmt: skip
        if loss == "orpo":
            logged |= {"sft_loss": -c_avg.mean(), "odds_ratio_loss": odds.mean()}
        return losses.mean(), logged

    return train(model, model.named_parameters(), loss_of)


def kto(rows, tags, chosen_weight=1.0, rejected_weight=1.0, ftx=0.0):
    """`first` is the rated answer, `second` the mismatched one of the KL term."""
    model = policy()
    answers = [(r["prompt"], r["first"]) for r in rows]
    mismatched = [(r["prompt"], r["second"]) for r in rows]
    good = torch.tensor(tags)
    trl = SimpleNamespace(accelerator=ACCELERATOR, beta=BETA, loss_type="kto", calculate_KL=True,
                          desirable_weight=chosen_weight, undesirable_weight=rejected_weight)  # fmt: skip
    with torch.no_grad(), model.disable_adapter():
        ref, ref_kl = sums(model, answers), sums(model, mismatched)

    def loss_of(model):
        logps, keep = token_logps(model, answers)
        target = logps.sum(-1)
        with torch.no_grad():
            kl_logps = sums(model, mismatched)
        losses, rc, rr, kl = KTOTrainer.kto_loss(trl, target[good], target[~good], kl_logps, ref[good], ref[~good], ref_kl)
        value = losses.nanmean()
        if ftx:  # rescaled as LLaMA-Factory does
            nll = -(target / keep.sum(-1))[good]
            value = value + ftx * nll.nanmean() / len(nll) * len(rows)
        return value, {"rewards/chosen": rc.mean(), "rewards/rejected": rr.mean(), "rewards/margins": rc.mean() - rr.mean(),
                       "logps/chosen": target[good].mean(), "logps/rejected": target[~good].mean(), "kl": kl}  # fmt: skip

    return train(model, model.named_parameters(), loss_of)


def reward(rows, rng):
    """The value head reads the last hidden state at the last token (LLaMA-Factory's PairwiseTrainer), without dropout."""
    model = policy()
    head = torch.nn.Linear(32, 1)
    weight, bias = rng.normal(0, 0.2, 32).astype(np.float32), np.float32([0.1])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight)[None])
        head.bias.copy_(torch.from_numpy(bias))
    n = len(rows)
    pairs = [(r["prompt"], r["first"]) for r in rows] + [(r["prompt"], r["second"]) for r in rows]
    ids, mask, _ = batch_of(pairs)

    def loss_of(model):
        hidden = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
        scores = head(hidden).squeeze(-1).gather(1, mask.sum(-1, keepdim=True) - 1).squeeze(1)
        c, r = scores[:n], scores[n:]
        return -F.logsigmoid(c - r).mean(), {"accuracy": (c > r).float().mean()}

    curve = train(model, [*model.named_parameters(), *head.named_parameters(prefix="v_head")], loss_of)
    return dict(weight=weight.tolist(), bias=bias.tolist(), **curve)


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(20)
    rows = rows_of([(5, 7, 4), (3, 5, 9), (8, 3, 3), (4, 10, 6)], rng)
    tags = [True, False, False, True]
    out = dict(
        libraries={p: version(p) for p in ("torch", "transformers", "peft", "trl")},
        steps=STEPS, learning_rate=RATE, weight_decay=DECAY, max_grad_norm=CLIP, beta=BETA, rows=rows, tags=tags,
        dpo={name: dict(options=o, **dpo(rows, **o)) for name, o in DPO_CASES.items()},
        kto={name: dict(options=o, **kto(rows, tags, **o)) for name, o in KTO_CASES.items()},
        rm=reward(rows, rng),
    )  # fmt: skip
    path = HERE / "curves.json"
    path.write_text(json.dumps(rounded(out), separators=(",", ":")) + "\n")
    for stage in ("dpo", "kto"):
        for name, case in out[stage].items():
            print(stage, name, case["loss"][0], case["loss"][-1], max(case["grad_norm"]))
    print("rm", out["rm"]["loss"][0], out["rm"]["loss"][-1], path.stat().st_size)
