"""``fcnet recipes``."""

import json

import click

from fcnet.cli.group import Command
from fcnet.cli.options import json_option
from fcnet.errors import SettingError


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print every setting that a recipe may have, with its type, default and meaning.")
@json_option
def recipes(name: str | None, schema: bool, as_json: bool) -> None:
    """List the recipes, or print the recipe NAME as a start for your own."""
    from fcnet.experiments.recipe import load_recipe, recipe_names, recipe_text
    from fcnet.experiments.schema import settings_table, settings_text

    if name and (schema or as_json):
        raise SettingError("NAME prints a recipe as it is; --schema and --json go without it.")
    if schema:
        click.echo(json.dumps(settings_table(), indent=2) + "\n" if as_json else settings_text(), nl=False)
        return
    if as_json:
        click.echo(json.dumps({known: load_recipe(known).to_dict() for known in recipe_names()}, indent=2))
        return
    if name:
        click.echo(recipe_text(name), nl=False)
        return
    names = recipe_names()
    for known in names:
        click.echo(f"{known:<{max(map(len, names)) + 2}}{load_recipe(known).description}")
