#!/usr/bin/env python3
"""Writes leaked.bin from the passwords of @zxcvbn-ts/language-common (npm, MIT): sorted prefixes of SHA-256, 5 octets each.

    npm pack @zxcvbn-ts/language-common && tar xzf zxcvbn-ts-language-common-*.tgz
    python3 leaked.py package/src/passwords.json leaked.bin
"""
import hashlib
import json
import sys

MIN_LETTERS = 5

with open(sys.argv[1], encoding="utf-8") as file:
    words = {word.lower() for word in json.load(file)}
kept = {hashlib.sha256(word.encode()).digest()[:5] for word in words if len(word) >= MIN_LETTERS}
with open(sys.argv[2], "wb") as file:
    file.write(b"".join(sorted(kept)))
print(len(kept))
