"""Where the project's solc lies, and how it gets there.

py-solc-x looks for an executable `solc-v<version>` in the folder that SOLCX_BINARY_PATH names. Ours is `.venv/solc`:
private to this checkout, gone with `make clean-all`, and never in the way of other projects, as a slow stand-in under
~/.solcx would be. `python -m closeout.toolchain.solc` fills it: with the native compiler where py-solc-x can download
it, else with `solc_shim.cjs`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from closeout.toolchain.settings import ROOT, compiler_settings

__all__ = ["SolcMissing", "solc_folder", "solc_path", "solc_version"]

SHIM = Path(__file__).with_name("solc_shim.cjs")
# Long enough for a slow line to answer, short enough that an offline setup does not look stuck.
CONNECT_SECONDS = 4
DOWNLOAD_SECONDS = 120


class SolcMissing(RuntimeError):
    """No compiler of the configured version: `make setup` has not run."""


def solc_folder() -> Path:
    """The folder that py-solc-x will look into: a SOLCX_BINARY_PATH that the user set goes first."""
    return Path(os.environ.get("SOLCX_BINARY_PATH") or ROOT / ".venv" / "solc")


def solc_path() -> Path:
    """The solc executable of the version that ape-config.yaml names."""
    version = compiler_settings().version
    for folder in (solc_folder(), ROOT / ".venv" / "solc"):
        path = folder / f"solc-v{version}"
        if path.exists():
            return path
    raise SolcMissing(f"solc {version} is not in {solc_folder()}: run `make setup`")


def solc_version() -> str:
    """The compiler's full version with its commit, as explorers name it: 0.8.30+commit.73712a01."""
    said = subprocess.run([solc_path(), "--version"], check=True, timeout=60, capture_output=True, text=True).stdout
    return next(line.split()[1] for line in said.splitlines() if line.startswith("Version:")).split(".Emscripten")[0]


def _reachable(host: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, 443), timeout=CONNECT_SECONDS):
        return True
    return False


def _download(version: str, folder: Path) -> bool:
    """Ask py-solc-x for the native compiler, in a process of its own because its requests have no time limit."""
    from solcx.install import BINARY_DOWNLOAD_BASE

    if not _reachable(urlsplit(BINARY_DOWNLOAD_BASE).hostname or ""):
        return False
    program = "import sys, solcx; solcx.install_solc(sys.argv[1])"
    environment = os.environ | {"SOLCX_BINARY_PATH": str(folder)}
    try:
        subprocess.run(
            [sys.executable, "-c", program, version],
            env=environment,
            check=True,
            timeout=DOWNLOAD_SECONDS,
            capture_output=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return _answers(folder / f"solc-v{version}", version)


def _answers(path: Path, version: str) -> bool:
    try:
        done = subprocess.run([path, "--version"], check=True, timeout=60, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return f"Version: {version}+" in done.stdout


def _write_launcher(native: Path, target: Path) -> None:
    """Ape compiles a copy of contracts/ in a temporary folder without node_modules; the launcher says where those are.

    The include path holds node_modules alone: solc calls a file that lies under both base and include path ambiguous.
    """
    include = target.parent / "include"
    include.mkdir(exist_ok=True)
    modules = include / "node_modules"
    modules.unlink(missing_ok=True)
    modules.symlink_to(os.path.relpath(ROOT / "node_modules", include))
    target.unlink(missing_ok=True)
    target.write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$0")\n'
        'case " $* " in\n'
        '  *" --allow-paths "*) ;;\n'
        '  *" --base-path "*) set -- "$@" --include-path "$here/include" --allow-paths "$here/../../node_modules" ;;\n'
        "esac\n"
        f'exec "$here/{native.relative_to(target.parent)}" "$@"\n'
    )
    target.chmod(0o755)


def install() -> Path:
    """Put solc where py-solc-x finds it, unless a working one is there. CLOSEOUT_SOLC=wasm never asks the network."""
    version = compiler_settings().version
    folder = ROOT / ".venv" / "solc"
    target = folder / f"solc-v{version}"
    native = folder / "native" / f"solc-v{version}"
    if os.environ.get("CLOSEOUT_SOLC") != "wasm":
        native.parent.mkdir(parents=True, exist_ok=True)
        if _answers(native, version) or _download(version, native.parent):
            _write_launcher(native, target)
            print(f"solc {version}: native")
            return target
        native.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(os.path.relpath(SHIM, folder))
    if not _answers(target, version):
        found = subprocess.run([target, "--version"], capture_output=True, text=True, check=False)
        raise SolcMissing(f"npm's solc does not answer as {version}: {(found.stderr or found.stdout).strip()}")
    print(f"solc {version}: WebAssembly from npm (no native one could be downloaded; several times slower)")
    return target


if __name__ == "__main__":
    try:
        install()
    except SolcMissing as error:
        sys.exit(f"setup: {error}")
