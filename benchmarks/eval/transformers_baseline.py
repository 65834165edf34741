"""The rival of the evaluation benchmark: log-probabilities of continuations by transformers on the CPU in float32.

In: a model folder, and a JSON file of turns: [[{"prompt": [ids], "continuations": [[ids], ...]}, ...], ...].
Out: JSON lines: {"event": "ready"}; for each line "score i" on stdin the sums of log-probabilities of turn i and the seconds.

It does what lm-evaluation-harness does, and spares what can be spared without sharing beginnings: rows sorted by length,
padded on the right, a question whose continuations are single tokens is run once, and the output matrix is applied to the
positions of the continuations only (lm-evaluation-harness applies it to all).
"""

import argparse
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM


def rows_of(questions):
    """(question, continuation or None, ids, first scored position, targets)"""
    rows = []
    for q, question in enumerate(questions):
        prompt, continuations = question["prompt"], question["continuations"]
        if all(len(c) == 1 for c in continuations):
            rows.append((q, None, prompt, len(prompt) - 1, [c[0] for c in continuations]))
        else:
            for c, tokens in enumerate(continuations):
                rows.append((q, c, (prompt + tokens)[:-1], len(prompt) - 1, tokens))
    return sorted(rows, key=lambda row: -len(row[2]))


@torch.inference_mode()
def score(model, questions, batch):
    scores = [[0.0] * len(question["continuations"]) for question in questions]
    rows = rows_of(questions)
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        width = max(len(row[2]) for row in part)
        ids = torch.zeros((len(part), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(part):
            ids[i, : len(row[2])] = torch.tensor(row[2])
            mask[i, : len(row[2])] = 1
        hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        for i, (q, c, row, first, targets) in enumerate(part):
            logits = model.lm_head(hidden[i, first : len(row)]).log_softmax(-1)
            if c is None:
                for k, target in enumerate(targets):
                    scores[q][k] = logits[0, target].item()
            else:
                scores[q][c] = logits.gather(1, torch.tensor(targets)[:, None]).sum().item()
    return scores


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("turns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    with open(args.turns) as file:
        turns = json.load(file)
    print(json.dumps({"event": "ready"}), flush=True)
    for line in sys.stdin:
        begun, cpu = time.perf_counter(), time.process_time()
        scores = score(model, turns[int(line.split()[1])], args.batch)
        took = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps({"event": "scored", "scores": scores, **took}), flush=True)


main()
