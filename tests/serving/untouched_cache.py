"""A cache that nobody may look into: of answers that are neither taken from it nor kept."""

from typing import Any

from serving.cache import AnswerCache


class UntouchedCache(AnswerCache):
    """Fails whoever looks for an answer, or keeps one."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1", 1_000, is_first_kept=True)

    def find(self, *_: Any) -> Any:
        raise AssertionError("looked for")

    def keep(self, *_: Any) -> Any:
        raise AssertionError("kept")
