"""`bench schema`."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of ablation files, for editors.

    An editor checks a file whose first line is "# yaml-language-server: $schema=schema.json"
    against the schema.json beside it.
    """
    from benchmark.ablation.schema import ablation_schema

    click.echo(json.dumps(ablation_schema(), indent=2, ensure_ascii=False))
