"""``patchwave lab``: a fleet to try it on: simulated hosts, and real kernels in QEMU.

Each command imports what it needs: no other command shall wait for an SSH server and its like.
"""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.bootstrap import App
from orchestrator.cli.context import AsJson, app_of
from orchestrator.cli.output import out, print_json, print_table, safe, say
from orchestrator.lab.simulated import MOST_HOSTS
from orchestrator.settings import Origin

Hosts = Annotated[int, typer.Option("--hosts", min=1, max=MOST_HOSTS, help="How many hosts to simulate.")]


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="A fleet to try it on.", no_args_is_help=True)
    for command in (up, down, status):
        group.command()(command)
    group.command("demo")(demonstrate)
    kernel = typer.Typer(help="Real kernels in QEMU.", no_args_is_help=True)
    kernel.command("up")(kernel_up)
    kernel.command("down")(kernel_down)
    kernel.command("status")(kernel_status)
    group.add_typer(kernel, name="kernel")
    cli.add_typer(group, name="lab")


def up(
    context: typer.Context,
    hosts: Hosts = 40,
    debian: Annotated[bool, typer.Option("--debian", help="Three Debian kernels alone, as in the demo.")] = False,
    script: Annotated[
        Path | None,
        typer.Option(help="A YAML file of systems, tools and faults, by host name or glob: web-*: {slow: 2}."),
    ] = None,
) -> None:
    """Start a fleet of simulated hosts of all distributions, and make the home folder's inventory theirs."""
    from orchestrator.lab.simulated import background, handover  # noqa: PLC0415
    from orchestrator.lab.simulated.script import load_script  # noqa: PLC0415

    app = app_of(context)
    home = app.settings.home
    handover.demand_home_of_a_lab(app)
    told = {} if script is None else load_script(script)
    order = background.Order(hosts=hosts, mixed=not debian, script=told)
    running, keys = background.up(handover.state_folder(home), order)
    handover.hand_over(app, order.machines, running.port, keys, progress=say)
    out.print(f"{hosts} hosts are up. Next: patchwave --home {safe(home)} scan")


def down(context: typer.Context) -> None:
    """Stop the simulated hosts of this home folder, and nothing else. Their disks stay for the next `lab up`."""
    from orchestrator.lab.simulated import background, handover  # noqa: PLC0415

    home = app_of(context).settings.home
    stopped = background.down(handover.state_folder(home))
    handover.take_back(home)
    say(f"{stopped} hosts are down" if stopped else "the simulated fleet is down already")


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """The simulated hosts of this home folder, and what is really in force on them."""
    from orchestrator.lab.simulated import background, handover  # noqa: PLC0415

    hosts = background.status(handover.state_folder(app_of(context).settings.home))
    if as_json:
        print_json({"hosts": [host.__dict__ for host in hosts]})
        return
    rows = (
        (
            host.name,
            f"{host.user}@{host.address}:{host.port}",
            host.os,
            host.kernel,
            ", ".join(host.tools) or "none",
            ", ".join(host.in_force) or "none",
            ", ".join(host.faults),
        )
        for host in hosts
    )
    columns = ("HOST", "LOGIN", "OS", "KERNEL", "TOOLS", "IN FORCE", "FAULTS")
    print_table(columns, rows, empty="the simulated fleet is down")


def demonstrate(
    context: typer.Context,
    hosts: Hosts = 40,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the fleet and the service running at the end.")] = False,
) -> None:
    """The whole journey on a simulated fleet: check, expose, patch in waves, prove. In --home, which must be empty, or
    in a temporary folder."""
    from orchestrator.lab.simulated import demo  # noqa: PLC0415

    app = app_of(context)
    home = app.settings.home if app.origins["home"] is Origin.OPTION else None
    demo.run(home=home, hosts=hosts, keep=keep, say=out.print)


def kernel_up(context: typer.Context) -> None:
    """Boot three virtual machines with real kernels, and make the home folder's inventory theirs."""
    from orchestrator.lab.kernel import fleet as kernel_fleet  # noqa: PLC0415
    from orchestrator.lab.simulated.handover import SETTINGS_FILE  # noqa: PLC0415

    app = app_of(context)
    fleet = kernel_fleet.up(app.settings.home, progress=say)
    for line in app.initialise(SETTINGS_FILE):
        say(line)
    _add_demo_patches(app)
    out.print(f"{len(fleet.vms)} machines are up. Next: patchwave --home {safe(app.settings.home)} scan")


def _add_demo_patches(app: App) -> None:
    for file in sorted((app.settings.home / "lab" / "kernel" / "catalogue").glob("*.yaml")):
        patch = app.add_patch(file)
        say(f"catalogue: {patch.id}")


def kernel_down(context: typer.Context) -> None:
    """Stop the virtual machines of this home folder, and nothing else."""
    from orchestrator.lab.kernel import fleet as kernel_fleet  # noqa: PLC0415

    kernel_fleet.down(app_of(context).settings.home)


def kernel_status(context: typer.Context, as_json: AsJson = False) -> None:
    """The virtual machines of this home folder."""
    from orchestrator.lab.kernel import fleet as kernel_fleet  # noqa: PLC0415

    machines = kernel_fleet.status(app_of(context).settings.home)
    if as_json:
        print_json({"machines": [machine.__dict__ for machine in machines]})
        return
    rows = ((m.name, "up" if m.alive else "down", m.kernel, m.port, m.console) for m in machines)
    print_table(("MACHINE", "STATE", "KERNEL", "PORT", "CONSOLE"), rows, empty="the kernel lab is down")
