"""A ProxyCommand that is a jump host is read as one; every other stays unread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inventory.proxy_command import jump_of_command
from orchestrator.ssh.destinations import DESTINATION


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ssh -W %h:%p bastion", "bastion"),
        ("ssh -W %h:%p -q ops@bastion", "ops@bastion"),
        ("/usr/bin/ssh -q -W '[%h]:%p' ops@bastion", "ops@bastion"),
        ("ssh -qW %h:%p -p 2222 bastion", "bastion:2222"),
        ("ssh bastion -p2222 -l ops -W %h:%p", "ops@bastion:2222"),
        ("ssh -l ops other@bastion -W %h:%p", "ops@bastion"),
        ("ssh -o User=ops -o 'Port 2222' -W %h:%p bastion", "ops@bastion:2222"),
        ("ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -W %h:%p ops@10.0.0.1", "ops@10.0.0.1"),
        ("ssh -o ControlMaster=auto -S /run/x -c aes256-ctr -W %h:%p ops@2001:db8::1", "ops@[2001:db8::1]"),
    ],
)
def test_a_jump_host_in_older_words(command: str, expected: str) -> None:
    """User and port from wherever ssh takes them, the first of each; what has no effect here is passed over."""
    assert expected == jump_of_command(command)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "nc %h %p",
        "ssh bastion nc %h %p",
        "ssh -W %h:%p",
        "ssh -W %h:22 bastion",
        "ssh bastion",
        "ssh -i key -W %h:%p bastion",
        "ssh -qikey -W %h:%p bastion",
        "ssh -F file -W %h:%p bastion",
        "ssh -J other -W %h:%p bastion",
        "ssh -o IdentityFile=key -W %h:%p bastion",
        "ssh -o hostname=x -W %h:%p bastion",
        "ssh -o 'ProxyJump other' -W %h:%p bastion",
        "ssh -W %h:%p %r@bastion",
        "ssh -W %h:%p $BASTION",
        "ssh -W %h:%p bastion 2>/dev/null",
        "ssh -W %h:%p bastion; reboot",
        "ssh -W %h:%p bastion:22",
        "ssh -W %h:%p one,two",
        "ssh -W %h:%p ssh://bastion",
        "ssh -p 0 -W %h:%p bastion",
        "ssh -p 99999 -W %h:%p bastion",
        "ssh -W %h:%p 'bastion",
        "ssh -Z -W %h:%p bastion",
        "sshpass -p x ssh -W %h:%p bastion",
    ],
)
def test_any_other_command_is_not_understood(command: str) -> None:
    """Another program, another way to log in, words that only a shell or ssh would fill in."""
    assert jump_of_command(command) is None


@given(st.text(alphabet="ssh -Wpolqi%:@[].12ab='\t", max_size=60))
def test_what_is_understood_is_a_destination(text: str) -> None:
    """Never an error, and never something that SSH could not be told."""
    jump = jump_of_command(f"ssh -W %h:%p {text}")
    assert jump is None or DESTINATION.fullmatch(jump)
