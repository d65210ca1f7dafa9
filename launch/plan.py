"""What a sweep is divided into: chunks of seeds, each a command line of `jaxdep.main`, in as many waves as it takes."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Plan:
    """A sweep over the seeds 0, ..., seeds - 1 of one experiment.

    Attributes:
        name: of the experiment.
        workdir: which all chunks share.
        told: the arguments of `jaxdep.main` that all chunks have alike.
        seeds, chunk: of the sweep, and of a chunk; the last chunk may have fewer.
        waves: how often all chunks are gone through (`Experiment.waves`). All but the last leave chunks that wait for others.
        parallel: processes at a time.
    """

    name: str
    workdir: Path
    told: tuple[str, ...]
    seeds: int
    chunk: int
    waves: int
    parallel: int

    @property
    def chunks(self) -> tuple[range, ...]:
        """The seeds of each."""
        return tuple(range(first, min(first + self.chunk, self.seeds)) for first in range(0, self.seeds, self.chunk))

    def command(self, seeds: range, python: str = "python") -> tuple[str, ...]:
        """The command line of a chunk."""
        return self._main(python, first=str(seeds.start), count=str(len(seeds)), of=str(self.seeds))

    def indexed(self, index: str, python: str = "python") -> str:
        """The same for a shell that has a chunk's number in a variable."""
        first = f"{index}*{self.chunk}"
        count = f"{first}+{self.chunk}<={self.seeds}?{self.chunk}:{self.seeds}-{first}"
        numbers = {"first": f"$(({first}))", "count": f"$(({count}))", "of": str(self.seeds)}
        return shlex.join(self._main(python)) + "".join(f" --config.seeds.{key}={x}" for key, x in numbers.items())

    def any_chunk(self, python: str = "python") -> tuple[str, ...]:
        """The command line of a process that takes one chunk after another, of those that nobody is at work on."""
        return (*self._main(python, count=str(self.seeds), of=str(self.seeds)), f"--chunk={self.chunk}")

    def join(self, python: str = "python") -> str:
        """The command line that makes the report of what is there."""
        return shlex.join([python, "-m", "jaxdep.report", str(self.workdir)])

    @property
    def resource_name(self) -> str:
        """That of the workdir, as clouds want names to be."""
        return f"jaxdep-{re.sub('[^a-z0-9]+', '-', self.workdir.name.lower())}"[:50].strip("-")

    def described(self) -> Iterator[str]:
        """Lines on what is going to be done."""
        whole, rest = divmod(self.seeds, self.chunk)
        counts = [f"{whole} x {self.chunk}"] * bool(whole) + [f"1 x {rest}"] * bool(rest)
        chunks = "1 chunk" if len(self.chunks) == 1 else f"{len(self.chunks)} chunks"
        yield f"{self.name}: seeds 0-{self.seeds - 1} in {chunks} ({', '.join(counts)} seeds)"
        if self.waves > 1:
            yield f"in {self.waves} waves: some stages need what was made of all seeds of others"
        yield f"together: {self.join()}"

    def _main(self, python: str, **seeds: str) -> tuple[str, ...]:
        return (python, "-m", "jaxdep.main", *self.told, *(f"--config.seeds.{key}={x}" for key, x in seeds.items()))
