"""What is mutated, and which tests are to notice: the fast and near ones first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTRACTS", "LEFT_OUT", "MODEL", "Stage", "Target", "targets"]

UNIT = "tests/unit"
VAULT = f"{UNIT}/vault"
LIBRARIES = f"{UNIT}/libraries"
LENDING = f"{UNIT}/lending"
ORACLES = f"{UNIT}/oracles"
DIFFERENTIAL = "tests/differential"
ENGINE = f"{DIFFERENTIAL}/test_engine_against_model.py"
ARITHMETIC = f"{DIFFERENTIAL}/test_arithmetic_against_model.py"

CONTRACTS = "contracts"
MODEL = "model"


@dataclass(frozen=True)
class Stage:
    """Tests to run, and the sources they need compiled anew (parts of paths); what is not named stays as it was."""

    tests: tuple[str, ...]
    compiled: tuple[str, ...] = ("contracts/",)


def _near(name: str) -> str:
    return f"{UNIT}/test_{name}.py"


CORE = ("contracts/Vault", "contracts/vault/", "contracts/harness/PlacingHarness")
LAST = Stage((DIFFERENTIAL, "tests/property", "tests/integration", "tests/stateful/test_machine.py", UNIT))
ON_VAULT = Stage((f"{DIFFERENTIAL}/test_vault_against_model.py", f"{DIFFERENTIAL}/test_vault_in_doubt.py", VAULT), CORE)
ON_LENDING = Stage((LENDING,), CORE)
ROLES = _near("role_matrix")

# One stage after the other until one fails. By the longest part of the path that fits.
STAGES: dict[str, tuple[Stage, ...]] = {
    "contracts/libraries": (Stage((LIBRARIES, ARITHMETIC), ("contracts/harness/",)), ON_VAULT, LAST),
    "contracts/libraries/CloseOutBounds.sol": (
        Stage((f"{LIBRARIES}/test_close_out_bounds.py",), ("contracts/harness/BoundsHarness",)),
        Stage((f"{VAULT}/test_hostile_engine.py", VAULT), CORE),
        LAST,
    ),
    "contracts/libraries/Configuration.sol": (
        Stage((f"{LIBRARIES}/test_configuration.py",), ("contracts/harness/ConfigurationHarness",)),
        Stage((_near("risk_configurator"), VAULT), ("contracts/RiskConfigurator", *CORE)),
        LAST,
    ),
    "contracts/oracles": (Stage((ORACLES,), ("contracts/oracles/",)), LAST),
    **{
        f"contracts/oracles/{contract}.sol": (
            Stage((f"{ORACLES}/test_{test}.py",), ("contracts/oracles/",)),
            Stage((ORACLES,), ("contracts/oracles/",)),
            LAST,
        )
        for contract, test in (
            ("ChainlinkAdapter", "chainlink"),
            ("ChainlinkReader", "chainlink"),
            ("CrossAdapter", "models"),
            ("DeviationAdapter", "deviation"),
            ("Erc4626Adapter", "erc4626"),
            ("MarkToModelAdapter", "models"),
            ("OracleRouter", "router"),
            ("PythAdapter", "pyth"),
            ("PythPoster", "pyth"),
            ("UniswapV3TwapAdapter", "uniswap"),
            ("VolatilityOracle", "models"),
        )
    },
    "contracts/vault": (ON_VAULT, ON_LENDING, LAST),
    "contracts/Vault.sol": (ON_VAULT, ON_LENDING, LAST),
    "contracts/VaultExtension.sol": (ON_VAULT, ON_LENDING, LAST),
    "contracts/LiquidationEngine.sol": (Stage((ENGINE, VAULT), ("contracts/LiquidationEngine",)), LAST),
    "contracts/RiskConfigurator.sol": (
        Stage((_near("risk_configurator"), ROLES, VAULT), ("contracts/RiskConfigurator",)),
        LAST,
    ),
    "contracts/RiskSteward.sol": (Stage((_near("risk_steward"), ROLES), ("contracts/RiskSteward",)), LAST),
    "contracts/PauseGuardian.sol": (Stage((_near("pause_guardian"), ROLES), ("contracts/PauseGuardian",)), LAST),
    "contracts/SupplyToken.sol": (Stage((LENDING,), ("contracts/SupplyToken", "contracts/RiskConfigurator")), LAST),
    "contracts/KinkedRateModel.sol": (
        Stage((_near("kinked_rate_model"), f"{LENDING}/test_interest.py"), ("contracts/KinkedRateModel",)),
        LAST,
    ),
    "contracts": (Stage((_near("insurance_fund"), _near("penalty_splitter"))), Stage((VAULT,)), LAST),
    "closeout/model": (
        Stage(("tests/model/test_arithmetic.py", "tests/model/test_worked_examples.py", "tests/model/test_vault.py")),
        Stage(
            tuple(
                f"tests/model/test_{name}.py"
                for name in ("vault_close_outs", "vault_losses", "vault_rebalancing", "vault_doubt", "placing")
            )
        ),
        Stage((DIFFERENTIAL, "tests/scenario", "tests/property")),
        Stage(("tests/model", "tests/keeper/test_planner.py")),
    ),
}

# Tests that plant a bug themselves, to show that another test finds it. One of them that fails says that the planted
# bug is not found any more, or does not fit the text any more: nothing about the mutant.
LEFT_OUT = (
    "tests/model/test_mutants.py",
    "tests/property/test_broken.py",
    "tests/property/test_accrual.py::test_p14_interest_that_is_not_compounded__is_caught",
    "tests/property/test_doubt.py::test_a_model_that_differs_in_doubt__is_caught",
    "tests/property/test_histories.py::test_a_broken_vault__is_caught",
    f"{DIFFERENTIAL}/test_router_against_model.py::test_a_twin_that_differs__is_caught",
    f"{DIFFERENTIAL}/test_vault_against_model.py::test_a_model_that_differs__is_caught",
    f"{DIFFERENTIAL}/test_vault_in_doubt.py::test_a_model_that_lends_at_any_price__is_caught",
)

# Not what is trusted: periphery holds nothing, mocks and harness are the tests' own, `Authority` is OpenZeppelin's.
OUTSIDE = ("contracts/periphery/", "contracts/mocks/", "contracts/harness/", "contracts/Authority.sol")
# A file of definitions alone has nothing to mutate that is not in what uses it.
LEAST_LINES = 8


@dataclass(frozen=True)
class Target:
    """One file to mutate: `count` mutants of it, looked at by `stages` of tests."""

    path: str
    count: int
    stages: tuple[Stage, ...]

    @property
    def is_solidity(self) -> bool:
        return self.path.endswith(".sol")


def targets(root: Path, what: str) -> list[Target]:
    """The files of `what` (CONTRACTS or MODEL) with how many mutants each gets: more where there is more to break."""
    if what == CONTRACTS:
        paths = sorted(path for path in (root / "contracts").rglob("*.sol") if ".cache" not in path.parts)
    else:
        paths = sorted((root / "closeout" / "model").glob("_*.py"))
    found = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        lines = _statements(path.read_text())
        if name.startswith(OUTSIDE) or lines < LEAST_LINES or path.name == "__init__.py":
            continue
        found.append(Target(name, max(3, min(6, round(lines / 30))), _stages(name)))
    return found


def _stages(name: str) -> tuple[Stage, ...]:
    fitting = [prefix for prefix in STAGES if name == prefix or name.startswith(prefix + "/")]
    return STAGES[max(fitting, key=len)]


def _statements(text: str) -> int:
    """Lines that do something: those that end a statement or open a block, outside comments and imports."""
    lines = (line.strip() for line in text.splitlines())
    skipped = ("//", "/*", "*", "#", "import", "from", "pragma", '"""', "error ", "event ")
    return sum(1 for line in lines if line and not line.startswith(skipped) and line not in ("}", ")", "],"))
