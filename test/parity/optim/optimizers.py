"""Writes optimizers.json: parameters after several steps of the optimisers that the reference implementations compute.

    venv/bin/pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 galore-torch==1.0 apollo-torch==1.0.3 \
        adam-mini==1.1.1 badam==1.4 && venv/bin/python optimizers.py

Start values and gradients come from a linear congruential generator that the test has too, so only results are stored.
"""

import json
import math
import pathlib
import warnings

import numpy
import torch
import transformers

warnings.filterwarnings("ignore")
STEPS = 12
KEPT = (1, 2, 7, 12)


def draw(seed, count, scale=1.0):
    """Uniform in scale * [-1, 1), rounded to float32."""
    out = numpy.empty(count)
    x = seed
    for i in range(count):
        x = (1103515245 * x + 12345) % 2**31
        out[i] = (x / 2**30 - 1) * scale
    return torch.from_numpy(out.astype(numpy.float32))


def start_of(seed, shape):
    return draw(seed, math.prod(shape)).reshape(shape)


def grad_of(seed, step, shape):
    # Of changing size, so that the moments are never at rest.
    return draw(seed + 7919 * step, math.prod(shape), 0.5 + step % 4).reshape(shape)


def f32(tensor):
    return [float(str(x)) for x in tensor.detach().numpy().astype(numpy.float32).ravel()]


def lr_of(step):
    return 0.01 * (1 - step / 20)


def case(name, rule, shape, make, weight_decay=0.0, seed=1, options=None):
    """`make(parameter, weight_decay)` gives an optimiser."""
    parameter = torch.nn.Parameter(start_of(seed, shape))
    optimizer = make(parameter, weight_decay)
    kept = {}
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr_of(step)
        parameter.grad = grad_of(seed, step, shape)
        optimizer.step()
        if step in KEPT:
            kept[step] = f32(parameter)
    return {
        "name": name,
        "rule": rule,
        "options": options or {},
        "shape": list(shape),
        "seed": seed,
        "weight_decay": weight_decay,
        "kept": kept,
    }


def simple_cases():
    def sgd(**kw):
        return lambda p, wd: torch.optim.SGD([p], lr=1, weight_decay=wd, foreach=False, **kw)

    def adagrad(**kw):
        return lambda p, wd: torch.optim.Adagrad([p], lr=1, weight_decay=wd, foreach=False, **kw)

    def rmsprop(**kw):
        return lambda p, wd: torch.optim.RMSprop([p], lr=1, weight_decay=wd, foreach=False, **kw)

    def adafactor(p, wd):
        return transformers.Adafactor([p], lr=1, weight_decay=wd, scale_parameter=False, relative_step=False)

    plain = {"momentum": 0, "dampening": 0, "nesterov": False}
    heavy = {**plain, "momentum": 0.9, "dampening": 0.1}
    look = {**plain, "momentum": 0.8, "nesterov": True}
    rms = {"alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False}
    full = {"alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "centered": True}
    return [
        case("plain", "sgd", (4, 3), sgd(), options=plain),
        case("momentum, dampening, decay", "sgd", (4, 3), sgd(momentum=0.9, dampening=0.1), 0.1, options=heavy),
        case("nesterov", "sgd", (4, 3), sgd(momentum=0.8, nesterov=True), options=look),
        case("plain", "adagrad", (4, 3), adagrad(), options={"lrDecay": 0, "eps": 1e-10}),
        case("decaying", "adagrad", (4, 3), adagrad(lr_decay=0.1, eps=1e-3), 0.1, options={"lrDecay": 0.1, "eps": 1e-3}),
        case("plain", "rmsprop", (4, 3), rmsprop(), options=rms),
        case("centred with momentum", "rmsprop", (4, 3), rmsprop(alpha=0.9, eps=1e-6, momentum=0.5, centered=True), 0.1, options=full),
        case("matrix", "adafactor", (5, 4), adafactor),
        case("matrix with decay", "adafactor", (3, 7), adafactor, 0.1),
        case("vector", "adafactor", (9,), adafactor, 0.1),
    ]


def bitsandbytes_cases():
    from bitsandbytes.optim import AdamW, Lion

    adam = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
    lion = {"beta1": 0.9, "beta2": 0.99}
    return [
        case("32 bits", "lion", (4, 3), lambda p, wd: Lion([p], lr=1, betas=(0.9, 0.99), weight_decay=wd), 0.1, options=lion),
        case("32 bits", "adamw", (4, 3), lambda p, wd: AdamW([p], lr=1, betas=(0.9, 0.99), weight_decay=wd), 0.1, options=adam),
    ]


def signed_svd(a, full_matrices=False, plain=torch.linalg.svd):
    """The largest entry of a left vector is positive; moments that outlive a projection depend on the sign."""
    u, s, vh = plain(a, full_matrices=full_matrices)
    sign = torch.sign(u.gather(0, u.abs().argmax(0, keepdim=True)))[0]
    return u * sign, s, vh * sign[:, None]


torch.linalg.svd = signed_svd
ADAM = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-6}
BETAS = (0.9, 0.99)


def adam_mini_cases():
    from adam_mini import Adam_mini

    def mini(name):
        return lambda p, wd: Adam_mini(
            [(name, p)], lr=1, betas=BETAS, eps=1e-6, weight_decay=wd, dim=8, n_heads=4, n_kv_heads=2, verbose=False
        )

    def one(name, rule, shape, blocks):
        return case(name, rule, shape, mini(name), 0.1, options={**ADAM, "blocks": blocks})

    return [
        one("layers.0.self_attn.q_proj.weight", "adam_mini", (8, 8), 4),
        one("layers.0.self_attn.k_proj.weight", "adam_mini", (4, 8), 2),
        one("layers.0.self_attn.v_proj.weight", "adam_mini", (4, 8), 4),
        one("layers.0.mlp.down_proj.weight", "adam_mini", (8, 3), 8),
        one("embed_tokens.weight", "adam_mini", (5, 4), 5),
        case("norm.weight", "adam_mini", (6,), mini("norm.weight"), options={**ADAM, "blocks": 1}),
        case("layers.0.self_attn.q_proj.bias", "adamw", (6,), mini("q_proj.bias"), options=ADAM),
    ]


class Muon(torch.optim.Optimizer):
    """The update of LLaMA-Factory's third_party/muon for matrices, with the iteration in `dtype` (there: bf16)."""

    def __init__(self, params, dtype, weight_decay):
        super().__init__(params, {"lr": 1, "weight_decay": weight_decay})
        self.dtype = dtype

    def adamw(self, p, group):
        """What it does to other parameters."""
        state = self.state[p]
        step = state["step"] = state.get("step", 0) + 1
        m = state.setdefault("m", torch.zeros_like(p)).lerp_(p.grad, 1 - BETAS[0])
        v = state.setdefault("v", torch.zeros_like(p)).lerp_(p.grad.square(), 1 - BETAS[1])
        scale = (1 - BETAS[0] ** step) / (1 - BETAS[1] ** step) ** 0.5
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(m / (1e-6 + v.sqrt()), alpha=-group["lr"] / scale)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim < 2:
                    self.adamw(p, group)
                    continue
                buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                buffer.mul_(0.95).add_(p.grad)
                x = p.grad.add(buffer, alpha=0.95).to(self.dtype)
                tall = x.size(0) > x.size(1)
                x = x.T if tall else x
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x.T if tall else x
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x.to(p.dtype), alpha=-group["lr"] * 0.2 * math.sqrt(max(p.shape)))


def muon_cases():
    def muon(dtype):
        return lambda p, wd: Muon([p], dtype, wd)

    # Five iterations with a slope of 3.4 at zero make a rounding up to 3.4**5 = 480 times as large.
    single = {"tolerance": 1e-4}
    half = {"tolerance": 0.05}
    return [
        case("wide", "muon", (4, 7), muon(torch.float32), 0.1, options=single),
        case("tall", "muon", (7, 4), muon(torch.float32), options=single),
        case("square", "muon", (5, 5), muon(torch.float32), options=single),
        case("beside Muon", "classic_adamw", (6,), muon(None), 0.1, options={**ADAM, "decay": "before"}),
        case("in bf16, as the reference iterates", "muon", (6, 9), muon(torch.bfloat16), 0.1, options=half),
    ]


def galore_cases():
    from galore_torch import GaLoreAdamW

    def one(side, shape, rank, weight_decay=0.0):
        # Projected on both sides, a fresh gradient is diagonal but for roundings, which a small epsilon makes large.
        eps, scale = (0.1, 8.0) if side == "full" else (1e-6, 2.0)

        low = {"rank": rank, "update_proj_gap": 5, "scale": scale, "proj_type": side}

        def make(p, wd):
            group = {"params": [p], "weight_decay": wd, **low}
            return GaLoreAdamW([group], lr=1, betas=BETAS, eps=eps, no_deprecation_warning=True)

        options = {**ADAM, "eps": eps, "rank": rank, "interval": 5, "scale": scale, "side": side}
        return case(f"{side} {shape} rank {rank}", "galore", shape, make, weight_decay, options=options)

    def classic(p, wd):
        return GaLoreAdamW([p], lr=1, betas=BETAS, eps=1e-6, weight_decay=wd, no_deprecation_warning=True)

    return [
        *[one(side, shape, 2, 0.1) for side in ("std", "reverse_std", "left", "right", "full") for shape in ((6, 4), (4, 6))],
        one("std", (5, 5), 3),
        one("std", (3, 6), 16),
        case("beside GaLore", "classic_adamw", (6,), classic, 0.1, options={**ADAM, "decay": "after"}),
    ]


def apollo_cases():
    from apollo_torch import APOLLOAdamW
    from apollo_torch.random_projector import GradientProjector

    def fed(self, weights, rank, type, seed):
        """Values that the test can make too, in place of torch's generator."""
        self.refreshes = getattr(self, "refreshes", -1) + 1
        size = weights.shape[0 if type == "left" else 1]
        values = draw(1000 + self.refreshes, rank * size).reshape(rank, size) / math.sqrt(rank)
        return values.T if type == "left" else values

    GradientProjector.get_orthogonal_matrix = fed

    def one(shape, projection="random", scaling="channel", side="std", front=False, weight_decay=0.0):
        group = {
            "rank": 2,
            "proj": projection,
            "proj_type": side,
            "update_proj_gap": 5,
            "scale": 32.0,
            "scale_type": scaling,
        }

        def make(p, wd):
            return APOLLOAdamW([{"params": [p], "weight_decay": wd, **group}], lr=1, betas=BETAS, eps=1e-6, scale_front=front)

        options = {
            **ADAM,
            "rank": 2,
            "interval": 5,
            "scale": 32.0,
            "side": side,
            "scaling": scaling,
            "scaleFront": front,
            "projection": projection,
        }
        return case(f"{projection} {scaling} {side} {shape} front {front}", "apollo", shape, make, weight_decay, options=options)

    return [
        one((6, 4)),
        one((4, 6), weight_decay=0.1),
        one((6, 4), scaling="tensor"),
        one((6, 4), scaling="tensor", side="left"),
        one((4, 6), front=True),
        one((6, 4), projection="svd"),
        one((4, 6), projection="svd", scaling="tensor", weight_decay=0.1),
    ]


def badam_case(name, mode, start_block):
    """Embedding, three layers of two matrices each, a head; blocks of layers are trained in turn."""
    import badam

    shapes = {"embed_tokens.weight": (3, 2)}
    for i in range(3):
        shapes[f"model.layers.{i}.q_proj.weight"] = (2, 3)
        shapes[f"model.layers.{i}.o_proj.weight"] = (3, 2)
    shapes["lm_head.weight"] = (3, 2)
    named = [(n, torch.nn.Parameter(start_of(1 + i, s))) for i, (n, s) in enumerate(shapes.items())]
    base = torch.optim.AdamW([p for _, p in named], lr=1, betas=BETAS, eps=1e-6, weight_decay=0.1, foreach=False)
    optimizer = badam.BlockOptimizer(
        base, named, switch_block_every=4, start_block=start_block, switch_mode=mode, verbose=0
    )
    kept = {}
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr_of(step)
        for i, (_, p) in enumerate(named):
            p.grad = grad_of(1 + i, step, p.shape) if p.requires_grad else None
        optimizer.step()
        if step in KEPT:
            kept[step] = [f32(p) for _, p in named]
    return {
        "name": name,
        "interval": 4,
        "mode": mode,
        "start": start_block,
        "options": ADAM,
        "weight_decay": 0.1,
        "shapes": [list(s) for s in shapes.values()],
        "blocks": [None, 0, 0, 1, 1, 2, 2, None],
        "kept": kept,
    }


fixture = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "cases": [
        *simple_cases(),
        *bitsandbytes_cases(),
        *adam_mini_cases(),
        *muon_cases(),
        *galore_cases(),
        *apollo_cases(),
    ],
    "badam": [badam_case("ascending", "ascending", None), badam_case("descending from 1", "descending", 1)],
}
path = pathlib.Path(__file__).with_name("optimizers.json")
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
print(path.stat().st_size, "bytes")
