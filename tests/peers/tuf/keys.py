"""Scenarios: keys, signatures and thresholds."""

import json

from registry import said, scenario
from repository import signer

ROTATIONS = [
    # (keys, threshold, signers) of each version of the root, and whether the last one is accepted
    ([([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])], True),
    ([([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4])], True),
    ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 2, 3, 4], 3, [0, 1, 3])], True),
    ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 1])], True),
    ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]),
      ([5, 6, 7, 8, 9], 3, [5, 6, 7])], True),
    ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])], True),
    ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2]), ([1, 2, 3], 1, [1])], True),
    ([([1], 1, [1]), ([2], 1, [2, 3, 4])], False),
    ([([1], 1, [1]), ([2], 1, [1, 3, 4])], False),
    ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4])], False),
    ([([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 5])], False),
    ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])], False),
    ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])], False),
]


@scenario(cases=ROTATIONS)
def root_keys_rotate(t, versions, accepted):
    keys = [signer() for _ in range(10)]
    repository = t.repository
    for number, (own, threshold, signers) in enumerate(versions, 1):
        for keyid in list(repository.root.roles["root"].keyids):
            repository.root.revoke_key(keyid, "root")
        for index in own:
            repository.root.add_key(keys[index].public_key, "root")
        repository.root.roles["root"].threshold = threshold
        repository.root.version = number
        repository.publish("root", bump=False, signers=[keys[index] for index in signers])
    t.start(repository.served["1.root.json"])
    t.refresh(accepted)
    assert t.stored("root") == len(versions) - (not accepted)


@scenario(cases=[(role, *case) for role in ("timestamp", "snapshot", "targets") for case in
                 [([2], 1, [2], True), ([1], 1, [3, 1, 4], True), ([2], 1, [1, 3], False),
                  ([0, 1, 3, 4, 5], 3, [0, 2, 4], False), ([0, 1, 2, 3, 4], 3, [1, 2, 3], True)]])
def keys_of_a_role_rotate(t, role, own, threshold, signers, accepted):
    t.refresh()
    keys = [signer() for _ in range(6)]
    repository = t.repository
    for keyid in list(repository.root.roles[role].keyids):
        repository.root.revoke_key(keyid, role)
    for index in own:
        repository.root.add_key(keys[index].public_key, role)
    repository.root.roles[role].threshold = threshold
    repository.signers[role] = [keys[index] for index in signers]
    repository.publish("root")
    repository.everything()
    t.refresh(accepted, same_files=accepted)


@scenario(cases=["ed25519", "ecdsa", "rsa"])
def types_of_keys(t, kind):
    key = signer(kind)
    t.repository.add_key("root", key)
    t.repository.root.roles["root"].threshold = 2
    t.repository.publish("root")
    t.refresh()
    t.repository.publish("root")
    name = t.repository.current("root")
    envelope = json.loads(t.repository.served[name])
    for signature in envelope["signatures"]:
        if signature["keyid"] == key.public_key.keyid:
            middle = len(signature["sig"]) // 2
            digit = "0" if signature["sig"][middle] != "0" else "1"
            signature["sig"] = signature["sig"][:middle] + digit + signature["sig"][middle + 1:]
    t.repository.served[name] = json.dumps(envelope).encode()
    t.refresh(False)
    assert t.stored("root") == 2


@scenario(cases=["short", "\u00fcnusual \U0001f511", "../../key", "a" * 300])
def unusual_key_ids(t, keyid):
    key = signer()
    key.public_key.keyid = keyid
    t.repository.add_key("timestamp", key)
    t.repository.root.roles["timestamp"].threshold = 2
    t.repository.publish("root", "timestamp")
    t.refresh()


@scenario(cases=[{"keytype": "sphincs", "scheme": "sphincs", "keyval": {"public": "00"}},
                 {"keytype": "ed25519", "scheme": "ed25519ph", "keyval": {"public": "00"}},
                 {"keytype": "new", "scheme": "new", "keyval": {"identity": "a", "issuer": "b"}}])
def keys_of_unknown_types(t, key):
    """python-tuf refuses the whole root; to us, such a key can't sign, and the others can."""
    t.repository.publish("root")

    def change(signed):
        signed["keys"]["strange"] = key
        signed["roles"]["timestamp"]["keyids"].append("strange")

    t.repository.edit("root", change)
    t.refresh(False, ours=True, same_requests=False, same_files=False)


@scenario()
def one_key_under_two_ids_counts_once(t):
    """python-tuf counts the ids."""
    twin = t.repository.signers["timestamp"][0]
    key = type(twin)(twin._private_key, type(twin.public_key).from_dict("twin", twin.public_key.to_dict()))
    t.repository.add_key("timestamp", key)
    t.repository.root.roles["timestamp"].threshold = 2
    t.repository.publish("root", "timestamp")
    t.refresh(True, ours=False, same_requests=False, same_files=False)
    said(t, "1 of the 2 keys")


@scenario()
def a_key_id_that_occurs_twice_in_a_role(t):
    t.repository.publish("root")
    t.repository.edit("root", lambda signed: signed["roles"]["timestamp"]["keyids"].append(
        signed["roles"]["timestamp"]["keyids"][0]))
    t.refresh(False)


@scenario(cases=["root", "timestamp", "snapshot", "targets"])
def a_signature_that_occurs_twice(t, role):
    t.repository.publish("root")
    t.repository.everything()
    name = t.repository.current(role)
    envelope = json.loads(t.repository.served[name])
    envelope["signatures"] *= 2
    t.repository.served[name] = json.dumps(envelope).encode()
    t.refresh(False)
    said(t, "two signatures")


@scenario(cases=["", "00", "a" * 128])
def an_invalid_signature_beside_a_valid_one(t, sig):
    second = signer()
    t.repository.add_key("timestamp", second)
    t.repository.publish("root", "timestamp")
    envelope = json.loads(t.repository.served["timestamp.json"])
    for signature in envelope["signatures"]:
        if signature["keyid"] == second.public_key.keyid:
            signature["sig"] = sig
    t.repository.served["timestamp.json"] = json.dumps(envelope).encode()
    t.refresh()


@scenario()
def a_threshold_above_the_number_of_keys(t):
    t.repository.root.roles["snapshot"].threshold = 6
    for _ in range(4):
        t.repository.add_key("snapshot", signer())
    t.repository.publish("root")
    t.repository.everything()
    t.refresh(False)
    said(t, "5 of the 6 keys")
