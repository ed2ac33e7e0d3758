"""The product tree of a CSAF document: which package, in which stream, a product id stands for.

Format: OASIS CSAF 2.0, 3.2.2: ``branches`` nest and hold products with CPE or purl; ``relationships`` put a component
into a product under an id of their own, which may again be put into another (a package into a module into a product).
Trees hold tens of thousands of products, so lists are walked without a `Node` for each item.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from orchestrator.feeds.redhat_products import Component, Stream, component_named, component_of, module_of, stream_of
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node, kind_of

DEPTH = 16
"""Branches are four levels deep in Red Hat's documents."""
HOPS = 5
"""Relationships lead over two others at most; more of them go in a circle."""
MOST_PRODUCTS = 1_000_000


class Placed(NamedTuple):
    """A package in a stream."""

    stream: Stream
    component: Component


class ProductTree:
    """Answers what a product id stands for. Raises `FeedInvalid` for a tree that has another form than CSAF says."""

    def __init__(self, tree: Node, skipped: Skipped) -> None:
        self._skipped = skipped
        self._streams: dict[str, Stream] = {}
        self._components: dict[str, Component | None] = {}
        self._modules: dict[str, str] = {}
        self._related: dict[str, tuple[str, str]] = {}
        if not tree.is_missing:
            for product in _products(tree):
                self._add(product)
            self._relate(tree.child("relationships"))

    def placed(self, product_id: str) -> Placed | None:
        """The package and its stream; None where it is none of Red Hat Enterprise Linux, or leads to nothing."""
        related = self._related.get(product_id)
        if related is None:
            return None
        component_id, within = related
        modules = [component_id]
        for _hop in range(HOPS):
            if within not in self._related:
                break
            module, within = self._related[within]
            modules.append(module)
        stream = self._streams.get(within)
        component = self._component(component_id) if stream is not None else None
        if stream is None or component is None:
            return None
        named = next((self._modules[one] for one in modules if one in self._modules), None)
        return Placed(stream, component if component.module or not named else component._replace(module=named))

    def _component(self, component_id: str) -> Component | None:
        if component_id not in self._components:
            self._skipped.add("relationship that leads to nothing")
            self._components[component_id] = None
        return self._components[component_id]

    def _add(self, product: Node) -> None:
        helper = product.child("product_identification_helper")
        product_id = product.text("product_id", 2000)
        cpe = None if helper.is_missing else helper.maybe_text("cpe", 500)
        purl = None if helper.is_missing else helper.maybe_text("purl", 2000)
        if cpe is not None and (stream := stream_of(cpe, product_id)) is not None:
            self._streams[product_id] = stream
        if purl is not None and purl.startswith("pkg:rpmmod/"):
            name, _, stream_name = purl.partition("?")[0].removeprefix("pkg:rpmmod/redhat/").partition("@")
            if (module := module_of(f"{name}:{stream_name}")) is not None:
                self._modules[product_id] = module
        self._components[product_id] = component_named(product_id) if purl is None else component_of(purl)

    def _relate(self, relationships: Node) -> None:
        if relationships.is_missing:
            return
        for index, item in enumerate(_list(relationships)):
            try:
                whole = item["full_product_name"]["product_id"]
                part, within = item["product_reference"], item["relates_to_product_reference"]
            except (TypeError, KeyError):
                raise _item(relationships, index, item).invalid("is no relationship as CSAF has them") from None
            if type(whole) is not str or type(part) is not str or type(within) is not str:
                raise _item(relationships, index, item).invalid("names its products by something else than text")
            self._related[whole] = (part, within)


def texts_of(node: Node) -> list[str]:
    """A list of texts, or of nothing where it is missing, checked without a `Node` for each."""
    if node.is_missing:
        return []
    found = _list(node)
    for index, item in enumerate(found):
        if type(item) is not str:
            raise _item(node, index, item).invalid(f"is {kind_of(item)}, and should be a text")
    return found


def _products(tree: Node) -> Iterator[Node]:
    waiting = [(branch, 1) for branch in tree.each("branches", MOST_PRODUCTS)]
    while waiting:
        branch, depth = waiting.pop()
        if depth > DEPTH:
            raise branch.invalid(f"is nested deeper than {DEPTH} branches")
        product = branch.child("product")
        if not product.is_missing:
            yield product
        waiting.extend((below, depth + 1) for below in branch.each("branches", MOST_PRODUCTS))


def _list(node: Node) -> list[Any]:
    if not isinstance(node.value, list):
        raise node.invalid(f"is {kind_of(node.value)}, and should be a list")
    if len(node.value) > MOST_PRODUCTS:
        raise node.invalid(f"has more than {MOST_PRODUCTS} items")
    return node.value


def _item(parent: Node, index: int, value: Any) -> Node:
    return Node(value, file=parent.file, part=parent.part, parent=parent, key=index)
