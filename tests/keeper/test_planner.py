"""The planner alone: how near its plans come to the best there is, in what order, and why it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest

from closeout.keeper.costs import Costs, Work
from closeout.keeper.planner import PlannerSettings, Situation, _Planner, _Unfit, plan
from closeout.keeper.ports import Action, Block, Funding, Intent, PoolState, Price, Reason, SaleKind
from closeout.keeper.routes import Depth
from closeout.keeper.twin import Account
from closeout.model import Deleverage, Market
from closeout.units import WAD
from tests.keeper.markets import CONFIGURATION, DAI, NOW, PRICES, PROTOCOL, USDC, WBTC, WETH, shares, token, wad
from tests.keeper.pools import full_range

GWEI = 10**9
BLOCK = Block(100, "0x64", "0x63", NOW, base_fee=20 * GWEI)
SETTINGS = PlannerSettings(native_token=token(WETH), priority_fee=GWEI)


def situation(pools: Sequence[PoolState], prices: Sequence[Price] = PRICES, **changes: Any) -> Situation:
    markets = [Market(accrued_at=NOW) for _ in prices]
    return replace(Situation(BLOCK, CONFIGURATION, prices, markets, pools), **changes)


def account(number: int, held: dict[int, int], owed: dict[int, int], **more: Any) -> Account:
    """Whole tokens; WBTC in hundredths."""
    units = {WETH: 10**18, WBTC: 10**6, USDC: 10**6, DAI: 10**18}
    return Account(
        number, {n: a * units[n] for n, a in held.items()}, {n: shares(a * units[n]) for n, a in owed.items()}, **more
    )


def only(accounts: Sequence[Account], where: Situation, settings: PlannerSettings = SETTINGS) -> Intent:
    planned = plan(accounts, where, settings)
    assert len(planned.intents) == 1, planned.refusals
    return planned.intents[0]


def why(one: Account, where: Situation, settings: PlannerSettings = SETTINGS) -> Reason:
    planned = plan([one], where, settings)
    assert not planned.intents
    [refusal] = planned.refusals
    return refusal.reason


ONE_AND_ONE = account(1, {WETH: 10}, {USDC: 13_000})
DEEP = full_range(WETH, USDC, PRICES)


# -------------------------------------------------------------------------------------------------------------- quality


def brute_force(one: Account, where: Situation, settings: PlannerSettings) -> int:
    """The largest profit over every set and many fills, by the planner's own quotes; 0 where there is none."""
    planner, best = _Planner(where, settings), 0
    collaterals, debts = list(one.collateral), list(one.debt_shares)
    for some in (set(c) for n in range(1, len(collaterals) + 1) for c in combinations(collaterals, n)):
        for owed in (set(d) for n in range(1, len(debts) + 1) for d in combinations(debts, n)):
            for part in (*range(1, 8, 2), *range(10, 101, 10)):
                try:
                    option = planner._option(one, frozenset(some), frozenset(owed), part * WAD // 100)
                except _Unfit:
                    continue
                best = max(best, option.intent.expected_profit_wad)
    return best


def random_case(random: Random) -> tuple[Account, Situation]:
    """An account somewhat below the margin, and pools from ample to far too thin, some off the oracle's price."""
    held = {WETH: random.randint(5, 400)} if random.random() < 0.8 else {}
    if not held or random.random() < 0.5:
        held[WBTC] = random.randint(20, 2_000)
    value = held.get(WETH, 0) * 1_500 + held.get(WBTC, 0) * 300
    threshold = (held.get(WETH, 0) * 1_500 * 0.85 + held.get(WBTC, 0) * 300 * 0.75) / value
    debt = int(value * threshold / random.uniform(0.85, 0.995))
    split = random.choice([1.0, 0.0, 0.3])
    owed = {n: int(debt * part) for n, part in ((USDC, split), (DAI, 1 - split)) if int(debt * part)}
    pools = [
        full_range(
            first, second, PRICES, random.choice([20_000, 200_000, 2_000_000, 50_000_000]), fee, random.randint(-60, 60)
        )
        for first, second in ((WETH, USDC), (WETH, DAI), (WBTC, WETH), (USDC, DAI))
        for first, second in [tuple(sorted((first, second)))]
        for fee in random.sample([500, 3_000, 10_000], random.randint(1, 2))
    ]
    return account(7, held, owed), situation(pools)


def test_plans__over_random_accounts_and_pools__come_near_the_best_of_every_set_and_fill():
    """Each within a fifth, all together within a twentieth: a search of some dozen quotes against several hundred."""
    random, mine, best, found = Random(2), 0, 0, 0
    for _ in range(12):
        one, where = random_case(random)
        most = brute_force(one, where, SETTINGS)
        planned = plan([one], where, SETTINGS)
        profit = planned.intents[0].expected_profit_wad if planned.intents else 0
        assert profit * 5 >= (most - wad(5)) * 4, (profit / WAD, most / WAD, one, planned.refusals)
        mine, best, found = mine + profit, best + max(most, profit), found + bool(profit)
    assert mine * 20 >= best * 19, (mine / WAD, best / WAD)
    assert found >= 6


def test_shared_sale__over_pools_at_several_fees__beats_the_best_single_route():
    owed = account(1, {WETH: 2_000}, {USDC: 2_600_000})
    pools = [full_range(WETH, USDC, PRICES, 20_000_000, fee) for fee in (500, 3_000)]
    alone = max(only([owed], situation([pool])).expected_profit_wad for pool in pools)
    shared = only([owed], situation(pools))
    assert len(shared.sales) == 2
    assert 0 < shared.sales[0].part_wad < WAD
    assert shared.sales[1].part_wad == WAD
    assert shared.expected_profit_wad > alone


def test_partial_fill__where_the_pool_is_thin__is_where_the_next_dollar_costs_its_penalty():
    big = account(1, {WETH: 20_000}, {USDC: 26_000_000})
    fills = []
    for depth in (1_000_000, 2_000_000, 4_000_000, 40_000_000_000):
        intent = only([big], situation([full_range(WETH, USDC, PRICES, depth, 500)]))
        fills.append(intent.fill_wad)
    assert fills == sorted(fills)
    assert fills[0] < WAD // 10
    assert fills[-1] == WAD


def test_indirect_route__where_no_pool_leads_there__is_taken():
    pools = [full_range(WETH, DAI, PRICES), full_range(USDC, DAI, PRICES, fee=500)]
    intent = only([ONE_AND_ONE], situation(pools))
    [sale] = intent.sales
    tokens = [sale.path[n : n + 20].hex() for n in range(0, len(sale.path), 23)]
    assert [f"0x{address}" for address in tokens] == [token(WETH), token(DAI), token(USDC)]


def test_basket__of_two_collaterals_and_two_debts__covers_both_debts():
    one = account(1, {WETH: 10, WBTC: 100}, {USDC: 18_000, DAI: 18_000})
    pools = [DEEP, full_range(WETH, DAI, PRICES), full_range(WETH, WBTC, PRICES)]
    intent = only([one], situation(pools))
    assert intent.collaterals == {WETH, WBTC}
    assert intent.debts == {USDC, DAI}
    assert {sale.path[-20:].hex() for sale in intent.sales} >= {token(USDC)[2:], token(DAI)[2:]}
    assert any(sale.kind is SaleKind.BUY_MISSING for sale in intent.sales)


# ---------------------------------------------------------------------------------------------------------------- order


def test_order__of_three_accounts__is_by_penalty_and_each_meets_what_the_others_left():
    accounts = [account(n, {WETH: size}, {USDC: 1_300 * size}) for n, size in ((1, 20), (2, 400), (3, 100))]
    pools = [full_range(WETH, USDC, PRICES, 400_000_000)]
    planned = plan(accounts, situation(pools), SETTINGS)
    assert [intent.account for intent in planned.intents] == [2, 3, 1]
    alone = only([accounts[0]], situation(pools)).expected_profit_wad
    assert planned.intents[-1].expected_profit_wad < alone


def test_plan__whatever_the_order_of_accounts_and_pools__is_the_same():
    accounts = [account(n, {WETH: 10 * n}, {USDC: 13_000 * n}) for n in range(1, 6)]
    pools = [DEEP, full_range(WETH, USDC, PRICES, 1_000_000, 500), full_range(USDC, DAI, PRICES)]
    first = plan(accounts, situation(pools), SETTINGS)
    second = plan(accounts[::-1], situation(pools[::-1]), SETTINGS)
    assert first == second


# ------------------------------------------------------------------------------------------------------------- refusals


def test_refusal__healthy_account__is_healthy():
    assert why(account(1, {WETH: 10}, {USDC: 12_000}), situation([DEEP])) is Reason.HEALTHY


def test_refusal__no_pool_at_all__is_no_route():
    assert why(ONE_AND_ONE, situation([])) is Reason.NO_ROUTE
    assert why(ONE_AND_ONE, situation([full_range(WBTC, DAI, PRICES)])) is Reason.NO_ROUTE


def test_refusal__pool_that_lags_behind_the_oracle__is_no_depth():
    """The pool pays 10 % less than the oracle says: more than any penalty."""
    lagging = [full_range(WETH, USDC, PRICES, skew_bps=-1_000)]
    assert why(ONE_AND_ONE, situation(lagging)) is Reason.NO_DEPTH


def test_refusal__gas_above_the_penalty__is_too_dear__with_both_figures():
    dear = situation([DEEP], block=replace(BLOCK, base_fee=2_000 * GWEI))
    [refusal] = plan([ONE_AND_ONE], dear, SETTINGS).refusals
    assert refusal.reason is Reason.TOO_DEAR
    assert refusal.earns_wad is not None and refusal.costs_wad is not None
    assert 0 < refusal.earns_wad < refusal.costs_wad


def test_refusal__fee_for_the_bytes_of_an_l2__counts_as_gas_does():
    cheap, dear = (situation([DEEP], fee_per_byte=fee) for fee in (0, 10**15))
    assert only([ONE_AND_ONE], cheap).expected_gas_cost_wad < wad(20)
    assert why(ONE_AND_ONE, dear) is Reason.TOO_DEAR


def test_refusal__least_profit_that_is_not_reached__is_too_dear():
    earned = only([ONE_AND_ONE], situation([DEEP])).expected_profit_wad
    asking = replace(SETTINGS, least_profit_wad=earned + 1)
    assert why(ONE_AND_ONE, situation([DEEP]), asking) is Reason.TOO_DEAR
    assert only([ONE_AND_ONE], situation([DEEP]), replace(SETTINGS, least_profit_wad=earned))


def test_refusal__acted_in_this_second__is_not_yet():
    acted = replace(ONE_AND_ONE, acted_at=NOW + SETTINGS.lead_seconds)
    assert why(acted, situation([DEEP])) is Reason.NOT_YET


def test_refusal__set_of_nothing_with_a_price__is_refused():
    assert why(account(1, {}, {USDC: 13_000}), situation([DEEP])) is Reason.REFUSED


# ------------------------------------------------------------------------------------------------- inventory and limits


def test_inventory__that_holds_the_debt__is_used_where_it_earns_more__and_only_once():
    accounts = [replace(ONE_AND_ONE, id=n) for n in (1, 2)]
    planned = plan(accounts, situation([], inventory={USDC: 10_000 * 10**6}), SETTINGS)
    [intent] = planned.intents
    assert intent.funding is Funding.INVENTORY
    assert intent.most_repaid == {USDC: intent.expected_repaid[0].amount}
    assert intent.least_seized[WETH] <= intent.expected_seized[0].amount
    assert [one.reason for one in planned.refusals] == [Reason.NO_ROUTE]


def test_inventory__beside_pools__is_weighed_against_them():
    where = situation([full_range(WETH, USDC, PRICES, skew_bps=200)], inventory={USDC: 10**12})
    # a pool that pays 2 % more than the oracle beats keeping the collateral at 1 % less
    assert only([ONE_AND_ONE], where).funding is Funding.FLASH
    lagging = situation([full_range(WETH, USDC, PRICES, skew_bps=-150)], inventory={USDC: 10**12})
    assert only([ONE_AND_ONE], lagging).funding is Funding.INVENTORY


def test_least_profits__leave_the_tolerated_part_of_the_profit_and_never_less_than_gas():
    for part in ("0", "0.2", "1"):
        settings = replace(SETTINGS, tolerance_wad=wad(part))
        intent = only([ONE_AND_ONE], situation([DEEP]), settings)
        [(bought, least)] = intent.least_profits.items()
        assert bought == token(USDC)
        floor = intent.expected_profit_wad * (WAD - wad(part)) // WAD + intent.expected_gas_cost_wad
        assert floor - 10**12 <= least * 10**12 <= floor + 2 * 10**12


def test_margin_call__where_grace_applies__is_wanted_only_where_its_close_out_will_pay():
    protocol = replace(PROTOCOL, grace_period=3_600, hard_floor_wad=wad("0.95"))
    where = situation([DEEP], configuration=replace(CONFIGURATION, protocol=protocol))
    intent = only([ONE_AND_ONE], where)
    assert intent.action is Action.MARGIN_CALL
    dear = replace(where, block=replace(BLOCK, base_fee=2_000 * GWEI))
    assert why(ONE_AND_ONE, dear) is Reason.TOO_DEAR
    below = account(1, {WETH: 10}, {USDC: 13_800})
    assert only([below], where).action is Action.CLOSE_OUT
    called = replace(ONE_AND_ONE, called_at=NOW - 3_600)
    assert only([called], where).action is Action.CLOSE_OUT
    assert why(replace(called, called_at=NOW - 60), where) is Reason.NOT_YET


def test_write_off__of_an_account_that_is_dust__is_wanted_only_by_who_asked_for_it():
    dust = Account(1, {WETH: 10**15}, {USDC: shares(9_000 * 10**6)})
    assert why(dust, situation([DEEP])) is Reason.TOO_DEAR
    writing_off = replace(SETTINGS, writes_off=True)
    intent = only([dust], situation([DEEP]), writing_off)
    assert intent.action is Action.WRITE_OFF
    assert intent.expected_profit_wad == -intent.expected_gas_cost_wad < 0
    # an account that is worth closing out is never written off
    assert only([ONE_AND_ONE], situation([DEEP]), writing_off).action is Action.CLOSE_OUT
    assert why(account(1, {WETH: 10}, {USDC: 20_000}), situation([]), writing_off) is Reason.NO_ROUTE


def test_deleverage__opted_in_to__is_planned_above_one():
    terms = Deleverage(wad("1.5"), wad("1.6"), wad("0.02"))
    intent = only([account(1, {WETH: 10}, {USDC: 10_000}, deleverage=terms)], situation([DEEP]))
    assert intent.expected_profit_wad > 0


# ---------------------------------------------------------------------------------------------------------------- costs


@pytest.mark.parametrize(("fee", "native", "expected"), [(0, 1_500, 0), (GWEI, 1_500, 1), (3 * GWEI, 1, 1)])
def test_costs__of_gas__are_rounded_up(fee: int, native: int, expected: int):
    cost = Costs(fee, native).of_gas(1)
    assert cost == -(-fee * native // WAD) == expected


def test_work__of_more_hops_and_assets__is_more():
    assert Work.of_flash(1, 1, 2, ()).gas > Work.of_flash(1, 1, 1, ()).gas > Work.of_inventory(1, 1).gas
    assert Work.of_inventory(3, 2).gas > Work.of_inventory(1, 1).gas


def test_routes__between_two_tokens__visit_no_token_twice_and_are_all_there():
    pools = [
        full_range(WETH, USDC, PRICES),
        full_range(WETH, USDC, PRICES, fee=500),
        full_range(WETH, DAI, PRICES),
        full_range(USDC, DAI, PRICES),
        full_range(WETH, WBTC, PRICES),
    ]
    routes = Depth.of(pools).routes(token(WBTC), token(USDC), 3)
    assert len(routes) == 3
    assert [route.hops for route in routes] == [2, 2, 3]
    for route in routes:
        assert len(set(route.tokens)) == len(route.tokens)
    assert Depth.of(pools).routes(token(WBTC), token(USDC), 1) == []
