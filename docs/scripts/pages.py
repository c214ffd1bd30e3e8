"""Pages of the documentation that are made when it is built, as a hook of MkDocs: see `hooks` in mkdocs.yml.

Each generated page comes from what it describes: recipes from their models and files, leaderboards from their CSV
files. Files of the repository that are not below docs/ become pages as they are. Their links, and links of docs/ to
them, name paths in the repository, and are turned into links of the site.
"""

from __future__ import annotations

import ast
import inspect
import json
import posixpath
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from architecture_pages import architecture_pages
from leaderboards import (
    REFERENCE,
    ROOT,
    accuracies,
    leaderboard_figures,
    leaderboard_files,
    leaderboard_page,
    rank_correlation,
)
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from submission_pages import SUBMISSIONS, submission_pages

import fer_bench
from fer_bench.cli.group import COMMANDS
from fer_bench.config import bundled, recipe
from fer_bench.datasets.emotions import LABEL_ORDERS
from fer_bench.leaderboard.published_results import published_results
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.report.tables import markdown_table

# Files of the repository that are pages of the site.
FILES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "data/README.md": "datasets.md",
    "results/reference/README.md": "reference/index.md",
    "results/submissions/README.md": "submissions.md",
}
# What the functions of the public API return or take.
RETURNED = (
    "fer_bench.datasets.dataset.Dataset",
    "fer_bench.records.store.Records",
    "fer_bench.inference.trained_model.TrainedModel",
    "fer_bench.inference.export.export.Export",
    "fer_bench.protocols.audit.findings.Findings",
    "fer_bench.sweep.options.SweepOptions",
)
TABLE = re.compile(r"<!-- table: (.+?) -->")  # in a page: the place of a table
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]+)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the generated pages of results to the navigation."""
    results = next(entry["Results"] for entry in config.nav or [] if "Results" in entry)
    results += [f"reference/{path.stem}.md" for path in leaderboard_files()]
    results += [
        {"Architectures": ["architectures/index.md", *(f"architectures/{n}.md" for n in ARCHITECTURES.names())]}
    ]
    results += [uri for uri in submission_pages(SUBMISSIONS) if uri.endswith(".md")]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the files of the repository that are pages."""
    for uri, content in (generate() | submission_pages(SUBMISSIONS)).items():
        files.append(File.generated(config, uri, content=content))
    for source, uri in FILES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    for path in SUBMISSIONS.glob("*.zip"):
        files.append(File.generated(config, f"submissions/{path.name}", abs_src_path=str(path)))
    for path in leaderboard_files():
        files.append(File.generated(config, f"reference/{path.name}", abs_src_path=str(path)))
        for name, figure in leaderboard_figures(path).items():
            files.append(File.generated(config, f"reference/{name}", content=figure))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace links to files of the repository by links of the site."""
    uri = page.file.src_uri
    source = next((path for path, of in FILES.items() if of == uri), f"docs/{uri}")

    def relink(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        target = FILES.get(path, path.removeprefix("docs/"))
        if target == path:  # neither below docs/ nor one of FILES: MkDocs reports it
            return match[0]
        return f"{match[1]}{posixpath.relpath(target, posixpath.dirname(uri) or '.')}{match[3] or ''})"

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)  # code stays as it is
    markdown = "".join(part if part.startswith("```") else LINK.sub(relink, part) for part in parts)
    return TABLE.sub(lambda match: _inserted_table(match[1]), markdown)


def generate() -> dict[str, str]:
    """Return the Markdown of the generated pages by their path in the site."""
    pages = {
        "recipe-fields.md": _recipe_fields(),
        "named-recipes.md": _named_recipes(),
        "commands.md": _commands(),
        "api.md": _api(),
    }
    pages |= {f"architectures/{name}.md": text for name, text in architecture_pages().items()}
    return pages | {f"reference/{path.stem}.md": leaderboard_page(path) for path in leaderboard_files()}


def _inserted_table(name: str) -> str:
    """Return a table of data of this repository for a place in a page."""
    if name == "synthetic":  # written by gallery.py
        return Path(__file__).with_name("leaderboard.md").read_text(encoding="utf-8")
    if name == "recipes":
        texts = {recipe: path.read_text(encoding="utf-8") for recipe, path in bundled.recipes().items()}
        ours_first = sorted(texts.items(), key=lambda item: "# Source:" in item[1])
        lines = [
            (f"[`{recipe}`](named-recipes.md#{recipe})", yaml.safe_load(text)["description"])
            for recipe, text in ours_first
        ]
        return markdown_table([("recipe", "left"), ("what it is", "left")], lines)
    if name == "orders":
        orders = ((f"`{order}`", ", ".join(LABEL_ORDERS[order])) for order in ("fer2013", "alphabetical", "ferplus"))
        return markdown_table([("order", "left"), ("classes", "left")], orders)
    paths = [REFERENCE / f"{stem}.csv" for stem in name.split(" and ")]
    if all(path.is_file() for path in paths):
        return accuracies(*paths) if len(paths) == 1 else rank_correlation(paths)
    published = [one for one in published_results() if name in (one.badge, one.model)]
    sources = [f"[{one.source}]({one.url})" if one.url else one.source for one in published]
    cells = [
        (one.model, f"{one.value:.2f}", one.protocol, one.views, source)
        for one, source in zip(published, sources, strict=True)
    ]
    titles = ("model", "reported (%)", "protocol", "test views", "source")
    return markdown_table([(title, "right" if title == "reported (%)" else "left") for title in titles], cells)


def _recipe_fields() -> str:
    parts = [
        "# Fields of a recipe",
        "`--set optimizer.learning_rate=3e-4` sets a field of a section, `--set epochs=5` one of the recipe itself. In "
        "a YAML file, a section is a mapping. [Recipes](recipes.md) says how recipes are combined.",
    ]
    models = {"": recipe.Recipe} | {
        name: model for name, field in recipe.Recipe.model_fields.items() if (model := _model_in(field.annotation))
    }
    for name, model in models.items():
        schema = model.model_json_schema()
        comments = _comments(model)
        lines = [
            (f"`{field}`", _allowed(schema["properties"][field], schema), _code(info.default), comments[field])
            for field, info in model.model_fields.items()
            if name or field not in models
        ]
        columns = [(title, "left") for title in ("field", "values", "default", "meaning")]
        parts += [f"## {name or 'The recipe itself'}", inspect.cleandoc(model.__doc__ or "")]
        parts.append(markdown_table(columns, lines))
    policies = [(f"`{name}`", _code(fields) if fields else "the defaults") for name, fields in recipe.POLICIES.items()]
    parts += ["## Policies of augmentation", "`augmentation: strong` stands for the fields of the policy."]
    return "\n\n".join([*parts, markdown_table([("policy", "left"), ("fields", "left")], policies)]) + "\n"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation names; `Pretraining | None` names one, too."""
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Return the comments above and behind the fields of a model, which describe them."""
    source = textwrap.dedent(inspect.getsource(model))
    lines, comments = source.splitlines(), {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            start = node.lineno - 1
            while lines[start - 1].strip().startswith("#"):
                start -= 1
            above = [line.strip().removeprefix("# ") for line in lines[start : node.lineno - 1]]
            behind = lines[(node.end_lineno or 0) - 1][node.end_col_offset :].strip().removeprefix("# ")
            comments[node.target.id] = " ".join([*above, behind]).strip()
    return comments


def _allowed(schema: dict[str, Any], root: dict[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words."""
    if "$ref" in schema:
        return "a mapping"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_allowed(option, root) for option in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return "pairs of start and value"
    names = {"integer": "integer", "number": "number", "string": "text", "boolean": "true, false", "null": "null"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([names[schema["type"]], ", ".join(bounds)]).strip()


def _code(value: Any) -> str:
    return f"`{json.dumps(value)}`" if value != "" else '`""`'


def _named_recipes() -> str:
    parts = [
        "# Named recipes",
        "`--recipe NAME` takes a recipe of this page. Each file begins with its command, the figure to expect, its "
        "source and where it differs from it. [Fields of a recipe](recipe-fields.md) explains the keys.",
    ]
    for name, path in bundled.recipes().items():
        text = path.read_text(encoding="utf-8")
        parts += [f"## {name}", yaml.safe_load(text)["description"], f"```yaml\n{text}```"]
    return "\n\n".join(parts) + "\n"


def _commands() -> str:
    parts = [
        "# Commands",
        "In a clone, `python benchmark.py` runs the program; `pip install -e .` installs the same as `fer-bench`. "
        "Options without a command are those of [sweep](#sweep).",
    ]
    for panel, commands in COMMANDS.items():
        parts.append(f"## {panel}")
        for command in commands:
            inner = command.commands.items() if isinstance(command, click.Group) else ()
            parts += _command(command, str(command.name))
            for name, subcommand in inner:
                parts += _command(subcommand, f"{command.name} {name}")
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, name: str) -> Iterator[str]:
    """Yield heading, usage, help and options of a command, with the groups of options that --help has."""
    context = click.Context(command, info_name=name)
    usage = " ".join(["python benchmark.py", name, *command.collect_usage_pieces(context)])
    yield f"### {name} {{ #{name.replace(' ', '-')} }}"
    yield f"```text\n{usage}\n```"
    yield inspect.cleandoc(command.help or "")
    panels: dict[str, list[tuple[str, str]]] = {}
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            value = "" if option.is_flag else f" {option.make_metavar(context)}".replace("|", "/")  # | ends a cell
            names = ", ".join(f"`{flag}{value}`" for flag in [*option.opts, *option.secondary_opts])
            panels.setdefault(getattr(option, "panel", None) or "Options", []).append(
                (names, (option.help or "").replace("<", "&lt;"))
            )
    lines = [line for panel, options in panels.items() for line in [(f"**{panel}**", ""), *options]]
    if lines:
        yield markdown_table([("option", "left"), ("meaning", "left")], lines)


def _api() -> str:
    public = sorted((name for name in fer_bench.__all__ if not name.startswith("_")), key=str.lower)
    parts = [
        "# Python API",
        "`import fer_bench` gives the names of the first part. Trials run in worker processes: a script needs "
        '`if __name__ == "__main__":` around `run_benchmark`, as always with multiprocessing.',
        "## Functions and classes",
        *(f"::: fer_bench.{name}" for name in public),
        "## Objects that they return and take",
        *(f"::: {name}" for name in RETURNED),
    ]
    return "\n\n".join(parts) + "\n"
