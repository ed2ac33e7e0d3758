"""YAML with the line of everything, within bounds."""

import re

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from orchestrator.errors import InventoryInvalid
from orchestrator.yaml_files import invalid, parse_document


def test_every_value_has_its_line() -> None:
    """Keys and items; a path that is not there has the line of its nearest parent."""
    document = parse_document("a:\n  - x\n  - y: 1\n", "f", InventoryInvalid)
    assert {"a": ["x", {"y": 1}]} == document.data
    assert (1, 3, 3, 3) == tuple(document.line(place) for place in (("a",), ("a", 1), ("a", 1, "y"), ("a", 1, "z")))


def test_merge_keys_give_way_to_own_keys() -> None:
    """``<<`` as in YAML 1.1: own keys win, then the first of several; that is no key that stands twice."""
    text = "base: &base {x: 1, y: 2}\none: {<<: *base, x: 3}\ntwo: {<<: [*base, {x: 9, z: 4}]}\n"
    data = parse_document(text, "f", InventoryInvalid).data
    assert ({"x": 3, "y": 2}, {"x": 1, "y": 2, "z": 4}) == (data["one"], data["two"])


def test_a_tag_is_read_where_the_caller_knows_it() -> None:
    """All others are refused with their line."""
    assert {"a": "X"} == parse_document("a: !up x", "f", InventoryInvalid, {"!up": str.upper}).data
    with pytest.raises(InventoryInvalid, match="f:2: not valid YAML"):
        parse_document("a: 1\nb: !down x", "f", InventoryInvalid, {"!up": str.upper})


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f:2: the key 'a' stands here twice"),
        ("[" * 200_000, "nested deeper"),
        ("- " * 200_000, "nested deeper"),
        ("&a [*a]", "nested deeper"),
        ("a: &a\n  <<: *a\n", "other than itself"),
        ("a:\n  <<: 3\n", "f:2: << takes a mapping"),
        (BOMB + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)), "through aliases"),
        (
            "a0: &a0 {x: 1}\n"
            + "".join(f"a{n}: &a{n}\n  <<: [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
            "through aliases",
        ),
        ("a: [\n", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
        ("? [x]\n: y\n", "f:1: a key must be plain text"),
        ("{}\n---\n{}\n", "not valid YAML"),
    ],
)
def test_what_is_not_sane_yaml_is_refused(text: str, message: str) -> None:
    """With the line where there is one: no crash, and not all of the memory."""
    with pytest.raises(InventoryInvalid, match=re.escape(message)):
        parse_document(text, "f", InventoryInvalid)


class _Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("must be even")
        return number


def test_the_words_of_a_validator_stand_alone() -> None:
    """With file, line and field, and without pydantic's prefix."""
    document = parse_document("x: 1\nnumber: 3\n", "f", InventoryInvalid)
    with pytest.raises(ValidationError) as caught:
        _Even.model_validate(document.data)
    assert "f:2: number: must be even" == str(invalid(document, caught.value, InventoryInvalid))
