"""The Lens' structs by name, in the order of interfaces/ILens.sol."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.support.world import Result, World

__all__ = ["Account", "CloseOut", "Collateral", "Debt", "Lender", "Market", "Report", "error_of", "market", "report"]


class Account(NamedTuple):
    collateral_ids: tuple[int, ...]
    collateral_amounts: tuple[int, ...]
    debt_ids: tuple[int, ...]
    debt_amounts: tuple[int, ...]
    collateral_value: int
    borrowing_power: int
    maintenance_value: int
    debt_value: int
    health_factor: int
    failure: bytes


class Price(NamedTuple):
    status: int
    deciding: int


class Collateral(NamedTuple):
    asset_id: int
    token: str
    amount: int
    price: Price
    value: int
    threshold: int
    liquidation_price: int


class Debt(NamedTuple):
    asset_id: int
    token: str
    amount: int
    price: Price
    value: int
    liquidation_price: int


class CloseOut(NamedTuple):
    is_possible: bool
    refusal: bytes
    result: Any


class Report(NamedTuple):
    sums: Account
    collaterals: list[Collateral]
    debts: list[Debt]
    borrowable_value: int
    called_at: int
    acted_at: int
    deleverage: tuple[int, int, int]
    close_out: CloseOut
    failure: bytes

    @property
    def result(self) -> Result:
        return Result.of(self.close_out.result)


class Totals(NamedTuple):
    idle: int
    debt: int
    supply_assets: int
    supply_shares: int
    assets_per_share: int
    expected_loss: int
    uncovered_loss: int
    collateral_held: int


class Rates(NamedTuple):
    utilisation: int
    borrow_rate: int
    supply_rate: int
    debt_index: int
    reserve_factor: int
    flash_fee: int


class CollateralTerms(NamedTuple):
    is_enabled: bool
    ltv: int
    threshold: int
    target_threshold: int
    max_bonus: int
    cap: int
    room: int
    bucket_capacity: int
    bucket_refill: int
    most_target: int


class BorrowingTerms(NamedTuple):
    is_enabled: bool
    supply_cap: int
    supply_room: int
    borrow_cap: int
    borrow_room: int


class Market(NamedTuple):
    asset_id: int
    token: str
    supply_token: str
    decimals: int
    price: int
    price_status: int
    collateral_price: int
    debt_price: int
    price_failure: bytes
    totals: Totals
    rates: Rates
    collateral: CollateralTerms
    borrowing: BorrowingTerms


class Lender(NamedTuple):
    shares: int
    assets: int
    exit_assets: int
    withdrawable: int
    idle: int
    utilisation: int


def report(values: Any) -> Report:
    """A decoded AccountReport."""
    sums, collaterals, debts, borrowable, called_at, acted_at, deleverage, close_out, failure = values
    return Report(
        Account(*sums),
        [Collateral(*line[:3], Price(*line[3]), *line[4:]) for line in collaterals],
        [Debt(*line[:3], Price(*line[3]), *line[4:]) for line in debts],
        borrowable,
        called_at,
        acted_at,
        deleverage,
        CloseOut(*close_out),
        failure,
    )


def market(values: Any) -> Market:
    """A decoded MarketView."""
    *head, totals, rates, collateral, borrowing = values
    return Market(*head, Totals(*totals), Rates(*rates), CollateralTerms(*collateral), BorrowingTerms(*borrowing))


def error_of(world: World, data: bytes) -> tuple[str, tuple[Any, ...]]:
    """The name and arguments of an error that a view tells of instead of reverting."""
    revert = world.node.decode_revert("0x" + data.hex())
    return revert.name, revert.arguments
