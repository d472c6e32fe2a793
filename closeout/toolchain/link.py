"""Make the virtual environment whole: `python -m closeout.toolchain.link`, run by `make setup`.

Two things that a plain `ape compile` or `ape test` needs and that pip cannot give:

- anvil, forge and cast: the real binaries of npm's platform packages, linked into the environment's `bin`;
- `closeout.pth`: at start of this environment's Python (and of no other), puts the checkout on the import path, its
  `bin` on PATH and `.venv/solc` into SOLCX_BINARY_PATH unless that is set. So `ape` works alike from an activated
  shell, from `.venv/bin/ape` and from an editor, without a file to source or anything written outside the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from closeout.toolchain.settings import ROOT

TOOLS = ("anvil", "forge", "cast")
HOOK = (
    "import os, sys; _bin = os.path.dirname(sys.executable); "
    "os.environ.setdefault('SOLCX_BINARY_PATH', os.path.join(os.path.dirname(_bin), 'solc')); "
    "_path = os.environ.get('PATH', os.defpath).split(os.pathsep); "
    "_bin in _path or os.environ.__setitem__('PATH', os.pathsep.join([_bin, *_path]))"
)


class ToolMissing(RuntimeError):
    """A binary that npm should have brought is not there or does not run."""


def find_tool(name: str, bin_folder: Path) -> Path:
    """npm's binary, or else the one that the user installed: npm's lock holds Linux on x86-64 only."""
    from_npm = sorted(ROOT.glob(f"node_modules/@foundry-rs/{name}-*/bin/{name}"))
    if from_npm:
        return from_npm[0]
    elsewhere = os.pathsep.join(
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(folder).resolve() != bin_folder.resolve()
    )
    own = shutil.which(name, path=elsewhere)
    if own is None:
        raise ToolMissing(
            f"no {name} in node_modules/@foundry-rs (npm has it for Linux on x86-64) nor on PATH: install Foundry 1.7"
        )
    return Path(own).resolve()


def link_tool(name: str, bin_folder: Path) -> Path:
    """Link one Foundry binary into the environment and see that it answers."""
    found = find_tool(name, bin_folder)
    target = bin_folder / name
    target.unlink(missing_ok=True)
    target.symlink_to(os.path.relpath(found, bin_folder) if found.is_relative_to(ROOT) else found)
    try:
        done = subprocess.run([target, "--version"], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissing(f"{found} does not run: {error}") from error
    print(done.stdout.splitlines()[0])
    return target


def main() -> None:
    bin_folder = Path(sys.executable).parent
    if Path(sys.prefix).resolve() != ROOT / ".venv":
        raise ToolMissing(f"run by {sys.executable}, not by the checkout's .venv: use `make setup`")
    for name in TOOLS:
        link_tool(name, bin_folder)
    hook = Path(sysconfig.get_path("purelib")) / "closeout.pth"
    hook.write_text(f"{ROOT}\n{HOOK}\n")


if __name__ == "__main__":
    try:
        main()
    except ToolMissing as error:
        sys.exit(f"setup: {error}")
