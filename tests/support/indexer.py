"""Rebuilds every balance of the Vault from its events alone, by the formulas of docs/liquidation.md, section 6.

`Indexer.replay` reads a journal; `compare` holds the result to the chain's views and the Vault's token balances (P1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.node import Log, Node
from tests.support.world import World

__all__ = ["Indexer"]

SHARE_SCALE = 100 * 10**17
ADDRESS = 2**160 - 1


class Indexer:
    """What an indexer knows. Amounts in token units and shares, by asset id."""

    def __init__(self, node: Node, vault: str) -> None:
        self._node, self._vault = node, vault
        self.collateral: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.debt_shares: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.supply_shares: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.claims: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.idle: defaultdict[int, int] = defaultdict(int)
        self.index: defaultdict[int, int] = defaultdict(lambda: 10**17)
        # not booked to its holder yet: the splitter's penalties, the treasury's part of the interest
        self.penalties: defaultdict[int, int] = defaultdict(int)
        self.reserves: defaultdict[int, int] = defaultdict(int)
        self.fund = self.splitter = self.treasury = ""

    def replay(self, journal: Iterable[Log]) -> Indexer:
        for log in journal:
            if log.emitter == self._vault:
                handler = getattr(self, f"_on_{log.name}", None)
                if handler is not None:
                    handler(log.values)
        return self

    # ------------------------------------------------------------------------------------------------------ modules

    def _on_ConfigurationSet(self, event: Mapping[str, Any]) -> None:
        code = bytes.fromhex(self._node.rpc.call("eth_getCode", event["table"], "latest")[2:])
        # after a STOP byte: words of the protocol, the modules in the lower 160 bits of the second to the fourth
        modules = [
            "0x" + (int.from_bytes(code[1 + 32 * n : 33 + 32 * n], "big") & ADDRESS).to_bytes(20, "big").hex()
            for n in (1, 2, 3)
        ]
        self.fund, self.splitter, self.treasury = modules

    # ------------------------------------------------------------------------------------------------------ markets

    def _on_Accrued(self, event: Mapping[str, Any]) -> None:
        self.index[event["assetId"]] = event["index"]
        self.reserves[event["assetId"]] += event["feeShares"]

    def _on_Supplied(self, event: Mapping[str, Any]) -> None:
        self.idle[event["assetId"]] += event["assets"]
        self.supply_shares[event["assetId"], event["receiver"]] += event["shares"]

    def _on_Withdrawn(self, event: Mapping[str, Any]) -> None:
        self.idle[event["assetId"]] -= event["assets"]
        self._take_shares(event["assetId"], event["owner"], event["shares"])

    def _on_SupplyTransferred(self, event: Mapping[str, Any]) -> None:
        self._take_shares(event["assetId"], event["from"], event["shares"])
        self.supply_shares[event["assetId"], event["to"]] += event["shares"]

    def _take_shares(self, asset_id: int, holder: str, shares: int) -> None:
        if holder == self.treasury:
            self.supply_shares[asset_id, holder] += self.reserves.pop(asset_id, 0)
        self.supply_shares[asset_id, holder] -= shares

    def _on_FlashLoan(self, event: Mapping[str, Any]) -> None:
        self.idle[event["assetId"]] += event["fee"]

    # ------------------------------------------------------------------------------------------------------- claims

    def _on_ClaimCredited(self, event: Mapping[str, Any]) -> None:
        self.claims[event["holder"], event["assetId"]] += event["amount"]

    def _on_Claimed(self, event: Mapping[str, Any]) -> None:
        holder, asset_id = event["holder"], event["assetId"]
        if holder == self.splitter:
            self.claims[holder, asset_id] += self.penalties.pop(asset_id, 0)
        self.claims[holder, asset_id] -= event["amount"]

    # ----------------------------------------------------------------------------------------------------- accounts

    def _on_CollateralDeposited(self, event: Mapping[str, Any]) -> None:
        self.collateral[event["account"], event["assetId"]] += event["amount"]

    def _on_CollateralWithdrawn(self, event: Mapping[str, Any]) -> None:
        self.collateral[event["account"], event["assetId"]] -= event["amount"]

    def _on_Borrowed(self, event: Mapping[str, Any]) -> None:
        self.idle[event["assetId"]] -= event["amount"]
        self.debt_shares[event["account"], event["assetId"]] += event["shares"]

    def _on_Repaid(self, event: Mapping[str, Any]) -> None:
        self.idle[event["assetId"]] += event["amount"]
        self.debt_shares[event["account"], event["assetId"]] -= event["shares"]

    def _on_CloseOut(self, event: Mapping[str, Any]) -> None:
        *_, seized, repaid = event["result"]
        self._settle(event["account"], seized, repaid)

    def _on_WrittenOff(self, event: Mapping[str, Any]) -> None:
        self._settle(event["account"], event["collateral"], event["debts"])

    def _settle(self, account: int, seized: Any, repaid: Any) -> None:
        # what goes to the insurance fund and to the liquidator as a claim has events of its own
        for asset_id, units, to_protocol, _ in seized:
            self.collateral[account, asset_id] -= units
            self.penalties[asset_id] += to_protocol
        for asset_id, units, bad_debt, covered in repaid:
            self.idle[asset_id] += units + covered
            shares, index = self.debt_shares[account, asset_id], self.index[asset_id]
            gone = units + bad_debt
            is_all = gone == -(-shares * index // SHARE_SCALE)
            self.debt_shares[account, asset_id] -= shares if is_all else gone * SHARE_SCALE // index

    # --------------------------------------------------------------------------------------------------- comparison

    def compare(self, world: World) -> None:
        """Every balance as the chain has it, and the tokens to back it. The test's assets behaved, or are left out."""
        for account in {account for account, _ in (*self.collateral, *self.debt_shares)}:
            held, owed = world.position(account)
            assert held == {n: units for (a, n), units in self.collateral.items() if a == account and units}
            shares = {n: s for (a, n), s in self.debt_shares.items() if a == account and s}
            assert owed == {n: -(-s * world.vault.marketOf(n)[3] // SHARE_SCALE) for n, s in shares.items()}
        for asset in world.assets:
            self._compare_asset(world, asset)

    def _compare_asset(self, world: World, asset: Any) -> None:
        n = asset.id
        idle, debt, supply, index, _ = world.vault.marketOf(n)
        assert idle == self.idle[n]
        assert debt == sum(s for (_, a), s in self.debt_shares.items() if a == n) * index // SHARE_SCALE
        holders = {holder for a, holder in self.supply_shares if a == n} | {self.treasury}
        for holder in holders - {self.treasury}:
            assert world.vault.supplySharesOf(n, holder) == self.supply_shares[n, holder]
        # the treasury's part of what accrued since the last action has no event yet
        booked = sum(self.supply_shares[n, holder] for holder in holders) + self.reserves[n]
        assert world.vault.supplySharesOf(n, self.treasury) == (
            self.supply_shares[n, self.treasury] + self.reserves[n] + supply - booked
        )
        claims = 0
        for holder in {holder for holder, a in self.claims if a == n} | {self.splitter}:
            claim = self.claims[holder, n] + (self.penalties[n] if holder == self.splitter else 0)
            assert world.vault.claimOf(holder, n) == claim
            claims += claim
        # P1
        owed = idle + claims + sum(units for (_, a), units in self.collateral.items() if a == n)
        assert world.balance(asset, world.vault) >= owed
