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

    /// @dev Where in memory, in bytes from its beginning, what an appraisal points to stands; a free word is before the sums.
    uint256 private constant TO_CONTEXT = 0x140;
    uint256 private constant TO_SUMS = 0x1c0;
    uint256 private constant BEHIND_SUMS = 0x300;
    uint256 private constant PROTOCOL_BYTES = 0x180;
    /// @dev The same of a leg, and its bytes with all that.
    uint256 private constant TO_MOVED = 0x220;
    uint256 private constant TO_ASSET = 0x2a0;
    uint256 internal constant LEG_BYTES = 0x380;

    /// @dev No assets: what an appraisal that is no close-out's selects.
    AssetSet internal constant NOTHING = AssetSet.wrap(0);

    /// @dev One collateral or debt of an account, priced. The last five are a close-out's, of legs that it moves.
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
        /// Token units of a whole token.
        uint256 unit;
        Configuration.Asset asset;
        /// What a close-out takes of a collateral, and pays of a debt: one place in memory, since a leg is one or the other.
        SeizedLeg seized;
        RepaidLeg repaid;
        /// Debt shares that end.
        uint256 sharesBurnt;
        /// Token units that are sent to the liquidator, or pulled from him.
        uint256 toMove;
        /// Of a collateral with a size bucket: value taken out of it and not refilled by now, WAD.
        uint256 bucketUsedWad;
    }

    /// @dev A whole account, each balance loaded and each price read once. Values RAY, weighted ones RAY times bps.
    struct Appraisal {
        Context context;
        uint256 header;
        /// The legs stand one after the other, LEG_BYTES apart, in the order of the account's list.
        Leg first;
        uint256 legCount;
        /// What is selected at exchange prices, the rest at deciding prices.
        Snapshot sums;
        /// All at deciding prices.
        uint256 decidingCollateral;
        uint256 decidingWeighted;
        uint256 decidingDebt;
        /// A selected price is degraded.
        bool isThrottled;
        /// The first asset whose price is not fresh, plus one; 0: all are.
        uint256 inDoubt;
    }

    constructor(address authority, uint256 maxTargetHealthFactorWad) AccessManaged(authority) {
        MAX_TARGET_HEALTH_FACTOR_WAD = maxTargetHealthFactorWad;
    }

    /// @dev An account as it stands, nothing selected.
    function _look(AccountId account) internal view returns (Appraisal[] memory one) {
        return _appraise(account, NOTHING, NOTHING, 0);
    }

    /// @dev Loads what is in force and an account, every balance once, every price once, and sums it up: docs/liquidation.md, section 2.
    /// @param room bytes of memory that are kept behind the sums, zero
    /// @return one an array of one: a struct that a function returns is zeroed field by field first, with all that it points to
    function _appraise(AccountId account, AssetSet collaterals, AssetSet debts, uint256 room)
        internal
        view
        returns (Appraisal[] memory one)
    {
        unchecked {
            one = _newAppraisal(room);
            Appraisal memory appraisal = one[0];
            Context memory context = appraisal.context;
            _loadContext(context);
            Positions.Account storage stored = _accounts[account];
            uint256 header = stored.header;
            uint256 entries = header.count();
            (appraisal.header, appraisal.legCount) = (header, entries);
            _newLegs(appraisal, entries);
            Snapshot memory sums = appraisal.sums;
            uint256 pair;
            Leg memory next = appraisal.first;
            for (uint256 i; i < entries; ++i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                uint256 entry = header.entryAt(i);
                (leg.assetId, leg.isDebt) = (entry & ~Positions.DEBT_SIDE, entry & Positions.DEBT_SIDE != 0);
                if (i & 1 == 0) pair = stored.pairAt(i / 2);
                leg.balance = i & 1 == 0 ? uint128(pair) : pair >> 128;
                leg.asset.load(context.table, leg.assetId);
                leg.unit = 10 ** leg.asset.decimals();
                if (leg.isDebt) _addDebtLeg(appraisal, leg, debts);
                else _addCollateralLeg(appraisal, leg, collaterals);
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

    function _addCollateralLeg(Appraisal memory appraisal, Leg memory leg, AssetSet collaterals) private view {
        unchecked {
            Configuration.Asset memory asset = leg.asset;
            Snapshot memory sums = appraisal.sums;
            uint256 exchangeWad = _price(appraisal, leg);
            leg.thresholdBps = asset.thresholdBps(block.timestamp);
            if (exchangeWad != 0 && collaterals.contains(leg.assetId)) {
                uint256 selected = ValueMath.collateralValue(leg.balance, exchangeWad, leg.unit);
                if (selected != 0) {
                    (leg.isSelected, leg.priceWad, leg.value) = (true, exchangeWad, selected);
                    sums.setCollateralValue += selected;
                    sums.setWeightedCollateral += selected * leg.thresholdBps;
                    sums.setBonusWeightedCollateral += selected * asset.maxBonusBps();
                    if (leg.status == Status.Fresh) return;
                    appraisal.isThrottled = true;
                    uint256 more = ValueMath.collateralValue(leg.balance, leg.decidingWad, leg.unit) - selected;
                    appraisal.decidingCollateral += more;
                    appraisal.decidingWeighted += more * leg.thresholdBps;
                    return;
                }
            }
            uint256 value = ValueMath.collateralValue(leg.balance, leg.decidingWad, leg.unit);
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

    function _addDebtLeg(Appraisal memory appraisal, Leg memory leg, AssetSet debts) private view {
        unchecked {
            Snapshot memory sums = appraisal.sums;
            uint256 exchangeWad = _price(appraisal, leg);
            leg.index = _indexOf(leg.assetId);
            leg.isSelected = exchangeWad != 0 && debts.contains(leg.assetId);
            leg.priceWad = leg.isSelected ? exchangeWad : leg.decidingWad;
            uint256 value = ValueMath.debtValue(leg.balance, leg.index, leg.priceWad, leg.unit);
            leg.value = value;
            sums.debtValue += value;
            if (!leg.isSelected) return;
            sums.setDebtValue += value;
            if (leg.status == Status.Fresh) return;
            appraisal.isThrottled = true;
            appraisal.decidingDebt += value - ValueMath.debtValue(leg.balance, leg.index, leg.decidingWad, leg.unit);
        }
    }

    /// @dev Sets the leg's status and deciding price. Returns what it is exchanged at, 0 where the price is missing.
    function _price(Appraisal memory appraisal, Leg memory leg) private view returns (uint256 exchangeWad) {
        Context memory context = appraisal.context;
        exchangeWad = _priceInPlace(context, leg.asset);
        leg.decidingWad = exchangeWad;
        if (exchangeWad != 0) return exchangeWad;
        Price memory price = _priceByRouter(context, leg.asset);
        (leg.status, leg.decidingWad) = (price.status, leg.isDebt ? price.debtWad : price.collateralWad);
        if (price.status != Status.Fresh && appraisal.inDoubt == 0) appraisal.inDoubt = leg.assetId + 1;
        return price.exchangeWad;
    }

    function _healthOf(Appraisal memory appraisal) internal pure returns (uint256) {
        return ValueMath.healthFactor(appraisal.decidingWeighted, appraisal.decidingDebt);
    }

    /// @dev RAY times bps.
    function _borrowingPower(Appraisal memory appraisal) internal pure returns (uint256 power) {
        unchecked {
            Leg memory next = appraisal.first;
            for (uint256 i = appraisal.legCount; i != 0; --i) {
                Leg memory leg = next;
                assembly ("memory-safe") {
                    next := add(leg, LEG_BYTES)
                }
                if (!leg.isDebt) power += leg.value * leg.asset.ltvBps();
            }
        }
    }

    /// @dev Nothing is taken out at a price that is in doubt.
    function _requireFresh(Appraisal memory appraisal) internal pure {
        if (appraisal.inDoubt != 0) revert PriceNotFresh(appraisal.inDoubt - 1);
    }

    function _requireInitialMargin(Appraisal memory appraisal) internal pure {
        _requireFresh(appraisal);
        (uint256 power, uint256 debt) = (_borrowingPower(appraisal), appraisal.sums.debtValue);
        if (power < debt * BPS) revert BelowInitialMargin(power / (BPS * RAY_PER_WAD), debt.divUp(RAY_PER_WAD));
    }

    /// @dev Whoever borrows ends above the initial margin, with a debt worth closing out.
    function _requireHealthy(AccountId account) internal view {
        Appraisal memory appraisal = _look(account)[0];
        _requireInitialMargin(appraisal);
        _requireMinimumDebt(appraisal);
    }

    /// @dev A new asset in an account that owes raises the least it may owe.
    function _requireMinimumDebt(AccountId account) internal view {
        (, uint256 debts) = _accounts[account].header.countSides();
        if (debts == 0) return;
        _requireMinimumDebt(_look(account)[0]);
    }

    /// @dev Nobody prices himself out of liquidation with dust in many assets.
    function _requireMinimumDebt(Appraisal memory appraisal) internal pure {
        Configuration.Protocol memory protocol = appraisal.context.protocol;
        uint256 minimum = protocol.minDebtValueWad() + protocol.minDebtPerAssetWad() * appraisal.legCount;
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

    /// @dev As `new Appraisal[](1)`, all of it in one row; without legs.
    function _newAppraisal(uint256 room) private pure returns (Appraisal[] memory one) {
        assembly ("memory-safe") {
            one := mload(0x40)
            mstore(one, 1)
            let appraisal := add(one, 64)
            mstore(add(one, 32), appraisal)
            let protocol := add(appraisal, add(BEHIND_SUMS, room))
            calldatacopy(appraisal, calldatasize(), sub(protocol, appraisal))
            // what the configuration is loaded into needs no zeros
            mstore(0x40, add(protocol, PROTOCOL_BYTES))
            mstore(appraisal, add(appraisal, TO_CONTEXT))
            mstore(add(appraisal, 0x80), add(appraisal, TO_SUMS))
            mstore(add(appraisal, add(TO_CONTEXT, 0x40)), protocol)
        }
    }

    /// @dev Room for all legs in one row, with what they point to.
    function _newLegs(Appraisal memory appraisal, uint256 count) private pure {
        assembly ("memory-safe") {
            let leg := mload(0x40)
            mstore(add(appraisal, 0x40), leg)
            let end := add(leg, mul(count, LEG_BYTES))
            mstore(0x40, end)
            for {} lt(leg, end) { leg := add(leg, LEG_BYTES) } {
                // the configuration is loaded over whatever is there
                calldatacopy(leg, calldatasize(), TO_ASSET)
                mstore(add(leg, 0x160), add(leg, TO_ASSET))
                mstore(add(leg, 0x180), add(leg, TO_MOVED))
                mstore(add(leg, 0x1a0), add(leg, TO_MOVED))
            }
        }
    }
}
