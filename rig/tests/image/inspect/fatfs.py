"""A small FAT volume, made of its own bytes after Microsoft's fatgen103."""

from __future__ import annotations

import struct

SECTOR = 512


class _Volume:
    def __init__(self, bits: int, clusters: int) -> None:
        self.bits = bits
        self.fat = [0] * (clusters + 2)
        self.data = bytearray(clusters * SECTOR)
        self.free = 2
        self.end = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}[bits]

    def put(self, content: bytes, *, step: int = 1) -> int:
        """Store content in clusters `step` apart; the first one's number."""
        count = -(-len(content) // SECTOR)
        chain = [self.free + index * step for index in range(count)]
        self.free += count * step
        for index, cluster in enumerate(chain):
            piece = content[index * SECTOR : (index + 1) * SECTOR]
            at = (cluster - 2) * SECTOR
            self.data[at : at + len(piece)] = piece
            self.fat[cluster] = chain[index + 1] if index + 1 < count else self.end
        return chain[0] if chain else 0

    def table(self) -> bytes:
        if self.bits == 32:
            return struct.pack(f"<{len(self.fat)}I", *self.fat)
        if self.bits == 16:
            return struct.pack(f"<{len(self.fat)}H", *self.fat)
        out = bytearray()
        for low, high in zip(self.fat[::2], [*self.fat[1::2], 0], strict=False):
            out += (low | high << 12).to_bytes(3, "little")
        return bytes(out)


def _sum(short: str) -> int:
    """What ties a long name to its short one."""
    total = 0
    for byte in short.encode():
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return total


def _item(name: str, first: int, size: int, *, folder: bool = False) -> bytes:
    stem, _, suffix = name.partition(".")
    short = stem.upper()[:8].ljust(8) + suffix.upper()[:3].ljust(3)
    out = b""
    if short.rstrip() != (stem.ljust(8) + suffix.ljust(3)).rstrip() or len(stem) > 8 or len(suffix) > 3:
        units = (name + "\0").encode("utf-16-le")
        units += b"\xff\xff" * (-(len(units) // 2) % 13)
        parts = [units[at : at + 26] for at in range(0, len(units), 26)]
        for index in range(len(parts), 0, -1):
            part, order = parts[index - 1], index | (0x40 if index == len(parts) else 0)
            out += bytes([order]) + part[:10] + b"\x0f\0" + bytes([_sum(short)]) + part[10:22] + b"\0\0" + part[22:26]
    kind = 0x10 if folder else 0x20
    high, low = first >> 16, first & 0xFFFF
    return out + short.encode() + bytes([kind]) + bytes(8) + struct.pack("<H4xHI", high, low, 0 if folder else size)


def fat(
    files: dict[str, bytes], *, bits: int = 12, clusters: int = 0, step: int = 1, code: bytes = b"", label: str = "EFI"
) -> bytes:
    """A volume with these files, `step` 2 leaves a gap after each cluster."""
    clusters = clusters or {12: 1000, 16: 4100, 32: 65600}[bits]
    volume = _Volume(bits, clusters)
    if bits == 32:
        volume.free = 3  # the root folder's own cluster
    folders: dict[str, list[bytes]] = {"": []}
    for path in files:
        parents = path.strip("/").split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            folders.setdefault("/".join(parents[:depth]), [])
    for path, content in files.items():
        above, _, name = path.strip("/").rpartition("/")
        folders[above].append(_item(name, volume.put(content, step=step), len(content)))
    for folder in sorted(filter(None, folders), key=lambda name: -name.count("/")):
        above, _, name = folder.rpartition("/")
        dots = _item(".", 0, 0, folder=True) + _item("..", 0, 0, folder=True)
        folders[above].append(_item(name, volume.put(dots + b"".join(folders[folder])), 0, folder=True))
    root = b"".join(folders[""])
    table = volume.table()
    fat_sectors = -(-len(table) // SECTOR)
    reserved, roots = (32, 0) if bits == 32 else (1, 64)
    if bits == 32:
        volume.data[: len(root)] = root
        volume.fat[2] = volume.end
        table = volume.table()
    total = reserved + 2 * fat_sectors + roots * 32 // SECTOR + clusters
    head = bytearray(reserved * SECTOR)
    head[0:3], head[3:11] = b"\xeb\x58\x90", b"mkfs.fat"
    small = total if total < 0x10000 and bits != 32 else 0
    size16 = 0 if bits == 32 else fat_sectors
    struct.pack_into("<HBHBHHBH", head, 11, SECTOR, 1, reserved, 2, roots, small, 0xF8, size16)
    struct.pack_into("<I", head, 32, 0 if small else total)
    if bits == 32:
        struct.pack_into("<IHHI", head, 36, fat_sectors, 0, 0, 2)
    at = 71 if bits == 32 else 43
    head[at : at + 11] = label.encode().ljust(11)
    head[90 : 90 + len(code)] = code
    head[510:512] = b"\x55\xaa"
    padded = table.ljust(fat_sectors * SECTOR, b"\0")
    return bytes(head) + padded * 2 + root.ljust(roots * 32, b"\0")[: roots * 32] + bytes(volume.data)
