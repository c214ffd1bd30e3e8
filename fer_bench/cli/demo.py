"""The demo command: a local web page."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import rich_click as click

from fer_bench.cli.options import (
    add_extra_architectures,
    console,
    extra_architectures_option,
    face_options,
    pop_face_options,
    results_dir_option,
    results_option,
)
from fer_bench.core.console import print_text


@click.command()
@results_option("--port", type=click.IntRange(1, 65535), metavar="N", default=7860, help="Port. Default: 7860.")
@extra_architectures_option(panel="Results")
@results_dir_option
@face_options
def demo(port: int, extra_architectures: tuple[Path, ...], results_dir: Path, **options: Any) -> None:
    """Show a local web page that predicts the expressions in pictures.

    Examples:

        demo
        demo --results-dir results --port 8000

    The page takes a picture file or one of the camera, offers the best model of each leaderboard row that was
    kept in the results folder, and shows the faces, the probabilities, where the model looks, and the times. Only this
    computer has access to it, and it works without a network. Needs `pip install 'fer-bench[demo]'`.
    """
    from fer_bench.inference.demo import Demo, build_page, import_gradio, model_titles, serve
    from fer_bench.inference.saved_models import list_models

    import_gradio()
    add_extra_architectures(extra_architectures)
    models = Demo(model_titles(list_models(results_dir)), pop_face_options(options))
    page = build_page(models)
    address = serve(page, port)
    terminal = console()
    print_text(terminal, f"Open {address} in a browser. Ctrl-C ends the demo.")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    page.close(verbose=False)
    print_text(terminal, "The demo has ended.")
