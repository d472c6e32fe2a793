"""Who can be closed out and who cannot, whatever tokens, feeds, pauses and caps do: P7, P11, P16, P23."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from closeout.model import Regime
from closeout.units import WAD
from tests.differential.batches import in_batches
from tests.differential.simulation import Block, Outcome, simulate
from tests.differential.sizes import least, sized
from tests.property.placed import AT_ONCE, NOW, Stage
from tests.property.pools import some_worlds
from tests.support.evidence import looked_at
from tests.support.world import EVERYTHING, Result
from tests.support.world import World as Protocol
from tests.worlds import World

COUNT = sized(300)
UNHEALTHY = (
    "just below one",
    "curve",
    "below the curve",
    "capped",
    "terminal",
    "hopeless",
    "dust after",
    "dust before",
)
DEAD: dict[str, Any] = {"code": "0xfe"}
"""A contract that answers every call by burning all the gas it is given."""

# A block of Ethereum has 36 million: ten collaterals and five debts are closed out in less than a twentieth of it.
GAS_BOUND = 1_500_000


def played(stage: Stage, histories: list[list[Block]]) -> list[list[Outcome]]:
    looked_at(len(histories))
    return [answer for some in in_batches(histories, AT_ONCE) for answer in simulate(stage.node.rpc, some)]


def name_of(stage: Stage, outcome: Outcome) -> str | None:
    """The custom error, or None where the call went through."""
    return None if outcome.is_done else stage.node.decode_revert(outcome.data).name or outcome.data


# ------------------------------------------------------------------------------------------------------------------ P7


@pytest.mark.parametrize("aim", ["healthy", "at one"])
def test_p7_a_healthy_account_loses_nothing_to_anyone(stage: Stage, aim: str) -> None:
    worlds = [world for world in map(World.whole, some_worlds(f"p7 {aim}", COUNT, (aim,))) if _health(world) >= WAD]
    called = 0
    for world, outcomes in zip(worlds, played(stage, [attacked(stage, world) for world in worlds]), strict=True):
        *_, closed, written_off, cleared, put_on_call, read = outcomes
        assert name_of(stage, closed) == "AccountHealthy", world
        assert name_of(stage, written_off) == "AccountNotInsolvent", world
        assert name_of(stage, cleared) == "NotOnCall", world
        is_warned = _health(world) < world.protocol.margin_call_health_factor_wad
        assert name_of(stage, put_on_call) == (None if is_warned else "MarginCallRefused"), world
        words = [int(read.data[place : place + 64], 16) for place in range(130, len(read.data), 64)]
        held = [world.collateral.get(n, 0) for n in range(len(world.assets))]
        owed = [world.debt_shares.get(n, 0) for n in range(len(world.assets))]
        assert words[0:-1:2] == held
        assert words[1::2] == owed
        called += is_warned
    assert len(worlds) >= least(60)
    assert aim != "healthy" or 0 < called < len(worlds)


def attacked(stage: Stage, world: World) -> list[Block]:
    vault, account = stage.vault, stage.account
    calls = [
        vault.closeOut.data(stage.request(world), b""),
        vault.writeOff.data(account),
        vault.clearMarginCall.data(account),
        vault.marginCall.data(account),
    ]
    return [*stage.opening(world), Block(NOW, [stage.call(vault, data) for data in calls]), *stage.reading(world)]


def _health(world: World) -> int:
    return world.snapshot().health_factor_wad


# ----------------------------------------------------------------------------------------------------------------- P11


def test_p11_every_unhealthy_account_can_be_closed_out_though_all_its_tokens_are_dead(stage: Stage) -> None:
    """By a lender: repaid from his supply, collateral credited as claims; no token is called, no token can refuse."""
    worlds = [world.whole() for world in some_worlds("p11", COUNT, UNHEALTHY) if _health(world) < WAD]
    largest = 0
    for world, outcomes in zip(worlds, played(stage, [without_tokens(stage, world) for world in worlds]), strict=True):
        done = outcomes[-1]
        assert done.is_done, (name_of(stage, done), world)
        assert done.gas <= GAS_BOUND, (done.gas, world)
        largest = max(largest, done.gas)
    assert len(worlds) >= least(200)


def without_tokens(stage: Stage, world: World) -> list[Block]:
    request = stage.request(world, receiver=stage.lender, as_claims=EVERYTHING, from_shares=EVERYTHING)
    close_out = stage.call(stage.vault, stage.vault.closeOut.data(request, b""), stage.lender)
    dead = {token.address: DEAD for token in stage.tokens}
    return [*stage.opening(world), Block(NOW, [close_out], dead)]


# ----------------------------------------------------------------------------------------------------------------- P16


def test_p16_no_pause_no_cap_and_no_dead_feed_stops_a_repayment_or_a_top_up(stage: Stage) -> None:
    worlds = [_capped(world) for world in some_worlds("p16", COUNT, UNHEALTHY)]
    told = 0
    for world, outcomes in zip(worlds, played(stage, [relieved(stage, world) for world in worlds]), strict=True):
        _, _, paused, *moves = outcomes
        assert paused.is_done
        for move in moves:
            assert move.is_done, (name_of(stage, move), world)
            told += 1
    assert told >= least(800)


def _capped(world: World) -> World:
    assets = tuple(replace(a, collateral_cap=1, supply_cap=1, borrow_cap=1) for a in world.assets)
    return replace(world, assets=assets)


def relieved(stage: Stage, world: World) -> list[Block]:
    """Everything is paused, every cap is used up, every feed is dead; then somebody helps."""
    vault, account = stage.vault, stage.account
    pause = stage.call(vault, vault.setPauses.data(EVERYTHING, EVERYTHING), Protocol.guardian)
    moves = []
    for n, amount in world.collateral.items():
        if amount < world.assets[n].max_amount:
            moves.append(stage.call(vault, vault.depositCollateral.data(account, n, 1)))
    for n in world.debt_shares:
        # a debt of a single unit is gone after the first repayment
        amounts = (1, 2**256 - 1) if world.debt_units(n) > 1 else (1,)
        moves += [stage.call(vault, vault.repay.data(account, n, amount)) for amount in amounts]
    return [*stage.opening(world), Block(NOW, [pause, *moves], dict.fromkeys(stage.feeds, DEAD))]


# ----------------------------------------------------------------------------------------------------------------- P23


def test_p23_a_dead_token_changes_only_its_own_leg(stage: Stage) -> None:
    """Its leg becomes a claim of the receiver; amounts, the other legs and what is repaid are as without it."""
    worlds = [world for world in some_worlds("p23", COUNT, UNHEALTHY) if len(world.collateral) > 1]
    plain = stage.see_all(worlds)
    told = 0
    for one, outcomes in zip(plain, played(stage, [with_a_dead_token(stage, world) for world in worlds]), strict=True):
        done, claimed, dead = outcomes[-2], outcomes[-1], _first(one.world)
        if one.result is None or dead not in one.result.seized:
            continue
        assert done.is_done, (name_of(stage, done), one.world)
        assert Result.of(stage.close_out.decode(done.data)) == one.result
        seized, to_protocol, to_insurance = one.result.seized[dead]
        assert int(claimed.data, 16) == seized - to_protocol - to_insurance
        without = {key: units for key, units in one.transfers.items() if key[0] != dead}
        assert stage.transfers(done) == without
        told += 1
    assert told >= least(60)


def with_a_dead_token(stage: Stage, world: World) -> list[Block]:
    dead = {stage.tokens[_first(world)].address: DEAD}
    close_out = stage.call(stage.vault, stage.vault.closeOut.data(stage.request(world), b""))
    claim = stage.call(stage.vault, stage.vault.claimOf.data(stage.receiver, _first(world)))
    return [*stage.opening(world), Block(NOW, [close_out, claim], dead)]


def _first(world: World) -> int:
    chosen = world.collateral_set
    return next(n for n in world.collateral if chosen is None or n in chosen)


def test_p12_write_off_is_refused_while_collateral_is_worth_anything(stage: Stage) -> None:
    """`writeOff` of a solvent account, and of one whose collateral is above `dustValue`, is refused whoever asks."""
    worlds = [world.whole() for world in some_worlds("write-off", COUNT, UNHEALTHY) if _health(world) < WAD]
    worlds = [replace(world, protocol=replace(world.protocol, dust_value_wad=WAD)) for world in worlds]
    told: dict[str | None, int] = {}
    for world, outcomes in zip(worlds, played(stage, [written_off(stage, world) for world in worlds]), strict=True):
        name = name_of(stage, outcomes[-1])
        floor = WAD + world.protocol.bonus_floor_wad
        snapshot = world.snapshot()
        if snapshot.collateral_value * WAD >= snapshot.debt_value * floor:
            assert name == "AccountNotInsolvent"
        elif snapshot.collateral_value >= 10**27:
            assert name == "CollateralNotDust"
        else:
            assert name is None
        told[name] = told.get(name, 0) + 1
    assert told.get("AccountNotInsolvent", 0) >= least(80)
    assert told.get("CollateralNotDust", 0) >= least(40)


def written_off(stage: Stage, world: World) -> list[Block]:
    return [*stage.opening(world), Block(NOW, [stage.call(stage.vault, stage.vault.writeOff.data(stage.account))])]


def test_terminal_accounts__are_closed_out_whoever_names_which_debts(stage: Stage) -> None:
    """Any set of debts will do under water: the Vault's own bound on bad debt never refuses an honest plan."""
    worlds = [
        world for world in some_worlds("named debts", COUNT, ("hopeless", "terminal")) if len(world.debt_shares) > 1
    ]
    parts = [
        replace(world.whole(), debt_set=frozenset([min(world.debt_shares)]), fill_wad=WAD // 3) for world in worlds
    ]
    seen = stage.see_all(parts)
    assert all(one.refusal in (None, "NothingToClose") for one in seen), [one.refusal for one in seen]
    assert sum(one.result is not None and one.result.regime == Regime.TERMINAL for one in seen) >= least(100)
