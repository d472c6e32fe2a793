"""Threat 75 and P15: who may call what. One matrix over every function of the Vault that changes something."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_utils.crypto import keccak

from tests.support.accounts import restorative_account
from tests.support.node import reverts
from tests.support.world import NEVER, World, account_of, wad

EVERYBODY = ("borrower", "operator", "lender", "liquidator", "stranger", "governor", "guardian", "treasury")
OWNER = {"borrower"}
OWNER_AND_OPERATOR = {"borrower", "operator"}

# For every function that changes something: who may call it for an account, or for supply, that is another's.
# None: it acts for its caller alone, so that there is nobody to keep out.
FUNCTIONS: dict[str, set[str] | None] = {
    "borrow": OWNER_AND_OPERATOR,
    "borrowShares": OWNER_AND_OPERATOR,
    "withdrawCollateral": OWNER_AND_OPERATOR,
    "rebalance": OWNER_AND_OPERATOR,
    "setDeleverage": OWNER,
    "withdraw": {"lender"},
    "redeem": {"lender"},
    "transferSupply": set(),
    "setConfiguration": set(),
    "setSupplyToken": set(),
    "askRouterUntil": set(),
    "setPauses": {"guardian", "governor"},
    "depositCollateral": set(EVERYBODY),
    "repay": set(EVERYBODY),
    "repayShares": set(EVERYBODY),
    "repayWith": set(EVERYBODY),
    "closeOut": set(EVERYBODY),
    "writeOff": set(EVERYBODY),
    "marginCall": set(EVERYBODY),
    "clearMarginCall": set(EVERYBODY),
    "noteInsolvency": set(EVERYBODY),
    "supply": None,
    "mint": None,
    "claim": None,
    "creditClaim": None,
    "setOperator": None,
    "setOperatorBySig": None,
    "invalidateNonces": None,
    "permit": None,
    "flashLoan": None,
}

REFUSALS = {"NotAuthorized", "NotSupplyToken", "AccessManagedUnauthorized"}


def test_access__of_the_vault__is_decided_for_every_function_that_changes_something(world: World):
    """A function added later must be put in the table above."""
    changing = {
        entry["name"]
        for name in ("Vault", "VaultExtension")
        for entry in world.node.artifacts[name].abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    # multicall acts as its caller; setAuthority is AccessManaged's own, tested below
    assert changing - {"multicall", "setAuthority"} == set(FUNCTIONS)


@pytest.fixture
def account(world: World) -> int:
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    return account


def attempt(world: World, account: int, caller: str) -> dict[str, Callable[[], object]]:
    vault, usdc, weth = world.vault, world.usdc.id, world.weth.id
    return {
        "borrow": lambda: vault.borrow.ask(account, usdc, 1, caller, sender=caller),
        "borrowShares": lambda: vault.borrowShares.ask(account, usdc, 100, caller, sender=caller),
        "withdrawCollateral": lambda: vault.withdrawCollateral.ask(account, weth, 1, caller, sender=caller),
        "rebalance": lambda: vault.rebalance.ask(account, ([(weth, 1)], [], [], []), caller, b"", sender=caller),
        "setDeleverage": lambda: vault.setDeleverage.ask(account, (wad("1.2"), wad("1.5"), wad("0.01")), sender=caller),
        "withdraw": lambda: vault.withdraw.ask(usdc, 1, caller, world.lender, sender=caller),
        "redeem": lambda: vault.redeem.ask(usdc, 10**6, caller, world.lender, sender=caller),
        "transferSupply": lambda: vault.transferSupply.ask(usdc, world.lender, caller, 1, sender=caller),
        "setConfiguration": lambda: vault.setConfiguration.ask(vault.configuration(), sender=caller),
        "setSupplyToken": lambda: vault.setSupplyToken.ask(99, caller, sender=caller),
        "askRouterUntil": lambda: vault.askRouterUntil.ask(2**40 - 1, sender=caller),
        "setPauses": lambda: vault.setPauses.ask(1, 1, sender=caller),
        "depositCollateral": lambda: vault.depositCollateral.ask(account, weth, 1, sender=caller),
        "repay": lambda: vault.repay.ask(account, usdc, 1, sender=caller),
        "repayShares": lambda: vault.repayShares.ask(account, usdc, 100, sender=caller),
        "repayWith": lambda: vault.repayWith.ask(account, usdc, 1, 2, sender=caller),
    }


@pytest.mark.parametrize("caller", EVERYBODY)
def test_t75_vault__called_for_an_account_or_supply_by_each_party__obeys_those_it_should(
    world: World, account: int, caller: str
):
    address = getattr(world, caller)
    for asset in (world.usdc, world.weth):
        world.fund_party(address, asset, 10)
    world.vault.creditClaim(world.usdc.id, 10, address, sender=address)
    found = {}
    for name, call in attempt(world, account, address).items():
        try:
            call()
        except Exception as refusal:
            assert refusal.name in REFUSALS, f"{name}: {refusal}"
            found[name] = False
        else:
            found[name] = True
    wanted = {name: caller in FUNCTIONS[name] for name in found}
    assert found == wanted


@pytest.mark.parametrize("caller", EVERYBODY)
def test_t75_close_out_and_call__of_an_unhealthy_account__are_open_to_each_party(world: World, caller: str):
    account = restorative_account(world)
    address = getattr(world, caller)
    world.fund_party(address, world.usdc, 20_000)
    world.vault.marginCall.ask(account, sender=address)
    world.vault.closeOut.ask(world.request(account), b"", sender=address)
    world.set_price(world.weth, "0.000001")
    world.set_price(world.wbtc, "0.000001")
    world.vault.noteInsolvency.ask(account, sender=address)
    world.vault.writeOff.ask(account, sender=address)


# --------------------------------------------------------------------------------------------------------- operators


def test_set_operator__says_so_and_holds_for_all_accounts_of_the_caller_and_no_others(world: World):
    first = world.open_account({world.weth: 1})
    second = world.open_account({world.weth: 1}, index=2**96 - 1)
    other = world.open_account({world.weth: 1}, owner=world.stranger)
    receipt = world.vault.setOperator(world.operator, True, sender=world.borrower)
    assert receipt.event("OperatorSet") == {
        "owner": world.borrower,
        "operator": world.operator,
        "isApproved": True,
    }
    assert world.vault.isOperator(world.borrower, world.operator)
    assert not world.vault.isOperator(world.operator, world.borrower)
    for account in (first, second):
        world.vault.withdrawCollateral(account, world.weth.id, NEVER, world.operator, sender=world.operator)
    with reverts("NotAuthorized", world.stranger, world.operator):
        world.vault.withdrawCollateral(other, world.weth.id, NEVER, world.operator, sender=world.operator)


def test_operator__of_an_owner__cannot_make_others_operators_of_his(world: World):
    world.open_account({world.weth: 1})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    world.vault.setOperator(world.stranger, True, sender=world.operator)
    assert not world.vault.isOperator(world.borrower, world.stranger)


# ------------------------------------------------------------------------------------------------------ governance


def test_p15_set_configuration__is_the_configurators_alone(world: World):
    table = world.vault.configuration()
    for caller in EVERYBODY:
        address = getattr(world, caller)
        with reverts("AccessManagedUnauthorized", address):
            world.vault.setConfiguration(table, sender=address)
    receipt = world.vault.setConfiguration(table, sender=world.configurator)
    assert receipt.event("ConfigurationSet") == {"table": table}


def test_set_configuration__without_code_or_with_fewer_assets__is_refused(world: World):
    with reverts("ConfigurationMissing"):
        world.vault.setConfiguration(world.stranger, sender=world.configurator)
    shorter = world.vault.configuration()
    world.list_asset("NEW", 18, 1)
    longer = world.vault.configuration()
    with reverts("ConfigurationMissing"):
        world.vault.setConfiguration(shorter, sender=world.configurator)
    assert world.vault.configuration() == longer


def test_close_out__of_a_vault_that_was_never_configured__is_refused(world: World):
    bare = world.node.deploy(
        "Vault",
        world.authority,
        world.extension,
        world.vault_code.MAX_TARGET_HEALTH_FACTOR_WAD(),
        sender=world.governor,
    )
    request = world.request(account_of(world.borrower))
    with reverts("ConfigurationMissing"):
        bare.closeOut(request, b"", sender=world.liquidator)
    with reverts("ConfigurationMissing"):
        world.node.at("IVault", bare.address).previewCloseOut(request)


def test_set_supply_token__a_second_time__is_refused(world: World):
    with reverts("SupplyTokenAlreadySet", world.usdc.id):
        world.vault.setSupplyToken(world.usdc.id, world.stranger, sender=world.configurator)


def test_set_authority__is_the_authoritys_alone(world: World):
    for caller in EVERYBODY:
        with reverts("AccessManagedUnauthorized", getattr(world, caller)):
            world.vault_code.setAuthority(world.stranger, sender=getattr(world, caller))
    assert world.vault_code.authority() == world.authority.address


def test_set_pauses__of_two_sets__is_announced(world: World):
    receipt = world.vault.setPauses(5, 2**127, sender=world.guardian)
    assert receipt.event("PausesSet") == {"borrowing": 5, "withdrawing": 2**127}


def test_authority__is_an_access_manager_whose_admin_is_the_governor(world: World):
    admin = world.authority.ADMIN_ROLE()
    assert world.authority.hasRole(admin, world.governor) == (True, 0)
    assert world.authority.hasRole(admin, world.stranger)[0] is False
    with reverts("AccessManagerUnauthorizedAccount", world.stranger, admin):
        world.authority.grantRole(2, world.stranger, 0, sender=world.stranger)


@pytest.mark.parametrize(
    "signature", ["setConfiguration(address)", "setSupplyToken(uint256,address)", "setPauses(uint128,uint128)"]
)
def test_p15_restricted_functions__of_the_vault__have_a_role_that_is_not_everybodys(world: World, signature: str):
    role = world.authority.getTargetFunctionRole(world.vault, keccak(text=signature)[:4])
    assert role not in (0, world.authority.PUBLIC_ROLE())


def test_extension__called_by_itself__knows_nothing_and_holds_nothing(world: World):
    """It is code for the Vault's storage; on its own storage there is no table, so that nothing can be listed."""
    account = account_of(world.stranger)
    assert world.extension.configuration() == "0x" + "00" * 20
    assert world.extension.positionOf(account) == ((), (), (), ())
    for action in ("supply", "mint"):
        with reverts("AssetNotListed", 0):
            world.extension.methods[action](0, 1, world.stranger, sender=world.stranger)
    with reverts("AssetNotListed", 0):
        world.extension.creditClaim(0, 1, world.stranger, sender=world.stranger)


def test_vault__asked_for_what_neither_half_has__reverts(world: World):
    for data in (b"", bytes.fromhex("deadbeef"), bytes.fromhex("deadbeef") + bytes(64)):
        with reverts(""):
            world.node.call(world.stranger, world.vault.address, data)


def test_vault__with_an_extension_made_for_another_bound__is_not_deployed(world: World):
    with reverts("ConfigurationMissing"):
        world.node.deploy("Vault", world.authority, world.extension, wad("1.5"), sender=world.governor)
