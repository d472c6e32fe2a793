"""Threats 65 and 74: while the Vault calls out it answers nobody, views included. One matrix over every function.

What calls back, one after the other: a liquidator, the caller of a rebalancing, a collateral that is sent and a token
that is pulled. Inside, every function of the Vault (both halves), a SupplyToken, fund, splitter and Lens is tried.
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from closeout.chain.roles import Role
from tests.support.accounts import capped_account, restorative_account
from tests.support.node import Deployed
from tests.support.tokens import Mood, list_switchable, set_mood
from tests.support.world import BORROWABLE, NEVER, World, account_of, collateral

REENTRANCY = keccak(text="Reentrancy()")[:4]

# What may be read at any time: it cannot change while the lock is held, and no balance follows from it.
CONSTANT = {
    "Vault": {"EXTENSION", "MAX_TARGET_HEALTH_FACTOR_WAD", "authority", "isConsumingScheduledOp"},
    "IVault": {"configuration", "isOperator", "nonceOf", "supplyTokenOf", "assetIdOf", "flashFee"},
    "SupplyToken": {
        "ASSET_ID",
        "DOMAIN_SEPARATOR",
        "VAULT",
        "allowance",
        "approve",
        "asset",
        "decimals",
        "eip712Domain",
        "name",
        "nonces",
        "permit",
        "symbol",
    },
    "InsuranceFund": {"VAULT"},
    "PenaltySplitter": {
        "BURN",
        "BURN_WAD",
        "INSURANCE_FUND",
        "INSURANCE_WAD",
        "TREASURY",
        "TREASURY_WAD",
        "VAULT",
    },
    "Lens": {"VAULT", "protocol"},
}
# AccessManaged asks who calls before the lock is looked at: these are tried by the party that may.
RESTRICTED = {"setConfiguration", "setSupplyToken", "askRouterUntil", "setPauses", "setAuthority"}


def sample(kind: str, parts: list[dict[str, Any]], world: World) -> Any:
    """A value of an ABI type; arrays have one element, ids and amounts are small, tokens are listed."""
    if kind.endswith("[]"):
        return [sample(kind[:-2], parts, world)]
    if kind == "tuple":
        return tuple(sample(part["type"], part.get("components", []), world) for part in parts)
    if kind == "address":
        return world.usdc.token.address
    if kind == "bool":
        return False
    if kind.startswith("bytes"):
        return b"" if kind == "bytes" else bytes(int(kind[5:]))
    if kind == "string":
        return ""
    # asset id 0 is WETH; 1 of anything else
    return 0 if kind == "uint256" else 1


def steps_into(world: World, contract: Deployed, skip: set[str]) -> dict[str, tuple[str, bytes]]:
    """Target and calldata by name, for every function but those that are skipped."""
    artifact = world.node.artifacts[contract.name]
    steps = {}
    for entry in artifact.abi:
        if entry["type"] != "function" or entry["name"] in skip:
            continue
        values = [sample(part["type"], part.get("components", []), world) for part in entry["inputs"]]
        steps[f"{contract.name}.{entry['name']}"] = (contract.address, contract.methods[entry["name"]].data(*values))
    return steps


def matrix(world: World) -> dict[str, tuple[str, bytes]]:
    supply_token = world.node.at("SupplyToken", world.vault.supplyTokenOf(world.usdc.id))
    steps = {}
    for contract in (world.vault, supply_token, world.fund, world.splitter, world.lens):
        steps |= steps_into(world, contract, CONSTANT[contract.name] | RESTRICTED)
    # a multicall is a door, not a room: what is behind it is refused
    inner = world.vault.marketOf.data(0)
    steps["Vault.multicall"] = (world.vault.address, world.vault_code.multicall.data([inner]))
    # through the ERC-4626 face a depositor's tokens are taken first
    amount = world.usdc.units(1)
    steps["SupplyToken.deposit"] = (supply_token.address, supply_token.deposit.data(amount, world.receiver))
    steps["SupplyToken.mint"] = (supply_token.address, supply_token.mint.data(amount, world.receiver))
    return steps


@pytest.fixture
def actor(world: World) -> Deployed:
    """A contract with money and approvals that runs the matrix when it is called back."""
    actor = world.node.deploy("ScriptedActor", sender=world.stranger)
    supply_token = world.vault.supplyTokenOf(world.usdc.id)
    for asset in (world.usdc, world.dai, world.weth):
        asset.token.mint(actor, asset.units(1_000_000), sender=world.governor)
        for spender in (world.vault, supply_token):
            actor.execute(asset.token, asset.token.approve.data(spender, NEVER), sender=world.stranger)
    return actor


def check_outcomes(actor: Deployed, steps: dict[str, tuple[str, bytes]]) -> None:
    outcomes = actor.outcomes()
    assert len(outcomes) == len(steps) > 50
    for name, (is_passed, answer) in zip(steps, outcomes, strict=True):
        if is_passed:
            # batches of the Lens tell of each entry what it failed with
            assert name.startswith("Lens."), f"{name} answered {answer.hex()}"
            assert REENTRANCY in answer, f"{name} answered {answer.hex()}"
        else:
            assert answer[:4] == REENTRANCY, f"{name} failed with {answer.hex()}"


def test_t74_views__that_may_be_read_at_any_time__are_those_of_the_list(world: World):
    """What stands in the list exists, and what is left out of the matrix for its role is restricted."""
    for name, functions in CONSTANT.items():
        known = {entry["name"] for entry in world.node.artifacts[name].abi if entry["type"] == "function"}
        assert functions <= known


def test_t74_close_out__whose_liquidator_tries_every_function_in_his_callback__is_refused_each(
    world: World, actor: Deployed
):
    account = restorative_account(world)
    steps = matrix(world)
    actor.setScript(list(steps.values()), False, sender=world.stranger)
    request = world.request(account, receiver=actor.address)
    actor.execute(world.vault, world.vault.closeOut.data(request, b"go"), sender=world.stranger)
    check_outcomes(actor, steps)


def test_t74_rebalance__whose_caller_tries_every_function_in_his_callback__is_refused_each(
    world: World, actor: Deployed
):
    account = account_of(actor.address)
    deposit = world.vault.depositCollateral.data(account, world.weth.id, world.weth.units(10))
    actor.execute(world.vault, deposit, sender=world.stranger)
    steps = matrix(world)
    actor.setScript(list(steps.values()), False, sender=world.stranger)
    moves = ([(world.weth.id, 10**18)], [], [], [])
    actor.execute(world.vault, world.vault.rebalance.data(account, moves, actor, b"go"), sender=world.stranger)
    check_outcomes(actor, steps)


def test_t74_restricted_functions__tried_inside_by_the_party_that_may_call_them__are_refused(
    world: World, actor: Deployed
):
    for role in (Role.CONFIGURATOR, Role.PAUSER):
        world.authority.grantRole(role, actor, 0, sender=world.governor)
    account = capped_account(world)
    vault = world.vault
    calls = {
        "setConfiguration": vault.setConfiguration.data(vault.configuration()),
        "setSupplyToken": vault.setSupplyToken.data(99, world.stranger),
        "setPauses": vault.setPauses.data(1, 1),
    }
    actor.setScript([(vault.address, data) for data in calls.values()], False, sender=world.stranger)
    request = world.request(account, receiver=actor.address)
    actor.execute(vault, vault.closeOut.data(request, b"go"), sender=world.stranger)
    assert [(is_passed, answer) for is_passed, answer in actor.outcomes()] == [(False, REENTRANCY)] * 3


@pytest.mark.parametrize("moment", ["sent", "pulled"])
def test_t74_token__that_calls_back_while_it_moves__gets_nowhere(world: World, moment: str):
    """Everything it tries comes back as a refusal, and the close-out goes on."""
    odd = list_switchable(world, price=1500 if moment == "sent" else 1, borrowable=moment == "pulled")
    if moment == "sent":
        account = world.open_account({world.weth: 10, odd: "10.5"}, {world.usdc: 24_000})
        world.set_price(odd, 1200)
        set_mood(odd, sending=Mood.CALLS)
    else:
        world.supply(odd, 100_000)
        world.set_price(world.weth, 2000)
        account = world.open_account({world.weth: 12}, {world.usdc: 6_000, odd: 9_000})
        world.set_price(world.weth, 1450)
        world.fund_party(world.liquidator, odd, 100_000)
        set_mood(odd, pulled=Mood.CALLS)
    world.arm()
    for name, (target, data) in matrix(world).items():
        if name.startswith("SupplyToken.") and name.split(".")[1] in ("deposit", "mint"):
            continue  # the token has nothing to deposit
        with world.node.rolled_back():
            odd.token.setHook(target, data, sender=world.stranger)
            world.close_out(account)
            is_passed, answer = odd.token.hookPassed(), odd.token.hookAnswer()
            if name.startswith("Lens."):
                # the largest of them need more gas than a leg gets
                assert REENTRANCY in answer or (is_passed, answer) == (False, b""), f"{name}: {answer.hex()}"
            else:
                assert (is_passed, answer) == (False, REENTRANCY), f"{name}: {answer.hex()}"


@pytest.mark.parametrize(
    "action", ["supply", "depositCollateral", "creditClaim", "repay", "withdrawCollateral", "claim"]
)
def test_t74_token__that_calls_back_in_any_other_action__gets_nowhere(world: World, action: str):
    token = world.node.deploy("SwitchableToken", "ODD", 18, sender=world.governor)
    odd = world.list_asset("ODD", 18, 1, collateral(8500, 800), BORROWABLE, token=token)
    me, vault = world.borrower, world.vault
    world.fund_party(me, odd, 10_000)
    vault.creditClaim(odd.id, odd.units(1000), me, sender=me)
    vault.supply(odd.id, odd.units(1000), me, sender=me)
    holding = account_of(me, 1)
    vault.depositCollateral(holding, odd.id, odd.units(100), sender=me)
    owing = world.open_account({world.weth: 10}, {odd: 500}, index=2)
    calls = {
        "supply": lambda: vault.supply(odd.id, 10**18, me, sender=me),
        "depositCollateral": lambda: vault.depositCollateral(holding, odd.id, 10**18, sender=me),
        "creditClaim": lambda: vault.creditClaim(odd.id, 10**18, me, sender=me),
        "repay": lambda: vault.repay(owing, odd.id, 10**18, sender=me),
        "withdrawCollateral": lambda: vault.withdrawCollateral(holding, odd.id, 10**18, me, sender=me),
        "claim": lambda: vault.claim(odd.id, 10**18, me, sender=me),
    }
    set_mood(odd, sending=Mood.CALLS, pulled=Mood.CALLS)
    inside = {
        "marketOf": vault.marketOf.data(odd.id),
        "claim": vault.claim.data(odd.id, 1, world.stranger),
        "supply": vault.supply.data(odd.id, 1, world.stranger),
        "healthOf": vault.healthOf.data(owing),
        "flashLoan": vault.flashLoan.data(world.stranger, odd.token, 1, b""),
    }
    for name, data in inside.items():
        with world.node.rolled_back():
            token.setHook(vault, data, sender=world.stranger)
            calls[action]()
            assert (token.hookPassed(), token.hookAnswer()) == (False, REENTRANCY), name


def test_t74_vault__after_any_of_this__is_open_again(world: World, actor: Deployed):
    """The lock is transient, and released within the transaction too: two close-outs in one multicall."""
    first = capped_account(world)
    world.set_price(world.weth, 2000)
    second = world.open_account({world.weth: 10}, {world.usdc: 14_500}, index=1)
    world.set_price(world.weth, 1500)
    world.arm()
    calls = [world.vault.closeOut.data(world.request(account), b"") for account in (first, second)]
    world.vault_code.multicall(calls, sender=world.liquidator)
    assert world.position(first) == world.position(second) == ({}, {})


def test_t74_flash_loan__inside_which_the_vault_is_open__shows_the_figures_of_an_ordinary_borrower(
    world: World, actor: Deployed
):
    """Idle is lower by what left and debt higher by the same, so that a supply share is worth what it was."""
    idle, debt, shares, *_ = world.vault.marketOf(world.usdc.id)
    amount = world.usdc.units(600_000)
    market = world.vault.marketOf.data(world.usdc.id)
    token = world.usdc.token.address
    actor.setScript([(world.vault.address, market)], True, sender=world.stranger)
    world.vault.flashLoan(actor, token, amount, b"", sender=world.stranger)
    ((is_passed, answer),) = actor.outcomes()
    assert is_passed
    words = [int.from_bytes(answer[n : n + 32], "big") for n in range(0, 96, 32)]
    assert words == [idle - amount, debt + amount, shares]
    assert world.vault.marketOf(world.usdc.id)[:3] == (idle, debt, shares)
