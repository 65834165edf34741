"""Writes emoji-names.json (of emoji 2.2.0) and unidecode-corrections.json (Unidecode 1.3.6 against npm unidecode 1.1.0).

Run with Python 3.11, emoji 2.2.0 and Unidecode 1.3.6, where `node` finds the npm package: python make_tables.py
emoji-names.json: [emoji, English name, other names...] without colons. Variants with skin tones whose name follows from
the one without, and sequences without some U+FE0F, follow by the rules in ../emoji-names.ts; this script checks them.
unidecode-corrections.json: for characters where the npm table, with its "[?]" read as nothing, says something else.
"""
import itertools
import json
import subprocess
import unicodedata
import warnings

from emoji import unicode_codes
from unidecode import unidecode

warnings.simplefilter("ignore")
TONES = {
    "\U0001f3fb": "light", "\U0001f3fc": "medium-light", "\U0001f3fd": "medium",
    "\U0001f3fe": "medium-dark", "\U0001f3ff": "dark",
}
DATA = unicode_codes.EMOJI_DATA


def names(entry):
    return [entry["en"][1:-1], *(alias[1:-1] for alias in entry.get("alias", []))]


def toned(emoji, name):
    """The five variants of one person: the tone stands after the first character, instead of its U+FE0F."""
    rest = emoji[1:].removeprefix("\ufe0f")
    for tone, word in TONES.items():
        yield emoji[0] + tone + rest, f"{name}_{word}_skin_tone"


def without_selectors(emoji):
    places = [i for i, c in enumerate(emoji) if c == "\ufe0f"]
    for count in range(1, len(places) + 1):
        for gone in itertools.combinations(places, count):
            yield "".join(c for i, c in enumerate(emoji) if i not in gone)


full = {emoji: names(entry) for emoji, entry in DATA.items() if entry["status"] <= 2}
rows, derived = [], {}
for emoji, entry in full.items():
    if any(tone in emoji for tone in TONES):
        continue
    rule = dict(toned(emoji, entry[0]))
    follows = all(full.get(variant) == [name] for variant, name in rule.items())
    rows.append([("+" if follows else "") + emoji, *entry])
    derived[emoji] = entry
    if follows:
        derived.update({variant: [name] for variant, name in rule.items()})
for emoji, entry in full.items():
    if emoji not in derived:
        rows.append([emoji, *entry])
        derived[emoji] = entry
assert derived == full
partial = {}
for emoji, entry in derived.items():
    for variant in without_selectors(emoji):
        partial[variant] = entry
rest = {emoji: names(entry) for emoji, entry in DATA.items() if entry["status"] > 2}
print("missing", {k for k in rest if partial.get(k) != rest[k]}, "extra", len([k for k in partial if k not in rest]))
assert partial == rest
with open("emoji-names.json", "w") as file:
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    file.write(f"[\n{lines}\n]\n")

script = "const u=require('unidecode');let o=[];for(let c=128;c<65536;c++)o.push(c>=0xd800&&c<=0xdfff?'':u(String.fromCharCode(c)));console.log(JSON.stringify(o))"
table = json.loads(subprocess.check_output(["node", "-e", script]))
corrections = {}
for code in range(0x80, 0x110000):
    if 0xD800 <= code <= 0xDFFF:
        continue
    char = chr(code)
    if code < 0x10000:
        guess = table[code - 0x80].replace("[?] ", "").replace("[?]", "")
    else:
        guess = unidecode(unicodedata.normalize("NFKC", char)) if 0x1D400 <= code <= 0x1D7FF else ""
    if guess != unidecode(char):
        corrections[char] = unidecode(char)
groups = {}
for char, text in corrections.items():
    groups.setdefault(text, []).append(char)
with open("unidecode-corrections.json", "w") as file:
    json.dump({text: "".join(chars) for text, chars in groups.items()}, file, ensure_ascii=True, separators=(",", ":"))
print(len(rows), len(corrections))
