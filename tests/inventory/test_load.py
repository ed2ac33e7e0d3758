"""An inventory is read as Ansible reads it: formats, groups, precedence."""

from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.inventory import Inventory, load_inventory

INI = """\
# hosts in no group
lonely

[web]
web[01:05:2].example.com ansible_user=deploy patchwave_labels="{'role': 'web'}"  # a comment
db-[a:c] ansible_port=2222

[v6]
[2001:db8::1]:2200
2001:db8::2

[prod:children]
web
v6

[prod:vars]
patchwave_customer = acme
ansible_become = yes
"""

YAML = """\
all:
  vars: {ansible_user: root}
  hosts:
    lonely:
  children:
    prod:
      vars: {patchwave_customer: acme, ansible_become: true}
      children:
        web:
          hosts:
            web[01:05:2].example.com: {ansible_host: 10.0.0.1}
"""

LIST = """\
{
  "_meta": {"hostvars": {"web1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "foo": {"x": [1]}}}},
  "all": {"children": ["ungrouped", "prod"]},
  "prod": {"children": ["web"]},
  "ungrouped": {"hosts": ["lonely"]},
  "web": {"hosts": ["web1", "web2"], "vars": {"patchwave_site": "lisbon"}},
  "old_style": ["web2"]
}
"""


def load(folder: Path, files: dict[str, str], name: str = "hosts") -> Inventory:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return load_inventory(folder / name)


def host(inventory: Inventory, name: str) -> Host:
    return next(host for host in inventory.hosts if host.name == name)


def test_an_ini_inventory(tmp_path: Path) -> None:
    """Ranges, ports, IPv6, values in quotes, comments, groups of groups."""
    inventory = load(tmp_path, {"hosts": INI})
    webs = ("web01.example.com", "web03.example.com", "web05.example.com", "db-a", "db-b", "db-c")
    assert {
        "all": ("lonely", *webs, "2001:db8::1", "2001:db8::2"),
        "ungrouped": ("lonely",),
        "web": webs,
        "v6": ("2001:db8::1", "2001:db8::2"),
        "prod": (*webs, "2001:db8::1", "2001:db8::2"),
    } == inventory.groups
    web = host(inventory, "web03.example.com")
    assert ("deploy", {"role": "web"}, "acme", True, ("prod", "web")) == (
        web.user,
        web.labels,
        web.customer,
        web.become.enabled,
        web.groups,
    )
    assert (2222, 2200, None) == tuple(host(inventory, name).port for name in ("db-b", "2001:db8::1", "2001:db8::2"))
    assert inventory.names == tuple(sorted(inventory.names))


def test_positions_count_as_in_ansible(tmp_path: Path) -> None:
    """A child that is declared after it was mentioned comes after those that were there already."""
    text = "[b]\nb1\n[top:children]\na\nb\n[a]\na1\n"
    assert ("b1", "a1") == load(tmp_path, {"hosts": text}).groups["top"]


def test_a_yaml_inventory(tmp_path: Path) -> None:
    """Nested groups and their variables."""
    inventory = load(tmp_path, {"hosts.yml": YAML.replace("[01:05:2]", "01")}, "hosts.yml")
    web = host(inventory, "web01.example.com")
    assert ("10.0.0.1", "root", "acme", ("prod", "web")) == (web.address, web.user, web.customer, web.groups)
    assert ("lonely",) == inventory.groups["ungrouped"]


@pytest.mark.parametrize("name", ["hosts.json", "hosts"])
def test_the_output_of_ansible_inventory(tmp_path: Path, name: str) -> None:
    """``--list``: what makes every dynamic inventory plugin work; with or without an ending."""
    inventory = load(tmp_path, {name: LIST}, name)
    web = host(inventory, "web1")
    assert ("10.0.0.1", 2222, "lisbon", ("prod", "web")) == (web.address, web.port, web.site, web.groups)
    assert ("old_style", "prod", "web") == host(inventory, "web2").groups
    assert ("lonely",) == inventory.groups["ungrouped"]


def test_json_in_the_layout_of_yaml(tmp_path: Path) -> None:
    """Hosts as keys: the YAML layout, written as JSON."""
    inventory = load(tmp_path, {"hosts.json": '{"web": {"hosts": {"a": {"ansible_port": 23}}}}'}, "hosts.json")
    assert ("web",) == host(inventory, "a").groups
    assert 23 == host(inventory, "a").port


def test_a_folder_is_merged_in_the_order_of_names(tmp_path: Path) -> None:
    """The later file wins; hidden files, backups, group_vars and the like are no inventories."""
    files = {
        "inv/10-base": "[web]\na ansible_host=10.0.0.1 ansible_user=one\nb\n",
        "inv/20-more.yml": "web: {hosts: {a: {ansible_host: 10.0.0.2}}}\n",
        "inv/sub/x.ini": "[db]\nc\n",
        **{f"inv/{name}": "[[not an inventory" for name in (".hidden", "a~", "b.bak", "ansible.cfg", "x.md", "y.txt")},
        "inv/group_vars/web.yml": "patchwave_customer: acme\n",
    }
    inventory = load(tmp_path, files, "inv")
    a = host(inventory, "a")
    assert ("10.0.0.2", "one", "acme") == (a.address, a.user, a.customer)
    assert ("a", "b", "c") == inventory.names


def test_variables_win_in_ansibles_order(tmp_path: Path) -> None:
    """all < parents < children < group_vars/all < group_vars of groups < host < host_vars."""
    places = {
        "hosts": "[web]\na {host}\n[prod:children]\nweb\n"
        "[all:vars]\n{all}\n[prod:vars]\n{parent}\n[web:vars]\n{child}\n",
        "group_vars/all.yml": "all_file",
        "group_vars/prod/one.yaml": "parent_file",
        "group_vars/web.json": "child_file",
        "host_vars/a.yml": "host_file",
    }
    order = ["all", "parent", "child", "all_file", "parent_file", "child_file", "host", "host_file"]
    for count in range(1, len(order) + 1):
        folder, said = tmp_path / str(count), order[:count]
        ini = {key: f"ansible_user={key}" if key in said else "y=1" for key in ("all", "parent", "child", "host")}
        files = {name: f'{{"ansible_user": "{key}"}}' for name, key in places.items() if key in said}
        inventory = load(folder, {**files, "hosts": places["hosts"].format(**ini)})
        assert said[-1] == host(inventory, "a").user


def test_priority_and_then_the_name_decide_between_groups_of_one_depth(tmp_path: Path) -> None:
    """The later name wins, unless another has a greater ansible_group_priority, which group_vars cannot set."""
    text = "[one]\na\n[two]\na\n[one:vars]\nansible_user=one\n[two:vars]\nansible_user=two\n"
    assert "two" == host(load(tmp_path / "1", {"hosts": text}), "a").user
    first = text.replace("[two:vars]", "ansible_group_priority=10\n[two:vars]")
    assert "one" == host(load(tmp_path / "2", {"hosts": first}), "a").user
    files = {"hosts": text, "group_vars/one.yml": "ansible_group_priority: 10\n"}
    assert "two" == host(load(tmp_path / "3", files), "a").user


def test_connection_variables(tmp_path: Path) -> None:
    """Each with its spellings; secrets are secrets; paths start at the inventory."""
    text = (
        "a ansible_ssh_host=10.0.0.1 ansible_ssh_port=2222 ansible_ssh_user=u ansible_ssh_pass=007"
        " ansible_ssh_private_key_file=keys/id ansible_become_method=sudo ansible_become_user=root"
        " ansible_become_pass='p w' ansible_ssh_timeout=7 ansible_private_key_passphrase=s"
        " patchwave_site=lisbon patchwave_backend=klp patchwave_ephemeral=true ansible_connection=ssh\n"
    )
    a = host(load(tmp_path, {"hosts": text}), "a")
    assert ("10.0.0.1", 2222, "u", str(tmp_path / "keys/id"), 7.0) == (
        a.address,
        a.port,
        a.user,
        a.identity_file,
        a.connect_timeout,
    )
    assert a.password is not None
    assert a.become.password is not None
    assert a.identity_passphrase is not None
    secrets = (a.password, a.become.password, a.identity_passphrase)
    assert ("007", "p w", "s") == tuple(secret.get_secret_value() for secret in secrets)
    assert ("lisbon", "klp", True, None) == (a.site, a.backend, a.ephemeral, a.become.enabled)
    assert "007" not in repr(a)


def test_a_home_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the home of whoever runs us."""
    monkeypatch.setenv("HOME", "/home/ops")
    inventory = load(tmp_path, {"hosts": "a ansible_ssh_private_key_file=~/.ssh/id\n"})
    assert "/home/ops/.ssh/id" == host(inventory, "a").identity_file


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-J ops@bastion:22 -o StrictHostKeyChecking=no", "ops@bastion:22"),
        ("-o ProxyJump=one,two -C", "one,two"),
        ("-oProxyJump=bastion", "bastion"),
        ("-o 'ProxyJump bastion'", "bastion"),
        ("-o ProxyJump=none", None),
        ("-4 -o ControlMaster=auto", None),
        ("-o ProxyCommand='ssh -q -W %h:%p ops@bastion'", "ops@bastion"),
        ("-o ProxyCommand=none", None),
    ],
)
def test_ssh_arguments_may_name_a_jump_host(tmp_path: Path, arguments: str, expected: str | None) -> None:
    """-J and ProxyJump; harmless arguments mean nothing here."""
    inventory = load(tmp_path, {"hosts": f'a ansible_ssh_common_args="{arguments}"\n'})
    assert expected == host(inventory, "a").jump


def test_hosts_that_are_not_reached_over_ssh_are_left_out(tmp_path: Path) -> None:
    """By name and with the reason; no group has them, and what else is said of them does not matter."""
    text = (
        "localhost ansible_connection=local\n[web]\nweb1 ansible_connection=ansible.netcommon.ssh\n"
        "[windows]\nwin1 ansible_become_method=runas\n[windows:vars]\nansible_connection=winrm\nansible_host=web1\n"
        "[dc:children]\nweb\nwindows\n"
    )
    inventory = load(tmp_path, {"hosts": text})
    assert ("web1",) == inventory.names
    assert (("localhost", "ansible_connection=local"), ("win1", "ansible_connection=winrm")) == tuple(
        (host.name, host.why) for host in inventory.left_out
    )
    assert {"all": ("web1",), "ungrouped": (), "web": ("web1",), "windows": (), "dc": ("web1",)} == inventory.groups


def test_a_jump_host_of_ours_wins_and_a_bastion_does_not_jump_through_itself(tmp_path: Path) -> None:
    """patchwave_jump stands above ssh arguments; the bastion may be in the group that goes through it."""
    text = "[all:vars]\nansible_ssh_common_args=-J other\npatchwave_jump=gate\n[g]\na\ngate\nb patchwave_jump=''\n"
    inventory = load(tmp_path, {"hosts": text})
    assert ("gate", None, None) == tuple(host(inventory, name).jump for name in ("a", "b", "gate"))


def test_what_is_not_ours_is_ignored(tmp_path: Path) -> None:
    """Templates, vaulted values and odd types in variables that we do not read do no harm."""
    text = (
        "all:\n  hosts:\n    a:\n      app_url: 'https://{{ x }}'\n      tree: {a: [1, {b: 2}]}\n"
        "      db_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        3361\n      odd: !unsafe '{{'\n"
    )
    files = {"hosts.yml": text, "group_vars/others.yml": "patchwave_typo: in a group that is not there\n"}
    assert ("a",) == load(tmp_path, files, "hosts.yml").names


def test_a_host_may_be_named_in_many_groups(tmp_path: Path) -> None:
    """That is no duplicate, as long as nothing contradicts."""
    inventory = load(tmp_path, {"hosts": "[a]\nx ansible_host=10.0.0.1\n[b]\nx\n[c]\nx ansible_host=10.0.0.1\n"})
    assert ("a", "b", "c") == host(inventory, "x").groups


def test_one_address_with_two_ports_or_two_bastions_is_two_hosts(tmp_path: Path) -> None:
    """Two sites may both have a 10.0.0.5."""
    text = (
        "a ansible_host=10.0.0.5 patchwave_jump=one\nb ansible_host=10.0.0.5 patchwave_jump=two\n"
        "c ansible_host=127.0.0.1 ansible_port=2201\nd ansible_host=127.0.0.1 ansible_port=2202\n"
    )
    assert ("a", "b", "c", "d") == load(tmp_path, {"hosts": text}).names


def test_an_empty_inventory_is_read(tmp_path: Path) -> None:
    """Whether it may take the place of the last good one is decided elsewhere."""
    assert () == load(tmp_path, {"hosts": "# nothing yet\n"}).hosts


def test_a_large_range_is_read(tmp_path: Path) -> None:
    """Ten thousand hosts in one line."""
    assert 10_000 == len(
        load(tmp_path, {"hosts": "[web]\nh[0:99][0:99]\n".replace("h[", "h-[").replace("][", "]-[")}).hosts
    )
