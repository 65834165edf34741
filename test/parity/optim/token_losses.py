"""Writes token-losses.json: DFT, EAFT and ASFT of LLaMA-Factory, and their gradients by the hidden rows.

    venv/bin/pip install torch==2.13.0 && venv/bin/python token_losses.py
"""

import json
import pathlib

import torch

torch.manual_seed(3)
ROWS, VOCAB, HIDDEN, ALPHA = 7, 30, 6, 0.3
matrix = torch.randn(VOCAB, HIDDEN)
hidden = torch.randn(ROWS, HIDDEN)
anchor = torch.randn(ROWS, HIDDEN)
targets = torch.randint(0, VOCAB, (ROWS,))


def cross_entropy(logits):
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def dft(logits):
    ce = cross_entropy(logits)
    return ce * torch.exp(-ce).detach()


def eaft(logits):
    top = torch.topk(logits.detach(), k=20, dim=-1).values
    log_p = top - torch.logsumexp(top, dim=-1, keepdim=True)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return cross_entropy(logits) * (entropy / 3.0) ** ALPHA


def asft(logits):
    q = torch.softmax(anchor @ matrix.T, dim=-1)
    kl = torch.nn.functional.kl_div(torch.log_softmax(logits, dim=-1), q, reduction="none").sum(-1)
    return dft(logits) + ALPHA * kl


def case(loss):
    h = hidden.clone().requires_grad_()
    each = loss(h @ matrix.T)
    # The mean over the labels, as a whole batch has it.
    each.mean().backward()
    return {"losses": each.tolist(), "gradient": h.grad.flatten().tolist()}


fixture = {
    "torch": torch.__version__,
    "shape": [ROWS, VOCAB, HIDDEN],
    "alpha": ALPHA,
    "matrix": matrix.flatten().tolist(),
    "hidden": hidden.flatten().tolist(),
    "anchor": anchor.flatten().tolist(),
    "targets": targets.tolist(),
    "cross_entropy": case(cross_entropy),
    "dft": case(dft),
    "eaft": case(eaft),
    "asft": case(asft),
}
path = pathlib.Path(__file__).with_name("token-losses.json")
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
print(path.stat().st_size, "bytes")
