"""The toolchain keeps its promises: a solc that answers in full, locks without hosts, a compile fast and right."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from eth_utils import keccak

from closeout.toolchain import solc
from closeout.toolchain.artifacts import load
from closeout.toolchain.compile import CompileFailed, Compiler, Unit, build, build_file, check, compile_unit, units_of
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.sources import SourceTree

PINS = {
    "eth-ape": "0.8.51",  # 0.8.52 falls into an endless recursion at start
    "ape-solidity": "0.8.6",
    "ape-foundry": "0.8.12",
    "web3": "7.16.0",
    "py-solc-x": "2.0.5",
}


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    # generous: a machine may be busy, and a command that hangs is found all the same
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=900, **options)


def standard_input(sources: dict[str, str], *outputs: str, **settings: object) -> str:
    selection = {name: {"*": list(outputs), "": ["ast"] if "ast" in outputs else []} for name in sources}
    return json.dumps(
        {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources.items()},
            "settings": {"outputSelection": selection} | settings,
        }
    )


# ---------------------------------------------------------------------------------------------------------------- solc


def test_solc__is_where_py_solc_x_looks__and_is_the_configured_version():
    import solcx

    version = compiler_settings().version
    assert version in {str(found) for found in solcx.get_installed_solc_versions()}
    assert f"Version: {version}+commit." in run(solc.solc_path(), "--version").stdout


def test_shim__with_a_big_output_and_a_slow_reader__writes_all_of_it():
    functions = "\n".join(
        f"function f{i}(uint256 a) external pure returns (uint256) {{ return a + {i}; }}" for i in range(300)
    )
    sources = {"Big.sol": f"// SPDX-License-Identifier: MIT\npragma solidity 0.8.30;\ncontract Big {{ {functions} }}"}
    with subprocess.Popen(
        [solc.SHIM, "--standard-json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(standard_input(sources, "abi", "ast"))
        process.stdin.close()
        time.sleep(1.5)  # the pipe is full long before this
        text = process.stdout.read()
    assert process.returncode == 0
    assert len(text) > 4 * 128 * 1024
    assert len(json.loads(text)["contracts"]["Big.sol"]["Big"]["abi"]) == 300


def test_shim__under_a_foreign_base_path__finds_node_modules_and_nothing_else(tmp_path: Path):
    """Ape compiles a copy of contracts/ in a temporary folder and leaves node_modules behind."""
    text = 'pragma solidity 0.8.30; import "{}";'
    for target, is_found in {"node_modules/solady/src/utils/LibBit.sol": True, "contracts/Vault.sol": False}.items():
        done = run(
            solc.SHIM,
            "--standard-json",
            "--base-path",
            tmp_path,
            input=standard_input({"A.sol": text.format(target)}, "abi"),
        )
        missing = [error for error in json.loads(done.stdout).get("errors", []) if "not found" in error["message"]]
        assert (not missing) is is_found, target


def test_shim__with_a_flag_it_does_not_know__says_so_and_fails():
    done = run(solc.SHIM, "--combined-json", "abi")
    assert done.returncode == 1
    assert "--combined-json is not supported" in done.stderr


def test_launcher__of_a_native_solc__adds_node_modules_only_beside_a_base_path(tmp_path: Path):
    folder = tmp_path / "with space" / "solc"
    native = folder / "native" / "solc-v0.8.30"
    native.parent.mkdir(parents=True)
    native.write_text('#!/bin/sh\nfor a in "$@"; do echo "$a"; done\n')
    native.chmod(0o755)
    launcher = folder / "solc-v0.8.30"
    solc._write_launcher(native, launcher)

    assert run(launcher, "--version").stdout.split("\n") == ["--version", ""]
    given = run(launcher, "--standard-json", "--base-path", "/x y").stdout.splitlines()
    assert given[:3] == ["--standard-json", "--base-path", "/x y"]
    include = Path(given[given.index("--include-path") + 1])
    assert [path.name for path in include.iterdir()] == ["node_modules"]
    assert (include / "node_modules").resolve() == (ROOT / "node_modules").resolve()


# --------------------------------------------------------------------------------------------------------------- setup


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """What setup reads, and nothing installed."""
    for name in ("Makefile", "requirements.lock", "package.json", "package-lock.json", ".npmrc", "ape-config.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "closeout" / "toolchain", tmp_path / "closeout" / "toolchain")
    return tmp_path


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the ordinary tools, for a test to leave one out."""
    folder = tmp_path / "bin"
    folder.mkdir()
    outside = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part)
    for name in ("bash", "make", "sed", "test", "touch", "node", "npm"):
        found = shutil.which(name, path=outside)
        assert found, name
        (folder / name).symlink_to(found)
    fake(folder / "python3", f'exec {sys._base_executable} "$@"')
    return folder


def fake(path: Path, script: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda tools: (tools / "node").unlink(), "node not found on PATH"),
        (lambda tools: (tools / "npm").unlink(), "npm not found on PATH"),
        (lambda tools: (tools / "python3").unlink(), "python3 not found on PATH"),
        (
            lambda tools: fake(tools / "python3", '[[ "$2" == *version_info* ]] && exit 1; echo 3.9.2'),
            "is Python 3.9.2",
        ),
        (lambda tools: fake(tools / "python3", '[[ "$2" == *venv* ]] && exit 1; exit 0'), "has no venv module"),
        (lambda tools: fake(tools / "node", '[[ "$1" == -e ]] && exit 1; echo v16.1.0'), "is Node.js v16.1.0"),
    ],
    ids=["no node", "no npm", "no python", "old python", "no venv", "old node"],
)
def test_setup__where_a_tool_is_missing__says_which_in_one_line_and_starts_nothing(
    bare_checkout: Path, bare_path: Path, break_it, says: str
):
    break_it(bare_path)
    done = run("make", "setup", cwd=bare_checkout, env={"PATH": str(bare_path), "HOME": str(bare_checkout)})
    told = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(told) == 1, told
    assert told[0].startswith("setup: ")
    assert says in told[0]
    assert not (bare_checkout / ".venv").exists()
    assert not (bare_checkout / "node_modules").exists()


def test_setup__when_nothing_changed__has_nothing_to_do():
    done = run("make", "--question", "setup", cwd=ROOT)
    assert done.returncode == 0, "run `make setup`"


def test_environment__without_activation__finds_its_own_tools():
    program = "import os, shutil; print(shutil.which('anvil'), shutil.which('forge'), os.environ['SOLCX_BINARY_PATH'])"
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    found = run(ROOT / ".venv/bin/python", "-c", program, env=environment).stdout.split()
    assert found == [str(ROOT / ".venv/bin/anvil"), str(ROOT / ".venv/bin/forge"), str(ROOT / ".venv/solc")]


# ---------------------------------------------------------------------------------------------------------------- pins


@pytest.mark.parametrize("name", ["requirements.lock", "package-lock.json"])
def test_lock__names_no_host(name: str):
    text = (ROOT / name).read_text()
    assert "://" not in text, "run `make lock`"
    assert '"resolved"' not in text
    assert not re.search(r"^\s*(--(extra-)?index-url|--find-links|-i|-f)\b", text, re.MULTILINE)


def test_requirements_lock__pins_and_hashes_everything__and_what_must_not_move_has_not():
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert all(re.match(r"[a-z0-9_.\[\]-]+==\S+.*--hash=sha256:", line) for line in lines)
    pinned = dict(re.match(r"([^\[=]+)[^=]*==(\S+)", line).groups() for line in lines)
    assert {name: pinned[name] for name in PINS} == PINS
    assert pinned["pytest"].startswith("8.4.")


def test_npm__installs_the_solc_that_is_configured__and_only_exact_versions():
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"] | package["optionalDependencies"]
    assert wanted["solc"] == compiler_settings().version
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_foundry_toml__which_analysers_read__agrees_with_ape_config():
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    settings = compiler_settings()
    assert forge["solc"].endswith(f"solc-v{settings.version}")
    assert (forge["evm_version"], forge["optimizer"], forge["optimizer_runs"], forge["via_ir"]) == (
        settings.evm_version,
        settings.optimize,
        settings.optimization_runs,
        settings.via_ir,
    )
    assert set(settings.remappings) == set(forge["remappings"]) - {"interfaces=interfaces"}


# ------------------------------------------------------------------------------------------------------------- compile

HEADER = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.30;\n"
SOURCES = {
    "interfaces/IBox.sol": "interface IBox { error Empty(uint256 wanted); function take(uint256 amount) external; }",
    "contracts/Sums.sol": """
        import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
        library Sums {
            function third(uint256 a) internal pure returns (uint256) { return FixedPointMathLib.mulDiv(a, 1, 3); }
        }
    """,
    "contracts/Box.sol": """
        import {IBox} from "interfaces/IBox.sol";
        import {Sums} from "./Sums.sol";
        contract Box is IBox {
            uint128 public held;
            function take(uint256 amount) external {
                if (amount > held) revert Empty(amount);
                held -= uint128(Sums.third(amount));
            }
        }
    """,
    "contracts/mocks/MockToken.sol": """
        import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
        contract MockToken is ERC20("Mock", "MCK") {}
    """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with this one's settings, outside the checkout."""
    shutil.copy(ROOT / "ape-config.yaml", tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    for name, text in SOURCES.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + text)


def selector(signature: str) -> str:
    return "0x" + keccak(text=signature)[:4].hex()


def compiled_files(root: Path, **options: object) -> int:
    """How many files a build compiled, by what it logs."""
    log = io.StringIO()
    build(root, log=log, **options)
    found = re.search(r"solc: (\d+) changed files", log.getvalue())
    return int(found.group(1)) if found else 0


def test_load__of_a_new_project__gives_code_selectors_and_layout(project: Path):
    artifacts = load(project, log=None)
    assert sorted(artifacts) == ["Box", "IBox", "MockToken", "Sums"]
    box = artifacts["Box"]
    assert box.selectors == {"held()": selector("held()"), "take(uint256)": selector("take(uint256)")}
    assert box.source == "contracts/Box.sol"
    assert box.storage_layout["storage"][0]["label"] == "held"
    assert box.bytecode.endswith(box.deployed_bytecode.removeprefix("0x"))
    assert 0 < box.size < box.init_size
    assert {entry.get("name") for entry in box.abi} == {"Empty", "held", "take"}
    assert artifacts["IBox"].bytecode == "0x"
    assert [name for name, artifact in artifacts.items() if artifact.is_shipped] == ["Box"]


def test_build__compiles_only_what_a_change_reaches(project: Path):
    assert compiled_files(project) == 4
    assert compiled_files(project) == 0
    write(project / "contracts/Sums.sol", SOURCES["contracts/Sums.sol"].replace("1, 3", "1, 4"))
    before = build(project, only=["MockToken"], log=None)
    assert compiled_files(project) == 2  # Sums and Box
    assert build(project, log=None)["MockToken"] == before["MockToken"]
    (project / "contracts/mocks/MockToken.sol").unlink()
    assert compiled_files(project) == 0
    assert sorted(load(project)) == ["Box", "IBox", "Sums"]


def test_build__when_a_setting_changes__compiles_all_again(project: Path):
    build(project, log=None)
    config = project / "ape-config.yaml"
    config.write_text(config.read_text().replace("optimization_runs: 200", "optimization_runs: 201"))
    assert compiled_files(project) == 4


def test_build__without_via_ir_or_of_a_subset__leaves_the_real_artifacts_alone(project: Path):
    build(project, log=None)
    real = build_file(project).read_bytes()
    assert compiled_files(project, via_ir=False, only=["Box"]) == 2
    assert build_file(project).read_bytes() == real
    assert compiled_files(project) == 0


def test_build__of_a_broken_file__says_what_solc_said_once_and_keeps_the_rest(project: Path):
    write(project / "contracts/Sums.sol", "library Sums { oops }")
    with pytest.raises(CompileFailed) as raised:
        build(project, log=None)
    assert str(raised.value).count("contracts/Sums.sol") == 1
    assert compiled_files(project, only=["MockToken"]) == 0


def test_build__without_via_ir__of_a_stack_too_deep__says_so(project: Path):
    names = [f"a{i}" for i in range(20)]
    parameters = ", ".join(f"uint256 {name}" for name in names)
    body = f"function f({parameters}) external pure returns (uint256) {{ return {' * '.join(names)}; }}"
    write(project / "contracts/Deep.sol", f"contract Deep {{ {body} }}")
    with pytest.raises(CompileFailed, match="Stack too deep"):
        build(project, via_ir=False, only=["Deep"], log=None)


def test_check__finds_type_errors_in_any_file__and_writes_nothing(project: Path):
    check(project)
    write(project / "contracts/Wrong.sol", "contract Wrong { uint8 public constant BIG = 256; }")
    with pytest.raises(CompileFailed, match=r"contracts/Wrong\.sol"):
        check(project)
    check(project, only=["Box"])
    assert not build_file(project).exists()


def test_build__with_two_contracts_of_one_name__refuses(project: Path):
    write(project / "contracts/Other.sol", "contract Box {}")
    with pytest.raises(CompileFailed, match="two contracts are called Box"):
        build(project, log=None)


def test_build__with_a_public_library_function__refuses_what_ape_would_silently_drop(project: Path):
    write(project / "contracts/Pub.sol", "library Pub { function one() public pure returns (uint256) { return 1; } }")
    write(
        project / "contracts/User.sol",
        'import {Pub} from "./Pub.sol";'
        "contract User { function two() external pure returns (uint256) { return Pub.one(); } }",
    )
    with pytest.raises(CompileFailed, match="User calls public functions of Pub"):
        build(project, log=None)


def test_command__with_an_error__exits_1_and_with_none_0(tmp_path: Path):
    python = ROOT / ".venv/bin/python"
    good = run(python, "-m", "closeout.toolchain.compile", "--quiet", "interfaces/Types.sol", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    help_text = run(python, "-m", "closeout.toolchain.compile", "--help").stdout
    assert "--no-via-ir" in help_text


def test_closure__follows_solc__relative_remapped_and_from_the_root(project: Path):
    tree = SourceTree(project, compiler_settings(project).remappings)
    assert list(tree.closure("contracts/Box.sol")) == [
        "contracts/Box.sol",
        "contracts/Sums.sol",
        "interfaces/IBox.sol",
        "node_modules/solady/src/utils/FixedPointMathLib.sol",
    ]


# solc's trailer as it writes it: {"ipfs": 34 bytes, "solc": 3 bytes} in CBOR, with its length behind.
METADATA = re.compile("a2646970667358221220[0-9a-f]{64}64736f6c6343[0-9a-f]{6}0033")


def without_metadata(code: str) -> str:
    """Code less solc's trailers, also those of contracts it creates: hashes of the settings as they were spelled."""
    return METADATA.sub("", code.removeprefix("0x"))


def test_ape_compile__makes_the_same_contracts_with_the_same_code():
    """Ape drops what it cannot link and says SUCCESS; with other settings we would test one code and ship another.

    solc numbers all that it reads, and what its optimizer inlines may depend on the numbers. Ape gives it every source
    at once, we what one file needs: where the code differs it must be the same once ours is compiled among all sources.
    """
    done = run(ROOT / ".venv/bin/ape", "compile", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((ROOT / ".build/__local__.json").read_text())["contractTypes"]
    ours = {name: artifact for name, artifact in load(log=None).items() if artifact.source.startswith("contracts/")}
    assert set(ours) <= set(manifest)
    apes = {name: without_metadata(manifest[name].get("runtimeBytecode", {}).get("bytecode", "")) for name in ours}
    differing = [name for name, artifact in ours.items() if apes[name] != without_metadata(artifact.deployed_bytecode)]
    still = [name for name in differing if apes[name] != without_metadata(among_all_sources(ours[name].source, name))]
    assert still == []


def among_all_sources(source: str, name: str) -> str:
    """A contract's runtime code where all sources of the project are compiled at once."""
    tree = SourceTree(ROOT, compiler_settings(ROOT).remappings)
    sources: dict[str, str] = {}
    for unit in units_of(ROOT, tree.units("contracts", "interfaces")):
        sources |= unit.sources
    whole = Unit(source, "", sources)
    with contextlib.closing(Compiler(solc.solc_path(), ROOT)) as compiler:
        compile_unit(whole, compiler, compiler_settings(ROOT).standard_json())
    return str(whole.contracts[name]["deployedBytecode"])
