"""Bugs in what stands around the Vault: engine, oracles, splitter, fund, SupplyToken, configurator, periphery."""

from __future__ import annotations

from tests.stateful.broken.twin import ENGINE, Twin

ENGINE_SOURCE = ENGINE[0]
ROUTER = "contracts/oracles/OracleRouter.sol"
CHAINLINK = "contracts/oracles/ChainlinkAdapter.sol"

ENGINES = (
    Twin(
        "the dust rule is off",
        ENGINE_SOURCE,
        "return value > 0 && value < minDebt;",
        "return false && value < minDebt;",
        ENGINE,
        "machine: section 5",
    ),
    Twin(
        "the penalty is not capped by what there is",
        ENGINE_SOURCE,
        "if (c * WAD > b * (WAD + rate)) (result.p",
        "if (c * WAD > b * WAD) (result.p",
        ENGINE,
        "machine: P11",
    ),
    Twin(
        "any set sells what it likes",
        ENGINE_SOURCE,
        "if (sold > most) revert SetSellsTooMuch(sold, most);",
        "most;",
        ENGINE,
        "machine: model",
        often={"close out": 120},
    ),
    Twin(
        "a picked set costs what it likes",
        ENGINE_SOURCE,
        "if (incentive.beta > cap) incentive",
        "if (incentive.beta > WAD + cap) incentive",
        ENGINE,
        "machine: model",
        often={"close out": 120},
    ),
    Twin(
        "a close-out stops short of its target",
        ENGINE_SOURCE,
        "missing = target * account.debtValue - account",
        "missing = (target - 1e12) * account.debtValue - account",
        ENGINE,
        "machine: P5 P6",
        setting="plain",
    ),
    Twin(
        "a close-out takes a little more",
        ENGINE_SOURCE,
        "missing = target * account.debtValue - account",
        "missing = (target + 1e13) * account.debtValue - account",
        ENGINE,
        "machine: P5 P6",
        setting="plain",
    ),
    Twin(
        "under water the floor is not paid",
        ENGINE_SOURCE,
        "FixedPointMathLib.min(extinguished, seized.fullMulDivUp(WAD, factor))",
        "FixedPointMathLib.min(extinguished, seized.fullMulDivUp(WAD, WAD))",
        ENGINE,
        "machine: P19",
    ),
    Twin(
        "half a fill pays the penalty of the whole",
        ENGINE_SOURCE,
        "                repaid = repaid.fullMulDivUp(terms.fillWad, WAD);\n"
        "                seized = seized.fullMulDiv(terms.fillWad, WAD);",
        "                repaid = (repaid - repaid / 500).fullMulDivUp(terms.fillWad, WAD);\n"
        "                seized = seized.fullMulDiv(terms.fillWad, WAD);",
        ENGINE,
        "tests/property/test_sequences.py::test_p8_splitting_never_seizes_more",
    ),
    Twin(
        "the whole penalty is due at once",
        "contracts/libraries/PenaltyCurve.sol",
        "(WAD - healthFactor) * WAD",
        "healthFactor * WAD",
        ENGINE,
        "machine: model",
    ),
)

ORACLES = (
    Twin(
        "a stale price is accepted",
        CHAINLINK,
        "lt(sub(timestamp(), time), freshBelow)",
        "lt(0, freshBelow)",
        (CHAINLINK,),
        "tests/unit/oracles/test_threats.py::test_t52__a_stale_round__is_no_fresh_price_and_no_silent_one",
    ),
    Twin(
        "a price older than its hard limit is accepted",
        CHAINLINK,
        "if (block.timestamp - time > MAX_AGE) revert",
        "if (block.timestamp - time > 10 * MAX_AGE) revert",
        (CHAINLINK,),
        "tests/unit/oracles/test_chainlink.py::test_age__at_the_heartbeat_and_the_hard_limit__turns_one_second_later",
    ),
    Twin(
        "a feed of more than 18 decimals is read as if of 18",
        "contracts/oracles/ChainlinkReader.sol",
        "default { priceWad := div(answer, exp(10, sub(feedDecimals, 18))) }",
        "default { priceWad := answer }",
        (CHAINLINK,),
        "tests/unit/oracles/test_chainlink.py::test_price__of_a_feed_of_any_decimals__is_the_same_in_wad",
    ),
    Twin(
        "nobody looks at the sequencer",
        CHAINLINK,
        "(SEQUENCER_FEED == address(0) || _isSequencerUp())",
        "(SEQUENCER_FEED == address(0) || _isSequencerUp() || true)",
        (CHAINLINK,),
        "tests/unit/oracles/test_chainlink.py::test_sequencer__in_each_state__degrades_and_never_blocks",
    ),
    Twin(
        "doubt counts against the borrower",
        ROUTER,
        "return Reading(Status.Degraded, quote.high, quote.low, primary, quote.time);",
        "return Reading(Status.Degraded, quote.low, quote.high, primary, quote.time);",
        (ROUTER,),
        "tests/unit/oracles/test_router.py::test_reading__of_a_price_in_doubt__counts_collateral_high_and_debt_low",
    ),
    Twin(
        "the guardian freezes as often as he likes",
        ROUTER,
        "if (last.frozenAt != 0 && block.timestamp < last.frozenAt + FREEZE_SPACING) {",
        "if (last.frozenAt != 0 && block.timestamp < last.frozenAt) {",
        (ROUTER,),
        "tests/unit/oracles/test_router.py::test_freeze__again_within_a_week__is_refused",
    ),
    Twin(
        "a donation is believed at once",
        "contracts/oracles/Erc4626Adapter.sol",
        "if (live > cap + WAD.divUp(_ASSET_UNIT)) return",
        "if (live > 1000 * cap + WAD.divUp(_ASSET_UNIT)) return",
        ("contracts/oracles/Erc4626Adapter.sol",),
        "tests/unit/oracles/test_erc4626.py::test_donation__beyond_the_cap__is_degraded_with_the_capped_rate_as_low",
    ),
    Twin(
        "a wide confidence is no doubt",
        "contracts/oracles/PythAdapter.sol",
        "bool isNarrow = confidence * BPS <= value * CONFIDENCE_BPS;",
        "bool isNarrow = confidence * BPS <= value * CONFIDENCE_BPS || true;",
        ("contracts/oracles/PythAdapter.sol",),
        "tests/unit/oracles/test_pyth.py::test_confidence__beyond_its_bound__is_the_doubt",
    ),
    Twin(
        "a thin pool is believed",
        "contracts/oracles/UniswapV3TwapAdapter.sol",
        "if (liquidity < LEAST_LIQUIDITY) revert",
        "if (liquidity < LEAST_LIQUIDITY / 1e9) revert",
        ("contracts/oracles/UniswapV3TwapAdapter.sol",),
        "tests/unit/oracles/test_uniswap.py::test_liquidity__that_leaves__degrades_the_price_and_then_ends_it",
    ),
)

SATELLITES = (
    Twin(
        "the splitter keeps what its weights leave over",
        "contracts/PenaltySplitter.sol",
        "amount - toTreasury - toBurn",
        "amount * INSURANCE_WAD / 1e18",
        ("contracts/PenaltySplitter.sol",),
        "machine: ledger",
        often={"split": 40},
    ),
    Twin(
        "what the fund absorbs is the caller's",
        "contracts/InsuranceFund.sol",
        "VAULT.creditClaim(assetId, amount, address(this));",
        "VAULT.creditClaim(assetId, amount, msg.sender);",
        ("contracts/InsuranceFund.sol",),
        "machine: model",
        often={"feed the fund": 30, "absorb": 40},
    ),
    Twin(
        "an allowance of supply shares is not needed",
        "contracts/SupplyToken.sol",
        "if (msg.sender != owner) _spendAllowance(owner, msg.sender, shares);",
        "",
        ("contracts/RiskConfigurator.sol",),
        "machine: model",
        often={"redeem by face": 40},
    ),
    Twin(
        "an asset is listed whatever its threshold and bonus",
        "contracts/RiskConfigurator.sol",
        "1, 99_00 * BPS);",
        "1, 999_00 * BPS);",
        ("contracts/RiskConfigurator.sol",),
        "tests/unit/test_risk_configurator.py::"
        "test_threshold__that_times_one_plus_bonus_exceeds_99_percent__is_refused",
    ),
    Twin(
        "the flash liquidator keeps the change",
        "contracts/periphery/FlashLiquidator.sol",
        "if (held != 0) SafeTransferLib.safeTransfer(token, msg.sender, held);",
        "if (held > 1) SafeTransferLib.safeTransfer(token, msg.sender, held - 1);",
        ("contracts/periphery/FlashLiquidator.sol",),
        "machine: ledger",
        setting="plain",
        often={"flash close out": 120},
    ),
)

MODULE_TWINS = (*ENGINES, *ORACLES, *SATELLITES)
