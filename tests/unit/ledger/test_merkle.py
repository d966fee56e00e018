import json
from base64 import b64decode
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.ledger import merkle
from medspace.ledger.merkle import Frontier, Tree
from tests.examples import most
from tests.shared_data import DATA

PROBES = DATA / "merkle" / "testdata"

# The eight leaves of the Certificate Transparency reference tests, and the roots of their first n.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(count):
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


# -- an oracle: the definitions of RFC 9162, word for word, as recursion


def oracle_root(hashes):
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = power_below(len(hashes))
    return sha256(b"\x01" + oracle_root(hashes[:k]) + oracle_root(hashes[k:])).digest()


@cache
def power_below(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def oracle_path(m, hashes):
    if len(hashes) == 1:
        return []
    k = power_below(len(hashes))
    if m < k:
        return [*oracle_path(m, hashes[:k]), oracle_root(hashes[k:])]
    return [*oracle_path(m - k, hashes[k:]), oracle_root(hashes[:k])]


def oracle_subproof(m, hashes, *, whole):
    if m == len(hashes):
        return [] if whole else [oracle_root(hashes)]
    k = power_below(len(hashes))
    if m <= k:
        return [*oracle_subproof(m, hashes[:k], whole=whole), oracle_root(hashes[k:])]
    return [*oracle_subproof(m - k, hashes[k:], whole=False), oracle_root(hashes[:k])]


# -- roots


def test_the_roots_of_the_certificate_transparency_leaves():
    frontier = Frontier()
    roots = [frontier.root().hex()]
    for leaf in CT_LEAVES:
        frontier.append(merkle.leaf_hash(leaf))
        roots.append(frontier.root().hex())
    tree = Tree([merkle.leaf_hash(leaf) for leaf in CT_LEAVES])
    assert roots == CT_ROOTS == [tree.root(size).hex() for size in range(9)]


@pytest.mark.parametrize("size", range(70))
def test_frontier_and_tree_have_the_root_of_the_definition(size):
    hashes = leaves(size)
    frontier = Frontier()
    for leaf in hashes:
        frontier.append(leaf)
    assert frontier.root() == Tree(hashes).root(size) == oracle_root(hashes)


def test_append_names_the_leaf_and_each_subtree_it_completes():
    frontier = Frontier()
    names = [[node for node, _ in frontier.append(leaf)] for leaf in leaves(4)]
    assert names == [[(0, 0)], [(0, 1), (1, 0)], [(0, 2)], [(0, 3), (1, 1), (2, 0)]]


@given(st.integers(0, 80), st.integers(0, 40))
@settings(max_examples=most(60))
def test_a_restored_frontier_goes_on_as_the_one_it_was(size, more):
    hashes = leaves(size + more)
    stored, frontier = {}, Frontier()
    for leaf in hashes[:size]:
        stored.update(frontier.append(leaf))
    restored = Frontier.restore(size, [stored[node] for node in Frontier.nodes(size)])
    copied = frontier.copy()
    for leaf in hashes[size:]:
        assert restored.append(leaf) == copied.append(leaf)
    assert restored.root() == copied.root() == oracle_root(hashes)
    assert (frontier.size, restored.size) == (size, size + more)
    assert frontier.root() == oracle_root(hashes[:size])


def test_a_frontier_is_not_restored_from_the_wrong_number_of_hashes():
    with pytest.raises(ValueError, match="complete subtrees"):
        Frontier.restore(3, leaves(1))
    with pytest.raises(ValueError, match="complete subtrees"):
        Frontier.restore(-1, leaves(1))


def test_a_tree_has_no_root_for_a_size_it_never_had():
    with pytest.raises(ValueError, match="no root"):
        Tree(leaves(3)).root(4)


# -- proofs


@st.composite
def sizes_and_positions(draw):
    size = draw(st.integers(1, 70))
    return size, draw(st.integers(0, size - 1))


@given(sizes_and_positions())
@settings(max_examples=most(100))
def test_inclusion_proofs_are_those_of_the_definition_and_hold(case):
    size, index = case
    hashes = leaves(size)
    tree = Tree(hashes)
    proof = merkle.inclusion_proof(index, size, tree.hashes(merkle.inclusion_nodes(index, size)))
    assert list(proof) == oracle_path(index, hashes)
    assert merkle.verify_inclusion(index, size, hashes[index], proof, tree.root(size))


@given(sizes_and_positions(), st.data())
@settings(max_examples=most(100))
def test_an_inclusion_proof_holds_for_nothing_else(case, data):
    size, index = case
    hashes = leaves(size)
    tree = Tree(hashes)
    root = tree.root(size)
    proof = list(merkle.inclusion_proof(index, size, tree.hashes(merkle.inclusion_nodes(index, size))))
    other = data.draw(st.integers(0, size + 2).filter(lambda number: number != index))
    assert not merkle.verify_inclusion(other, size, hashes[index], proof, root)
    assert not merkle.verify_inclusion(index, size, merkle.leaf_hash(b"other"), proof, root)
    assert not merkle.verify_inclusion(index, size, hashes[index], [*proof, root], root)
    for place in range(len(proof)):
        assert not merkle.verify_inclusion(index, size, hashes[index], proof[:place] + proof[place + 1 :], root)
        broken = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert not merkle.verify_inclusion(index, size, hashes[index], broken, root)


@st.composite
def two_sizes(draw):
    size2 = draw(st.integers(1, 130))
    return draw(st.integers(1, size2)), size2


@given(two_sizes())
@settings(max_examples=most(100))
def test_consistency_proofs_are_those_of_the_definition_and_hold(case):
    size1, size2 = case
    hashes = leaves(size2)
    tree = Tree(hashes)
    proof = merkle.consistency_proof(size1, size2, tree.hashes(merkle.consistency_nodes(size1, size2)))
    assert list(proof) == oracle_subproof(size1, hashes, whole=True)
    root1, root2 = tree.root(size1), tree.root(size2)
    assert merkle.verify_consistency(size1, size2, proof, root1, root2)
    assert not merkle.verify_consistency(size1, size2, [*proof, bytes(32)], root1, root2)
    assert not merkle.verify_consistency(size1, size2, proof, bytes(32), root2)
    assert not merkle.verify_consistency(size1, size2, proof, root1, bytes(32))


@given(st.integers(1, 130), st.data())
@settings(max_examples=most(60))
def test_a_changed_history_is_not_consistent(size2, data):
    size1 = data.draw(st.integers(1, size2))
    changed = data.draw(st.integers(0, size1 - 1))
    hashes = leaves(size2)
    forged = [*hashes[:changed], merkle.leaf_hash(b"forged"), *hashes[changed + 1 :]]
    tree = Tree(forged)
    proof = merkle.consistency_proof(size1, size2, tree.hashes(merkle.consistency_nodes(size1, size2)))
    assert not merkle.verify_consistency(size1, size2, proof, oracle_root(hashes[:size1]), tree.root(size2))


def test_the_empty_tree_includes_nothing_and_proves_nothing():
    root = oracle_root(leaves(3))
    assert not merkle.verify_inclusion(0, 0, merkle.EMPTY_ROOT, [], merkle.EMPTY_ROOT)
    for size2, root2 in ((0, merkle.EMPTY_ROOT), (1, root), (3, root)):
        for root1 in (merkle.EMPTY_ROOT, root, b""):
            for proof in ([], [root], [b""]):
                assert not merkle.verify_consistency(0, size2, proof, root1, root2)


def test_nothing_empty_is_a_hash():
    # A verifier that computes no hash for the smallest trees would compare nothing with nothing.
    assert not merkle.verify_inclusion(0, 1, b"", [], b"")
    assert not merkle.verify_consistency(1, 1, [], b"", b"")
    hashes = leaves(3)
    tree = Tree(hashes)
    for proof in ([b"", hashes[2]], [hashes[1], b""], [b"", b""]):
        assert not merkle.verify_inclusion(0, 3, hashes[0], proof, tree.root(3))
    assert not merkle.verify_consistency(2, 3, [b""], tree.root(2), tree.root(3))
    # What an attacker could compute with an empty sibling, if it counted as a hash:
    assert not merkle.verify_inclusion(0, 2, hashes[0], [b""], merkle.node_hash(hashes[0], b""))
    assert not merkle.verify_consistency(1, 2, [b""], hashes[0], merkle.node_hash(hashes[0], b""))


def test_short_texts_in_place_of_hashes_are_compared_like_hashes():
    # The published probes use them where a proof is refused for other reasons, and the functions need not insist.
    leaf, other = b"a leaf", b"another"
    root = merkle.node_hash(leaf, other)
    assert merkle.verify_inclusion(0, 2, leaf, [other], root)
    assert merkle.verify_consistency(1, 2, [other], leaf, root)
    assert not merkle.verify_inclusion(0, 2, leaf, [other], b"don't care")


@pytest.mark.parametrize("hashes", [[b"short"], [b""], [bytes(33)]])
def test_a_frontier_is_not_restored_from_what_is_no_hash(hashes):
    with pytest.raises(ValueError, match="32 bytes"):
        Frontier.restore(1, hashes)


def test_proofs_of_what_is_not_there_are_refused():
    for call in (
        lambda: merkle.inclusion_nodes(3, 3),
        lambda: merkle.inclusion_nodes(0, 0),
        lambda: merkle.inclusion_nodes(-1, 3),
        lambda: merkle.consistency_nodes(4, 3),
        lambda: merkle.consistency_nodes(-1, 3),
        lambda: merkle.consistency_nodes(0, 3),
        lambda: merkle.consistency_nodes(0, 0),
        lambda: merkle.inclusion_proof(0, 3, leaves(1)),
        lambda: merkle.consistency_proof(1, 3, leaves(9)),
    ):
        with pytest.raises(ValueError, match=r"no leaf|no earlier size|the proof needs"):
            call()


# -- the published probes of other implementations


def probes(folder):
    return sorted((PROBES / folder).rglob("*.json")) if PROBES.is_dir() else []


def earlier_tree(path):
    # Other subtrees are a question that this room does not ask.
    return json.loads(path.read_text())["start"] == 0


def named(path):
    return str(path.relative_to(PROBES))


def decoded(texts):
    return [b64decode(text) for text in texts or []]


needs_data = pytest.mark.skipif(not PROBES.is_dir(), reason="the Merkle probes are not in MEDSPACE_DATA")


@needs_data
@pytest.mark.parametrize("path", probes("inclusion"), ids=named)
def test_inclusion_probe(path):
    case = json.loads(path.read_text())
    root, leaf, proof = b64decode(case["root"]), b64decode(case["leafHash"]), decoded(case["proof"])
    assert merkle.verify_inclusion(case["leafIdx"], case["treeSize"], leaf, proof, root) is not case["wantErr"]


@needs_data
@pytest.mark.parametrize("path", probes("consistency"), ids=named)
def test_consistency_probe(path):
    case = json.loads(path.read_text())
    root1, root2, proof = b64decode(case["root1"]), b64decode(case["root2"]), decoded(case["proof"])
    assert merkle.verify_consistency(case["size1"], case["size2"], proof, root1, root2) is not case["wantErr"]


@needs_data
@pytest.mark.parametrize("path", probes("subtreeinclusion"), ids=named)
def test_subtree_inclusion_probe(path):
    # A subtree that starts at a multiple of its rounded size is a tree of its own.
    case = json.loads(path.read_text())
    root, leaf, proof = b64decode(case["root"]), b64decode(case["leafHash"]), decoded(case["proof"])
    start, width = case["start"], case["end"] - case["start"]
    assert merkle.verify_inclusion(case["leafIdx"] - start, width, leaf, proof, root) is not case["wantErr"]


@needs_data
@pytest.mark.parametrize("path", [path for path in probes("subtreeconsistency") if earlier_tree(path)], ids=named)
def test_subtree_consistency_probe(path):
    case = json.loads(path.read_text())
    root1, root2, proof = b64decode(case["root1"]), b64decode(case["root2"]), decoded(case["proof"])
    assert merkle.verify_consistency(case["end"], case["size"], proof, root1, root2) is not case["wantErr"]
