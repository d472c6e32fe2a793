"""Every balance of a Vault, rebuilt from its logs alone, to the unit.

Pure Python on the reference model's arithmetic; no node, no framework. Feed it every log of the Vault in order, from
the first block on: raw ones (`feed`, as `eth_getLogs` answers) or decoded ones (`apply`).

Three figures follow from logs by the integer steps of docs/liquidation.md only: the debt shares that a close-out burns
(section 6), the index between two logs (section 1), and the treasury's part of the interest since the last one, for
which the asset's reserve factor must be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from closeout.errors import CloseoutError
from closeout.model import Deleverage, Market, accrued, debt_shares_down, debt_units_up

__all__ = ["AccountBalances", "Balances", "EventDecoder", "Indexer", "LogsIncomplete", "PlainBalances"]

Key = TypeVar("Key")


class LogsIncomplete(CloseoutError):
    """A log that cannot follow those before it: some are missing, or out of order."""


class EventDecoder(Protocol):
    """One event of an ABI, as `closeout.chain.abi` reads it."""

    @property
    def name(self) -> str: ...

    @property
    def fields(self) -> list[str]: ...

    def decode(self, log: dict[str, Any]) -> tuple[Any, ...]: ...


class AccountBalances(Protocol):
    """One side of all accounts: collateral in token units, or debt shares, by account and asset id."""

    def get(self, account: int, asset_id: int) -> int:
        """0 where nothing is held."""

    def put(self, account: int, asset_id: int, amount: int) -> None:
        """Writes a balance; at 0 it is held no more."""

    def row(self, account: int) -> dict[int, int]:
        """All that an account holds on this side, by asset id, without zeros."""

    def accounts(self) -> Iterable[int]:
        """Accounts that hold something on this side."""


class PlainBalances:
    """`AccountBalances` in dictionaries."""

    def __init__(self) -> None:
        self._rows: defaultdict[int, dict[int, int]] = defaultdict(dict)

    def get(self, account: int, asset_id: int) -> int:
        return self.row(account).get(asset_id, 0)

    def put(self, account: int, asset_id: int, amount: int) -> None:
        if amount:
            self._rows[account][asset_id] = amount
        else:
            self._rows[account].pop(asset_id, None)

    def row(self, account: int) -> dict[int, int]:
        return dict(self._rows.get(account, {}))

    def accounts(self) -> Iterable[int]:
        return (account for account, row in self._rows.items() if row)


@dataclass(slots=True)
class Balances:
    """Where an Indexer keeps what it knows. `supply_shares` and `claims` by holder (lower case) and asset id.

    `noted_losses` by account and asset id.
    """

    collateral: AccountBalances = field(default_factory=PlainBalances)
    debt_shares: AccountBalances = field(default_factory=PlainBalances)
    supply_shares: MutableMapping[tuple[str, int], int] = field(default_factory=dict)
    claims: MutableMapping[tuple[str, int], int] = field(default_factory=dict)
    markets: MutableMapping[int, Market] = field(default_factory=dict)
    reserves: MutableMapping[int, int] = field(default_factory=dict)
    penalties: MutableMapping[int, int] = field(default_factory=dict)
    deleverages: MutableMapping[int, Deleverage] = field(default_factory=dict)
    noted_losses: MutableMapping[tuple[int, int], int] = field(default_factory=dict)


class Indexer:
    """Balances by what they belong to: token units of collateral and claims, shares of debts and supply.

    `events`: decoders by topic, only for `feed`. `balances`: where to keep them, and what is known already.
    """

    def __init__(
        self,
        vault: str = "",
        events: Mapping[str, EventDecoder] | None = None,
        balances: Balances | None = None,
    ) -> None:
        self._vault = vault.lower()
        self._decoders = events or {}
        kept = balances or Balances()
        self._collateral, self._debt_shares = kept.collateral, kept.debt_shares
        self._supply_shares, self._claims, self._markets = kept.supply_shares, kept.claims, kept.markets
        self._reserves, self._penalties, self._deleverages = kept.reserves, kept.penalties, kept.deleverages
        self._noted_losses = kept.noted_losses
        self._now = 0
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "Accrued": self._on_accrued,
            "BadDebt": self._on_bad_debt,
            "Borrowed": self._on_borrowed,
            "ClaimCredited": self._on_claim_credited,
            "Claimed": self._on_claimed,
            "CloseOut": self._on_close_out,
            "CollateralDeposited": self._on_collateral_deposited,
            "CollateralWithdrawn": self._on_collateral_withdrawn,
            "DeleverageSet": self._on_deleverage_set,
            "FlashLoan": self._on_flash_loan,
            "InsolvencyNoted": self._on_insolvency_noted,
            "PenaltiesCollected": self._on_penalties_collected,
            "Repaid": self._on_repaid,
            "ReservesCollected": self._on_reserves_collected,
            "Supplied": self._on_supplied,
            "SupplyTransferred": self._on_supply_transferred,
            "Withdrawn": self._on_withdrawn,
            "WrittenOff": self._on_written_off,
        }

    # --------------------------------------------------------------------------------------------------------- input

    def feed(self, log: dict[str, Any], timestamp: int) -> None:
        """One raw log of a block of that time. Logs of other contracts, and of other events, are passed over."""
        if log["address"].lower() != self._vault or not log["topics"]:
            return
        event = self._decoders.get(log["topics"][0])
        if event is not None:
            self.apply(event.name, dict(zip(event.fields, event.decode(log), strict=True)), timestamp)

    def apply(self, name: str, values: Mapping[str, Any], timestamp: int) -> None:
        """One decoded log of the Vault. Raises LogsIncomplete where it cannot follow those before it."""
        if timestamp < self._now:
            raise LogsIncomplete(f"{name} at {timestamp}: the log before it is of {self._now}")
        self._now = timestamp
        handler = self._handlers.get(name)
        if handler is not None:
            handler(values)

    @property
    def now(self) -> int:
        """The time of the last log, or what it was wound back to."""
        return self._now

    def rewind(self, now: int) -> None:
        """Lets logs from that time on follow: who put older values into the balances says so here."""
        self._now = now

    # --------------------------------------------------------------------------------------------------------- views

    @property
    def accounts(self) -> set[int]:
        """Accounts that hold or owe something."""
        return {*self._collateral.accounts(), *self._debt_shares.accounts()}

    def collateral_of(self, account: int) -> dict[int, int]:
        """Token units by asset id."""
        return self._collateral.row(account)

    def debts_of(self, account: int, now: int) -> dict[int, int]:
        """Token units by asset id at a time, rounded up."""
        return {
            asset_id: debt_units_up(shares, self.market_of(asset_id, now).index)
            for asset_id, shares in self._debt_shares.row(account).items()
        }

    def market_of(self, asset_id: int, now: int, reserve_factor_bps: int = 0) -> Market:
        """An asset's totals at a time; without the reserve factor, less what the treasury earned since the last log."""
        return accrued(self._market(asset_id), now, reserve_factor_bps)[0]

    def supply_shares_of(self, asset_id: int, holder: str) -> int:
        return self._supply_shares.get((holder.lower(), asset_id), 0)

    def deleverage_of(self, account: int) -> Deleverage | None:
        """What the owner opted in to; None where he did not."""
        return self._deleverages.get(account)

    def claim_of(self, holder: str, asset_id: int) -> int:
        """Token units."""
        return self._claims.get((holder.lower(), asset_id), 0)

    def reserves_of(self, asset_id: int) -> int:
        """Supply shares that are the treasury's and that it did not collect, whoever the treasury is."""
        return self._reserves.get(asset_id, 0)

    def penalties_of(self, asset_id: int) -> int:
        """Token units that are the penalty splitter's and that it did not collect."""
        return self._penalties.get(asset_id, 0)

    def noted_loss_of(self, account: int, asset_id: int) -> int:
        """Token units that an insolvent account is expected to leave of a debt as bad debt."""
        return self._noted_losses.get((account, asset_id), 0)

    def expected_loss_of(self, asset_id: int) -> int:
        """The same over all accounts."""
        return sum(loss for (_, noted), loss in self._noted_losses.items() if noted == asset_id)

    # ------------------------------------------------------------------------------------------------------- markets

    def _market(self, asset_id: int) -> Market:
        return self._markets.get(asset_id) or Market(accrued_at=self._now)

    def _move(self, asset_id: int, *, idle: int = 0, debt_shares: int = 0, supply_shares: int = 0) -> None:
        self._markets[asset_id] = self._market(asset_id).moved(
            idle=idle, debt_shares=debt_shares, supply_shares=supply_shares
        )

    def _on_accrued(self, values: Mapping[str, Any]) -> None:
        asset_id, fee = values["assetId"], values["feeShares"]
        self._markets[asset_id] = replace(
            self._market(asset_id), index=values["index"], rate=values["ratePerYear"], accrued_at=self._now
        )
        self._move(asset_id, supply_shares=fee)
        self._reserves[asset_id] = self._reserves.get(asset_id, 0) + fee

    def _on_insolvency_noted(self, values: Mapping[str, Any]) -> None:
        self._noted_losses[values["account"], values["assetId"]] = values["expectedLoss"]

    def _on_flash_loan(self, values: Mapping[str, Any]) -> None:
        self._move(values["assetId"], idle=values["fee"])

    def _on_bad_debt(self, values: Mapping[str, Any]) -> None:
        self._move(values["assetId"], idle=values["covered"])

    # -------------------------------------------------------------------------------------------------------- supply

    def _add_supply(self, holder: str, asset_id: int, shares: int) -> None:
        _add(self._supply_shares, (holder.lower(), asset_id), shares)

    def _on_supplied(self, values: Mapping[str, Any]) -> None:
        self._move(values["assetId"], idle=values["assets"], supply_shares=values["shares"])
        self._add_supply(values["receiver"], values["assetId"], values["shares"])

    def _on_withdrawn(self, values: Mapping[str, Any]) -> None:
        # shares that pay a repayment are the same: that puts the assets back
        self._move(values["assetId"], idle=-values["assets"], supply_shares=-values["shares"])
        self._add_supply(values["owner"], values["assetId"], -values["shares"])

    def _on_supply_transferred(self, values: Mapping[str, Any]) -> None:
        self._add_supply(values["from"], values["assetId"], -values["shares"])
        self._add_supply(values["to"], values["assetId"], values["shares"])

    def _on_reserves_collected(self, values: Mapping[str, Any]) -> None:
        # may stand before the Accrued that it counts: below 0 in between
        self._reserves[values["assetId"]] = self._reserves.get(values["assetId"], 0) - values["shares"]
        self._add_supply(values["treasury"], values["assetId"], values["shares"])

    # -------------------------------------------------------------------------------------------------------- claims

    def _on_claim_credited(self, values: Mapping[str, Any]) -> None:
        _add(self._claims, (values["holder"].lower(), values["assetId"]), values["amount"])

    def _on_claimed(self, values: Mapping[str, Any]) -> None:
        _add(self._claims, (values["holder"].lower(), values["assetId"]), -values["amount"])

    def _on_penalties_collected(self, values: Mapping[str, Any]) -> None:
        _add(self._penalties, values["assetId"], -values["amount"])
        _add(self._claims, (values["splitter"].lower(), values["assetId"]), values["amount"])

    # ------------------------------------------------------------------------------------------------------ accounts

    def _on_collateral_deposited(self, values: Mapping[str, Any]) -> None:
        _add_to(self._collateral, values["account"], values["assetId"], values["amount"])

    def _on_collateral_withdrawn(self, values: Mapping[str, Any]) -> None:
        _add_to(self._collateral, values["account"], values["assetId"], -values["amount"])

    def _on_borrowed(self, values: Mapping[str, Any]) -> None:
        self._move(values["assetId"], idle=-values["amount"], debt_shares=values["shares"])
        _add_to(self._debt_shares, values["account"], values["assetId"], values["shares"])

    def _on_repaid(self, values: Mapping[str, Any]) -> None:
        self._repay(values["account"], values["assetId"], values["amount"], values["shares"])

    def _repay(self, account: int, asset_id: int, amount: int, shares: int) -> None:
        self._move(asset_id, idle=amount, debt_shares=-shares)
        _add_to(self._debt_shares, account, asset_id, -shares)

    def _on_close_out(self, values: Mapping[str, Any]) -> None:
        seized, repaid = values["result"][-2:]
        self._settle(values["account"], seized, repaid)

    def _on_written_off(self, values: Mapping[str, Any]) -> None:
        self._settle(values["account"], values["collateral"], values["debts"])

    def _on_deleverage_set(self, values: Mapping[str, Any]) -> None:
        terms = Deleverage(*values["terms"])
        if terms.trigger_health_factor_wad:
            self._deleverages[values["account"]] = terms
        else:
            self._deleverages.pop(values["account"], None)

    def _settle(self, account: int, seized: Iterable[Any], repaid: Iterable[Any]) -> None:
        """SeizedLeg is (assetId, seized, toProtocol, toInsurance), RepaidLeg (assetId, repaid, badDebt, covered)."""
        for asset_id, amount, to_protocol, _ in seized:
            # the receiver's claims and the fund's are announced one by one
            _add_to(self._collateral, account, asset_id, -amount)
            _add(self._penalties, asset_id, to_protocol)
        for asset_id, amount, bad_debt, _ in repaid:
            held, index = self._debt_shares.get(account, asset_id), self._market(asset_id).index
            gone = amount + bad_debt
            burnt = held if gone == debt_units_up(held, index) else debt_shares_down(gone, index)
            self._repay(account, asset_id, amount, burnt)


def _add(table: MutableMapping[Key, int], key: Key, amount: int) -> None:
    total = _checked(key, table.get(key, 0) + amount)
    if total:
        table[key] = total
    else:
        table.pop(key, None)


def _add_to(balances: AccountBalances, account: int, asset_id: int, amount: int) -> None:
    balances.put(account, asset_id, _checked((account, asset_id), balances.get(account, asset_id) + amount))


def _checked(key: object, total: int) -> int:
    if total < 0:
        raise LogsIncomplete(f"{key}: {total} left, expected at least 0")
    return total
