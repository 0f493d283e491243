"""`bench schema`."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of an ablation file, for editors that complete and check.

    A file whose first line is "# yaml-language-server: $schema=schema.json" is checked against the
    schema.json beside it.
    """
    from benchmark.ablation.schema import ablation_schema

    click.echo(json.dumps(ablation_schema(), indent=2, ensure_ascii=False))
