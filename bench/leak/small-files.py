"""
Writes a tar of 100,000 small files, 2.4 KB each on average, cut from another file.

    python3 small-files.py SOURCE OUT
"""

import io
import random
import sys
import tarfile

COUNT = 100_000
MOST_BYTES = 4096


def main(source: str, out: str) -> None:
    chance = random.Random(1)
    with open(source, "rb") as file:
        text = file.read(64 << 20)
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as archive:
        for number in range(COUNT):
            size = chance.randrange(MOST_BYTES)
            # What follows is never taken for packed: this is about small files, not about archives.
            content = b"file\n" + text[(at := chance.randrange(len(text) - size)) : at + size]
            info = tarfile.TarInfo(f"usr/lib/node_modules/package-{number // 40}/lib/file-{number}.js")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


main(*sys.argv[1:])
