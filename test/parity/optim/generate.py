"""Writes optim.json: what PyTorch's AdamW and gradient clipping and the schedules of transformers compute.

    python3 -m venv venv && venv/bin/pip install torch==2.13.0 transformers && venv/bin/python generate.py

float32 values are written with as many digits as identify them, so that a reader who rounds to float32 gets the same bits.
"""

import json
import pathlib
import warnings

import numpy
import torch
import transformers

warnings.filterwarnings("ignore")


def f32(tensor):
    return [float(str(x)) for x in tensor.detach().numpy().astype(numpy.float32).ravel()]


def adamw_case(name, options, steps, scale, grad_scales=None):
    """One array of 33 values (a whole number of vectors and a rest) under `steps` random gradients."""
    generator = torch.Generator().manual_seed(7)
    param = torch.nn.Parameter(torch.randn(33, generator=generator))
    optimizer = torch.optim.AdamW([param], foreach=False, fused=False, **options)
    case = {"name": name, "options": {k: v for k, v in options.items()}, "param": f32(param), "steps": []}
    for step in range(steps):
        grad = torch.randn(33, generator=generator) * scale
        grad[step % 33] = 0
        coefficient = grad_scales[step] if grad_scales else 1.0
        param.grad = grad.clone().mul_(torch.tensor(coefficient, dtype=torch.float32))
        optimizer.step()
        state = optimizer.state[param]
        case["steps"].append(
            {
                "grad": f32(grad),
                "grad_scale": coefficient,
                "param": f32(param),
                "m": f32(state["exp_avg"]),
                "v": f32(state["exp_avg_sq"]),
            }
        )
    return case


def clip_case(sizes, scale, max_norm):
    generator = torch.Generator().manual_seed(11)
    params = [torch.nn.Parameter(torch.zeros(n)) for n in sizes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator) * scale
    grads = [f32(p.grad) for p in params]
    norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
    return {"grads": grads, "max_norm": max_norm, "norm": float(norm), "clipped": [f32(p.grad) for p in params]}


def schedule_case(kind, warmup, total, options=None, learning_rate=5e-5):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)
    scheduler = transformers.get_scheduler(
        kind, optimizer, num_warmup_steps=warmup, num_training_steps=total, scheduler_specific_kwargs=options
    )
    values = []
    for _ in range(total + 4):
        values.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {
        "kind": kind,
        "learning_rate": learning_rate,
        "warmup_steps": warmup,
        "total_steps": total,
        "options": options or {},
        "values": values,
    }


default = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
fixture = {
    "versions": {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
    },
    "adamw": [
        adamw_case("defaults of torch", default, 6, 1.0),
        adamw_case("no decay, beta2 0.95", {**default, "weight_decay": 0.0, "betas": (0.9, 0.95), "lr": 5e-5}, 6, 1e-2),
        adamw_case("beta1 0.3, strong decay, large eps", {**default, "betas": (0.3, 0.99), "eps": 1e-3, "weight_decay": 0.3}, 4, 1.0),
        adamw_case("tiny gradients", default, 4, 1e-9),
        adamw_case("huge gradients", default, 4, 1e12),
        adamw_case("scaled gradients", default, 4, 30.0, [0.05, 1.0, 0.3333, 1e-3]),
    ],
    "clip": [
        clip_case([5, 3, 7], 2.0, 1.0),
        clip_case([5, 3, 7], 0.01, 1.0),
        clip_case([1], 1.0, 0.5),
        clip_case([40, 40], 1e15, 1.0),
    ],
    "schedules": [
        schedule_case("linear", 0, 10),
        schedule_case("linear", 3, 12, learning_rate=2e-4),
        schedule_case("linear", 8, 8),
        schedule_case("cosine", 0, 10),
        schedule_case("cosine", 4, 15),
        schedule_case("cosine", 2, 12, {"num_cycles": 1.25}),
        schedule_case("cosine_with_restarts", 2, 14),
        schedule_case("cosine_with_restarts", 3, 18, {"num_cycles": 3}),
        schedule_case("polynomial", 2, 12),
        schedule_case("polynomial", 2, 12, {"lr_end": 1e-6, "power": 2.5}),
        schedule_case("constant", 5, 8),
        schedule_case("constant_with_warmup", 4, 9),
        schedule_case("inverse_sqrt", 4, 12),
        schedule_case("inverse_sqrt", 0, 12),
        schedule_case("inverse_sqrt", 2, 12, {"timescale": 7}),
        schedule_case("cosine_with_min_lr", 2, 12, {"min_lr": 1e-5}),
        schedule_case("cosine_with_min_lr", 3, 12, {"min_lr_rate": 0.1, "num_cycles": 0.75}),
        schedule_case("warmup_stable_decay", 3, 15, {"num_decay_steps": 5}),
        schedule_case("warmup_stable_decay", 3, 15, {"num_decay_steps": 5, "decay_type": "linear", "min_lr_ratio": 0.1}),
        schedule_case(
            "warmup_stable_decay",
            4,
            16,
            {"num_decay_steps": 6, "num_stable_steps": 4, "warmup_type": "cosine", "decay_type": "1-sqrt", "min_lr_ratio": 0.2},
        ),
        schedule_case(
            "warmup_stable_decay",
            4,
            16,
            {"num_decay_steps": 6, "warmup_type": "1-sqrt", "decay_type": "cosine", "num_cycles": 1.5},
        ),
    ],
}
path = pathlib.Path(__file__).with_name("optim.json")
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
print(path.stat().st_size, "bytes")
