"""A real chain for the sender: the standard world with pools and a FlashLiquidator, raw signed transactions over
HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from closeout.chain.http import HttpClient
from closeout.chain.intents import IntentEncoder
from closeout.chain.sending import NodeSender
from closeout.chain.signing import KeySigner
from closeout.keeper.ports import Action, Block, Funding, Intent, Leg, Sale, SaleKind
from closeout.keeper.sending import Worth
from tests.support.world import World
from tests.unit.periphery.stage import Flash

__all__ = ["KEY", "ChainStage"]

KEY = "0x" + "7a" * 32
ETHER = 10**18
CHAIN_ID = 31337


@dataclass
class ChainStage:
    """`flash`: world and pools; the keeper's own key, rich in ether and nothing else."""

    flash: Flash
    rpc: HttpClient
    node: NodeSender
    signer: KeySigner
    encoder: IntentEncoder

    @classmethod
    def of(cls, flash: Flash, uri: str) -> ChainStage:
        world = flash.world
        rpc = HttpClient([uri])
        signer = KeySigner(KEY, CHAIN_ID)
        world.node.rpc.call("anvil_setBalance", signer.address, hex(100 * ETHER))
        artifacts = world.node.artifacts
        encoder = IntentEncoder(artifacts, world.vault.address, flash.contract.address)
        return cls(flash, rpc, NodeSender(rpc, artifacts), signer, encoder)

    @property
    def world(self) -> World:
        return self.flash.world

    @property
    def worth(self) -> Worth:
        world = self.world
        tokens = {asset.token.address: (world.prices[asset.id], asset.decimals) for asset in world.assets}
        return Worth(world.prices[world.weth.id], tokens)

    @property
    def head(self) -> Block:
        return self.node.facts(self.signer.address, [], self.worth).head

    def mine(self, base_fee: int = 10**9, seconds: int = 1) -> None:
        self.world.node.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        self.world.warp(seconds)
        # the world's own transactions pay nothing
        self.world.node.rpc.call("anvil_setNextBlockBaseFeePerGas", "0x0")

    def unhealthy(self, index: int = 0) -> int:
        """10 WETH at 1 500 against 13 000 USDC."""
        world = self.world
        world.set_price(world.weth, 2000)
        account = world.open_account({world.weth: 10}, {world.usdc: 13_000}, index=index)
        world.set_price(world.weth, 1500)
        return account

    def close_out(self, account: int, gross: int = 100 * ETHER, least: int = 0, **changes: Any) -> Intent:
        """Sells WETH for the USDC that is missing and keeps the rest."""
        world = self.world
        path = bytes.fromhex(world.weth.token.address[2:]) + (3_000).to_bytes(3, "big")
        path += bytes.fromhex(world.usdc.token.address[2:])
        values: dict[str, Any] = {
            "action": Action.CLOSE_OUT,
            "account": account,
            "block": self.head,
            "funding": Funding.FLASH,
            "collaterals": frozenset({world.weth.id}),
            "debts": frozenset({world.usdc.id}),
            "sales": (Sale(SaleKind.BUY_MISSING, path),),
            "least_profits": {world.weth.token.address: least},
            "expected_profit_wad": gross,
            "expected_seized": (Leg(world.weth.id, 1),),
            "gas_limit": 600_000,
        }
        return Intent(**(values | changes))

    def call_of(self, intents: Sequence[Intent]) -> list[tuple[str, str, int]]:
        jobs = [self.encoder.job(intent, self.signer.address) for intent in intents]
        return [(job.to, job.data, job.gas_limit) for job in jobs]
