"""What is kept of what a notebook prints and shows: bounded, whatever it does, and as a terminal would have left it."""

import itertools

import nbformat
from nbformat import NotebookNode

from labrun.runner.outcome import shortened

HEAD, TAIL = 1_000_000, 100_000  # characters of one stretch of a cell's printed text: its beginning and its end
SHOWN_BYTES = 20_000_000  # figures, tables and widgets of one cell
RUN_BYTES = 200_000_000  # all outputs of one run
LOG_CHARS, LOG_TAIL = 10_000_000, 10_000  # run.log
ERROR_CHARS = 20_000  # each part of a traceback


class CellOutputs:
    """Keeps the outputs of one cell at a time within the limits above; `finish` returns what a reader shall see.

    nbclient appends every message of the kernel to a list: a cell that prints without end would fill the memory.
    """

    def __init__(self):
        self.run_left = RUN_BYTES
        self.begin()

    def begin(self) -> None:
        self.head, self.shown_left = min(HEAD, self.run_left), min(SHOWN_BYTES, self.run_left)
        self.pending, self.left_out = 0, 0
        self.cut: dict[tuple[int, str], tuple[int, str]] = {}  # place and name -> characters gone, the note of it

    def admits(self, content: dict) -> bool:
        """Return whether an output that is no printed text is kept; an error always is, its parts shortened."""
        if "ename" in content:
            content["evalue"] = shortened(content["evalue"], ERROR_CHARS)
            content["traceback"] = [shortened(part, ERROR_CHARS) for part in content["traceback"]]
            return True
        size = 200 + size_of(content)
        if size > self.shown_left:
            self.left_out += 1
            return False
        self.shown_left -= size
        return True

    def printed(self, outputs: list[NotebookNode], text: str) -> None:
        """Take note of printed text that was appended to the outputs; join them before they become too many."""
        self.pending += 200 + len(text)
        if self.pending > TAIL:
            self.pending = 0
            self._compact(outputs)

    def finish(self, outputs: list[NotebookNode]) -> list[NotebookNode]:
        """Return the outputs of the cell that has ended, and begin anew."""
        self._compact(outputs)
        if self.left_out:
            note = f"[{self.left_out:,} outputs were left out: a cell keeps {SHOWN_BYTES // 10**6} MB of them]\n"
            outputs.append(nbformat.v4.new_output("stream", name="stderr", text=note))
        kept = coalesce_streams(outputs)
        self.run_left = max(0, self.run_left - sum(len(str(output)) for output in kept))
        self.begin()
        return kept

    def _compact(self, outputs: list[NotebookNode]) -> None:
        """Join the stretch of printed text at the end of the outputs and cut out its middle."""
        start = len(outputs)
        while start and outputs[start - 1].output_type == "stream":
            start -= 1
        stretch = outputs[start:]
        del outputs[start:]
        for name in sorted({output.name for output in stretch}, reverse=True):  # stdout before stderr
            texts, place = [output.text for output in stretch if output.name == name], (start, name)
            settled = texts.pop(0) if place in self.cut else ""  # only its last line may change
            line = settled.rfind("\n") + 1
            text = settled[:line] + _as_on_a_terminal(settled[line:] + "".join(texts))
            gone, note = self.cut.setdefault(place, (0, ""))
            rest = len(text) - self.head - len(note)
            if rest > 2 * TAIL:
                gone += rest - TAIL
                new = f"\n[... {gone:,} characters were left out here: a cell keeps its first and its last ones ...]\n"
                text, self.cut[place] = text[: self.head] + new + text[-TAIL:], (gone, new)
            outputs.append(nbformat.v4.new_output("stream", name=name, text=text))


class LineLog:
    """A text stream for logs: whole lines only, of a progress bar's line just its last state, of too much the end."""

    def __init__(self, stream):
        self.stream, self.rest, self.left, self.tail = stream, "", LOG_CHARS, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        self.rest = self.rest.rpartition("\r")[2] if len(self.rest) > 10_000 else self.rest
        if len(self.rest) > TAIL:  # a line without an end
            lines, self.rest = [*lines, self.rest], ""
        for line in lines:
            shown = last_state(line) + "\n"
            if len(shown) <= self.left:
                self.stream.write(shown)
                self.left -= len(shown)
            else:
                self.left, self.tail = 0, (self.tail + shown)[-LOG_TAIL:]

    def flush(self) -> None:
        self.stream.flush()

    def end(self) -> None:
        """Write what is left of a line that was never ended, and the end of a cell's text that was too long."""
        if self.rest:
            self.write("\n")
        if self.tail:
            note = (
                f"[... left out: a run's log keeps {LOG_CHARS:,} characters, and of each cell the last {LOG_TAIL:,}]\n"
            )
            self.stream.write(note + self.tail)
            self.tail = ""
        self.flush()


def size_of(content: dict) -> int:
    """Return the bytes, roughly, of what a message shows."""
    return sum(len(str(part)) for part in content.get("data", {}).values())


def coalesce_streams(outputs: list) -> list:
    """Return a cell's outputs as a terminal would have left them: of neighboring stream outputs one per
    stream, and of each line what follows its last carriage return. nbclient's takes minutes for a long line.
    """
    merged = []
    for is_stream, group in itertools.groupby(outputs, key=lambda output: output.output_type == "stream"):
        neighbors = list(group)
        names = sorted({output.name for output in neighbors}, reverse=True) if is_stream else []  # stdout before stderr
        for name in names:
            text = _as_on_a_terminal("".join(output.text for output in neighbors if output.name == name))
            merged.append(nbformat.v4.new_output("stream", name=name, text=text))
        merged += [] if is_stream else neighbors
    return merged


def last_state(line: str) -> str:
    """Return what a line shows at last: the text after its last carriage return that anything followed."""
    return line.rstrip("\r").rpartition("\r")[2]


def _as_on_a_terminal(text: str) -> str:
    return "\n".join(map(last_state, text.split("\n"))) if "\r" in text else text
