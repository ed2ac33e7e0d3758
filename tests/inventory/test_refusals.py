"""What an inventory may not say: each with the file, the line, and what to do."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InventoryInvalid
from orchestrator.inventory import load_inventory

VAULT = "$ANSIBLE_VAULT;1.1;AES256\n3361\n"


def yaml_host(variables: str) -> str:
    return f"all:\n  hosts:\n    a:\n      {variables}\n"


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("hosts", "[web]\na\nb\na\n", 4, "already, on line 2"),
        ("hosts", "[web]\nweb[1:3]\nweb2\n", 3, "web2 is in [web] already"),
        ("h.yml", "all:\n  hosts:\n    a:\n    a:\n", 4, "'a' stands here twice"),
        ("h.yml", "all:\n  hosts:\n    a[1:2]:\n    a1:\n", 4, "already, as 'a[1:2]'"),
        ("hosts", "[a]\nx ansible_host=1.1.1.1\n[b]\nx ansible_host=1.1.1.2\n", 4, "another value stands on line 2"),
        ("hosts", "a ansible_host=1.1.1.1\nb ansible_host=1.1.1.1 ansible_port=22\n", 2, "address and port of a ("),
        ("hosts", "\nweb[1:\n", 2, "bad range"),
        ("hosts", "web[5:1]\n", 1, "ends before it begins"),
        ("hosts", "web[a:9]\n", 1, "both ends must be numbers"),
        ("hosts", "web[01:100]\n", 1, "same length"),
        ("hosts", "web[1:9:0]\n", 1, "the step"),
        ("hosts", "web[1]\n", 1, "[begin:end]"),
        ("hosts", "web[ab:cd]\n", 1, "single letters"),
        ("hosts", "web[1:3]]\n", 1, "not closed, or never opened"),
        ("h.yml", "all:\n  hosts:\n    web[9:1]:\n", 3, "bad range"),
        ("hosts", "web[1:999999999999]\n", 1, "more than 100000 hosts"),
        ("hosts", "web[1:999]-[1:999]\n", 1, "more than 100000 hosts"),
        ("hosts", "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n", 2, "a loop of groups: a > b > c > a"),
        ("h.yml", "a:\n  children:\n    b:\n      children:\n        a:\n", 3, "a loop of groups: a > b > a"),
        ("hosts", "[a:children]\na\n", 2, "a loop of groups: a > a"),
        ("hosts", "x\n[a:children]\nb\n", 3, "undefined child group b"),
        ("hosts", "[a:vars]\nx=1\n", 1, "no group a"),
        ("hosts", "[web]\nweb\n", 2, "a host and a group"),
        ("hosts", "x\n[a b]\n", 2, "not a section"),
        ("hosts", "[a:hostz]\n", 1, "a section is"),
        ("hosts", "a x\n", 1, "expected variable=value"),
        ("hosts", "a x='\n", 1, "No closing quotation"),
        ("hosts", "[a:children]\nb c\n", 2, "the name of a group"),
        ("hosts", "a:ssh\n", 1, "bad port"),
        ("hosts", "a:70000\n", 1, "bad port"),
        ("hosts", "a ansible_port=0\n", 1, "bad port"),
        ("hosts", "-oProxyCommand=x\n", 1, "not a host name"),
        ("hosts", "a\0b\n", 1, "not a host name"),
        ("hosts", "a ansible_host=-oProxyCommand\n", 1, "no leading dash"),
        ("h.yml", yaml_host("patchwave_custommer: x"), 4, "did you mean patchwave_customer?"),
        ("hosts", "a patchwave_zzz=1\n", 1, "known are patchwave_backend"),
        ("h.yml", "all:\n  hosts: [\n", 3, "not valid YAML"),
        ("h.json", '{\n"a": 1\n', 3, "not valid JSON"),
        ("h.json", '{"web": {"hosts": ["a"]},\n"web": {}}', 2, "stands here twice"),
        ("h.yml", "all:\n  host:\n    a:\n", 2, "did you mean hosts?"),
        ("h.yml", "all: [a]\n", 1, "a group must be a mapping"),
        ("h.yml", "all:\n  hosts:\n    10.5:\n", 3, "put it in quotes"),
        ("h.yml", "", None, "the file is empty"),
        ("h.yml", yaml_host("patchwave_labels: [x]"), 4, "a mapping of text to text, not a list"),
        ("h.yml", yaml_host("patchwave_labels: {v: 1.10}"), 4, "patchwave_labels.v: must be text"),
        ("h.yml", yaml_host("patchwave_labels: {'a b': x}"), 4, "not a label's name"),
        ("h.yml", yaml_host("patchwave_customer: [x]"), 4, "patchwave_customer: must be text, not a list"),
        ("h.yml", yaml_host("ansible_password: true"), 4, "put it in quotes"),
        ("hosts", "a patchwave_ephemeral=maybe\n", 1, "true or false"),
        ("hosts", "a ansible_ssh_timeout=0\n", 1, "a number of seconds"),
        ("h.yml", yaml_host("ansible_password: !vault |\n        " + VAULT.replace("\n", "\n        ")), 4, "vaulted"),
        ("hosts", "a ansible_host='{{ x }}'\n", 1, "Jinja template"),
        ("hosts", "a ansible_connection='{{ x }}'\n", 1, "Jinja template"),
        ("hosts", "a ansible_become_method=su\n", 1, "not supported; sudo is"),
        ("hosts", "a ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'\n", 1, "patchwave_jump"),
        (
            "hosts",
            "a ansible_ssh_common_args='-o ProxyCommand=\"ssh -i k -W %h:%p b\"'\n",
            1,
            "without a key of its own",
        ),
        ("hosts", "a ansible_ssh_extra_args='-4i /x'\n", 1, "ansible_ssh_private_key_file says it"),
        ("hosts", "a ansible_ssh_args='-J'\n", 1, "missing or malformed"),
        ("hosts", "a patchwave_jump=b\nb patchwave_jump=u@a:22\n", 1, "a > b > a"),
        ("hosts", "#!/usr/bin/python3\n", 1, "ansible-inventory --list > hosts.json"),
        ("h.yml", "plugin: amazon.aws.aws_ec2\n", 1, "ansible-inventory --list > hosts.json"),
        ("h.toml", "", None, "TOML"),
        ("h.yml", VAULT, 1, "the whole file is vaulted"),
        ("h.json", '{"_meta": {"hostvars": {}},\n"web": {"hosts": [1]}}', 2, "not text"),
        (
            "h.json",
            '{"web": {"hosts": ["a"]}, "_meta": {"hostvars": {"a":\n{"ansible_password": {"__ansible_vault": "x"}}}}}',
            2,
            "vaulted",
        ),
    ],
)
def test_a_refusal_says_where_and_why(tmp_path: Path, name: str, text: str, line: int | None, message: str) -> None:
    """File and line, and the words that help."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InventoryInvalid) as caught:
        load_inventory(path)
    assert (str(path), line) == (caught.value.file, caught.value.line)
    assert message in str(caught.value)


def test_variable_files_are_named_too(tmp_path: Path) -> None:
    """An unknown variable of ours in group_vars, a vaulted file in a folder of it."""
    (tmp_path / "hosts").write_text("a\n")
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    file = tmp_path / "group_vars" / "all" / "main.yml"
    file.write_text("x: 1\npatchwave_sit: lisbon\n")
    with pytest.raises(InventoryInvalid, match="did you mean patchwave_site") as caught:
        load_inventory(tmp_path / "hosts")
    assert (str(file), 2) == (caught.value.file, caught.value.line)
    file.write_text(VAULT)
    with pytest.raises(InventoryInvalid, match="the whole file is vaulted"):
        load_inventory(tmp_path / "hosts")


def test_an_inventory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(InventoryInvalid, match="no such file or folder"):
        load_inventory(tmp_path / "nowhere")


def test_an_unknown_backend_is_refused_where_backends_are_known(tmp_path: Path) -> None:
    """The names come from whoever knows the registry."""
    (tmp_path / "hosts").write_text("a patchwave_backend=kpl\n")
    with pytest.raises(InventoryInvalid, match="did you mean klp"):
        load_inventory(tmp_path / "hosts", backends=("klp", "kpatch"))


def test_a_secret_is_in_no_error(tmp_path: Path) -> None:
    """Not even where the value itself is at fault."""
    (tmp_path / "hosts").write_text("[a]\nx ansible_password='hunter\t2'\n[b]\nx ansible_password=hunter3\n")
    with pytest.raises(InventoryInvalid) as caught:
        load_inventory(tmp_path / "hosts")
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hosts", "a x=" + "y" * 10_000_000),
        ("h.yml", yaml_host("ansible_user: " + "y" * 10_000_000)),
        ("h.json", "[" * 100_000),
        ("h.json", '{"a":' * 100_000),
        ("h.yml", "- " * 100_000),
        ("hosts", "\n".join(f"[g{n}:children]\ng{n + 1}" for n in range(300)) + "\n[g300]\n"),
        ("hosts", "a x=" + "(" * 60_000 + "\nweb[" + "9" * 900 + ":1]\n"),
        ("hosts", "a patchwave_labels=" + "{1:" * 20_000 + "\n"),
        (
            "h.yml",
            "a0: &a0 [x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
        ),
    ],
    ids=["line", "value", "json", "json objects", "yaml", "groups", "digits", "literal", "aliases"],
)
def test_hostile_input_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    """Not a crash, and not all of the memory."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InventoryInvalid):
        load_inventory(tmp_path / name)


def test_a_host_with_a_very_long_name_is_read(tmp_path: Path) -> None:
    """Longer than a file in host_vars could be named."""
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts").write_text("h" * 253)
    assert ("h" * 253,) == load_inventory(tmp_path / "hosts").names


TEXTS = st.text(alphabet="ab[]:=\"'#{}-,!&*\n\t 01$%", max_size=60)


@given(TEXTS, st.sampled_from(["hosts", "h.yml", "h.json", "h.ini"]))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str, name: str) -> None:
    """Nothing but `InventoryInvalid` comes of whatever stands in a file."""
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_text(text)
    refused_in = str(path)
    try:
        load_inventory(path)
    except InventoryInvalid as error:
        refused_in = str(error.file)
    assert str(path) == refused_in


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Binary bytes are named as such."""
    (tmp_path / "hosts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InventoryInvalid, match="UTF-8"):
        load_inventory(tmp_path / "hosts")


def test_folders_that_contain_themselves_end(tmp_path: Path) -> None:
    """A symlink to the folder above."""
    (tmp_path / "sub").symlink_to(tmp_path)
    with pytest.raises(InventoryInvalid, match="nested deeper"):
        load_inventory(tmp_path)


def test_json_lines_are_right_however_it_is_written(tmp_path: Path) -> None:
    """The line of a JSON value is looked up only for the error."""
    document = {"_meta": {"hostvars": {"a": {"x": 1, "ansible_port": "no"}}}, "web": {"hosts": ["a"]}}
    (tmp_path / "h.json").write_text(json.dumps(document, indent=1))
    with pytest.raises(InventoryInvalid) as caught:
        load_inventory(tmp_path / "h.json")
    assert 6 == caught.value.line
