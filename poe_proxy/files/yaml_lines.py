"""YAML as values that remember their line. It knows nothing of models, and constructs no object that a tag asks for.

A ``Spot`` wraps a composed node and is read step by step, so that anchors which refer to themselves, or multiply, cost
nothing until somebody walks into them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_MERGE = "tag:yaml.org,2002:merge"
_TRUE = frozenset({"true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Spot:
    """One place of a YAML text: a mapping, a list or a scalar, with the line (from 1) where it begins."""

    node: yaml.Node

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_bracketed(self) -> bool:
        """Written as ``[a, b]`` or ``{a: b}``."""
        return isinstance(self.node, yaml.CollectionNode) and bool(self.node.flow_style)

    @property
    def is_empty(self) -> bool:
        """Nothing stands there: ``key:`` and no more, or ``null``."""
        return isinstance(self.node, yaml.ScalarNode) and self.plain() is None

    def elements(self) -> Iterator["Spot"]:
        """The elements of a list; none for anything else."""
        if isinstance(self.node, yaml.SequenceNode):
            yield from map(Spot, self.node.value)

    def pairs(self) -> Iterator[tuple["Spot", "Spot"]]:
        """Keys and values of a mapping as written, repeated keys included; merged (``<<``) ones come last."""
        yield from _pairs(self.node, frozenset())

    def plain(self) -> object:
        """A scalar as str, int, float, bool or None, a list as a tuple of those; a mapping as an empty dict."""
        if isinstance(self.node, yaml.SequenceNode):
            return tuple(_scalar(node) for node in self.node.value)
        return _scalar(self.node)

    def written(self) -> str:
        """What stands there, for an error message: the scalar as written, or the kind of thing it is."""
        if isinstance(self.node, yaml.ScalarNode):
            return _shortened(self.node.value) if self.node.value else "nothing"
        return "a list" if self.is_list else "a mapping"

    def repeats(self) -> Iterator[tuple["Spot", "Spot"]]:
        """Keys that stand in this mapping twice: the later one and the first. PyYAML would keep the last silently."""
        first: dict[str, Spot] = {}
        for key in map(Spot, self._own_keys()):
            earlier = first.setdefault(key.written(), key)
            if earlier is not key:
                yield key, earlier

    def _own_keys(self) -> list[yaml.Node]:
        if not isinstance(self.node, yaml.MappingNode):
            return []
        return [key for key, _ in self.node.value if key.tag != _MERGE]


def read_yaml(text: str) -> Spot | None:
    """The root of the only document in ``text``; None where there is none.

    Raises yaml.YAMLError, whose ``problem_mark`` often knows the line, and RecursionError on absurdly deep nesting.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return None if node is None else Spot(node)


def _pairs(node: yaml.Node, above: frozenset[int]) -> Iterator[tuple[Spot, Spot]]:
    if not isinstance(node, yaml.MappingNode) or id(node) in above:
        return
    yield from ((Spot(key), Spot(value)) for key, value in node.value if key.tag != _MERGE)
    for key, value in node.value:
        if key.tag == _MERGE:
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                yield from _pairs(source, above | {id(node)})


def _scalar(node: yaml.Node) -> object:
    """Converted by hand: PyYAML's constructors raise half a dozen unrelated exceptions on odd tags and values."""
    if not isinstance(node, yaml.ScalarNode):
        return {} if isinstance(node, yaml.MappingNode) else ()
    kind, value = node.tag.rpartition(":")[2], node.value
    try:
        match kind:
            case "null":
                return None
            case "bool":
                return value.lower() in _TRUE
            case "int":
                return int(value.replace("_", ""), 0)
            case "float":
                return float(value.replace("_", ""))
    except ValueError:  # `!!int five`, `1:30`, `.inf`
        return value
    return value


def _shortened(text: str, limit: int = 60) -> str:
    printable = repr(text[:limit])[1:-1]
    return f"`{printable}{'…' if len(text) > limit else ''}`"
