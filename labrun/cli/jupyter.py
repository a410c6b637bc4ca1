"""The commands about JupyterLab on a compute node."""

import shutil

import click

from labrun.cli.runs import place_of, place_options


@click.group()
def jupyter():
    """Start, list, reach and stop JupyterLab on a compute node.

    \b
    Example:
      labkit jupyter start --site byu --time 02:00:00
      labkit jupyter connect
      labkit jupyter stop
    """


@jupyter.command()
@click.option("--name", help="Its name (chosen for you otherwise).")
@click.option(
    "--wait", "patience_s", default=300.0, metavar="SECONDS", help="How long to wait until it is ready (300)."
)
@place_options
def start(name, patience_s, **options):
    """Start JupyterLab as a job and print how to reach it.

    \b
    Example:
      labkit jupyter start --site laptop
    """
    from labrun import jupyter as server

    place = place_of(options)
    executor = place.executor()
    if place.dry_run:
        click.echo(executor.server_script(server.new_folder(name), "TOKEN"), nl=False)
        return
    executor.check()
    folder = server.create(name)
    try:
        click.echo(f"{folder.name}  job {executor.submit_server(folder)}")
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    click.echo("\n".join(server.directions(server.wait_until_ready(folder, patience_s=patience_s), folder)))


@jupyter.command("list")
def list_():
    """Show all servers with node, port and time left.

    \b
    Example:
      labkit jupyter list
    """
    from labrun import jupyter as server
    from labrun.results.tables import print_records

    shown = ("name", "state", "node", "port", "time_left", "message")
    rows = [{key: seen[key] or "" for key in shown} for seen in map(server.observe, server.servers())]
    if not rows:
        click.echo("No JupyterLab was started; start one with `labkit jupyter start --site SITE`.")
    else:
        print_records([row | {"port": str(row["port"])} for row in rows])


@jupyter.command()
@click.argument("name", required=False)
@click.option("--login", metavar="HOST", help="The login node as your own computer knows it.")
def connect(name, login):
    """Print how to reach the server NAME.

    \b
    Example:
      labkit jupyter connect --login ssh.rc.byu.edu
    """
    from labrun import jupyter as server

    folder = server.find(name)
    seen = server.wait_until_ready(folder, patience_s=5)
    click.echo("\n".join(server.directions(seen, folder, login=login)))


@jupyter.command()
@click.argument("name", required=False)
def stop(name):
    """Stop the server NAME and delete its token.

    \b
    Example:
      labkit jupyter stop
    """
    from labrun import jupyter as server
    from labrun.slurm.executor import end_job

    folder = server.find(name)
    end_job(folder)
    shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"{folder.name} is stopped.")
