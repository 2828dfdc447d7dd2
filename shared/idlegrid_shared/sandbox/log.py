"""The guest's standard error: only its tail is kept."""


class TailLog:
    """The last ``limit`` bytes written, and how many there were in all."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self.tail = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``, dropping what no longer fits from the front."""
        self.total += len(data)
        self.tail += data[-self.limit :]
        # Cutting at twice the limit keeps the cost of many small writes constant.
        if len(self.tail) > 2 * self.limit:
            del self.tail[: -self.limit]

    def text(self) -> str:
        """The kept tail as text that is fit to be shown; a first line says what was cut, if any."""
        from .wording import lines  # only needed at the end

        kept = bytes(self.tail[-self.limit :])
        text = lines(kept.decode("utf-8", "replace"))
        if self.total > len(kept):
            return f"[{self.total - len(kept)} earlier bytes cut]\n{text}"
        return text
