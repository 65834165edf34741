# In: a JSON Lines file and a number of rows. Out: one JSON line: seconds of the usual Python pipeline over these rows:
# ftfy on both texts, white space, exact duplicates by hash, near duplicates by datasketch's MinHash and LSH (128 functions).
import hashlib
import json
import re
import sys
import time

import ftfy
from datasketch import MinHash, MinHashLSH

path, limit, threshold = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
HAN = re.compile(r"[\u3400-\u9fff]")
UNIT = re.compile(r"[\u3400-\u9fff]|\w+")


def shingles(text):
    units = UNIT.findall(text.lower())
    sizes = (2, 3) if len(HAN.findall(text)) * 2 > len(units) else (1, 2)
    return {" ".join(units[i : i + n]) for n in sizes for i in range(len(units) - n + 1)} or {text}


start, cpu_start = time.perf_counter(), time.process_time()
seen, kept, dropped = set(), 0, 0
lsh = MinHashLSH(threshold=threshold, num_perm=128)
with open(path, encoding="utf-8") as rows:
    for number, line in enumerate(rows, 1):
        if number > limit:
            number = limit
            break
        row = json.loads(line)
        prompt = re.sub(r"\s+", " ", ftfy.fix_text(row["instruction"])).strip()
        answer = re.sub(r"\s+", " ", ftfy.fix_text(row["output"])).strip()
        if not prompt or not answer:
            dropped += 1
            continue
        key = hashlib.md5(f"{prompt.lower()}\0{answer.lower()}".encode()).digest()
        if key in seen:
            dropped += 1
            continue
        seen.add(key)
        sketch = MinHash(num_perm=128)
        sketch.update_batch([s.encode() for s in shingles(f"{prompt} {answer}")])
        if lsh.query(sketch):
            dropped += 1
            continue
        lsh.insert(number, sketch)
        kept += 1
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
print(json.dumps({"rows": number, "kept": kept, "dropped": dropped, "seconds": seconds, "cpu_seconds": cpu}))
