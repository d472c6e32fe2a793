// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {
    AssetParameters,
    BorrowParameters,
    CollateralParameters,
    IRiskConfigurator
} from "interfaces/IRiskConfigurator.sol";
import {IRiskSteward} from "interfaces/IRiskSteward.sol";

/// @title RiskSteward
/// @notice See interfaces/IRiskSteward.sol. Holds the role of `RiskConfigurator.setAsset` without delay, and passes on nothing but steps.
contract RiskSteward is IRiskSteward, AccessManaged {
    /// @dev `nextAt` in seconds; `isSet` tells an anchor of nothing from none.
    struct Anchor {
        CollateralParameters collateral;
        BorrowParameters borrowing;
        uint40 nextAt;
        bool isSet;
    }

    /// @dev How far one step, and all steps together, may move a figure: a number of its units, or a part of it where that is more.
    struct Room {
        uint256 units;
        uint256 partBps;
    }

    IRiskConfigurator public immutable CONFIGURATOR;

    /// @notice From one step of an asset to the next. A stolen key needs this long for each point, in everybody's sight.
    uint256 public constant COOLDOWN = 3 days;

    uint256 private constant BPS = 1e4;

    mapping(uint256 assetId => Anchor) private _anchors;

    constructor(address authority, IRiskConfigurator configurator) AccessManaged(authority) {
        CONFIGURATOR = configurator;
    }

    /// @inheritdoc IRiskSteward
    function anchor(uint256 assetId) external restricted {
        AssetParameters memory current = CONFIGURATOR.assetParameters(assetId);
        Anchor storage last = _anchors[assetId];
        (last.collateral, last.borrowing, last.isSet) = (current.collateral, current.borrowing, true);
        emit Anchored(assetId, current.collateral, current.borrowing);
    }

    /// @inheritdoc IRiskSteward
    function step(
        uint256 assetId,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        uint256 rampDuration
    ) external restricted {
        Anchor memory held = _anchors[assetId];
        if (!held.isSet) revert NoAnchor(assetId);
        if (block.timestamp < held.nextAt) revert SteppedTooSoon(assetId, held.nextAt, block.timestamp);
        AssetParameters memory current = CONFIGURATOR.assetParameters(assetId);
        // a step would start the governor's ramp anew, slower
        if (block.timestamp < current.rampEnd) revert RampRunning(assetId, current.rampEnd);

        _checkCollateral(current.collateral, held.collateral, collateral);
        _checkBorrowing(current.borrowing, held.borrowing, borrowing);
        _anchors[assetId].nextAt = uint40(block.timestamp + COOLDOWN);
        emit Stepped(assetId, collateral, borrowing);
        CONFIGURATOR.setAsset(assetId, collateral, borrowing, current.price, rampDuration);
    }

    /// @inheritdoc IRiskSteward
    function anchorOf(uint256 assetId)
        external
        view
        returns (CollateralParameters memory, BorrowParameters memory, uint256 nextAt)
    {
        Anchor memory held = _anchors[assetId];
        return (held.collateral, held.borrowing, held.nextAt);
    }

    /// @inheritdoc IRiskSteward
    function isAnchored(uint256 assetId) external view returns (bool) {
        return _anchors[assetId].isSet;
    }

    // ------------------------------------------------------------------------------------------------------- checks

    function _checkCollateral(
        CollateralParameters memory current,
        CollateralParameters memory held,
        CollateralParameters calldata asked
    ) private pure {
        // what becomes collateral, or ceases to be, is listed or delisted: the governor's
        bool isSwitched = (current.liquidationThresholdBps == 0) != (asked.liquidationThresholdBps == 0);
        if (isSwitched) {
            revert NotTheStewards("threshold", current.liquidationThresholdBps, asked.liquidationThresholdBps);
        }
        // one point: an account at its initial margin keeps most of its distance to the threshold
        Room memory ratio = Room(1_00, 0);
        Room memory ratioBand = Room(5_00, 0);
        _check("ltv", current.ltvBps, held.ltvBps, asked.ltvBps, ratio, ratioBand);
        _check(
            "threshold",
            current.liquidationThresholdBps,
            held.liquidationThresholdBps,
            asked.liquidationThresholdBps,
            ratio,
            ratioBand
        );
        // a tenth of the largest bonus there may be
        _check("maxBonus", current.maxBonusBps, held.maxBonusBps, asked.maxBonusBps, Room(50, 0), Room(2_00, 0));
        _checkCap("collateralCap", current.cap, held.cap, asked.cap);
        // a bucket is the governor's: too small it holds close-outs up, without one a crash feeds the next
        _same("bucketCapacity", current.bucketCapacityWad, asked.bucketCapacityWad);
        _same("bucketRefill", current.bucketRefillWad, asked.bucketRefillWad);
        // a target that volatility lifts sells more of everybody
        _same("mostTarget", current.mostTargetBps, asked.mostTargetBps);
    }

    function _checkBorrowing(
        BorrowParameters memory current,
        BorrowParameters memory held,
        BorrowParameters calldata asked
    ) private pure {
        bool isSwitched = (current.supplyCap == 0) != (asked.supplyCap == 0);
        if (isSwitched) revert NotTheStewards("supplyCap", current.supplyCap, asked.supplyCap);
        _checkCap("supplyCap", current.supplyCap, held.supplyCap, asked.supplyCap);
        _checkCap("borrowCap", current.borrowCap, held.borrowCap, asked.borrowCap);
        // yearly rates with nine decimals: half a per cent, or a quarter of the rate
        Room memory rate = Room(0.005e9, 25_00);
        Room memory rateBand = Room(0.02e9, 100_00);
        _check("base", current.base, held.base, asked.base, rate, rateBand);
        _check("slope1", current.slope1, held.slope1, asked.slope1, rate, rateBand);
        _check("slope2", current.slope2, held.slope2, asked.slope2, rate, rateBand);
        _check("kink", current.kinkWad, held.kinkWad, asked.kinkWad, Room(0.02e18, 0), Room(0.1e18, 0));
        Room memory factor = Room(2_50, 0);
        _check(
            "reserveFactor", current.reserveFactorBps, held.reserveFactorBps, asked.reserveFactorBps, factor, Room(10_00, 0)
        );
        // a model that answers what it likes, and a fee that pays nobody's risk, are the governor's
        _same("rateModel", uint160(current.rateModel), uint160(asked.rateModel));
        _same("flashFee", current.flashFeeBps, asked.flashFeeBps);
    }

    /// @dev Half as much again, at most twice what the governor set; down to half of either.
    function _checkCap(bytes32 parameter, uint256 current, uint256 held, uint256 asked) private pure {
        _check(parameter, current, held, asked, Room(0, 50_00), Room(0, 100_00));
    }

    function _check(
        bytes32 parameter,
        uint256 current,
        uint256 held,
        uint256 asked,
        Room memory step_,
        Room memory band
    ) private pure {
        // what is not touched is in force already, wherever it lies
        if (asked == current) return;
        (uint256 least, uint256 most) = _around(current, step_);
        if (asked < least || asked > most) revert StepTooLarge(parameter, asked, least, most);
        (least, most) = _around(held, band);
        if (asked < least || asked > most) revert OutsideBand(parameter, asked, least, most);
    }

    function _around(uint256 value, Room memory room) private pure returns (uint256 least, uint256 most) {
        uint256 part = value * room.partBps / BPS;
        uint256 reach = part > room.units ? part : room.units;
        // downwards a part of more than half is half: nothing is taken to nothing
        uint256 down = reach > value ? value : reach;
        if (room.partBps != 0 && down > value / 2 && part > room.units) down = value / 2;
        return (value - down, value + reach);
    }

    function _same(bytes32 parameter, uint256 current, uint256 asked) private pure {
        if (asked != current) revert NotTheStewards(parameter, current, asked);
    }
}
