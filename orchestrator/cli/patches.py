"""``patchwave patches``: the catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.context import AsJson, Yes, app_of, confirmed, declined
from orchestrator.cli.output import out, print_json, print_table, safe
from orchestrator.core.patches import Patch


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="The catalogue of kernel modules.", no_args_is_help=True)
    group.command()(add)
    group.command("list")(list_patches)
    group.command()(show)
    group.command()(remove)
    cli.add_typer(group, name="patches")


def add(
    context: typer.Context, files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Patch files.")]
) -> None:
    """Add patches, after their modules were looked at: each must fit exactly the kernel build it names."""
    app = app_of(context)
    for file in files:
        patch = app.add_patch(file)
        out.print(f"{safe(patch.id)}: fixes {_cves(patch)} on {len(patch.builds)} kernel builds")


def list_patches(context: typer.Context, as_json: AsJson = False) -> None:
    """All patches of the catalogue."""
    patches = app_of(context).store.catalogue.all()
    if as_json:
        print_json({"patches": [patch.model_dump(mode="json") for patch in patches]})
        return
    rows = (
        (p.id, p.summary, _cves(p), _replaces(p), len(p.builds), p.added_at.isoformat("T", "seconds")) for p in patches
    )
    print_table(("PATCH", "SUMMARY", "FIXES", "REPLACES", "BUILDS", "ADDED"), rows, empty="the catalogue is empty")


def show(context: typer.Context, patch_id: str, as_json: AsJson = False) -> None:
    """One patch: what it fixes, and for which kernel builds."""
    patch = app_of(context).catalogue().show(patch_id)
    if as_json:
        print_json(patch.model_dump(mode="json"))
        return
    out.print(f"[bold]{safe(patch.id)}[/] {safe(patch.summary)}\nreplaces: {safe(_replaces(patch))}")
    fixes = ((f.cve, f.severity, f.disclosed or "unknown", f.published or "unknown") for f in patch.fixes)
    print_table(("FIXES", "SEVERITY", "DISCLOSED", "PUBLISHED"), fixes, empty="")
    builds = ((b.kernel, b.build_id, b.module, "yes" if b.signed else "no") for b in patch.builds)
    print_table(("KERNEL", "BUILD ID", "MODULE", "SIGNED"), builds, empty="")


def remove(context: typer.Context, patch_id: str, yes: Yes = False) -> None:
    """Take a patch out of the catalogue. Hosts keep what they have loaded."""
    app = app_of(context)
    patch = app.catalogue().show(patch_id)
    if not confirmed(f"Take {patch.id} out? Windows that it alone decided end as withdrawn.", yes):
        declined("nothing was taken out", as_json=False)
    app.catalogue().remove(patch_id)
    out.print(f"{safe(patch_id)} is out of the catalogue")


def _cves(patch: Patch) -> str:
    return ", ".join(fix.cve for fix in patch.fixes)


def _replaces(patch: Patch) -> str:
    return patch.replaces if isinstance(patch.replaces, str) else ", ".join(patch.replaces)
