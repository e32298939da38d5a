"""Which videos belong together: a fake is made of two, and may not leave either of them."""

from __future__ import annotations


class Together:
    """Names that must stay on one side of a split, joined two at a time (a union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, *names: str) -> None:
        """Puts names, and all that was joined with any of them, into one group."""
        for name in names:
            first, second = self.group(names[0]), self.group(name)
            self._parent[max(first, second)] = min(first, second)

    def group(self, name: str) -> str:
        """Returns the group of a name: the first, in the order of letters, of those joined."""
        root = name
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root
