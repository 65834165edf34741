"""What bitsandbytes' AdamW with state in 8 bits makes of a parameter, on its CPU backend, with each value coded exactly.

Its CPU kernel looks codes up in a table of steps of about 3e-5, which takes a neighbour now and then and all tiny values for one;
its GPU kernels, and its own code for other dtypes, take the nearest code. That code is used here; what the kernel makes of
the same steps is printed.

Out, beside this file: eight-bit.json with the parameter after some of 20 steps, and its codes and scales after the last one,
in base64. Start and gradients follow from the formulas below, which the test repeats.
Run: python eight_bit.py   (bitsandbytes 0.50.2, torch 2.13.0)
"""

import base64
import json
import pathlib

import bitsandbytes as bnb
import numpy as np
import torch
from bitsandbytes.backends.cpu import ops

COUNT, STEPS, KEPT = 4500, 20, (1, 2, 5, 20)
SETTINGS = dict(lr=1e-2, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.05)


def noise(step):
    """In (-0.5, 0.5), of sizes that differ within a block; zero for one whole block."""
    i = np.arange(COUNT, dtype=np.uint32)
    x = (i + np.uint32(1)) * np.uint32(2654435761) ^ np.uint32(step * 40503 + 7) * np.uint32(2246822519)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2654435761)
    values = (x / 2.0**32 - 0.5) * (i % 13 + 1) / 13
    values[(i >= 512) & (i < 768)] = 0
    return torch.from_numpy(values.astype(np.float32))


def raw(t):
    return base64.b64encode(t.detach().contiguous().numpy().tobytes()).decode()


def nearest(values, code, absmax_out, out, blocksize):
    """The lines of bitsandbytes' quantize_blockwise for dtypes that its library does not have."""
    blocks = torch.nn.functional.pad(values.flatten(), (0, -len(values) % blocksize)).view(-1, blocksize)
    absmax = blocks.abs().max(dim=-1)[0]
    scaled = torch.clamp(blocks * (1 / absmax.view(-1, 1)), -1, 1).flatten()[: len(values)]
    out.copy_(torch.argmin(torch.abs(scaled.unsqueeze(-1) - code), dim=-1))
    absmax_out.copy_(absmax)


by_kernel = torch.nn.Parameter(noise(0).clone())
kernel = bnb.optim.AdamW([by_kernel], optim_bits=8, **SETTINGS)
for step in range(1, STEPS + 1):
    by_kernel.grad = noise(step).clone()
    kernel.step()
ops._quant_blockwise_fp32_direct = nearest
p = torch.nn.Parameter(noise(0).clone())
optimizer = bnb.optim.AdamW([p], optim_bits=8, **SETTINGS)
facts = dict(count=COUNT, steps=STEPS, **SETTINGS, values={})
for step in range(1, STEPS + 1):
    p.grad = noise(step).clone()
    optimizer.step()
    if step in KEPT:
        facts["values"][step] = raw(p)
state = optimizer.state[p]
assert state["state1"].dtype == torch.uint8
for key in ("state1", "state2", "absmax1", "absmax2"):
    facts[key] = raw(state[key])
print("kernel apart", ((by_kernel - p).norm() / p.norm()).item(), "of a change of", ((p - noise(0)).norm() / p.norm()).item())
(pathlib.Path(__file__).parent / "eight-bit.json").write_text(json.dumps(facts) + "\n")
