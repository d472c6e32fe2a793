// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId, AssetSet} from "interfaces/Types.sol";
import {AccountIds} from "../libraries/AccountIds.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {InterestMath} from "../libraries/InterestMath.sol";
import {PenaltyCurve} from "../libraries/PenaltyCurve.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {ValueMath} from "../libraries/ValueMath.sol";

/// @title The arithmetic libraries, many cases to a call: each case is the arguments in their order. Tests only
contract MathHarness {
    enum Of {
        Grow,
        KinkedRate,
        BonusFraction,
        CollateralValue,
        DebtValue,
        HealthFactor,
        ToDebtUp,
        ToDebtDown,
        DebtPartUp,
        DebtPartDown,
        ToDebtSharesUp,
        ToDebtSharesDown,
        ToSharesDown,
        ToSharesUp,
        ToAssetsDown,
        ToAssetsUp
    }

    /// @notice What a function gives for every case. One that reverts makes all revert.
    function evaluate(Of what, uint256[5][] calldata cases) external pure returns (uint256[] memory results) {
        results = new uint256[](cases.length);
        for (uint256 i; i < cases.length; ++i) {
            results[i] = _evaluate(what, cases[i]);
        }
    }

    function _evaluate(Of what, uint256[5] calldata a) private pure returns (uint256) {
        if (what == Of.Grow) return InterestMath.grow(a[0], a[1], a[2]);
        if (what == Of.KinkedRate) return InterestMath.kinkedRate(a[0], a[1], a[2], a[3], a[4]);
        if (what == Of.BonusFraction) return PenaltyCurve.bonusFraction(a[0], a[1], a[2], a[3]);
        if (what == Of.CollateralValue) return ValueMath.collateralValue(a[0], a[1], 10 ** a[2]);
        if (what == Of.DebtValue) return ValueMath.debtValue(a[0], a[1], a[2], 10 ** a[3]);
        if (what == Of.HealthFactor) return ValueMath.healthFactor(a[0], a[1]);
        if (what == Of.ToDebtUp) return ValueMath.toDebtUp(a[0], a[1]);
        if (what == Of.ToDebtDown) return ValueMath.toDebtDown(a[0], a[1]);
        if (what == Of.DebtPartUp) return ValueMath.debtPartUp(a[0], a[1], a[2], a[3]);
        if (what == Of.DebtPartDown) return ValueMath.debtPartDown(a[0], a[1], a[2], a[3]);
        if (what == Of.ToDebtSharesUp) return ValueMath.toDebtSharesUp(a[0], a[1]);
        if (what == Of.ToDebtSharesDown) return ValueMath.toDebtSharesDown(a[0], a[1]);
        if (what == Of.ToSharesDown) return SharesMath.toSharesDown(a[0], a[1], a[2]);
        if (what == Of.ToSharesUp) return SharesMath.toSharesUp(a[0], a[1], a[2]);
        if (what == Of.ToAssetsDown) return SharesMath.toAssetsDown(a[0], a[1], a[2]);
        return SharesMath.toAssetsUp(a[0], a[1], a[2]);
    }

    function toAccountId(address owner, uint96 index) external pure returns (AccountId) {
        return AccountIds.toAccountId(owner, index);
    }

    function ownerAndIndexOf(AccountId account) external pure returns (address, uint96) {
        return (AccountIds.ownerOf(account), AccountIds.indexOf(account));
    }

    function contains(AssetSet set, uint256 assetId) external pure returns (bool) {
        return AssetSets.contains(set, assetId);
    }

    function isEmpty(AssetSet set) external pure returns (bool) {
        return AssetSets.isEmpty(set);
    }
}
