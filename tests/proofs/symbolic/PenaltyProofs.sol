// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {INDEX_ONE, SHARES_PER_UNIT, WAD} from "contracts/libraries/Units.sol";
import {Accounts} from "contracts/vault/Accounts.sol";
import {CloseOutUnits} from "contracts/vault/CloseOutUnits.sol";

/// @dev An account of one collateral and one debt, all of both: what is seized of the one, and the protocol's part of that.
contract SplitHarness is CloseOutUnits {
    constructor() Accounts(address(0), 1.5e18) {}

    function split(uint256 amount, uint256 rate, uint256 floor, uint256 feeShare, uint256 fixedPenalty)
        external
        view
        returns (uint256 seized, uint256 toProtocol)
    {
        Leg memory collateral;
        Leg memory debt;
        collateral.isSelected = debt.isSelected = debt.isDebt = true;
        (collateral.balance, collateral.unit) = (amount, 1);
        (debt.balance, debt.index, debt.unit) = (SHARES_PER_UNIT, INDEX_ONE, 1);
        Prepared memory prepared;
        Appraisal memory appraisal = prepared.appraisal;
        appraisal.legCount = 2;
        bytes memory row = new bytes(2 * LEG_BYTES);
        assembly ("memory-safe") {
            // the legs stand in one row
            mcopy(add(row, 32), collateral, LEG_BYTES)
            mcopy(add(add(row, 32), LEG_BYTES), debt, LEG_BYTES)
            mstore(add(appraisal, 0x40), add(row, 32))
        }
        appraisal.sums.setCollateralValue = appraisal.sums.setDebtValue = 1;
        (prepared.plan.seizedValue, prepared.plan.repaidValue, prepared.plan.penaltyRateWad) = (1, 1, rate);
        prepared.terms.fixedPenaltyWad = fixedPenalty;
        prepared.protocol.penaltyWord = floor | (feeShare << 128);
        _toUnits(prepared);
        return (collateral.seized.seized, collateral.seized.toProtocol);
    }
}

/// @title Of what a close-out seizes, the protocol's part is by the formula
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
/// What the formula leaves the liquidator is a theorem over the integers (tests/proofs/test_shares_and_splits.py).
contract PenaltyProofs {
    using FixedPointMathLib for uint256;

    SplitHarness private _harness;

    function setUp() external {
        _harness = new SplitHarness();
    }

    /// @dev docs/liquidation.md, section 6: the liquidator's rate is his part of the penalty rounded up, at least the floor, at most all.
    function check_protocols_part_is_by_the_formula(uint112 amount, uint256 rate, uint64 floor, uint64 feeShare) external view {
        if (feeShare > WAD || rate > type(uint64).max) return;
        (uint256 seized, uint256 toProtocol) = _harness.split(amount, rate, floor, feeShare, 0);
        uint256 liquidators = rate.min((rate * (WAD - feeShare)).divUp(WAD).max(floor));
        assert(seized == amount);
        assert(toProtocol == uint256(amount) * (rate - liquidators) / (WAD + rate));
    }

    function check_owners_own_penalty_is_the_liquidators(uint112 amount, uint64 rate, uint64 floor, uint64 feeShare, uint64 own)
        external
        view
    {
        if (feeShare > WAD || own == 0) return;
        (, uint256 toProtocol) = _harness.split(amount, rate, floor, feeShare, own);
        assert(toProtocol == 0);
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_liquidator_keeps_all(uint8 amount) external view {
        (, uint256 toProtocol) = _harness.split(amount, 0.04e18, 0.005e18, 0.3e18, 0);
        assert(toProtocol == 0);
    }
}
