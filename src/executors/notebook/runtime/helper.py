"""Runs one notebook for Headrace in a Jupyter kernel of its own, and reports each cell over descriptor 3.

Messages are JSON, one a line. In: {"type": "run"|"continue"|"render", ...}. Out: {"type": "ready"|"cell"|
"outputs"|"result"|"error"|"html", ...}. What cells print goes to our own stdout and stderr at once.

All that is slow happens before the first message is read, so that a helper can stand ready: it starts the kernel,
imports nbconvert and renders an empty notebook once. It serves one notebook and is ended from outside.
"""

import asyncio
import base64
import json
import os
import re
import signal
import sys
import time
from subprocess import DEVNULL

# Children must neither hold the channel open nor write to it: duplicates are not inherited.
_channel = os.dup(3)
os.close(3)

from jupyter_client import AsyncKernelManager  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import CellExecutionError, DeadKernelError  # noqa: E402
from nbformat import from_dict  # noqa: E402

FOLDER = ".headrace"
START_SECONDS = 60
# An interrupted cell gets this long to stop before its kernel is killed.
INTERRUPT_GRACE_SECONDS = 2
PROBE_SECONDS = 30
MAX_CELL_OUTPUT = 10 * 1024 * 1024
MAX_NOTEBOOK_OUTPUT = 64 * 1024 * 1024
MAX_TRACEBACK = 16_384
FULL_NOTE = "[Headrace: more output than a notebook may keep; the rest is left out]\n"
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# The page loads nothing from elsewhere. SVG is an image, in which no script runs: nbconvert 6.5 would clean it away.
TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js_requirejs %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block data_svg scoped %}
<div class="jp-RenderedSVG jp-OutputArea-output {{ extra_class }}" data-mime-type="image/svg+xml">
<img src="{{ output.data['image/svg+xml'] | svg_url }}">
</div>
{% endblock %}
"""


class Refusal(Exception):
    """Why there is no output: a code and a message, and more for the error's details."""

    def __init__(self, code, message, **more):
        super().__init__(message)
        self.report = {"code": code, "message": message, **more}


def send(message):
    # Lone surrogates have no UTF-8: as escapes they reach the worker, which replaces them.
    view = memoryview((json.dumps(message) + "\n").encode())
    while view:
        view = view[os.write(_channel, view):]


def write_stream(name, text):
    view = memoryview(text.encode("utf-8", "backslashreplace"))
    while view:
        view = view[os.write(2 if name == "stderr" else 1, view):]


def count_kernel_kills():
    """How many processes the system has killed for want of memory, if it says."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


class Client(NotebookClient):
    """A client that passes on what cells print while they run, and bounds what it keeps of it."""

    def prepare(self):
        self.reset_execution_trackers()
        self.kept_bytes = 0
        self.cell_bytes = 0
        self.updated_cells = set()
        self.full_cell = None

    def output(self, outs, msg, display_id, cell_index):
        content = msg["content"]
        is_stream = msg["msg_type"] == "stream"
        if is_stream:
            write_stream(content["name"], content["text"])
        room = min(MAX_CELL_OUTPUT - self.cell_bytes, MAX_NOTEBOOK_OUTPUT - self.kept_bytes)
        size = len(content["text"]) if is_stream else len(json.dumps(content, default=str))
        self.cell_bytes += size
        self.kept_bytes += min(size, max(room, 0))
        if size <= room:
            return super().output(outs, msg, display_id, cell_index)
        if is_stream and room > 0:
            outs.append(from_dict({"output_type": "stream", "name": content["name"], "text": content["text"][:room]}))
        if self.full_cell != cell_index:
            self.full_cell = cell_index
            outs.append(from_dict({"output_type": "stream", "name": "stderr", "text": FULL_NOTE}))
        return None

    def _update_display_id(self, display_id, msg):
        self.updated_cells.update(self._display_id_map.get(display_id, {}))
        super()._update_display_id(display_id, msg)


def join_streams(outputs):
    """Prints come in pieces; in the notebook those of one stream that follow each other are one output."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if output["output_type"] == "stream" and last and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            joined.append(dict(output))
    return joined


class Kernel:
    """One kernel, reached by sockets in the work folder: no other host, user or network has a way to it."""

    def __init__(self, name):
        specs = KernelSpecManager().get_all_specs()
        speaks = {each: specs[each]["spec"].get("language", "").lower() for each in specs}
        python = sorted(each for each in speaks if speaks[each] == "python")
        if name not in speaks:
            raise Refusal("invalid_input", f"The kernel {name} is not installed here; these are: {', '.join(python)}")
        if name not in python:
            raise Refusal("invalid_input", f"The kernel {name} does not speak Python; these do: {', '.join(python)}")
        self.spec = specs[name]["spec"]
        # Relative, since the path of a socket may have 107 bytes.
        self.manager = AsyncKernelManager(
            kernel_name=name,
            transport="ipc",
            ip=f"{FOLDER}/kernel",
            connection_file=os.path.abspath(f"{FOLDER}/kernel.json"),
        )
        self.client = None
        self.language_info = {"name": "python"}

    async def start(self):
        try:
            # ipykernel sends what the process writes as messages, and writes it to these as well: once is enough
            await self.manager.start_kernel(
                extra_arguments=["--HistoryManager.enabled=False"], stdout=DEVNULL, stderr=DEVNULL
            )
            self.client = self.manager.client()
            self.client.start_channels()
            self.client.allow_stdin = False  # input() fails at once: nobody is there to answer
            await self.client.wait_for_ready(timeout=START_SECONDS)
        except RuntimeError as error:
            raise Refusal("internal", f"The kernel did not start: {error}") from None
        info = await self.client.kernel_info(reply=True, timeout=START_SECONDS)
        self.language_info = info["content"].get("language_info", self.language_info)
        with open(f"{FOLDER}/kernel_side.py", encoding="utf-8") as file:
            source = file.read()
        folder = os.path.abspath(FOLDER)
        # One expression, so that no name of ours is left among the notebook's.
        await self.ask(
            "exec(compile(" + repr(source) + ", 'headrace', 'exec'), __import__('sys').modules.setdefault("
            "'_headrace', __import__('types').ModuleType('_headrace')).__dict__)"
        )
        await self.ask(f"__import__('sys').modules['_headrace'].place({folder!r})")

    async def ask(self, code):
        """Runs an expression of ours that leaves no trace in the notebook."""
        reply = await self.client.execute(code, silent=True, store_history=False, reply=True, timeout=PROBE_SECONDS)
        content = reply["content"]
        if content["status"] != "ok":
            raise Refusal("script_error", f"The kernel could not answer: {content.get('ename')}: {content.get('evalue')}")

    async def kill(self):
        provisioner = self.manager.provisioner
        if provisioner is not None and provisioner.has_process:
            await provisioner.kill()

    async def interrupt(self):
        await self.manager.interrupt_kernel()

    async def find_end(self):
        """How the process ended: its exit code, or minus the signal; None while it lives."""
        provisioner = self.manager.provisioner
        if provisioner is None or not provisioner.has_process:
            return None
        return await provisioner.poll()


def start_renderer():
    """Imports nbconvert and does the slow first rendering; None where it is not installed."""
    try:
        from nbconvert.exporters import HTMLExporter
    except ImportError:
        return None
    exporter = HTMLExporter(raw_template=TEMPLATE)
    exporter.register_filter(
        "svg_url", lambda svg: "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    )
    if exporter.has_trait("optimistic_validation"):
        exporter.optimistic_validation = True
    exporter.from_notebook_node(from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "# *a*"},
        {"id": "b", "cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [
            {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "1"}}]},
    ]}))
    return exporter


def describe_death(code, cell, kills_before):
    where = f" while cell {cell} ran"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        if name == "SIGKILL" and count_kernel_kills() > kills_before:
            return Refusal("out_of_memory", f"The kernel was killed for want of memory{where}", cell=cell)
        return Refusal("script_error", f"The kernel was ended by the signal {name}{where}", cell=cell, signal=name)
    return Refusal("script_error", f"The kernel ended with exit code {code}{where}", cell=cell, exitCode=code)


class Execution:
    """The cells of one notebook, one after the other."""

    def __init__(self, kernel, message):
        self.kernel = kernel
        self.notebook = from_dict(message["notebook"])
        self.timeouts = message["cellTimeouts"]
        self.limit = message["maxOutputBytes"]
        self.position = 0
        self.client = Client(
            self.notebook, km=kernel.manager, store_widget_state=False, record_timing=False, timeout=None
        )
        self.client.kc = kernel.client
        self.client.prepare()

    def go_back(self, position):
        """What a retry begins with: the cells from here on have not been executed."""
        self.position = position
        for cell in self.notebook.cells[position:]:
            if cell.cell_type == "code":
                cell.outputs = []

    async def run(self, env):
        await self.kernel.ask(f"__import__('sys').modules['_headrace'].begin({env!r})")
        for index, cell in enumerate(self.notebook.cells):
            if index < self.position:
                continue
            tags = cell.metadata.get("tags", [])
            if cell.cell_type != "code" or not cell.source.strip() or "skip-execution" in tags:
                continue
            send({"type": "cell", "index": index, "status": "started"})
            startedAt = time.monotonic()
            refusal, is_over = await self.judge(cell, index)
            duration = round((time.monotonic() - startedAt) * 1000)
            self.report(cell, index, "failed" if refusal else "succeeded", duration)
            if refusal:
                self.report_updates()
                raise refusal
            if is_over:
                break
        self.report_updates()
        await self.finish()

    async def judge(self, cell, index):
        """Runs a cell. Returns why the notebook fails by it, if it does, and whether the notebook ends well with it."""
        self.client.cell_bytes = 0
        seconds = self.timeouts[index]
        kills = count_kernel_kills()
        task = asyncio.ensure_future(self.client.async_execute_cell(cell, index))
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            stands = await self.stop(task)
            why = f"Cell {index} took longer than {seconds:g} seconds"
            return Refusal("timeout", why, cell=index, canContinue=stands), False
        try:
            await task
        except CellExecutionError as error:
            return self.explain(error, cell, index)
        except DeadKernelError:
            return describe_death(await self.kernel.find_end(), index, kills), False
        return None, False

    async def stop(self, task):
        """Ends a cell that takes too long. Returns whether the kernel has survived that."""
        await self.kernel.interrupt()
        done, _ = await asyncio.wait({task}, timeout=INTERRUPT_GRACE_SECONDS)
        if not done:
            await self.kernel.kill()
            await asyncio.wait({task}, timeout=INTERRUPT_GRACE_SECONDS)
        if task.done():
            task.exception()  # looked at, or asyncio complains
        else:
            task.cancel()
        return bool(done)

    def explain(self, error, cell, index):
        if error.ename == "SystemExit" and error.evalue in ("", "0", "None"):
            return None, True
        traces = [out for out in cell.outputs if out.output_type == "error"]
        text = "\n".join(traces[-1].traceback) if traces else str(error)
        code = "out_of_memory" if error.ename == "MemoryError" else "script_error"
        name = error.ename + (f": {error.evalue}" if error.evalue else "")
        return Refusal(
            code,
            f"Cell {index}: {name}",
            cell=index,
            ename=error.ename,
            evalue=error.evalue,
            traceback=ANSI.sub("", text)[-MAX_TRACEBACK:],
            # what does not parse today does not parse tomorrow
            canContinue=code == "script_error",
            retryable=error.ename not in ("SyntaxError", "IndentationError", "TabError"),
        ), False

    def report(self, cell, index, status, duration):
        send({
            "type": "cell",
            "index": index,
            "status": status,
            "durationMs": duration,
            "executionCount": cell.get("execution_count"),
            "outputs": join_streams(cell.outputs),
        })

    def report_updates(self):
        """A later cell may have changed what an earlier one displays."""
        for index in sorted(self.client.updated_cells):
            outputs = join_streams(self.notebook.cells[index].outputs)
            send({"type": "outputs", "index": index, "outputs": outputs})

    async def finish(self):
        await self.kernel.ask(f"__import__('sys').modules['_headrace'].finish({self.limit})")
        with open(f"{FOLDER}/result.json", encoding="utf-8", errors="surrogatepass") as file:
            answer = json.loads(file.read(self.limit * 2 + 65_536))
        if "why" in answer:
            raise Refusal("invalid_output", answer["why"], path=answer.get("path", ""))
        send({"type": "result", "output": answer["value"]})


def try_render(exporter, message):
    """The page of a notebook. A template that stumbles over an odd output must not fail the notebook."""
    if exporter is None:
        return None
    try:
        resources = {"metadata": {"name": message["title"]}}
        return exporter.from_notebook_node(from_dict(message["notebook"]), resources)[0]
    except Exception as error:
        write_stream("stderr", f"The HTML could not be made: {type(error).__name__}: {error}\n")
        return None


async def read_message():
    """A line of stdin, which is read off the loop: the kernel's sockets need it."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.readline)
    if not line:
        raise SystemExit(0)
    return json.loads(line)


async def serve(kernel_name):
    try:
        kernel = Kernel(kernel_name)
        starting = asyncio.ensure_future(kernel.start())
        await asyncio.sleep(0.05)  # the kernel's process is on its way before the imports take this one's time
        exporter = await asyncio.get_running_loop().run_in_executor(None, start_renderer)
        await starting
        send({"type": "ready", "displayName": kernel.spec["display_name"], "languageInfo": kernel.language_info})
    except Refusal as refusal:
        send({"type": "error", **refusal.report})
        return
    execution = None
    while True:
        message = await read_message()
        if message["type"] == "render":
            send({"type": "html", "html": try_render(exporter, message), "hasRenderer": exporter is not None})
            continue
        try:
            if message["type"] == "run":
                execution = Execution(kernel, message)
            else:
                execution.go_back(message["from"])
            await execution.run(message["env"])
        except Refusal as refusal:
            send({"type": "error", **refusal.report})


def main():
    import logging

    logging.disable(logging.CRITICAL)
    asyncio.run(serve(sys.argv[1]))


main()
