#!/usr/bin/python3
"""Finds cycles among the modules of a crate, by the paths that its files use.

    module_cycles.py CRATE...    CRATE: a folder with src/; exit status 1 and the files of each cycle if there is one

A module uses another one if a path in its file (in a `use` or in the code) leads there: `crate::`, `super::`, `self::`, or the
name of a child. Two relations are no dependency: a module declares its children and may use them, and a child may use
what its parents define or re-export, as long as the parent is not reached through a sibling. So a file and its own
children count as one where they use each other, and cycles are looked for among siblings, at each level of the tree.
Test modules (`tests.rs`, `tests/`, `#[cfg(test)] mod tests`) are left out.
"""

import re
import sys
from pathlib import Path

USE = re.compile(r"\b(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.S)
PATH = re.compile(r"\b((?:crate|super|self)(?:::[A-Za-z_][A-Za-z0-9_]*)+)")
DECLARED = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+([a-z_0-9]+)\s*;", re.M)


def strip(text):
    """The code without comments, strings and test modules."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'r(#+)".*?"\1|"(?:[^"\\]|\\.)*"', '""', text, flags=re.S)
    found = re.search(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod\s+\w+\s*\{", text)
    while found:
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[end:]
        found = re.search(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod\s+\w+\s*\{", text)
    return text


def expand(tree):
    """The paths of a use tree: `a::{b, c::d}` gives `a::b` and `a::c::d`."""
    tree = re.sub(r"\s+as\s+\w+", "", tree.strip())
    brace = tree.find("{")
    if brace < 0:
        return [tree.replace(" ", "").replace("\n", "")]
    head, depth, part, parts = tree[:brace].strip(), 0, "", []
    for char in tree[brace + 1 : tree.rindex("}")]:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    parts.append(part)
    return [head + path for part in parts if part.strip() for path in expand(part)]


def modules(src):
    """Module (a tuple of names) to file, of all that is reached from lib.rs or main.rs by `mod` declarations."""
    found = {}

    def visit(module, file, folder):
        found[module] = file
        for name in DECLARED.findall(strip(file.read_text())):
            if name == "tests":
                continue
            for child in (folder / f"{name}.rs", folder / name / "mod.rs"):
                if child.exists():
                    visit((*module, name), child, folder / name)

    root = src / "lib.rs"
    visit((), root if root.exists() else src / "main.rs", src)
    return found


def uses(module, text, known):
    """The modules that the code of a module leads to."""
    paths = [path for tree in USE.findall(text) for path in expand(tree)]
    paths += PATH.findall(USE.sub("", text))
    children = {other[-1] for other in known if other[:-1] == module and other}
    targets = set()
    for path in paths:
        names = path.split("::")
        if names[0] == "crate":
            at, names = (), names[1:]
        elif names[0] in ("super", "self"):
            at = module
            while names and names[0] in ("super", "self"):
                at = at[:-1] if names[0] == "super" else at
                names = names[1:]
        elif names[0] in children:
            at = module
        else:
            continue
        while names and (*at, names[0]) in known:
            at, names = (*at, names[0]), names[1:]
        targets.add(at)
    return targets


def siblings(known):
    """Edges among siblings at each level: parent to {name: {names it uses}}, with a witness for each edge."""
    levels, witness = {}, {}
    for module, file in known.items():
        for target in uses(module, strip(file.read_text()), known):
            common = 0
            while common < min(len(module), len(target)) and module[common] == target[common]:
                common += 1
            if common == len(module) or common == len(target):
                # One is the other's ancestor, or both are the same.
                continue
            parent, one, other = module[:common], module[common], target[common]
            levels.setdefault(parent, {}).setdefault(one, set()).add(other)
            witness.setdefault((parent, one, other), file)
    return levels, witness


def components(graph):
    """Strongly connected components with more than one member (Tarjan)."""
    index, low, stack, found, count = {}, {}, [], [], [0]

    def visit(node):
        index[node] = low[node] = count[0]
        count[0] += 1
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = []
            while not members or members[-1] != node:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def cycles(crate):
    """Descriptions of the cycles of a crate."""
    levels, witness = siblings(modules(Path(crate) / "src"))
    found = []
    for parent in sorted(levels):
        for members in components(levels[parent]):
            name = "::".join(("crate", *parent))
            lines = [f"{crate}: {name}: cycle among {', '.join(members)}"]
            for one in members:
                for other in sorted(levels[parent].get(one, set()) & set(members)):
                    lines.append(f"    {one} uses {other}: {witness[(parent, one, other)]}")
            found.append("\n".join(lines))
    return found


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("module_cycles.py: expected at least one crate")
    sys.setrecursionlimit(10_000)
    found = [cycle for crate in sys.argv[1:] for cycle in cycles(crate)]
    print("\n".join(found) if found else f"no module cycle in {' '.join(sys.argv[1:])}")
    sys.exit(1 if found else 0)
