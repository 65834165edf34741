"""Makes lm_eval.json: prompts, continuations, log-likelihoods, acc and acc_norm of lm-evaluation-harness.

Usage: python test/parity/eval/generate.py   (needs torch, transformers, lm_eval; versions are in the file)

The rows are ours. Task configurations are lm-evaluation-harness's own, but for the data and, in gsm8k, for the
sampler of examples (the first ones instead of random ones). The model is ../models/llama with the tokenizer of one id
per character that test/train/tiny-world.ts gives it.
"""

import json
import os
import shutil
import sys
import tempfile

import lm_eval
import torch
import transformers
import yaml
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")

MMLU = [
    {"question": f" What is {a} + {b}? ", "subject": "abstract_algebra", "choices": [str(a + b + d) for d in (1, 0, 2, 3)], "answer": 1}
    for a, b in ((1, 2), (3, 4), (10, 5), (7, 8), (20, 2), (6, 6))
]
CEVAL = [
    {"question": f"{a} 加 {b} 等于多少？", "A": str(a + b), "B": str(a), "C": str(b), "D": "0", "answer": "ABCD"[i % 4]}
    for i, (a, b) in enumerate(((1, 2), (3, 4), (10, 5), (7, 8)))
]
CMMLU = [{"Question": row["question"], **{k: row[k] for k in "ABCD"}, "Answer": row["answer"]} for row in CEVAL]
GSM8K = [
    {"question": f"Tom has {a} apples and buys {b}. How many?", "answer": f"{a} + {b} = {a + b}\n#### {a + b}"}
    for a, b in ((1, 2), (3, 4), (10, 5), (7, 8))
]


def config_of(path, include=None):
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: None)
    config = {}
    for name in filter(None, (include, path)):
        with open(os.path.join(TASKS, name)) as file:
            config.update(yaml.load(file, Loader))
    for key in ("include", "tag", "task_alias", "dataset_name"):
        config.pop(key, None)
    return config


def make_task(name, config, rows, splits, shots, folder):
    path = os.path.join(folder, f"{name}.json")
    with open(path, "w") as file:
        json.dump(rows, file)
    config = {
        **config,
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {split: path for split in splits}},
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": shots,
    }
    return ConfigurableTask(config=config)


def tokenizer_json(size):
    special = ["<unk>", "<s>", "</s>"]
    printable = [chr(32 + i) for i in range(95)]
    characters = ["\n", *[c for c in printable if c not in "^~`"]][: size - 3]
    tokens = special + characters
    added = [
        {"id": i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for i, t in enumerate(special)
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [], "unk_token": "<unk>", "fuse_unk": False, "byte_fallback": False},
    }


def make_model(folder):
    source = os.path.join(HERE, "..", "models", "llama")
    os.makedirs(folder)
    for name in os.listdir(source):
        if name.startswith("model"):
            shutil.copy(os.path.join(source, name), folder)
    with open(os.path.join(source, "config.json")) as file:
        config = json.load(file)
    write = lambda name, value: json.dump(value, open(os.path.join(folder, name), "w"))
    write("config.json", {**config, "max_position_embeddings": 512})
    write("tokenizer.json", tokenizer_json(config["vocab_size"]))
    write("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"})


def main():
    folder = tempfile.mkdtemp()
    tasks = {
        "mmlu": (make_task("mmlu", config_of("mmlu/default/mmlu_abstract_algebra.yaml", "mmlu/default/_default_template_yaml"), MMLU, ("test", "dev"), 2, folder), MMLU),
        "ceval": (make_task("ceval", config_of("ceval/ceval-valid_accountant.yaml", "ceval/_default_ceval_yaml"), CEVAL, ("val", "dev"), 2, folder), CEVAL),
        "cmmlu": (make_task("cmmlu", config_of("cmmlu/cmmlu_agronomy.yaml", "cmmlu/_default_template_yaml"), CMMLU, ("test", "dev"), 2, folder), CMMLU),
        "gsm8k": (make_task("gsm8k", config_of("gsm8k/gsm8k.yaml"), GSM8K, ("train", "test"), 2, folder), GSM8K),
    }
    make_model(os.path.join(folder, "model"))
    model = HFLM(pretrained=os.path.join(folder, "model"), device="cpu", dtype="float32", batch_size=1, trust_remote_code=False)
    out = {"versions": {"lm_eval": "0.4.13", "torch": torch.__version__, "transformers": transformers.__version__}, "tasks": {}}
    for name, (task, rows) in tasks.items():
        docs = []
        requests = []
        for doc, row in zip(list(task.eval_docs), rows):
            context = task.fewshot_context(doc, 2)
            made = task.construct_requests(doc, context, metadata=(name, 0, 1))
            made = made if isinstance(made, list) else [made]
            docs.append({"row": row, "context": context, "continuations": [m.arguments[1] for m in made] if name != "gsm8k" else []})
            requests.append(made)
        if name == "mmlu":
            flat = [m for made in requests for m in made]
            answers = model.loglikelihood(flat)
            for i, (doc, made) in enumerate(zip(list(task.eval_docs), requests)):
                results = answers[4 * i : 4 * i + 4]
                scored = task.process_results(doc, results)
                docs[i]["loglikelihoods"] = [r[0] for r in results]
                docs[i]["acc"] = scored["acc"]
        out["tasks"][name] = docs
    with open(os.path.join(HERE, "lm_eval.json"), "w") as file:
        json.dump(out, file, ensure_ascii=False, indent=1)
        file.write("\n")


sys.exit(main())
