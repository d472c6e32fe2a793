// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {AccountId} from "interfaces/Types.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {PriceReader} from "../oracles/PriceReader.sol";
import {BPS, RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {Markets} from "./Markets.sol";

/// @title Appraising a cross-margin account, and the margins it must keep
abstract contract Accounts is Markets {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    /// @dev A target health factor above this no engine may aim at: a close-out takes only what is needed.
    uint256 public immutable MAX_TARGET_HEALTH_FACTOR_WAD;

    /// @dev One collateral or debt of an account, priced. `balance`: token units, or debt shares. `value`: RAY.
    struct Leg {
        uint256 assetId;
        bool isDebt;
        uint256 balance;
        uint256 priceWad;
        /// Of a debt, accrued to now.
        uint256 index;
        uint256 value;
        /// Of a collateral, now.
        uint256 thresholdBps;
        Configuration.Asset asset;
    }

    /// @dev A whole account, each balance loaded and each price read once. Values RAY, weighted ones RAY times bps.
    struct Appraisal {
        uint256 header;
        Leg[] legs;
        uint256 collateralValue;
        uint256 weightedCollateral;
        uint256 bonusWeightedCollateral;
        uint256 borrowingPower;
        uint256 debtValue;
    }

    constructor(uint256 maxTargetHealthFactorWad) {
        MAX_TARGET_HEALTH_FACTOR_WAD = maxTargetHealthFactorWad;
    }

    /// @dev Loads an account: every balance once, every price once. docs/liquidation.md, section 2.
    function _appraise(address table, AccountId account) internal view returns (Appraisal memory appraisal) {
        unchecked {
            Positions.Account storage stored = _accounts[account];
            uint256 header = stored.header;
            uint256 entries = header.count();
            uint256[] memory balances = stored.balancesOf(entries);
            Leg[] memory legs = new Leg[](entries);
            (appraisal.header, appraisal.legs) = (header, legs);
            for (uint256 i; i < entries; ++i) {
                Leg memory leg = legs[i];
                uint256 entry = header.entryAt(i);
                leg.assetId = entry & ~Positions.DEBT_SIDE;
                leg.isDebt = entry & Positions.DEBT_SIDE != 0;
                leg.balance = balances[i];
                Configuration.Asset memory asset = Configuration.asset(table, leg.assetId);
                leg.asset = asset;
                leg.priceWad = PriceReader.read(asset, leg.assetId);
                if (leg.isDebt) {
                    leg.index = _indexOf(leg.assetId);
                    leg.value = ValueMath.debtValue(leg.balance, leg.index, leg.priceWad, asset.decimals());
                    appraisal.debtValue += leg.value;
                } else {
                    uint256 value = ValueMath.collateralValue(leg.balance, leg.priceWad, asset.decimals());
                    leg.value = value;
                    appraisal.collateralValue += value;
                    leg.thresholdBps = asset.thresholdBps(block.timestamp);
                    appraisal.weightedCollateral += value * leg.thresholdBps;
                    appraisal.bonusWeightedCollateral += value * asset.maxBonusBps();
                    appraisal.borrowingPower += value * asset.ltvBps();
                }
            }
        }
    }

    function _requireInitialMargin(Appraisal memory appraisal) internal pure {
        if (appraisal.borrowingPower < appraisal.debtValue * BPS) {
            revert BelowInitialMargin(
                appraisal.borrowingPower / (BPS * RAY_PER_WAD), appraisal.debtValue.divUp(RAY_PER_WAD)
            );
        }
    }

    /// @dev A new asset in an account that owes raises the least it may owe.
    function _requireMinimumDebt(address table, AccountId account) internal view {
        (, uint256 debts) = _accounts[account].header.countSides();
        if (debts != 0) _requireMinimumDebt(table, _appraise(table, account));
    }

    /// @dev Nobody prices himself out of liquidation with dust in many assets.
    function _requireMinimumDebt(address table, Appraisal memory appraisal) internal view {
        Configuration.Protocol memory protocol = Configuration.protocol(table);
        uint256 minimum = protocol.minDebtValueWad() + protocol.minDebtPerAssetWad() * appraisal.legs.length;
        if (appraisal.debtValue < minimum * RAY_PER_WAD) {
            revert DebtBelowMinimum(appraisal.debtValue.divUp(RAY_PER_WAD), minimum);
        }
    }

    function _isOnCall(Configuration.Protocol memory protocol, uint256 header) internal view returns (bool) {
        uint256 calledAt = header.calledAt();
        return calledAt != 0 && block.timestamp <= calledAt + protocol.callLifetime();
    }

    function _putOnCall(AccountId account, uint256 header, uint256 health) internal {
        _accounts[account].header = header.withCalledAt(block.timestamp);
        emit MarginCalled(account, msg.sender, health);
    }
}
