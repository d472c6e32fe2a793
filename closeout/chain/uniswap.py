"""Uniswap V3 on a local chain: the real bytecode, from npm, over raw JSON-RPC.

Its string reverts are no custom errors: a refused transaction names them in `Revert.data`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from pathlib import Path

from eth_utils.address import to_checksum_address

from closeout.chain.local import Contract, LocalChain
from closeout.errors import EnvironmentProblem
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT

__all__ = ["TICK_SPACINGS", "Uniswap", "deploy_uniswap", "encode_path", "uniswap_artifacts"]

Q96 = 2**96
MIN_TICK, MAX_TICK = -887_272, 887_272
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
    """Factory, router, quoter and position manager, and the account that makes pools and provides liquidity."""

    chain: LocalChain
    provider: str
    factory: Contract
    router: Contract
    quoter: Contract
    positions: Contract

    def create_pool(self, base: str, quote: str, fee: int, units_per_unit: Fraction, timestamp: int) -> Contract:
        """A pool whose spot price is `units_per_unit` units of `quote` for one unit of `base`."""
        token0, token1 = sorted((base, quote), key=lambda token: int(token, 16))
        ratio = units_per_unit if token0 == base else 1 / units_per_unit
        sqrt_price = isqrt(ratio.numerator * Q96**2 // ratio.denominator)
        self._transact(self.positions, timestamp, "createAndInitializePoolIfNecessary", token0, token1, fee, sqrt_price)
        return self.pool(base, quote, fee)

    def pool(self, base: str, quote: str, fee: int) -> Contract:
        """An existing pool."""
        address = self.factory.read("getPool", base, quote, fee)
        return self.chain.at("UniswapV3Pool", to_checksum_address(address))

    def add_liquidity(
        self, pool: Contract, amount0: int, amount1: int, timestamp: int, ticks: tuple[int, int] | None = None
    ) -> int:
        """Adds up to these amounts between two ticks, or over the full range. The liquidity added.

        From the provider, who needs to have approved: `approve`.
        """
        fee = pool.read("fee")
        spacing = TICK_SPACINGS[fee]
        lower, upper = ticks or (-(MAX_TICK // spacing) * spacing, MAX_TICK // spacing * spacing)
        before = pool.read("liquidity")
        self._transact(
            self.positions,
            timestamp,
            "mint",
            (pool.read("token0"), pool.read("token1"), fee, lower, upper, amount0, amount1, 0, 0, self.provider, NEVER),
        )
        return int(pool.read("liquidity") - before)

    def approve(self, token: Contract, timestamp: int) -> None:
        """Lets position manager and router take the provider's tokens."""
        for spender in (self.positions, self.router):
            self._transact(token, timestamp, "approve", spender.address, NEVER)

    def swap(self, path: bytes, amount_in: int, timestamp: int) -> None:
        """Sells the provider's tokens along a path through the router, at any price."""
        self._transact(self.router, timestamp, "exactInput", (path, self.provider, NEVER, amount_in, 0))

    def _transact(self, contract: Contract, timestamp: int, function: str, *arguments: object) -> None:
        self.chain.transact(contract, function, *arguments, sender=self.provider, timestamp=timestamp)


def deploy_uniswap(chain: LocalChain, provider: str, timestamp: int) -> Uniswap:
    """Deploys Uniswap V3. Its artifacts become known to `chain`, so that `chain.at("UniswapV3Pool", ...)` works too."""
    chain.artifacts |= uniswap_artifacts()

    def deploy(name: str, *arguments: str) -> Contract:
        return chain.deploy(name, *arguments, sender=provider, timestamp=timestamp)

    factory = deploy("UniswapV3Factory")
    return Uniswap(
        chain,
        provider,
        factory,
        router=deploy("SwapRouter", factory.address, NO_WETH),
        quoter=deploy("QuoterV2", factory.address, NO_WETH),
        positions=deploy("NonfungiblePositionManager", factory.address, NO_WETH, NO_DESCRIPTOR),
    )


def encode_path(tokens: Sequence[str], fees: Sequence[int]) -> bytes:
    """Uniswap's path: token, fee, token, ...; from the token sold to the token bought."""
    path = bytes.fromhex(tokens[0][2:])
    for fee, token in zip(fees, tokens[1:], strict=True):
        path += fee.to_bytes(3, "big") + bytes.fromhex(token[2:])
    return path
