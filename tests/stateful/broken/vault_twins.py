"""Bugs in the Vault: its books, its margins, its doors."""

from __future__ import annotations

from tests.stateful.broken.twin import EXTENSION, VAULT, Twin

ACCOUNTS = "contracts/vault/Accounts.sol"
MARKETS = "contracts/vault/Markets.sol"
MOVES = "contracts/vault/Moves.sol"
BASE = "contracts/vault/VaultBase.sol"
PRICES = "contracts/vault/Prices.sol"
PLANS = "contracts/vault/CloseOutPlans.sol"
UNITS = "contracts/vault/CloseOutUnits.sol"
BOOKING = "contracts/vault/CloseOutBooking.sol"
CORE = "contracts/Vault.sol"
EXTENSION_SOURCE = "contracts/VaultExtension.sol"

BOOKS = (
    Twin(
        "interest is forgotten where debts are valued",
        MARKETS,
        "state.ratePerYear, block.timestamp - state.accruedAt",
        "state.ratePerYear, 0",
        VAULT,
        "machine: model",
    ),
    Twin(
        "interest is forgotten in the market",
        MARKETS,
        "_fillMarket(market, assetId, asset, _indexOf(assetId));",
        "_fillMarket(market, assetId, asset, _borrowStates[assetId].index);",
        EXTENSION,
        "machine: ledger",
    ),
    Twin(
        "a claim can be paid out again",
        MARKETS,
        "_claims[holder][assetId] = balance - amount;",
        "_claims[holder][assetId] = balance;",
        EXTENSION,
        "machine: P1",
        often={"credit claim": 40, "claim": 40},
    ),
    Twin(
        "what the insurance fund pays is counted twice",
        BOOKING,
        "market.idle += repaid.covered;",
        "market.idle += 2 * repaid.covered;",
        VAULT,
        "machine: P1",
        often={"credit claim": 40},
    ),
    Twin(
        "a flash loan's fee is nobody's",
        EXTENSION_SOURCE,
        "market.idle += amount + fee;",
        "market.idle += amount;",
        EXTENSION,
        "machine: P1",
        often={"flash loan": 40},
    ),
    Twin(
        "withdrawing burns a thousandth less",
        EXTENSION_SOURCE,
        "shares = SharesMath.toSharesUp(assets, _exitAssets(assetId, market), market.supplyShares);",
        "shares = SharesMath.toSharesUp(assets, _exitAssets(assetId, market), market.supplyShares) * 999 / 1000;",
        EXTENSION,
        "machine: P10",
        often={"withdraw": 40},
    ),
)

MARGINS = (
    Twin(
        "withdrawing asks for no margin",
        CORE,
        "            _requireInitialMargin(_look(account)[0]);\n",
        "            _look(account);\n",
        VAULT,
        "machine: P3",
        often={"withdraw collateral": 40},
    ),
    Twin(
        "rebalancing asks for no margin",
        EXTENSION_SOURCE,
        "if (debts != 0) _requireHealthy(account);",
        "",
        EXTENSION,
        "machine: P3",
        often={"rebalance": 40},
    ),
    Twin(
        "health factors are rounded up",
        "contracts/libraries/ValueMath.sol",
        "(weighted * WAD_PER_BPS).rawDiv(debt);",
        "(weighted * WAD_PER_BPS).divUp(debt);",
        VAULT,
        "machine: model",
    ),
    Twin(
        "values know no more than 18 decimals",
        ACCOUNTS,
        "leg.unit = 10 ** leg.asset.decimals();",
        "leg.unit = 10 ** FixedPointMathLib.min(leg.asset.decimals(), 18);",
        VAULT,
        "machine: model",
    ),
    Twin(
        "the supply cap is removed",
        EXTENSION_SOURCE,
        "if (total > asset.supplyCap()) revert CapExceeded(assetId, total, asset.supplyCap());",
        "",
        EXTENSION,
        "machine: model",
        often={"supply": 60},
    ),
    Twin(
        "a cap stops a top-up",
        CORE,
        "if (!isRescue) _requireCollateralCap(assetId, asset, balance);",
        "_requireCollateralCap(assetId, asset, balance);",
        VAULT,
        "machine: P16",
        often={"deposit": 60},
    ),
)

DOUBTS = (
    Twin(
        "borrowing at any price",
        ACCOUNTS,
        "if (appraisal.inDoubt != 0) revert PriceNotFresh(appraisal.inDoubt - 1);",
        "",
        VAULT,
        "machine: section 9",
        often={"feed": 30, "borrow": 40},
    ),
    Twin(
        "a stale feed is read in place",
        PRICES,
        "return block.timestamp - updatedAt > asset.heartbeat() ? 0 : priceWad;",
        "return priceWad;",
        VAULT,
        "machine: section 9",
        often={"feed": 30, "borrow": 40},
    ),
    Twin(
        "a frozen price is read in place",
        PRICES,
        "bool mayRead = block.timestamp >= askRouterUntil;",
        "bool mayRead = askRouterUntil < type(uint256).max;",
        VAULT,
        "machine: section 9",
        often={"freeze": 30, "borrow": 40},
    ),
)

DOORS = (
    Twin(
        "the lock does not lock",
        BASE,
        "        _locked = 1;\n",
        "",
        VAULT,
        "machine: T74",
        often={"close out and call back": 60},
    ),
    Twin(
        "everybody is an operator",
        BASE,
        "if (msg.sender != owner && !_operators[owner][msg.sender]) revert NotAuthorized(owner, msg.sender);",
        "",
        VAULT,
        "machine: model",
        often={"withdraw collateral": 40},
    ),
    Twin(
        "anyone moves supply shares",
        EXTENSION_SOURCE,
        "if (msg.sender != _supplyTokens[assetId]) revert NotSupplyToken(assetId, msg.sender);",
        "",
        EXTENSION,
        "machine: P15",
        often={"trespass": 20},
    ),
    Twin(
        "what came of a token is not looked at",
        BASE,
        "if (received != amount) revert TransferMismatch(token, amount, received);",
        "received;",
        EXTENSION,
        "machine: P1",
        often={"mood": 30, "credit claim": 40},
    ),
    Twin(
        "a signature can be used again",
        EXTENSION_SOURCE,
        "_nonces[owner]++",
        "_nonces[owner]",
        EXTENSION,
        "tests/unit/vault/test_signatures.py::test_operator_by_signature__used_twice__is_refused",
    ),
)

CLOSE_OUTS = (
    Twin(
        "repaid is rounded down",
        UNITS,
        "shares.fullMulDivUp(plan.repaidValue, setValue)",
        "shares.fullMulDiv(plan.repaidValue, setValue)",
        VAULT,
        "machine: model",
    ),
    Twin(
        "seized is rounded up",
        UNITS,
        "leg.balance.fullMulDiv(seizedValue, prepared.appraisal.sums.setCollateralValue)",
        "leg.balance.fullMulDivUp(seizedValue, prepared.appraisal.sums.setCollateralValue)",
        VAULT,
        "machine: model",
    ),
    Twin(
        "the protocol takes its part of what is seized",
        UNITS,
        "amount.mulDiv(toProtocolRate, factor)",
        "amount.mulDiv(1 + 0 * toProtocolRate, 20 + 0 * factor)",
        VAULT,
        "machine: P13",
    ),
    Twin(
        "an account is closed out in the second of its own borrow",
        PLANS,
        "if (appraisal.header.actedAt() == uint40(block.timestamp)) revert AccountActedNow(block.timestamp);",
        "",
        VAULT,
        "machine: model",
        often={"borrow": 40},
    ),
    Twin(
        "solvent accounts are written off",
        CORE,
        "if (!_isShort(protocol, collateral, debt)) {",
        "if (false) {",
        VAULT,
        "machine: P7",
        often={"write off": 60},
    ),
    Twin(
        "a collateral that will not move is lost",
        BOOKING,
        "_creditClaim(receiver, leg.assetId, amount);",
        "if (asClaims.contains(leg.assetId)) _creditClaim(receiver, leg.assetId, amount);",
        VAULT,
        "machine: P1",
        often={"mood": 30},
    ),
    Twin(
        "a dead token stops a close-out",
        BASE,
        "isSent := and(isSent, or(iszero(returndatasize())",
        "if iszero(isSent) { revert(0, 0) }\n            isSent := and(isSent, or(iszero(returndatasize())",
        VAULT,
        "tests/unit/vault/test_hostile_tokens.py::"
        "test_t34_close_out__of_a_collateral_that_will_not_move__books_it_as_a_claim_and_sends_the_other",
    ),
    Twin(
        "the worst price is not looked at in a preview",
        CORE,
        "if (!prepared.isCallOnly) _requireLimits(request, result);",
        "",
        VAULT,
        "machine: P9",
    ),
)

VAULT_TWINS = (*BOOKS, *MARGINS, *DOUBTS, *DOORS, *CLOSE_OUTS)
