"""The work that is measured, each by one ordinary transaction: the last one that a work sends."""

from __future__ import annotations

from collections.abc import Callable

from tests.gas.bench import Bench
from tests.support.node import Receipt

__all__ = ["WORKS", "Work"]

Work = Callable[[Bench], Receipt]


def _deposit(bench: Bench) -> Receipt:
    asset = bench.collaterals[0]
    account = bench.open(1, 1)
    bench.hour()
    return bench.vault.depositCollateral(account, asset.id, asset.units(1), sender=bench.borrower)


def _first_deposit(bench: Bench) -> Receipt:
    asset = bench.collaterals[0]
    bench.hour()
    return bench.vault.depositCollateral(bench.account(), asset.id, asset.units(1), sender=bench.borrower)


def _borrow(bench: Bench) -> Receipt:
    asset = bench.debts[0]
    account = bench.open(1, 1)
    bench.recover()
    bench.vault.repay(account, asset.id, asset.units(10_000), sender=bench.borrower)
    bench.hour()
    return bench.vault.borrow(account, asset.id, asset.units(1_000), bench.borrower, sender=bench.borrower)


def _first_borrow(bench: Bench) -> Receipt:
    asset = bench.debts[0]
    account = bench.open(1, 0)
    bench.hour()
    return bench.vault.borrow(account, asset.id, asset.units(1_000), bench.borrower, sender=bench.borrower)


def _repay(bench: Bench) -> Receipt:
    asset = bench.debts[0]
    account = bench.open(1, 1)
    bench.hour()
    return bench.vault.repay(account, asset.id, asset.units(1_000), sender=bench.borrower)


def _withdraw(bench: Bench) -> Receipt:
    asset, debt = bench.collaterals[0], bench.debts[0]
    account = bench.open(1, 1)
    bench.vault.repay(account, debt.id, debt.units(10_000), sender=bench.borrower)
    bench.hour()
    return bench.vault.withdrawCollateral(account, asset.id, asset.units(1), bench.borrower, sender=bench.borrower)


def _close_out(collaterals: int, debts: int, *, is_whole: bool) -> Work:
    def work(bench: Bench) -> Receipt:
        account = bench.open(collaterals, debts)
        bench.crash(account)
        bench.hour()
        sets = {} if is_whole else bench.first_pair()
        receipt = bench.close_out(account, **sets)
        result = bench.result(receipt)
        assert len(result.seized) == (collaterals if is_whole else 1)
        assert len(result.repaid) == (debts if is_whole else 1)
        assert result.health_after >= bench.parameters.curve.target_health_factor
        return receipt

    return work


def _health(collaterals: int, debts: int) -> Work:
    def work(bench: Bench) -> Receipt:
        account = bench.open(collaterals, debts)
        bench.hour()
        meter = bench.node.deploy("GasMeter", sender=bench.governor)
        return bench.node.transact(
            bench.stranger,
            meter.address,
            meter.measure.data(bench.vault, bench.vault.healthOf.data(account), 0),
        )

    return work


WORKS: dict[str, Work] = {
    "deposit": _deposit,
    "first deposit": _first_deposit,
    "borrow": _borrow,
    "first borrow": _first_borrow,
    "repay": _repay,
    "withdraw": _withdraw,
    "close 1+1": _close_out(1, 1, is_whole=True),
    "close 3+2, one pair": _close_out(3, 2, is_whole=False),
    "close 5+3, one pair": _close_out(5, 3, is_whole=False),
    "close 3+2, whole": _close_out(3, 2, is_whole=True),
    "close 5+3, whole": _close_out(5, 3, is_whole=True),
    "health 1+1": _health(1, 1),
    "health 5+3": _health(5, 3),
}
