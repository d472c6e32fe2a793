// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {Status} from "interfaces/IOracleRouter.sol";
import {AccountId, AssetSet, RepaidLeg, SeizedLeg, Snapshot} from "interfaces/Types.sol";
import {AssetSets} from "../libraries/AssetSets.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {Positions} from "../libraries/Positions.sol";
import {BPS, RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";
import {Prices} from "./Prices.sol";

/// @title Appraising a cross-margin account, and the margins it must keep
abstract contract Accounts is Prices {
    using AssetSets for AssetSet;
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;
    using FixedPointMathLib for uint256;
    using Positions for Positions.Account;
    using Positions for uint256;

    /// @dev A target health factor above this no engine may aim at: a close-out takes only what is needed.
    uint256 public immutable MAX_TARGET_HEALTH_FACTOR_WAD;

    uint256 private constant LEG_WORDS = 15;

    /// @dev No assets: what an appraisal that is no close-out's selects.
    AssetSet internal constant NOTHING = AssetSet.wrap(0);

    /// @dev One collateral or debt of an account, priced, in LEG_WORDS words. The last four are a close-out's, of legs that it moves.
    struct Leg {
        uint256 assetId;
        bool isDebt;
        /// In the set of a close-out.
        bool isSelected;
        Status status;
        /// Token units, or debt shares.
        uint256 balance;
        /// What it counts at, WAD: the exchange price where it is selected, the deciding price elsewhere.
        uint256 priceWad;
        uint256 decidingWad;
        /// RAY.
        uint256 value;
        /// Of a debt, accrued to now.
        uint256 index;
        /// Of a collateral, now.
        uint256 thresholdBps;
        Configuration.Asset asset;
        /// What a close-out takes of a collateral; pays of a debt; the debt shares that end.
        SeizedLeg seized;
        RepaidLeg repaid;
        uint256 sharesBurnt;
        /// Of a collateral with a size bucket: value taken out of it and not refilled by now, WAD.
        uint256 bucketUsedWad;
    }

    /// @dev A whole account, each balance loaded and each price read once. Values RAY, weighted ones RAY times bps.
    struct Appraisal {
        uint256 header;
        Leg[] legs;
        /// What is selected at exchange prices, the rest at deciding prices.
        Snapshot sums;
        /// All at deciding prices.
        uint256 decidingCollateral;
        uint256 decidingWeighted;
        uint256 decidingDebt;
        /// A selected price is degraded.
        bool isThrottled;
    }

    constructor(address authority, uint256 maxTargetHealthFactorWad) AccessManaged(authority) {
        MAX_TARGET_HEALTH_FACTOR_WAD = maxTargetHealthFactorWad;
    }

    /// @dev An account as it stands, and what is in force.
    function _look(AccountId account) internal view returns (Context memory context, Appraisal memory appraisal) {
        _loadContext(context);
        _appraise(context, appraisal, account, NOTHING, NOTHING);
    }

    /// @dev Loads an account, every balance once, every price once, and sums it up: docs/liquidation.md, section 2.
    /// @param appraisal empty, to be filled
    function _appraise(
        Context memory context,
        Appraisal memory appraisal,
        AccountId account,
        AssetSet collaterals,
        AssetSet debts
    ) internal view {
        unchecked {
            Positions.Account storage stored = _accounts[account];
            uint256 header = stored.header;
            uint256 entries = header.count();
            Leg[] memory legs = _newLegs(entries);
            Snapshot memory sums = appraisal.sums;
            (appraisal.header, appraisal.legs) = (header, legs);
            uint256 pair;
            for (uint256 i; i < entries; ++i) {
                Leg memory leg = legs[i];
                uint256 entry = header.entryAt(i);
                (leg.assetId, leg.isDebt) = (entry & ~Positions.DEBT_SIDE, entry & Positions.DEBT_SIDE != 0);
                if (i & 1 == 0) pair = stored.balances[i / 2];
                leg.balance = i & 1 == 0 ? uint128(pair) : pair >> 128;
                leg.asset = Configuration.asset(context.table, leg.assetId);
                if (leg.isDebt) _addDebtLeg(context, appraisal, leg, debts);
                else _addCollateralLeg(context, appraisal, leg, collaterals);
            }
            // so far: what is not selected, and what has no price
            sums.pricedCollateralValue += sums.setCollateralValue;
            sums.pricedWeightedCollateral += sums.setWeightedCollateral;
            sums.pricedBonusWeightedCollateral += sums.setBonusWeightedCollateral;
            sums.collateralValue += sums.pricedCollateralValue;
            sums.weightedCollateral += sums.pricedWeightedCollateral;
            // so far: what selected legs are worth more or less at deciding prices
            appraisal.decidingCollateral += sums.collateralValue;
            appraisal.decidingWeighted += sums.weightedCollateral;
            appraisal.decidingDebt = sums.debtValue - appraisal.decidingDebt;
        }
    }

    function _addCollateralLeg(
        Context memory context,
        Appraisal memory appraisal,
        Leg memory leg,
        AssetSet collaterals
    ) private view {
        unchecked {
            Configuration.Asset memory asset = leg.asset;
            Snapshot memory sums = appraisal.sums;
            uint256 exchangeWad = _price(context, leg);
            leg.thresholdBps = asset.thresholdBps(block.timestamp);
            if (exchangeWad != 0 && collaterals.contains(leg.assetId)) {
                uint256 selected = ValueMath.collateralValue(leg.balance, exchangeWad, asset.decimals());
                if (selected != 0) {
                    (leg.isSelected, leg.priceWad, leg.value) = (true, exchangeWad, selected);
                    sums.setCollateralValue += selected;
                    sums.setWeightedCollateral += selected * leg.thresholdBps;
                    sums.setBonusWeightedCollateral += selected * asset.maxBonusBps();
                    if (leg.status == Status.Fresh) return;
                    appraisal.isThrottled = true;
                    uint256 more = ValueMath.collateralValue(leg.balance, leg.decidingWad, asset.decimals()) - selected;
                    appraisal.decidingCollateral += more;
                    appraisal.decidingWeighted += more * leg.thresholdBps;
                    return;
                }
            }
            uint256 value = ValueMath.collateralValue(leg.balance, leg.decidingWad, asset.decimals());
            (leg.priceWad, leg.value) = (leg.decidingWad, value);
            if (leg.status == Status.Missing) {
                sums.collateralValue += value;
                sums.weightedCollateral += value * leg.thresholdBps;
            } else {
                sums.pricedCollateralValue += value;
                sums.pricedWeightedCollateral += value * leg.thresholdBps;
                sums.pricedBonusWeightedCollateral += value * asset.maxBonusBps();
            }
        }
    }

    function _addDebtLeg(Context memory context, Appraisal memory appraisal, Leg memory leg, AssetSet debts)
        private
        view
    {
        unchecked {
            Snapshot memory sums = appraisal.sums;
            uint256 exchangeWad = _price(context, leg);
            uint256 decimals = leg.asset.decimals();
            leg.index = _indexOf(leg.assetId);
            leg.isSelected = exchangeWad != 0 && debts.contains(leg.assetId);
            leg.priceWad = leg.isSelected ? exchangeWad : leg.decidingWad;
            uint256 value = ValueMath.debtValue(leg.balance, leg.index, leg.priceWad, decimals);
            leg.value = value;
            sums.debtValue += value;
            if (!leg.isSelected) return;
            sums.setDebtValue += value;
            if (leg.status == Status.Fresh) return;
            appraisal.isThrottled = true;
            appraisal.decidingDebt += value - ValueMath.debtValue(leg.balance, leg.index, leg.decidingWad, decimals);
        }
    }

    /// @dev Sets the leg's status and deciding price. Returns what it is exchanged at, 0 where the price is missing.
    function _price(Context memory context, Leg memory leg) private view returns (uint256 exchangeWad) {
        exchangeWad = _priceInPlace(context, leg.asset);
        leg.decidingWad = exchangeWad;
        if (exchangeWad != 0) return exchangeWad;
        Price memory price = _priceByRouter(context, leg.asset);
        (leg.status, leg.decidingWad) = (price.status, leg.isDebt ? price.debtWad : price.collateralWad);
        return price.exchangeWad;
    }

    function _healthOf(Appraisal memory appraisal) internal pure returns (uint256) {
        return ValueMath.healthFactor(appraisal.decidingWeighted, appraisal.decidingDebt);
    }

    /// @dev RAY times bps.
    function _borrowingPower(Appraisal memory appraisal) internal pure returns (uint256 power) {
        unchecked {
            for (uint256 i; i < appraisal.legs.length; ++i) {
                Leg memory leg = appraisal.legs[i];
                if (!leg.isDebt) power += leg.value * leg.asset.ltvBps();
            }
        }
    }

    /// @dev Nothing is taken out at a price that is in doubt.
    function _requireFresh(Appraisal memory appraisal) internal pure {
        for (uint256 i; i < appraisal.legs.length; ++i) {
            Leg memory leg = appraisal.legs[i];
            if (leg.status != Status.Fresh) revert PriceNotFresh(leg.assetId);
        }
    }

    function _requireInitialMargin(Appraisal memory appraisal) internal pure {
        _requireFresh(appraisal);
        (uint256 power, uint256 debt) = (_borrowingPower(appraisal), appraisal.sums.debtValue);
        if (power < debt * BPS) revert BelowInitialMargin(power / (BPS * RAY_PER_WAD), debt.divUp(RAY_PER_WAD));
    }

    /// @dev Whoever borrows ends above the initial margin, with a debt worth closing out.
    function _requireHealthy(AccountId account) internal view {
        (Context memory context, Appraisal memory appraisal) = _look(account);
        _requireInitialMargin(appraisal);
        _requireMinimumDebt(context, appraisal);
    }

    /// @dev A new asset in an account that owes raises the least it may owe.
    function _requireMinimumDebt(AccountId account) internal view {
        (, uint256 debts) = _accounts[account].header.countSides();
        if (debts == 0) return;
        (Context memory context, Appraisal memory appraisal) = _look(account);
        _requireMinimumDebt(context, appraisal);
    }

    /// @dev Nobody prices himself out of liquidation with dust in many assets.
    function _requireMinimumDebt(Context memory context, Appraisal memory appraisal) internal pure {
        Configuration.Protocol memory protocol = context.protocol;
        uint256 minimum = protocol.minDebtValueWad() + protocol.minDebtPerAssetWad() * appraisal.legs.length;
        uint256 debt = appraisal.sums.debtValue;
        if (debt < minimum * RAY_PER_WAD) revert DebtBelowMinimum(debt.divUp(RAY_PER_WAD), minimum);
    }

    function _isOnCall(Configuration.Protocol memory protocol, uint256 header) internal view returns (bool) {
        uint256 calledAt = header.calledAt();
        return calledAt != 0 && block.timestamp <= calledAt + protocol.callLifetime();
    }

    function _putOnCall(AccountId account, uint256 header, uint256 health) internal {
        _accounts[account].header = header.withCalledAt(block.timestamp);
        emit MarginCalled(account, msg.sender, health);
    }

    // ----------------------------------------------------------------------------------------------------- memory

    /// @dev As `new Leg[](length)`, without its nested structs: those of a leg are set before they are read.
    function _newLegs(uint256 length) private pure returns (Leg[] memory legs) {
        uint256 size = LEG_WORDS * 32;
        assembly ("memory-safe") {
            legs := mload(0x40)
            mstore(legs, length)
            let place := add(legs, 32)
            let leg := add(place, mul(length, 32))
            let end := add(leg, mul(length, size))
            calldatacopy(leg, calldatasize(), sub(end, leg))
            for {} lt(leg, end) { leg := add(leg, size) } {
                mstore(place, leg)
                place := add(place, 32)
            }
            mstore(0x40, end)
        }
    }
}
