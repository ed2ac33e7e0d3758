"""``patchwave advisories``: published vulnerability data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.context import AsJson, app_of
from orchestrator.cli.output import coloured, counted, out, print_json, print_table, safe, say
from orchestrator.errors import InvalidInput
from orchestrator.services.import_advisories import FeedResult, FeedState

SHOWN_AT_ONCE = 100


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Published vulnerability data.", no_args_is_help=True)
    group.command()(sync)
    group.command("import")(import_files)
    group.command("list")(list_entries)
    group.command()(show)
    group.command()(status)
    cli.add_typer(group, name="advisories")


def sync(
    context: typer.Context,
    feeds: Annotated[
        list[str] | None, typer.Argument(metavar="[FEED]...", help="Feeds, or parts of them: osv/AlmaLinux.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download what feeds have that is new, and take it in. Exit 1 when one failed; the others are taken in."""
    results = app_of(context).sync_advisories(
        tuple(feeds or ()), on_part=lambda part: say(f"{part}: asking"), on_result=lambda one: say(_line(one))
    )
    _print_results(results, as_json, empty="no feed is enabled, or the fleet needs none: see docs/reference/feeds.md")
    if any(result.error is not None for result in results):
        raise typer.Exit(1)


def import_files(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of feeds, or folders of them.")],
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="Also where more than a fifth of a feed's entries are missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take in files that were downloaded elsewhere. Each is taken in whole or not at all."""
    results = app_of(context).import_advisories(may_shrink=accept_shrink)(files, on_result=lambda one: say(_line(one)))
    _print_results(results, as_json, empty="")
    if errors := [result.error for result in results if result.error is not None]:
        raise typer.Exit(max(error.exit_code for error in errors))


def list_entries(
    context: typer.Context,
    feed: Annotated[str | None, typer.Option(help="Only of this feed, or part of one.")] = None,
    text: Annotated[str | None, typer.Option(help="Only with this in id, title or CVEs.")] = None,
    after: Annotated[str | None, typer.Option(metavar="FEED/ID", help="From after this entry on.")] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = SHOWN_AT_ONCE,
    as_json: AsJson = False,
) -> None:
    """Entries of the feeds, by feed and id."""
    page = app_of(context).read_advisories.entries(feed=feed, text=text, after=after, most=most)
    if as_json:
        print_json(page)
        return
    rows = (
        (one["feed"], one["id"], _day(one["published"]), _day(one["modified"]), one["title"]) for one in page["entries"]
    )
    print_table(("FEED", "ENTRY", "PUBLISHED", "MODIFIED", "TITLE"), rows, empty="no entry is like that")
    if page["next"] is not None:
        say(f"there are more: --after {page['next']!r} goes on")


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="A CVE, or the id of an entry.")],
    as_json: AsJson = False,
) -> None:
    """All that any source says of a CVE, and since when it is known here; or one entry."""
    found = app_of(context).read_advisories.show(name)
    if as_json:
        print_json(found)
    elif "cve" in found:
        _print_cve(found)
    else:
        for entry in found["entries"]:
            _print_entry(entry)


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Where each feed stands: what was imported, when, and what failed since."""
    statuses = app_of(context).read_advisories.statuses()
    if as_json:
        print_json({"feeds": statuses})
        return
    rows = (
        (
            one["feed"],
            coloured(one["state"]),
            _time(one["succeeded_at"]) or "never",
            one["version"] or _time(one["dated"]),
            one["entries"],
            one["statements"],
            one["error"] or one["source"],
        )
        for one in statuses
    )
    columns = ("FEED", "STATE", "LAST SUCCESS", "VERSION", "ENTRIES", "STATEMENTS", "SOURCE OR ERROR")
    print_table(columns, rows, empty="nothing was ever imported: `patchwave advisories sync` downloads")


def _line(result: FeedResult) -> str:
    """A result while others are still to come."""
    if result.error is not None:
        return f"{result.feed}: failed: {result.error}"
    if result.state is FeedState.LEFT_OUT:
        return f"{result.source}: is no file of a feed that is known"
    return f"{result.feed}: {result.state}"


def _print_results(results: Sequence[FeedResult], as_json: bool, *, empty: str) -> None:
    if as_json:
        print_json({"results": [_document(result) for result in results]})
        return
    rows = (
        (
            one.feed,
            coloured(one.state),
            one.imported.added,
            one.imported.changed,
            one.imported.withdrawn,
            one.imported.unchanged,
            one.error or one.source,
        )
        for one in results
        if one.state is not FeedState.LEFT_OUT
    )
    left_out = sum(one.state is FeedState.LEFT_OUT for one in results)
    empty = f"{counted(left_out, 'file')} left out: none is of a feed that is known" if left_out else empty
    print_table(("FEED", "STATE", "NEW", "CHANGED", "WITHDRAWN", "UNCHANGED", "SOURCE OR ERROR"), rows, empty=empty)


def _document(result: FeedResult) -> dict[str, Any]:
    counts = {name: getattr(result.imported, name) for name in ("added", "changed", "withdrawn", "unchanged")}
    return {"feed": result.feed, "state": result.state, "source": result.source, **counts, "error": _error(result)}


def _error(result: FeedResult) -> dict[str, Any] | None:
    if result.error is None:
        return None
    invalid = result.error if isinstance(result.error, InvalidInput) else None
    place = {} if invalid is None else {"file": invalid.file, "line": invalid.line, "field": invalid.field}
    return {"code": result.error.code, "message": str(result.error)} | place


def _print_cve(found: dict[str, Any]) -> None:
    out.print(f"[bold]{safe(found['cve'])}[/]")
    if (score := found["likelihood"]) is not None:
        model = f"model {score['model_version']}, {score['scored_on']}"
        out.print(
            f"likely to be exploited: {score['score']:.2%}, above {score['percentile']:.2%} of all ({safe(model)})"
        )
    grades = (
        (one["feed"], one["severity"], _day(one["disclosed"]), one["kev_added"], one["kev_due"], _since(one))
        for one in found["grades"]
    )
    print_table(
        ("SOURCE", "SEVERITY", "DISCLOSED", "EXPLOITED SINCE", "DUE", "KNOWN SINCE"), grades, empty="not graded"
    )
    print_table(
        ("DISTRIBUTION", "PACKAGE", "CLAIM", "FROM", "FIXED IN", "SEVERITY", "SOURCE", "ENTRY", "KNOWN SINCE", "NOTE"),
        (_statement_row(one) for one in found["statements"]),
        empty="no distribution says anything of it",
    )
    if found["module_fixes"]:
        _print_module_fixes(found["module_fixes"])


def _print_entry(entry: dict[str, Any]) -> None:
    out.print(f"[bold]{safe(entry['id'])}[/] {safe(entry['feed'])}: {safe(entry['title'])}")
    for name in ("url", "published", "modified", "withdrawn"):
        if entry[name] is not None:
            out.print(f"{name}: {safe(entry[name])}")
    said = (
        (one["cve"], one["distribution"], one["package"], one["claim"], one["introduced"], _fixed(one), one["severity"])
        for one in entry["statements"]
    )
    columns = ("CVE", "DISTRIBUTION", "PACKAGE", "CLAIM", "FROM", "FIXED IN", "SEVERITY")
    print_table(columns, said, empty="it says nothing of packages")
    for grade in entry["grades"]:
        due = f", exploited since {grade['kev_added']}, due {grade['kev_due']}" if grade["kev_added"] else ""
        out.print(safe(f"{grade['cve']}: {grade['severity']}{due}"))
    if entry["module_fixes"]:
        _print_module_fixes(entry["module_fixes"])


def _print_module_fixes(fixes: list[dict[str, Any]]) -> None:
    rows = ((one["distribution"], one["package"], one["pattern"], one["version"], one.get("cve", "")) for one in fixes)
    print_table(("DISTRIBUTION", "KERNEL", "LIVE PATCH MODULE", "FROM VERSION", "CVE"), rows, empty="")


def _statement_row(one: dict[str, Any]) -> tuple[object, ...]:
    severity, source = one["severity"], (one["feed"], one["entry"], _since(one), one["note"])
    return (one["distribution"], one["package"], one["claim"], one["introduced"], _fixed(one), severity, *source)


def _fixed(one: dict[str, Any]) -> str:
    if one["fixed"] is None and one["last_affected"] is not None:
        return f"after {one['last_affected']}"
    return one["fixed"] or ""


def _since(one: dict[str, Any]) -> str:
    """What came with the first import may have been published at any time before."""
    return f"{_day(one['since'])}{' or before' if one['is_baseline'] else ''}"


def _day(moment: str | None) -> str:
    return (moment or "")[:10]


def _time(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")
