"""Proves by hand that PEFT loads an adapter folder and shows what it computes with it.

In: a base folder, an adapter folder (or "none"), a JSON file (or - for stdin) with token ids: one list, or a list of
rows. Out: one JSON object on stdout with the logits of every row in float32. Extra or missing adapter tensors are an
error here, where PEFT itself would only warn.
"""

import argparse
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForCausalLM
from transformers.utils import logging as hf_logging


def check_tensors(model, adapter):
    """The file holds exactly the tensors that the model has, with the same shapes and values."""
    wanted = get_peft_model_state_dict(model)
    with safe_open(Path(adapter) / "adapter_model.safetensors", framework="pt") as file:
        found = {key: file.get_tensor(key) for key in file.keys()}
    if wanted.keys() != found.keys():
        missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        sys.exit(f"{adapter}: missing tensors {missing}, unexpected tensors {extra}")
    wrong = [k for k, v in found.items() if not torch.equal(v.float(), wanted[k].float())]
    if wrong:
        sys.exit(f"{adapter}: not loaded as stored: {wrong}")
    return len(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="Hugging Face model folder")
    parser.add_argument("adapter", help="PEFT adapter folder, or none")
    parser.add_argument("ids", help="JSON file with token ids, or - for stdin")
    parser.add_argument("--last", action="store_true", help="print only each row's last position")
    args = parser.parse_args()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    warnings.simplefilter("ignore")

    rows = json.load(sys.stdin if args.ids == "-" else open(args.ids))
    rows = rows if isinstance(rows[0], list) else [rows]
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32, attn_implementation="eager")
    tensors = 0
    if args.adapter != "none":
        model = PeftModel.from_pretrained(model, args.adapter).float()
        tensors = check_tensors(model, args.adapter)
    model.eval()
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([row])).logits[0] for row in rows]
    answer = [(row[-1:] if args.last else row).tolist() for row in logits]
    libraries = {name: version(name) for name in ("torch", "transformers", "peft")}
    print(json.dumps({"libraries": libraries, "adapter_tensors": tensors, "logits": answer}))


if __name__ == "__main__":
    main()
