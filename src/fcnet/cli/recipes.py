"""``fcnet recipes``."""

import click

from fcnet.cli.group import Command


@click.command(cls=Command)
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes, or print the recipe NAME as a start for your own."""
    from fcnet.experiments.recipe import load_recipe, recipe_names, recipe_text

    if name:
        click.echo(recipe_text(name), nl=False)
        return
    names = recipe_names()
    for known in names:
        click.echo(f"{known:<{max(map(len, names)) + 2}}{load_recipe(known).description}")
