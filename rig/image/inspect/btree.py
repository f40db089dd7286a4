"""B-trees of HFS+: the leaf records from one key on. Facts: Apple Technical Note TN1150, "B-Trees"."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from rig.image.inspect.blocks import Damaged

_INDEX, _LEAF, _HEADER = 0, -1, 1
_DEEPEST = 16
_MOST_LEAVES = 20_000
"""Leaf nodes that one walk reads: a folder with more entries than these hold is none of a Darwin system."""

Key = tuple[Any, ...]


class BTree:
    """One tree. `read` reads its file, `key` makes what keys are ordered by out of a key's bytes (without length)."""

    def __init__(self, read: Callable[[int, int], bytes], key: Callable[[bytes], Key]) -> None:
        """Raises Damaged."""
        self._read, self._key = read, key
        head = read(0, 512)
        (self._root,) = struct.unpack_from(">I", head, 16)
        (self._node_size,) = struct.unpack_from(">H", head, 32)
        (self._nodes,) = struct.unpack_from(">I", head, 36)
        kind = struct.unpack_from(">b", head, 8)[0]
        if kind != _HEADER or self._node_size < 512 or self._node_size & (self._node_size - 1):
            raise Damaged("a B-tree has no header")

    def records(self, since: Key) -> Iterator[tuple[Key, bytes]]:
        """Key and data of each leaf record from the first whose key is not less than `since`. Raises Damaged."""
        if not self._root:
            return
        here, onward, items = self._descend(since)
        seen = {here}
        items = [item for item in items if item[0] >= since]
        while True:
            for key, data in items:
                if key < since:
                    raise Damaged("a B-tree is not in order")
                yield key, data
            if not onward:
                return
            if onward in seen or len(seen) > _MOST_LEAVES:
                raise Damaged("the leaves of a B-tree run in a circle")
            seen.add(onward)
            onward, kind, items = self._node(onward)
            if kind != _LEAF:
                raise Damaged("a B-tree's leaf leads to a node that is none")

    def _descend(self, since: Key) -> tuple[int, int, list[tuple[Key, bytes]]]:
        """The leaf where `since` would stand: its number, the next leaf's, its records."""
        here = self._root
        for _ in range(_DEEPEST):
            onward, kind, items = self._node(here)
            if kind == _LEAF:
                return here, onward, items
            if kind != _INDEX or not items:
                raise Damaged("a B-tree leads to a node that belongs to none")
            before = [data for key, data in items if key < since]
            child = before[-1] if before else items[0][1]
            if len(child) < 4:
                raise Damaged("a B-tree's index record is cut short")
            (here,) = struct.unpack_from(">I", child)
        raise Damaged("a B-tree is deeper than any real one, or runs in a circle")

    def _node(self, number: int) -> tuple[int, int, list[tuple[Key, bytes]]]:
        """A node: the next one's number, its kind, its records as key and data."""
        if number >= self._nodes:
            raise Damaged(f"a B-tree of {self._nodes} nodes leads to node {number}")
        node = self._read(number * self._node_size, self._node_size)
        onward, _, kind, _, count = struct.unpack_from(">IIbBH", node)
        if 14 + 2 * (count + 1) > self._node_size:
            raise Damaged(f"a B-tree's node claims {count} records")
        offsets = struct.unpack_from(f">{count + 1}H", node, self._node_size - 2 * (count + 1))[::-1]
        items = []
        for begin, end in pairwise(offsets):
            if not 14 <= begin <= end <= self._node_size or end - begin < 2:
                raise Damaged("a B-tree's record lies outside its node")
            (length,) = struct.unpack_from(">H", node, begin)
            data_at = begin + 2 + length + (length & 1)
            if data_at > end:
                raise Damaged("a B-tree's key is longer than its record")
            items.append((self._key(node[begin + 2 : begin + 2 + length]), node[data_at:end]))
        return onward, kind, items
