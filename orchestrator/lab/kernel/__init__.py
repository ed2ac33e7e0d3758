"""Real kernels to try Patchwave on: small QEMU machines that boot Debian's cloud kernels, and demo live patches.

`fleet.up`, `fleet.down` and `fleet.status` are the whole interface; everything below them is built once and cached
(`cache`). Read top down: fleet → vms → image → guest, kernels, modules → archive → programs.
"""
