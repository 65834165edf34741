# Makes vectors.json: losses and gradients of GRPO by trl 0.24 (installed), and of PPO by trl 0.9.6, the last version with
# the trainer that LLaMA-Factory used. Functions are run that are cut out of the sources, because neither trainer can be
# imported without packages that are not needed here.
# Usage: pip download --no-deps trl==0.9.6; unzip trl-0.9.6-*.whl -d old; python generate.py old
import ast
import importlib.util
import json
import sys
import typing
import warnings
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

here = Path(__file__).parent
old = Path(sys.argv[1])
torch.manual_seed(7)
LENGTHS = [5, 3, 6, 1]
WIDTH = max(LENGTHS)
ROWS = len(LENGTHS)
mask = torch.tensor([[1 if t < n else 0 for t in range(WIDTH)] for n in LENGTHS])
double = dict(dtype=torch.float64)


def ragged(x):
    return [row[:n] for row, n in zip(x.tolist(), LENGTHS)]


def draw(spread):
    return torch.randn(ROWS, WIDTH, **double) * spread


def functions(path, names, scope):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names:
            node.decorator_list = []
            for one in ast.walk(node):
                if isinstance(one, ast.FunctionDef):
                    one.decorator_list = []
            exec(compile(ast.Module([node], []), str(path), "exec"), scope)
    return scope


# --- GRPO
installed = Path(importlib.util.find_spec("trl").origin).parent
grouped_scope = functions(installed / "trainer/utils.py", ["nanmin", "nanmax"], {"torch": torch, **vars(typing)})
functions(installed / "trainer/grpo_trainer.py", ["_compute_loss", "nanmin", "nanmax"], grouped_scope)
old_logps = -draw(1).abs() - 0.2
now = old_logps + draw(0.25)
reference = old_logps + draw(0.4)
advantages = torch.tensor([1.2, -0.7, 0.4, -1.1], **double)


def grpo(name, loss_type="dapo", beta=0.0, low=0.2, high=0.2, level="token", has_old=True, masked=None):
    own = mask.clone()
    if masked is not None:
        own[masked] = 0
    leaf = now.clone().requires_grad_()
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (leaf, -leaf.detach()),
        top_entropy_quantile=1.0,
        beta=beta,
        importance_sampling_level=level,
        epsilon_low=low,
        epsilon_high=high,
        args=SimpleNamespace(delta=None),
        use_vllm=False,
        loss_type=loss_type,
        current_gradient_accumulation_steps=1,
        max_completion_length=8,
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
    )
    inputs = dict(
        prompt_ids=torch.zeros(ROWS, 1, dtype=torch.long),
        prompt_mask=torch.ones(ROWS, 1, dtype=torch.long),
        completion_ids=torch.zeros(ROWS, WIDTH, dtype=torch.long),
        completion_mask=own,
        advantages=advantages,
        ref_per_token_logps=reference,
        num_items_in_batch=own.sum(),
    )
    if has_old:
        inputs["old_per_token_logps"] = old_logps
    loss = grouped_scope["_compute_loss"](trainer, None, inputs)
    loss.backward()
    metrics = trainer._metrics["train"]
    return dict(
        name=name,
        settings=dict(loss=loss_type, beta=beta, low=low, high=high, level=level),
        hasOld=has_old,
        masked=masked,
        loss=loss.item(),
        gradient=ragged(leaf.grad),
        # trl counts whole sequences where there is one ratio for all tokens.
        clip=metrics["clip_ratio/region_mean"][0] if level == "token" else None,
        kl=metrics["kl"][0] if beta else None,
    )


cases = [grpo(f"{t}, {l}", t, 0.04, level=l) for t in ("grpo", "bnpo", "dr_grpo", "dapo") for l in ("token", "sequence")]
cases += [
    grpo("no reference"),
    grpo("no old log-probabilities", "grpo", 0.1, has_old=False),
    grpo("a higher bound above", high=0.05, low=0.3),
    grpo("a row that did not end, dapo", "dapo", 0.04, masked=2),
    grpo("a row that did not end, grpo", "grpo", 0.04, masked=2),
    grpo("a row that did not end, bnpo", "bnpo", 0.04, masked=2),
]

# Advantages: the lines of GRPOTrainer._generate_and_score_completions that make them.
rewards = torch.tensor([1.0, 0.0, 0.5, 0.25, 2.0, 2.0, 2.0, 2.0, -1.0, 3.0, 0.0, 0.0], **double)
groups = rewards.view(-1, 4)


def grouped(scale):
    result = rewards - groups.mean(dim=1).repeat_interleave(4, dim=0)
    std = groups.std(dim=1).repeat_interleave(4, dim=0) if scale != "batch" else rewards.std().expand_as(rewards)
    if scale != "none":
        result = result / (std + 1e-4)
    return result.view(-1, 4).tolist()


# --- PPO of trl 0.9.6
scope = {"torch": torch, "np": np, "warnings": warnings, **vars(typing), "F": torch.nn.functional, "WANDB_PADDING": -1}
functions(old / "trl/core.py", ["masked_mean", "masked_var", "masked_whiten", "clip_by_value", "entropy_from_logits", "flatten_dict"], scope)
functions(old / "trl/trainer/ppo_trainer.py", ["loss", "compute_rewards", "_kl_penalty", "compute_advantages"], scope)
functions(old / "trl/trainer/utils.py", ["AdaptiveKLController", "RunningMoments"], scope)
plain_whiten = scope["masked_whiten"]
# With shift_mean=False 0.9.6 leaves the mean in the padding, from where it flows into the rewards before it, by how wide the
# batch is. Later versions set the padding to 0, and so do we.
scope["masked_whiten"] = lambda x, m, shift_mean=True: plain_whiten(x, m, shift_mean) * m


def ppo(name, whiten, spread):
    scores = torch.tensor([1.5, -0.5, 0.75, 2.0], **double)
    values = draw(0.6)
    now = old_logps + draw(spread)
    vpreds = values + draw(0.3)
    config = SimpleNamespace(
        whiten_rewards=whiten, gamma=1, lam=0.95, cliprange=0.2, cliprange_value=0.2, vf_coef=0.1, ratio_threshold=10.0, kl_penalty="kl"
    )
    trainer = SimpleNamespace(config=config, kl_ctl=SimpleNamespace(value=0.2))
    trainer._kl_penalty = lambda a, b: scope["_kl_penalty"](trainer, a, b)
    token_rewards, _, kls = scope["compute_rewards"](trainer, scores, old_logps, reference, mask)
    kept, advantages, returns = scope["compute_advantages"](trainer, values, token_rewards, mask)
    leaf, value_leaf = now.clone().requires_grad_(), vpreds.clone().requires_grad_()
    logits = torch.zeros(ROWS, WIDTH, 2, **double)
    policy, value, stats = scope["loss"](trainer, old_logps, kept, logits, value_leaf, leaf, mask, advantages, returns)
    (policy + value).backward()
    return dict(
        name=name,
        whiten=whiten,
        scores=scores.tolist(),
        values=ragged(values),
        now=ragged(now),
        valuesNow=ragged(vpreds),
        rewards=ragged(token_rewards),
        advantages=ragged(advantages),
        returns=ragged(returns),
        kl=(kls * mask).sum(-1).mean().item(),
        loss=(policy + value).item(),
        policyLoss=policy.item(),
        valueLoss=value.item() / 0.1,
        clip=stats["policy/clipfrac"].item(),
        valueClip=stats["val/clipfrac"].item(),
        approxKl=stats["policy/approxkl"].item(),
        gradient=ragged(leaf.grad),
        valueGradient=ragged(value_leaf.grad),
    )


moments = scope["RunningMoments"](SimpleNamespace(use_distributed=False))
normalised = []
for batch in ([1.0, 2.0, 4.0], [0.5, -1.0], [3.0, 3.0, 3.5, 2.0]):
    scores = torch.tensor(batch)
    moments.update(scores)
    factor = moments.std.to(dtype=scores.dtype) + torch.finfo(scores.dtype).eps
    normalised.append(dict(scores=batch, result=((scores - moments.mean.to(scores.dtype)) / factor).tolist()))
controller = scope["AdaptiveKLController"](0.2, 6.0, 10000)
steered = []
for kl, answers in ((2.0, 64), (6.6, 64), (30.0, 128), (5.9, 8)):
    controller.update(kl, answers)
    steered.append(dict(kl=kl, answers=answers, weight=controller.value))

vectors = dict(
    old=ragged(old_logps),
    now=ragged(now),
    reference=ragged(reference),
    advantages=advantages.tolist(),
    maxTokens=8,
    grpo=cases,
    groups=dict(rewards=groups.tolist(), **{scale: grouped(scale) for scale in ("group", "batch", "none")}),
    ppo=[ppo("plain", False, 0.2), ppo("whitened rewards", True, 0.3), ppo("too far to learn from", False, 5.0)],
    normalised=normalised,
    steered=steered,
)
(here / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")
print({c["name"]: c["loss"] for c in cases}, {c["name"]: c["loss"] for c in vectors["ppo"]})
