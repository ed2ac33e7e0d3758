"""``patchwave lab``: a fleet to try it on: simulated hosts, and real kernels in QEMU."""

import typer

from orchestrator.bootstrap import App
from orchestrator.cli.context import AsJson, app_of
from orchestrator.cli.output import out, print_json, print_table, safe, say
from orchestrator.lab.kernel import fleet as kernel_fleet


SETTINGS_FILE = """\
# The home of a lab: its inventory is its own.
inventory = "inventory"
"""


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="A fleet to try it on.", no_args_is_help=True)
    kernel = typer.Typer(help="Real kernels in QEMU.", no_args_is_help=True)
    kernel.command("up")(kernel_up)
    kernel.command("down")(kernel_down)
    kernel.command("status")(kernel_status)
    group.add_typer(kernel, name="kernel")
    cli.add_typer(group, name="lab")


def kernel_up(context: typer.Context) -> None:
    """Boot three virtual machines with real kernels, and make the home folder's inventory theirs."""
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
    kernel_fleet.down(app_of(context).settings.home)


def kernel_status(context: typer.Context, as_json: AsJson = False) -> None:
    """The virtual machines of this home folder."""
    machines = kernel_fleet.status(app_of(context).settings.home)
    if as_json:
        print_json({"machines": [machine.__dict__ for machine in machines]})
        return
    rows = ((m.name, "up" if m.alive else "down", m.kernel, m.port, m.console) for m in machines)
    print_table(("MACHINE", "STATE", "KERNEL", "PORT", "CONSOLE"), rows, empty="the kernel lab is down")
