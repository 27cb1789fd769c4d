"""Scenarios: targets and delegations."""

from hashlib import sha256

from registry import said, scenario
from repository import PAST, signer


@scenario()
def targets_change(t):
    for round in range(4):
        t.repository.add_target("targets", "folder/image 1.bin", b"content %d" % round)
        t.repository.everything()
        assert any(kind == "targets" for kind, _ in t.download("folder/image 1.bin"))
        assert not any(kind == "targets" for kind, _ in t.download("folder/image 1.bin"))


@scenario(cases=[b"other co", b"more than the content", b"", b"short"])
def a_target_has_other_content(t, other):
    t.repository.add_target("targets", "image", b"content!")
    t.repository.everything()
    for path in t.repository.wanted:
        t.repository.wanted[path] = other
    t.download("image", False, same_requests=False)
    said(t, "hash" if len(other) == 8 else "bytes")


@scenario(cases=[("sha256",), ("sha512",), ("sha384",), ("sha256", "sha512")])
def algorithms_of_hashes(t, *algorithms):
    t.repository.add_target("targets", "folder/image", b"content", list(algorithms))
    t.repository.everything()
    t.download("folder/image", same_requests=len(algorithms) == 1)


@scenario()
def a_target_with_an_unknown_hash_alone(t):
    t.repository.add_target("targets", "image", b"content")
    hashes = t.repository.targets.targets["image"].hashes
    hashes["unknown"] = hashes.pop("sha256")
    t.repository.everything()
    # Ours doesn't request what it can't verify.
    requests = t.download("image", False, same_requests=False)
    assert not any(kind == "targets" for kind, _ in requests)
    said(t, "no hash by a known algorithm")


ANY = ["*"]
GRAPHS = [
    # (delegator, role, paths, terminating), and the roles that a search loads
    ([("targets", "A", ANY, False)], ["A"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False)], ["A", "B"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("B", "C", ANY, False)], ["A", "B", "C"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("A", "C", ANY, False), ("A", "D", ANY, False)],
     ["A", "C", "D", "B"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("A", "C", ANY, True), ("A", "D", ANY, False)],
     ["A", "C"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("A", "C", ANY, True), ("C", "D", ANY, False)],
     ["A", "C", "D"]),
    ([("targets", "A", ["*.py"], False), ("targets", "B", ANY, False), ("A", "C", ANY, False)], ["B"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("A", "C", ["*.py"], False), ("C", "D", ANY, False)],
     ["A", "B"]),
    ([("targets", "A", ANY, False), ("targets", "B", ANY, False), ("B", "C", ANY, False), ("C", "D", ANY, False),
      ("D", "B", ANY, False)], ["A", "B", "C", "D"]),
    ([("targets", "A", ["missing", "x/*"], False), ("targets", "B", ["*/*", "m?ssing"], False),
      ("targets", "C", ["[!m]*"], False), ("targets", "D", ["[a-m]issin[g]"], False)], ["A", "B", "D"]),
]


@scenario(cases=GRAPHS)
def order_of_delegations(t, delegations, loaded):
    keys = {}
    for delegator, name, paths, terminating in delegations:
        keys[name] = t.repository.delegate(delegator, name, paths, terminating, key=keys.get(name))
        t.repository.signers[name] = [keys[name]]
    t.repository.everything()
    requests = t.download("missing", False)
    assert [path.split(".")[1] for _, path in requests[4:]] == loaded, requests


@scenario()
def targets_in_delegated_roles(t):
    repository = t.repository
    repository.delegate("targets", "A", ["*.doc", "*.md"])
    repository.delegate("targets", "B", ["releases/*/*"])
    repository.delegate("B", "C", ["releases/x/*"])
    repository.delegate("B", "D", ["releases/y/*.zip"])
    for role, path in [("targets", "top"), ("A", "README.md"), ("C", "releases/x/x_v1"), ("D", "releases/y/y_v1.zip"),
                       ("D", "releases/z/z_v1.zip"), ("A", "releases/README.md")]:
        repository.add_target(role, path, path.encode())
    repository.everything()
    for path, found in [("top", True), ("README.md", True), ("releases/x/x_v1", True), ("releases/y/y_v1.zip", True),
                        ("releases/z/z_v1.zip", False), ("releases/README.md", False)]:
        t.download(path, found)


@scenario(cases=["expired", "missing", "unsigned", "unlisted", "version", "hash"])
def a_bad_delegated_role_fails_its_own_targets(t, problem):
    repository = t.repository
    repository.hashes = problem == "hash"
    for name in ("A", "B"):
        repository.delegate("targets", name, [f"{name}/*"])
        repository.add_target(name, f"{name}/file", name.encode())
    repository.delegate("targets", "C", ["*/*"])
    repository.add_target("C", "A/file", b"of C")
    if problem == "expired":
        repository.signed("A").expires = PAST
    if problem == "unsigned":
        repository.signers["A"] = [signer()]
    repository.publish("A", "B", "C")
    name = repository.current("A")
    if problem == "unlisted":
        del repository.snapshot.meta["A.json"]
    if problem == "version":
        repository.snapshot.meta["A.json"].version = 2
        repository.served["2.A.json"] = repository.served[name]
    repository.publish("targets", "snapshot", "timestamp")
    if problem == "missing":
        del repository.served[name]
    if problem == "hash":
        repository.served[name] = repository.served[name].replace(b'"version":1', b'"version":2')
    t.refresh()
    t.download("A/file", False)
    t.download("B/file")


@scenario()
def a_stored_role_is_verified_with_each_delegators_keys(t):
    """Two roles delegate to one of the same name, with other keys."""
    repository = t.repository
    shared = repository.delegate("targets", "A", ["A/*"])
    other = repository.delegate("targets", "B", ["B/*"])
    repository.delegate("A", "C", ["A/*"], key=shared)
    repository.signers["C"] = [shared]
    repository.delegate("B", "C", ["B/*"], key=other)
    repository.signers["C"] = [shared]
    repository.add_target("C", "A/x", b"A")
    repository.add_target("C", "B/x", b"B")
    repository.everything()
    t.download("A/x")
    t.download("B/x", False)
    said(t, "keys that B requires")


@scenario(cases=["?", "#", "/role", "../role", "a b", "%2F", "\u00e9", "1.root"])
def unusual_role_names(t, name):
    t.repository.delegate("targets", name, ANY)
    t.repository.everything()
    t.download("missing", False)
    assert len(list(t.ours.metadata.glob("*.json"))) == 5


@scenario(cases=[1, 4, 10])
def hash_bins(t, bits):
    t.repository.bins(bits, "bin")
    paths = [f"folder/{number}" for number in range(6)]
    for path in paths:
        role = t.repository.targets.delegations.succinct_roles.get_role_for_target(path)
        t.repository.add_target(role, path, path.encode())
    t.repository.everything()
    for path in paths:
        t.download(path)
    t.download("absent", False)


@scenario()
def hash_prefixes(t):
    paths = [f"folder/{number}" for number in range(6)]
    for digit in "0123456789abcdef":
        t.repository.delegate("targets", f"bin-{digit}", prefixes=[digit])
    for path in paths:
        t.repository.add_target(f"bin-{sha256(path.encode()).hexdigest()[0]}", path, path.encode())
    t.repository.everything()
    for path in paths:
        t.download(path)


@scenario(cases=[32, 33])
def chains_of_delegations(t, length):
    delegator = "targets"
    for number in range(length):
        t.repository.delegate(delegator, f"r{number}", ANY)
        delegator = f"r{number}"
    t.repository.add_target(delegator, "deep", b"content")
    t.repository.everything()
    t.download("deep", length <= 32)
