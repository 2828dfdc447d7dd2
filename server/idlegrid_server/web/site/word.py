"""States of batches in words, each with its glyph."""

#: state → (word, class of the glyph)
WORDS: dict[str, tuple[str, str]] = {
    "draft": ("Being checked", "s-wait"),
    "checking": ("Being checked", "s-wait"),
    "canary": ("Running", "s-out"),
    "running": ("Running", "s-out"),
    "combining": ("Combining", "s-out"),
    "paused": ("Paused", "s-stop"),
    "complete": ("Complete", "s-valid"),
    "complete_with_failures": ("Complete, with gaps", "s-valid"),
    "failed": ("Failed", "s-fail"),
    "cancelled": ("Cancelled", "s-stop"),
    "retired": ("Retired", "s-stop"),
}
LIVE = frozenset(("draft", "checking", "canary", "running", "combining"))


def state_word(state: str) -> tuple[str, str]:
    """The word and glyph of a batch's state."""
    return WORDS.get(state, (state, "s-wait"))


def size_word(size: int) -> str:
    """A size for people."""
    if size < 1_000:
        return f"{size} bytes"
    for unit, step in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < 1_000 * step:
            return f"{size / step:.3g} {unit}"
    return f"{size / 1e12:.3g} TB"
