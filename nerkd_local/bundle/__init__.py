"""A bundle: what enters a closed network, or leaves it, as a signed folder of plain files.

bundle.json          the manifest: every byte that belongs to it, by SHA-256
bundle.sig           ed25519 signature over exactly the bytes of bundle.json
nerkd-bundle.pyz     what receives, verifies and installs it, with Python's standard library and openssl alone
START-HERE.txt       how, for somebody who has only this folder
objects/SHA.NNN      contents by their hash, in volumes under 4 GiB

Modules directly in here run on the closed side and import nothing but the standard library, `nerkd_local.errors` and
each other: `pyz` packs them into the tool. `create` (the connected side) and `export` (results out) need the toolkit.
"""
