"""The rival of the training benchmark: LoRA steps by transformers + peft on the CPU in float32.

In: a Hugging Face model folder, a JSON file of micro batches: [[{"input_ids": [...], "labels": [...]}, ...], ...].
Out: JSON lines on stdout. Rows are padded on the right to the longest of their micro batch and up to a multiple of 8,
as LLaMA-Factory's collator does. It makes no data, picks no lengths and compares nothing: the driver does.

  --steps N   warm up, run N steps (step i takes micro batch i modulo their number), print one summary line.
  --serve     print a line {"event": "ready"}; then for each line "step i" on stdin run micro batch i as one whole step
              and print one line {"event": "step"}; on "quit" or end of input print {"event": "end"}.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time

STARTED = time.perf_counter()
PAD_MULTIPLE, IGNORE = 8, -100
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="Hugging Face folder with config.json and safetensors")
    parser.add_argument("batches", help="JSON file with the micro batches")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1, help="steps on the first micro batches that are not counted")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--gc", action="store_true", help="gradient checkpointing, LLaMA-Factory's default")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    return parser.parse_args()


def peak_rss_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_rss():
    """Linux can forget the peak of loading, which holds the checkpoint's pages too; false where it cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def collate(rows):
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    width = -(-longest // PAD_MULTIPLE) * PAD_MULTIPLE
    fill = lambda values, pad: values + [pad] * (width - len(values))  # noqa: E731
    return dict(
        input_ids=torch.tensor([fill(row["input_ids"], 0) for row in rows]),
        attention_mask=torch.tensor([fill([1] * len(row["input_ids"]), 0) for row in rows]),
        labels=torch.tensor([fill(row["labels"], IGNORE) for row in rows]),
    )


class Trainer:
    def __init__(self, args):
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        logging.disable_progress_bar()
        self.import_seconds = time.perf_counter() - STARTED
        begun = time.perf_counter()
        model = AutoModelForCausalLM.from_pretrained(
            args.model, dtype=torch.float32, attn_implementation=args.attention, local_files_only=True
        )
        model.config.use_cache = False
        if args.gc:
            model.gradient_checkpointing_enable({"use_reentrant": True})
            model.enable_input_require_grads()
        lora = LoraConfig(
            r=args.rank, lora_alpha=args.alpha, lora_dropout=0.0, target_modules=LINEARS, task_type="CAUSAL_LM"
        )
        self.model = get_peft_model(model, lora).train()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=args.learning_rate, weight_decay=0.0)
        self.batches = json.load(open(args.batches))
        self.load_seconds = time.perf_counter() - begun
        self.load_peak_rss_bytes = peak_rss_bytes()
        self.peak_was_reset = reset_peak_rss()
        self.clip = torch.nn.utils.clip_grad_norm_

    def step(self, index):
        """One optimiser step on one micro batch; its figures. Collating counts, as it does in a training run."""
        rows = self.batches[index % len(self.batches)]
        begun = time.perf_counter()
        batch = collate(rows)
        label_tokens = batch["labels"][:, 1:].ne(IGNORE).sum()
        loss = self.model(**batch, num_items_in_batch=label_tokens).loss
        forward_done = time.perf_counter()
        loss.backward()
        norm = self.clip(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        ended = time.perf_counter()
        return {
            "batch": index % len(self.batches),
            "seconds": ended - begun,
            "forward_seconds": forward_done - begun,
            "rows": len(rows),
            "padded_tokens": batch["input_ids"].numel(),
            "useful_tokens": sum(len(row["input_ids"]) for row in rows),
            "label_tokens": int(label_tokens),
            "loss": loss.item(),
            "grad_norm": norm.item(),
        }

    def about(self, args):
        import torch
        from importlib.metadata import version

        return {
            "rival": "transformers+peft",
            "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "attention": args.attention,
            "gradient_checkpointing": args.gc,
            "trainable_parameters": sum(p.numel() for p in self.parameters),
            "import_seconds": self.import_seconds,
            "load_seconds": self.load_seconds,
            "load_peak_rss_bytes": self.load_peak_rss_bytes,
        }

    def memory(self):
        """peak_rss_bytes is of the steps alone where the peak of loading could be forgotten, else of everything."""
        return {"peak_rss_bytes": peak_rss_bytes(), "peak_rss_of": "steps" if self.peak_was_reset else "process"}


def emit(record):
    print(json.dumps(record), flush=True)


def serve(trainer, args):
    emit({"event": "ready", "batches": len(trainer.batches), **trainer.about(args)})
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            break
        if len(words) == 2 and words[0] == "step" and words[1].isdigit():
            emit({"event": "step", **trainer.step(int(words[1])), **trainer.memory()})
        elif words:
            emit({"event": "error", "message": f'expected "step <number>" or "quit", found {line.strip()!r}'})
    emit({"event": "end", **trainer.memory()})


def run(trainer, args):
    for index in range(args.warmup):
        trainer.step(index)
    steps = [trainer.step(index) for index in range(args.steps)]
    columns = {key: [step[key] for step in steps] for key in steps[0]}
    useful, padded, seconds = (sum(columns[k]) for k in ("useful_tokens", "padded_tokens", "seconds"))
    emit(
        {
            "event": "summary",
            **trainer.about(args),
            **columns,
            "useful_tokens_per_second": useful / seconds,
            "padded_tokens_per_second": padded / seconds,
            **trainer.memory(),
        }
    )


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    parsed = arguments()
    (serve if parsed.serve else run)(Trainer(parsed), parsed)
