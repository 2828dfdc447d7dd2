"""What a program asks of a host besides its runtime and its memory."""

import msgspec

CORES_MAX = 4096
DISK_BYTES_MAX = 2**50
FEATURES_MAX = 16

#: Processor features that an app may ask for and a host may offer, as Linux names them.
FEATURES = frozenset(
    {
        *("sse3", "ssse3", "sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "bmi1", "bmi2"),
        *("aes", "sha_ni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"),
        *("asimd", "asimddp", "sve", "sve2"),
    }
)


class Requirements(msgspec.Struct, frozen=True, omit_defaults=True):
    """At least so many cores, so much free disk, and all of these features."""

    cores: int = 1
    disk_bytes: int = 0
    features: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise ``ValueError`` with a plain sentence if no host could ever meet them."""
        if not 1 <= self.cores <= CORES_MAX:
            raise ValueError(f"cores = {self.cores} must lie between 1 and {CORES_MAX}")
        if not 0 <= self.disk_bytes <= DISK_BYTES_MAX:
            raise ValueError(f"{self.disk_bytes} bytes of disk are more than any host has")
        if len(self.features) > FEATURES_MAX:
            raise ValueError(f"more than {FEATURES_MAX} features")
        for name in self.features:
            if name not in FEATURES:
                known = ", ".join(sorted(FEATURES))
                raise ValueError(f"the feature {name[:40]!r} is not known; there are {known}")
