"""The plain files next to a manifest: the tool of the closed side, and how to begin with nothing but the folder."""

from __future__ import annotations

from nerkd_local.bundle.manifest import MANIFEST, SIGNATURE
from nerkd_local.bundle.pyz import NAME, pyz_content

START = "START-HERE.txt"

_TEXT = f"""\
This folder carries the NER toolkit nerkd-local into a closed network: packages, models, data.
Nothing in it is to be run or opened before its signature is checked. PUBLIC.pem stands for the path
of the sender's public key; it must have reached you another way than this folder, and is not to be
put into it: any file more than was sent is refused.

1. By hand, with openssl 3 and coreutils, in an empty folder of your own (a disk can hold a
   file called openssl). MEDIUM is the folder that you are reading this in:

    cp MEDIUM/{MANIFEST} MEDIUM/{SIGNATURE} MEDIUM/{NAME} .
    openssl pkeyutl -verify -rawin -pubin -inkey PUBLIC.pem -in {MANIFEST} -sigfile {SIGNATURE}
    sha256sum {MANIFEST}

   The first says: Signature Verified Successfully. The second prints the root hash, which names
   everything in here: compare it with the sender's, over the telephone.

2. The tool, before it is run for the first time: both lines must show the same hash.

    grep -o '"path":"{NAME}","sha256":"[0-9a-f]*"' {MANIFEST}
    sha256sum {NAME}

3. The rest, with Python 3.11 or later and nothing else:

    python3 -I {NAME} verify  MEDIUM --key PUBLIC.pem
    python3 -I {NAME} install MEDIUM --key PUBLIC.pem --root ROOT
    ROOT/current/env/bin/nerkd doctor

ROOT is where it is to live; give the same one each time. After an interruption the same command
goes on. With volumes missing it prints their numbers; the sender runs `{NAME} resend`.

Exit codes: 0 done, 2 bad usage, 3 interrupted, 10 volumes missing, 11 corrupt, 12 bad signature,
13 made for another system, 14 no room, 15 older than what was installed, 16 self-test failed,
17 environment not made.
"""


def beside_files() -> dict[str, bytes]:
    """Their contents by name. The same toolkit gives the same bytes."""
    return {NAME: pyz_content(), START: _TEXT.encode("utf-8")}
