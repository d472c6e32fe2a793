"""Inside a flash loan the Vault is open. Whatever the borrower does there: every view is true, nothing can be taken.

Random lists of actions inside random loans, on markets whose index has grown, by a borrower who also lends and owes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closeout.chain.parameters import UNLIMITED, BorrowParameters
from tests.differential.sizes import sized
from tests.support.node import Deployed, Node, reverts
from tests.support.world import NEVER, NOT_COLLATERAL, Asset, World, account_of
from tests.unit.lending.stage import KINKED, MAX_RATE, YEAR, books, set_borrowing

READINGS = ("id", "idle", "debt", "shares", "index", "held", "collateral", "claims", "own_shares")


@dataclass(frozen=True)
class Reading:
    id: int
    idle: int
    debt: int
    shares: int
    index: int
    held: int
    collateral: int
    claims: int
    own_shares: int

    @property
    def share_price(self) -> Fraction:
        return Fraction(self.idle + self.debt + 1, self.shares + 10**6)


@dataclass(frozen=True)
class Scene:
    world: World
    prober: Deployed
    account: int
    lent: Asset

    def step(self, kind: str, asset: Asset, part: int) -> tuple[str, bytes]:
        vault, me = self.world.vault, self.prober.address
        units = max(1, asset.units(20_000) * part // 1_000_000)
        shares = max(1, vault.supplySharesOf(asset.id, me) * part // 1_000_000)
        if kind == "flash":
            return vault.address, vault.flashLoan.data(self.prober, asset.token, units, b"")
        calls = {
            "supply": lambda: vault.supply.data(asset.id, units, me),
            "mint": lambda: vault.mint.data(asset.id, shares, me),
            "withdraw": lambda: vault.withdraw.data(asset.id, units, me, me),
            "redeem": lambda: vault.redeem.data(asset.id, shares, me, me),
            "deposit": lambda: vault.depositCollateral.data(self.account, self.world.usdc.id, part + 1),
            "take": lambda: vault.withdrawCollateral.data(self.account, self.world.usdc.id, part + 1, me),
            "borrow": lambda: vault.borrow.data(self.account, asset.id, units, me),
            "borrow shares": lambda: vault.borrowShares.data(self.account, asset.id, 100 * part, me),
            "repay": lambda: vault.repay.data(self.account, asset.id, units),
            "repay all": lambda: vault.repay.data(self.account, asset.id, NEVER),
            "repay shares": lambda: vault.repayShares.data(self.account, asset.id, part),
            "repay with supply": lambda: vault.repayWith.data(self.account, asset.id, units, 1),
            "repay with claims": lambda: vault.repayWith.data(self.account, asset.id, units, 2),
            "credit": lambda: vault.creditClaim.data(asset.id, units, me),
            "claim": lambda: vault.claim.data(asset.id, units, me),
            "send shares": lambda: self._send(asset, shares),
            "close out": lambda: vault.closeOut.data(
                self.world.request(account_of(self.world.stranger), receiver=me), b""
            ),
        }
        data = calls[kind]()
        return (vault.supplyTokenOf(asset.id) if kind == "send shares" else vault.address), data

    def _send(self, asset: Asset, shares: int) -> bytes:
        token = self.world.node.at("SupplyToken", self.world.vault.supplyTokenOf(asset.id))
        return token.transfer.data(self.prober, shares)

    def readings(self) -> list[Reading]:
        return [Reading(*values) for values in self.prober.readings()]

    def worth(self, asset: Asset) -> Fraction:
        """All that the borrower has of an asset less what he owes, in units: shares exactly, debts rounded up."""
        vault, me = self.world.vault, self.prober
        held, owed = self.world.position(self.account)
        plain = asset.token.balanceOf(me) + vault.claimOf(me, asset.id) + held.get(asset.id, 0) - owed.get(asset.id, 0)
        return plain + vault.supplySharesOf(asset.id, me) * books(self.world, asset).share_price


KINDS = (
    "supply mint withdraw redeem deposit take borrow repay credit claim flash|borrow shares|repay all|repay shares|"
    "repay with supply|repay with claims|send shares|close out"
)
KIND_LIST = [kind for group in KINDS.split("|") for kind in (group.split() if "supply mint" in group else [group])]


def scene(standard: World, *, years: int, decimals: int) -> Scene:
    """Two markets with debts; the borrower lends, owes and has claims in both; a stranger's account is unhealthy."""
    world = standard.fork()
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED, base=MAX_RATE, reserve_factor=0)
    lent = world.list_asset("LENT", decimals, 1, NOT_COLLATERAL, borrowing)
    world.supply(lent, 10_000)
    somebody = world.open_account({world.weth: 10_000}, {lent: 1_000})
    world.warp(years * YEAR)
    for asset in world.assets:
        asset.feed.publish(world.prices[asset.id], sender=world.governor)
    # from here on the index is as high as it is, and nothing moves with time
    set_borrowing(world, lent, base=0, **{name: value for name, value in KINKED.items() if name != "base"})
    world.supply(lent, 1_000)
    prober = world.node.deploy(
        "Prober", world.vault, [lent.token, world.usdc.token, world.dai.token], sender=world.lender
    )
    account = int(prober.address, 16) << 96
    for asset in (lent, world.usdc, world.dai):
        asset.token.mint(prober, asset.units(50_000), sender=world.governor)
        prober.execute(
            world.vault.address, world.vault.creditClaim.data(asset.id, asset.units(1_000), prober), sender=world.lender
        )
    for asset in (lent, world.dai):
        prober.execute(
            world.vault.address, world.vault.supply.data(asset.id, asset.units(5_000), prober), sender=world.lender
        )
    deposit = world.vault.depositCollateral.data(account, world.usdc.id, world.usdc.units(20_000))
    prober.execute(world.vault.address, deposit, sender=world.lender)
    for asset in (lent, world.dai):
        prober.execute(
            world.vault.address,
            world.vault.borrow.data(account, asset.id, asset.units(2_000), prober),
            sender=world.lender,
        )
    world.open_account({world.wbtc: 1}, {world.dai: 20_000}, owner=world.stranger)
    world.set_price(world.wbtc, 26_000)
    assert somebody == account_of(world.borrower)
    return Scene(world, prober, account, lent)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(KIND_LIST), st.integers(0, 1), st.integers(0, 1_000_000)), min_size=1, max_size=8
)


@pytest.fixture(params=[(0, 18), (1, 6), (2, 0), (3, 2)], ids=["index 1", "73", "5 000", "47 223"])
def here(node: Node, standard: World, request: pytest.FixtureRequest) -> Iterator[Scene]:
    years, decimals = request.param
    with node.rolled_back():
        yield scene(standard, years=years, decimals=decimals)


@settings(max_examples=sized(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, part=st.integers(1, 1_000_000), fee=st.sampled_from((0, 0, 9)))
def test_flash_loan__whatever_is_done_inside__shows_true_figures_and_gives_nothing_away(
    node: Node, here: Scene, actions: list[tuple[str, int, int]], part: int, fee: int
):
    world, prober, lent = here.world, here.prober, here.lent
    with node.rolled_back():
        set_borrowing(world, lent, flash_fee=fee)
        assets = (lent, world.usdc, world.dai)
        steps = [here.step(kind, (lent, world.dai)[which], amount) for kind, which, amount in actions]
        prober.setScript(steps, sender=world.stranger)
        before = {asset.id: books(world, asset) for asset in assets}
        worth = {asset.id: here.worth(asset) for asset in assets}
        others = {
            asset.id: before[asset.id].held
            - before[asset.id].idle
            - world.position(here.account)[0].get(asset.id, 0)
            - world.vault.claimOf(prober, asset.id)
            for asset in assets
        }
        amount = max(1, before[lent.id].idle * part // 1_000_000)
        passed = _loan(here, amount)
        prices = {asset.id: before[asset.id].share_price for asset in assets}
        if passed:
            for reading in here.readings():
                # P1: what others have in collateral and claims is there, at every moment
                backed = reading.held - reading.idle - reading.collateral - reading.claims
                assert backed >= others[reading.id]
                # P10: a share is worth what it was, and may only gain
                assert reading.share_price >= prices[reading.id]
                prices[reading.id] = reading.share_price
            first = here.readings()[0]
            assert first.idle + first.debt == before[lent.id].supply_assets
        closed = world.position(account_of(world.stranger))[1].get(world.dai.id) != world.dai.units(20_000)
        for asset in assets:
            after = books(world, asset)
            assert after.share_price >= prices[asset.id]
            # a debt is rounded up to units each time it is looked at
            gain = here.worth(asset) - worth[asset.id]
            if not (closed and asset in (world.dai, world.wbtc)):
                assert gain <= 1
            assert after.held >= after.idle


def _loan(here: Scene, amount: int) -> bool:
    """Whether the loan came back: where it does not, all is as before."""
    world = here.world
    try:
        world.vault.flashLoan(here.prober, here.lent.token, amount, b"", sender=world.stranger)
    except Exception as error:
        assert getattr(error, "name", None) in ("TransferFromFailed", "InsufficientLiquidity"), error
        return False
    return True


@pytest.mark.parametrize("years", [1, 3])
def test_flash_loan__of_one_unit_where_a_share_is_worth_many__moves_no_figure_inside(
    node: Node, standard: World, years: int
):
    """A debt share is worth 472 units at the end of the index: a loan of a unit must not be booked as one."""
    with node.rolled_back():
        here = scene(standard, years=years, decimals=2)
        before = books(here.world, here.lent)
        assert before.index > INDEX_OF[years]
        lenders = here.world.vault.redeem.data(
            here.lent.id, here.world.vault.supplySharesOf(here.lent.id, here.prober), here.prober, here.prober
        )
        here.prober.setScript([(here.world.vault.address, lenders)], sender=here.world.stranger)
        worth = here.worth(here.lent)
        here.world.vault.flashLoan(here.prober, here.lent.token, 1, b"", sender=here.world.stranger)
        first = here.readings()[0]
        assert (first.idle, first.debt, first.shares) == (before.idle - 1, before.debt + 1, before.shares)
        assert here.prober.passed() == 1
        assert here.worth(here.lent) <= worth
        assert books(here.world, here.lent).share_price >= before.share_price


INDEX_OF = {1: 70 * 10**17, 3: 2**72 - 2}


def test_flash_loan__of_all_that_is_idle__is_lent_however_much_that_is(world: World):
    """More units than a hundredth of what 112 bits of debt shares hold: 27 decimals, 100 000 tokens."""
    borrowing = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("FINE", 27, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 100_000)
    prober = world.node.deploy("Prober", world.vault, [asset.token], sender=world.lender)
    most = world.vault.maxFlashLoan(asset.token)
    assert most == asset.units(100_000) > 2**112 // 100
    world.vault.flashLoan(prober, asset.token, most, b"", sender=world.stranger)
    with reverts("InsufficientLiquidity", most, most + 1):
        world.vault.flashLoan(prober, asset.token, most + 1, b"", sender=world.stranger)
