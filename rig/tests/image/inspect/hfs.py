"""A small HFS+ volume, made of its own bytes after Apple's TN1150."""

from __future__ import annotations

import struct

BLOCK = 512
_NODE = 512


def extents(pairs: list[tuple[int, int]]) -> bytes:
    return b"".join(struct.pack(">II", *pair) for pair in pairs[:8]).ljust(64, b"\0")


def fork(size: int, pairs: list[tuple[int, int]]) -> bytes:
    return struct.pack(">QII", size, 0, sum(count for _, count in pairs)) + extents(pairs)


def catalog_key(parent: int, name: str) -> bytes:
    return struct.pack(">IH", parent, len(name)) + name.encode("utf-16-be")


def node(kind: int, onward: int, height: int, records: list[bytes]) -> bytes:
    body = struct.pack(">IIbBHH", onward, 0, kind, height, len(records), 0)
    offsets = []
    for record in records:
        offsets.append(len(body))
        body += record
    offsets.append(len(body))
    table = b"".join(struct.pack(">H", offset) for offset in reversed(offsets))
    assert len(body) + len(table) <= _NODE
    return body.ljust(_NODE - len(table), b"\0") + table


def tree(items: list[tuple[bytes, bytes]]) -> bytes:
    """A B-tree of sorted (key, data); its nodes are small, so that a few items make it deep."""
    nodes: list[bytes] = []
    level: list[tuple[bytes, int]] = []
    packed: list[list[tuple[bytes, bytes]]] = []
    for key, data in items:
        room = _NODE - 14 - 2
        if packed and sum(len(k) + len(d) + 4 for k, d in packed[-1]) + len(key) + len(data) + 4 <= room:
            packed[-1].append((key, data))
        else:
            packed.append([(key, data)])
    number = 1
    for index, group in enumerate(packed):
        onward = number + 1 if index + 1 < len(packed) else 0
        nodes.append(node(-1, onward, 1, [struct.pack(">H", len(k)) + k + d for k, d in group]))
        level.append((group[0][0], number))
        number += 1
    height = 1
    while len(level) > 1:
        height += 1
        upper = []
        for at in range(0, len(level), 3):
            group3 = level[at : at + 3]
            onward = number + 1 if at + 3 < len(level) else 0
            records = [struct.pack(">H", len(k)) + k + struct.pack(">I", child) for k, child in group3]
            nodes.append(node(0, onward, height, records))
            upper.append((group3[0][0], number))
            number += 1
        level = upper
    root = level[0][1] if level else 0
    header = struct.pack(">IIbBHH", 0, 0, 1, 0, 3, 0)
    header += struct.pack(">HIIIIHHII", height, root, len(items), 1, len(packed), _NODE, 516, number, 0)
    return header.ljust(_NODE, b"\0") + b"".join(nodes)


def file_record(number: int, size: int, pairs: list[tuple[int, int]], flags: int = 0) -> bytes:
    record = bytearray(248)
    struct.pack_into(">hHII", record, 0, 2, 0, 0, number)
    record[41] = flags
    record[88:168] = fork(size, pairs)
    return bytes(record)


def folder_record(number: int) -> bytes:
    return struct.pack(">hHII", 1, 0, 0, number).ljust(88, b"\0")


def thread_record(parent: int, name: str, kind: int = 3) -> bytes:
    return struct.pack(">hHIH", kind, 0, parent, len(name)) + name.encode("utf-16-be")


def hfsplus(
    files: dict[str, bytes],
    *,
    size: int = 1 << 20,
    label: str = "PureDarwin",
    startup: bytes = b"",
    scattered: str = "",
    compressed: str = "",
    boot_sector: bytes = b"",
    case_sensitive: bool = False,
) -> bytes:
    """A volume with these files; the one named `scattered` lies in single blocks with gaps, beyond eight extents."""
    disk = bytearray(size)
    free = 8
    overflow: list[tuple[bytes, bytes]] = []
    records: list[tuple[tuple[int, str], bytes]] = [((1, label), folder_record(2)), ((2, ""), thread_record(1, label))]
    folders = {"": 2}
    number = 16

    def put(content: bytes, *, gaps: bool = False) -> list[tuple[int, int]]:
        nonlocal free
        count = -(-len(content) // BLOCK)
        pairs = []
        for index in range(count if gaps else 1 if count else 0):
            length = 1 if gaps else count
            piece = content[index * BLOCK : (index + 1) * BLOCK] if gaps else content
            disk[free * BLOCK : free * BLOCK + len(piece)] = piece
            pairs.append((free, length))
            free += length + gaps
        return pairs

    for path, content in files.items():
        *above, name = path.strip("/").split("/")
        here = ""
        for part in above:
            inner = f"{here}/{part}"
            if inner not in folders:
                folders[inner] = number
                records.append(((folders[here], part), folder_record(number)))
                records.append(((number, ""), thread_record(folders[here], part)))
                number += 1
            here = inner
        pairs = put(content, gaps=path == scattered)
        flags = 0x20 if path == compressed else 0
        length = 0 if path == compressed else len(content)
        records.append(((folders[here], name), file_record(number, length, pairs[:8], flags)))
        for at in range(8, len(pairs), 8):
            overflow.append((struct.pack(">BxII", 0, number, at), extents(pairs[at : at + 8])))
        number += 1
    records.sort(key=lambda item: (item[0][0], item[0][1].casefold()))
    catalog = tree([(catalog_key(*key), data) for key, data in records])
    catalog_at = put(catalog)
    overflow_tree = tree(overflow) if overflow else b""
    overflow_at = put(overflow_tree)
    startup_at = put(startup)
    header = bytearray(512)
    struct.pack_into(">2sHI", header, 0, b"HX" if case_sensitive else b"H+", 4, 0x2100)
    struct.pack_into(">II", header, 40, BLOCK, size // BLOCK)
    header[192:272] = fork(len(overflow_tree), overflow_at)
    header[272:352] = fork(len(catalog), catalog_at)
    header[432:512] = fork(len(startup), startup_at)
    disk[1024:1536] = header
    disk[: len(boot_sector)] = boot_sector
    assert len(disk) == size
    return bytes(disk)
