"""Uniswap V3 on a local chain: the real bytecode, from npm.

Its reverts are strings, not custom errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any, Protocol

from closeout.errors import EnvironmentProblem
from closeout.keeper.routes import encode_path
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT

__all__ = ["TICK_SPACINGS", "Provider", "Uniswap", "deploy_uniswap", "encode_path", "uniswap_artifacts"]

Q96 = 2**96
MAX_TICK = 887_272
# fee in hundredths of a bip -> tick spacing, as the factory's constructor enables them
TICK_SPACINGS = {500: 10, 3_000: 60, 10_000: 200}
NEVER = 2**256 - 1
# Ether in, ether out and token pictures are not used here; nothing is called at these addresses.
NO_WETH = "0x" + "00" * 19 + "09"
NO_DESCRIPTOR = "0x" + "00" * 20
SOURCES = {
    "UniswapV3Factory": "v3-core/artifacts/contracts/UniswapV3Factory.sol",
    "UniswapV3Pool": "v3-core/artifacts/contracts/UniswapV3Pool.sol",
    "SwapRouter": "v3-periphery/artifacts/contracts/SwapRouter.sol",
    "QuoterV2": "v3-periphery/artifacts/contracts/lens/QuoterV2.sol",
    "NonfungiblePositionManager": "v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol",
}


class Provider(Protocol):
    """Who deploys, makes pools and provides liquidity, and waits for each transaction."""

    @property
    def address(self) -> str: ...

    def deploy(self, name: str, *arguments: Any) -> str:
        """Deploys the contract of that name, also one of `uniswap_artifacts`; its address."""

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        """Calls a function of the contract `name` at `address`. Raises where it reverts."""

    def read(self, name: str, address: str, function: str, *arguments: Any) -> Any:
        """What a function would return."""


def uniswap_artifacts(root: Path = ROOT) -> dict[str, Artifact]:
    """Uniswap's own compiled contracts. Raises EnvironmentProblem where npm has not installed them."""
    artifacts = {}
    for name, folder in SOURCES.items():
        path = root / "node_modules/@uniswap" / folder / f"{name}.json"
        if not path.exists():
            raise EnvironmentProblem(f"{path.relative_to(root)}: not found; `make setup` installs it")
        made = json.loads(path.read_text())
        artifacts[name] = Artifact(
            name=name,
            source=f"@uniswap/{folder}",
            abi=made["abi"],
            bytecode=made["bytecode"],
            deployed_bytecode=made["deployedBytecode"],
            selectors={},
            storage_layout={},
        )
    return artifacts


@dataclass(frozen=True)
class Uniswap:
    """Addresses of factory, router, quoter and position manager, and who provides liquidity."""

    provider: Provider
    factory: str
    router: str
    quoter: str
    positions: str

    def create_pool(self, base: str, quote: str, fee: int, units_per_unit: Fraction) -> str:
        """A pool whose spot price is `units_per_unit` units of `quote` for one unit of `base`; its address."""
        token0, token1 = sorted((base, quote), key=lambda token: int(token, 16))
        ratio = units_per_unit if token0 == base else 1 / units_per_unit
        sqrt_price = isqrt(ratio.numerator * Q96**2 // ratio.denominator)
        self._manage("createAndInitializePoolIfNecessary", token0, token1, fee, sqrt_price)
        return self.pool(base, quote, fee)

    def pool(self, base: str, quote: str, fee: int) -> str:
        """The address of a pool, zero where there is none."""
        return str(self.provider.read("UniswapV3Factory", self.factory, "getPool", base, quote, fee))

    def approve(self, token: str) -> None:
        """Lets position manager and router take the provider's tokens."""
        for spender in (self.positions, self.router):
            self.provider.transact("TestToken", token, "approve", spender, NEVER)

    def add_liquidity(self, amounts: dict[str, int], fee: int, ticks: tuple[int, int] | None = None) -> None:
        """Adds up to these amounts of two tokens, between two ticks or over the full range. `approve` them first."""
        (token0, amount0), (token1, amount1) = sorted(amounts.items(), key=lambda item: int(item[0], 16))
        widest = MAX_TICK // TICK_SPACINGS[fee] * TICK_SPACINGS[fee]
        lower, upper = ticks or (-widest, widest)
        owner = self.provider.address
        self._manage("mint", (token0, token1, fee, lower, upper, amount0, amount1, 0, 0, owner, NEVER))

    def swap(self, path: bytes, amount_in: int) -> None:
        """Sells the provider's tokens along a path through the router, at any price. `approve` them first."""
        order = (path, self.provider.address, NEVER, amount_in, 0)
        self.provider.transact("SwapRouter", self.router, "exactInput", order)

    def quote(self, path: bytes, amount_in: int) -> int:
        """What selling `amount_in` along a path would bring, by Uniswap's own quoter."""
        return int(self.provider.read("QuoterV2", self.quoter, "quoteExactInput", path, amount_in)[0])

    def _manage(self, function: str, *arguments: Any) -> None:
        self.provider.transact("NonfungiblePositionManager", self.positions, function, *arguments)


def deploy_uniswap(provider: Provider) -> Uniswap:
    """Deploys Uniswap V3; the provider must know `uniswap_artifacts`."""
    factory = provider.deploy("UniswapV3Factory")
    return Uniswap(
        provider,
        factory,
        router=provider.deploy("SwapRouter", factory, NO_WETH),
        quoter=provider.deploy("QuoterV2", factory, NO_WETH),
        positions=provider.deploy("NonfungiblePositionManager", factory, NO_WETH, NO_DESCRIPTOR),
    )
