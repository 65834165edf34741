"""Writes optimizers.json: parameters after several steps of the optimisers that the reference implementations compute.

    venv/bin/pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 galore-torch==1.0 apollo-torch==1.0.3 \
        adam-mini==1.1.1 badam==1.4 && venv/bin/python optimizers.py

Start values and gradients come from a linear congruential generator that the test has too, so only results are stored.
"""

import json
import math
import pathlib
import re
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


def case(name, rule, shape, make, weight_decay=0.0, seed=1, options=None, watch=None):
    """`make(parameter, weight_decay)` gives an optimiser; `watch(optimizer, parameter, step)` what else to store."""
    parameter = torch.nn.Parameter(start_of(seed, shape))
    optimizer = make(parameter, weight_decay)
    kept, watched = {}, {}
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr_of(step)
        parameter.grad = grad_of(seed, step, shape)
        optimizer.step()
        if step in KEPT:
            kept[step] = f32(parameter)
        if watch:
            watched.update(watch(optimizer, parameter, step))
    return {
        "name": name,
        "rule": rule,
        "options": options or {},
        "shape": list(shape),
        "seed": seed,
        "weight_decay": weight_decay,
        "kept": kept,
        **({"watched": watched} if watched else {}),
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
    from bitsandbytes.optim import AdamW, AdamW8bit, Lion

    def eight_bit_state(optimizer, parameter, step):
        state = optimizer.state[parameter]
        return {
            "codes1": state["state1"].flatten()[:512].tolist(),
            "codes2": state["state2"].flatten()[:512].tolist(),
            "absmax1": f32(state["absmax1"]),
            "absmax2": f32(state["absmax2"]),
        }

    adam = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
    lion = {"beta1": 0.9, "beta2": 0.99}
    return [
        case("32 bits", "lion", (4, 3), lambda p, wd: Lion([p], lr=1, betas=(0.9, 0.99), weight_decay=wd), 0.1, options=lion),
        case("32 bits", "adamw", (4, 3), lambda p, wd: AdamW([p], lr=1, betas=(0.9, 0.99), weight_decay=wd), 0.1, options=adam),
    ]


fixture = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "cases": [*simple_cases(), *bitsandbytes_cases()],
}
path = pathlib.Path(__file__).with_name("optimizers.json")
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
print(path.stat().st_size, "bytes")
