// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {
    AssetParameters,
    BorrowParameters,
    CollateralParameters,
    CurveParameters,
    IRiskConfigurator,
    LimitParameters,
    Modules,
    PriceTerms
} from "interfaces/IRiskConfigurator.sol";
import {IOracleRouter} from "interfaces/IOracleRouter.sol";
import {ChainlinkParameters} from "interfaces/IPriceAdapter.sol";
import {IVault} from "interfaces/IVault.sol";
import {Configuration} from "./libraries/Configuration.sol";
import {BPS, WAD} from "./libraries/Units.sol";
import {SupplyToken} from "./SupplyToken.sol";

/// @dev What a ChainlinkAdapter tells of itself.
interface IChainlinkAdapter {
    function parameters() external view returns (address feed, uint256 feedDecimals, ChainlinkParameters memory);
}

/// @title RiskConfigurator
/// @notice See interfaces/IRiskConfigurator.sol. Each relation is checked where it is set, with the sentence that says what it
/// protects. Holds no state of its own: what is in force is the Vault's table.
contract RiskConfigurator is IRiskConfigurator, AccessManaged {
    using Configuration for Configuration.Protocol;
    using Configuration for Configuration.Asset;

    IVault public immutable VAULT;
    uint256 public immutable MAX_TARGET_HEALTH_FACTOR_WAD;

    /// @dev A threshold must not fall faster than a borrower can be expected to look after his account.
    uint256 private constant MIN_RAMP = 1 days;
    /// @dev What the table's 24 bits hold is 194 days; longer ramps are not needed.
    uint256 private constant MAX_RAMP = 90 days;

    /// @dev Where in an asset's feed word stand the deviation of its price and, above it, the end of its ramp.
    uint256 private constant DEVIATION_SHIFT = 192;
    uint256 private constant RAMP_END_SHIFT = 216;

    constructor(address authority, IVault vault, uint256 maxTargetHealthFactorWad) AccessManaged(authority) {
        (VAULT, MAX_TARGET_HEALTH_FACTOR_WAD) = (vault, maxTargetHealthFactorWad);
    }

    function setProtocol(Modules calldata modules, CurveParameters calldata curve, LimitParameters calldata limits)
        external
        restricted
    {
        _requireContract(modules.engine);
        _requireContract(modules.insuranceFund);
        _requireContract(modules.penaltySplitter);
        _requireContract(modules.oracleRouter);
        if (modules.volatilityOracle != address(0)) _requireContract(modules.volatilityOracle);
        // a sequencer that is back is given at most a day before its prices count in full
        _range("sequencerGrace", modules.sequencerGrace, 0, 1 days);
        _checkCurve(curve);
        _checkLimits(limits);

        (Configuration.Protocol memory protocol, Configuration.Asset[] memory assets) = _current();
        protocol.engineWord = uint160(modules.engine) | (assets.length << 160);
        protocol.fundWord = uint160(modules.insuranceFund) | (uint256(limits.gracePeriod) << 160)
            | (uint256(limits.callLifetime) << 192) | (uint256(limits.backstopDelay) << 224);
        protocol.splitterWord = uint160(modules.penaltySplitter);
        protocol.treasuryWord = uint160(modules.treasury);
        protocol.healthWord = curve.targetHealthFactorWad | (uint256(curve.marginCallHealthFactorWad) << 64)
            | (uint256(limits.hardFloorWad) << 128) | (uint256(curve.healthForMaxBonusWad) << 192);
        protocol.penaltyWord = curve.bonusFloorWad | (uint256(curve.minBonusFractionWad) << 64)
            | (uint256(curve.feeShareWad) << 128);
        protocol.minimumWord = limits.minDebtValueWad | (uint256(limits.minDebtPerAssetWad) << 128);
        protocol.dustWord = limits.dustValueWad | (uint256(curve.steepnessWad) << 128);
        protocol.bucketWord = limits.bucketMinimumWad | (uint256(limits.degradedRefillWad) << 128);
        protocol.routerWord = uint160(modules.oracleRouter) | (uint256(modules.sequencerGrace) << 160);
        protocol.sequencerWord = uint160(modules.sequencerFeed);
        protocol.volatilityWord = uint160(modules.volatilityOracle);
        for (uint256 i; i < assets.length; ++i) {
            // another router knows every asset, another sequencer is that of every feed read in place
            _setSource(protocol, assets[i], assets[i].hasFlag(Configuration.FLAG_IN_PLACE));
            if (_mayBeHeld(assets[i])) _checkBonus(assets[i].maxBonusBps(), curve.bonusFloorWad);
            if (assets[i].bucketCapacityWad() != 0) _checkBucketMinimum(limits.bucketMinimumWad);
        }
        _publish(protocol, assets);
    }

    function listAsset(
        address token,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price
    ) external restricted returns (uint256 assetId) {
        (Configuration.Protocol memory protocol, Configuration.Asset[] memory assets) = _current();
        assetId = assets.length;
        if (assetId == Configuration.MAX_ASSETS) revert TooManyAssets(Configuration.MAX_ASSETS);
        for (uint256 i; i < assetId; ++i) {
            if (assets[i].token() == token) revert AssetAlreadyListed(token);
        }
        _checkAsset(protocol, collateral, borrowing, price, false);

        Configuration.Asset[] memory longer = new Configuration.Asset[](assetId + 1);
        for (uint256 i; i < assetId; ++i) {
            longer[i] = assets[i];
        }
        uint256 decimals = IERC20Metadata(token).decimals();
        // 27 decimals is the widest that 1e14 whole tokens were checked for in 112 bits of units
        _range("decimals", decimals, 0, 27);
        longer[assetId] = _pack(uint160(token) | (decimals << 160), collateral, borrowing, price);
        _setSource(protocol, longer[assetId], price.isReadInPlace);
        // what is listed can be borrowed against at once: its price is in order
        IOracleRouter(protocol.oracleRouter()).freshPrice(token);
        longer[assetId].riskWord |= uint256(collateral.liquidationThresholdBps) << 208;
        _checkDeviations(longer, assetId);
        protocol.engineWord = uint160(protocol.engine()) | (longer.length << 160);
        emit AssetListed(assetId, token);
        _publish(protocol, longer);
        VAULT.setSupplyToken(assetId, address(new SupplyToken(VAULT, assetId, token)));
    }

    function setAsset(
        uint256 assetId,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price,
        uint256 rampDuration
    ) external restricted {
        (Configuration.Protocol memory protocol, Configuration.Asset[] memory assets) = _current();
        if (assetId >= assets.length) revert AssetNotListed(assetId);
        Configuration.Asset memory old = assets[assetId];
        _checkAsset(protocol, collateral, borrowing, price, _mayBeHeld(old));
        uint256 start = old.thresholdBps(block.timestamp);
        uint256 target = collateral.liquidationThresholdBps;
        Configuration.Asset memory asset =
            _pack(uint160(old.token()) | (old.decimals() << 160), collateral, borrowing, price);
        _setSource(protocol, asset, price.isReadInPlace);
        if (target < start) {
            // no parameter change makes an account liquidatable in the block in which it lands
            if (rampDuration < MIN_RAMP || rampDuration > MAX_RAMP) revert RampOutOfRange(rampDuration, MIN_RAMP, MAX_RAMP);
            // relations hold at both ends of a running ramp
            _checkThreshold(start, collateral.maxBonusBps, collateral.ltvBps);
            asset.feedWord |= (block.timestamp + rampDuration) << RAMP_END_SHIFT;
            asset.rateWord |= rampDuration << 160;
        }
        asset.riskWord |= start << 208;
        assets[assetId] = asset;
        _checkDeviations(assets, assetId);
        _publish(protocol, assets);
    }

    function syncPriceSource(uint256 assetId) external {
        (Configuration.Protocol memory protocol, Configuration.Asset[] memory assets) = _current();
        if (assetId >= assets.length) revert AssetNotListed(assetId);
        (uint256 feedWord, uint256 answersWord) = (assets[assetId].feedWord, assets[assetId].answersWord);
        _setSource(protocol, assets[assetId], assets[assetId].hasFlag(Configuration.FLAG_IN_PLACE));
        bool isSame = assets[assetId].feedWord == feedWord && assets[assetId].answersWord == answersWord;
        if (isSame) revert PriceSourceUnchanged(assetId);
        _publish(protocol, assets);
    }

    // -------------------------------------------------------------------------------------------------------- views

    function assetParameters(uint256 assetId) external view returns (AssetParameters memory parameters) {
        Configuration.Asset memory asset = Configuration.asset(VAULT.configuration(), assetId);
        parameters.token = asset.token();
        if (parameters.token == address(0)) revert AssetNotListed(assetId);
        parameters.collateral = CollateralParameters({
            ltvBps: uint16(asset.ltvBps()),
            liquidationThresholdBps: uint16(asset.targetThresholdBps()),
            maxBonusBps: uint16(asset.maxBonusBps()),
            cap: uint112(asset.collateralCap()),
            bucketCapacityWad: uint96(asset.bucketCapacityWad()),
            bucketRefillWad: uint72(asset.bucketRefillWad()),
            mostTargetBps: uint16(asset.mostTargetBps())
        });
        BorrowParameters memory borrowing = parameters.borrowing;
        (uint256 base, uint256 slope1, uint256 slope2, uint256 kinkWad) = asset.rateParameters();
        (borrowing.base, borrowing.slope1, borrowing.slope2) = (uint32(base), uint32(slope1), uint32(slope2));
        borrowing.kinkWad = uint64(kinkWad);
        borrowing.reserveFactorBps = uint16(asset.reserveFactorBps());
        borrowing.supplyCap = uint112(asset.supplyCap());
        borrowing.borrowCap = uint112(asset.borrowCap());
        borrowing.rateModel = asset.rateModel();
        borrowing.flashFeeBps = uint16(asset.flashFeeBps());
        parameters.price = PriceTerms({
            isReadInPlace: asset.hasFlag(Configuration.FLAG_IN_PLACE),
            deviationBps: uint16(asset.deviationBps())
        });
        parameters.thresholdBps = asset.thresholdBps(block.timestamp);
        parameters.rampEnd = asset.feedWord >> RAMP_END_SHIFT;
    }

    // -------------------------------------------------------------------------------------------------------- table

    function _current()
        private
        view
        returns (Configuration.Protocol memory protocol, Configuration.Asset[] memory assets)
    {
        address table = VAULT.configuration();
        protocol = Configuration.protocol(table);
        assets = new Configuration.Asset[](protocol.assetCount());
        for (uint256 i; i < assets.length; ++i) {
            assets[i] = Configuration.asset(table, i);
        }
    }

    function _publish(Configuration.Protocol memory protocol, Configuration.Asset[] memory assets) private {
        bytes memory data = abi.encode(protocol);
        for (uint256 i; i < assets.length; ++i) {
            data = bytes.concat(data, abi.encode(assets[i]));
        }
        address table = SSTORE2.write(data);
        emit TablePublished(table);
        VAULT.setConfiguration(table);
    }

    function _pack(
        uint256 tokenAndDecimals,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price
    ) private pure returns (Configuration.Asset memory asset) {
        uint256 flags = (collateral.liquidationThresholdBps != 0 ? Configuration.FLAG_COLLATERAL : 0)
            | (borrowing.supplyCap != 0 ? Configuration.FLAG_BORROWABLE : 0);
        asset.riskWord = tokenAndDecimals | (flags << 168) | (uint256(collateral.ltvBps) << 176)
            | (uint256(collateral.liquidationThresholdBps) << 192) | (uint256(collateral.maxBonusBps) << 224)
            | (uint256(borrowing.reserveFactorBps) << 240);
        asset.rateWord = borrowing.base | (uint256(borrowing.slope1) << 32) | (uint256(borrowing.slope2) << 64)
            | (uint256(borrowing.kinkWad) << 96) | (uint256(collateral.bucketRefillWad) << 184);
        asset.capsWord = collateral.cap | (uint256(collateral.bucketCapacityWad) << 112);
        asset.supplyWord =
            borrowing.supplyCap | (uint256(borrowing.borrowCap) << 112) | (uint256(borrowing.flashFeeBps) << 224)
            | (uint256(collateral.mostTargetBps) << 240);
        asset.modelWord = uint160(borrowing.rateModel);
        asset.feedWord = uint256(price.deviationBps) << DEVIATION_SHIFT;
    }

    /// @dev Sets where the asset's price comes from: the router, and where it is read in place the feed of its ChainlinkAdapter there.
    function _setSource(Configuration.Protocol memory protocol, Configuration.Asset memory asset, bool isReadInPlace)
        private
        view
    {
        address token = asset.token();
        IOracleRouter router = IOracleRouter(protocol.oracleRouter());
        (address adapter,,, uint256 jumpBps) = router.sourceOf(token);
        if (adapter == address(0)) revert AdapterMissing(token);
        uint256 kept = asset.feedWord >> DEVIATION_SHIFT << DEVIATION_SHIFT;
        asset.riskWord &= ~(Configuration.FLAG_IN_PLACE << 168);
        (asset.feedWord, asset.answersWord) = (kept, 0);
        if (!isReadInPlace) return;
        // a feed knows nothing of the last good price that a jump is measured from
        _range("jumpBps", jumpBps, 0, 0);
        (address feed, uint256 feedDecimals, ChainlinkParameters memory found) = IChainlinkAdapter(adapter).parameters();
        bool isSameSequencer = found.sequencerFeed == protocol.sequencerFeed()
            && (found.sequencerFeed == address(0) || found.sequencerGrace == protocol.sequencerGrace());
        if (!isSameSequencer) revert SequencerDiffers(token, found.sequencerFeed, found.sequencerGrace);
        // answers of up to 1e12 USD fit the table's 128 bits
        _range("feedDecimals", feedDecimals, 0, 18);
        uint256 most = uint256(found.mostAnswer);
        if (most > type(uint128).max) most = type(uint128).max;
        asset.riskWord |= Configuration.FLAG_IN_PLACE << 168;
        asset.feedWord = kept | uint160(feed) | (feedDecimals << 160) | (uint256(found.heartbeat) << 168);
        asset.answersWord = uint256(found.leastAnswer) | (most << 128);
    }

    // ------------------------------------------------------------------------------------------------------- checks

    function _checkCurve(CurveParameters calldata curve) private view {
        // a call is a warning above maintenance, and the target is where a warned account is safe again
        _range("marginCallHealthFactor", curve.marginCallHealthFactorWad, WAD, curve.targetHealthFactorWad);
        // above the Vault's own bound every plan would be refused
        _range("targetHealthFactor", curve.targetHealthFactorWad, WAD, MAX_TARGET_HEALTH_FACTOR_WAD);
        // closer to 1 the curve is a cliff, farther away it is never reached before the account is under water
        _range("healthForMaxBonus", curve.healthForMaxBonusWad, 0.5e18, 0.99e18);
        _range("minBonusFraction", curve.minBonusFractionWad, 0, WAD);
        // outside, the curve is a straight line or a step to within its rounding
        if (curve.steepnessWad != 0) _range("steepness", curve.steepnessWad, 0.01e18, 20e18);
        // the larger part of a penalty pays the one who does the work
        _range("feeShare", curve.feeShareWad, 0, 0.5e18);
        // every collateral's largest bonus is at most 20 % and at least the floor
        _range("bonusFloor", curve.bonusFloorWad, 0, 0.2e18);
    }

    function _checkLimits(LimitParameters calldata limits) private pure {
        // doubt slows a bucket down, and does not stop it
        _range("degradedRefill", limits.degradedRefillWad, 0.01e18, WAD);
        // grace is for unhealthy accounts: there is nothing to wait for above 1
        _range("hardFloor", limits.hardFloorWad, 0, WAD);
        // a bucket never cuts to less than leaves a debt that can be closed out again
        if (limits.bucketMinimumWad != 0) {
            _range("bucketMinimum", limits.bucketMinimumWad, 2 * uint256(limits.minDebtValueWad), type(uint128).max);
        }
        // a call must outlive the grace it starts, or it never ends in a close-out
        _range("callLifetime", limits.callLifetime, uint256(limits.gracePeriod) + 1, type(uint32).max);
        _range("backstopDelay", limits.backstopDelay, limits.gracePeriod, limits.callLifetime);
    }

    function _checkAsset(
        Configuration.Protocol memory protocol,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price,
        bool mayBeHeld
    ) private view {
        // a feed answers anew when its market moved by this: a listing says it, and none moves without
        _range("deviation", price.deviationBps, 1, 10_00);
        if (collateral.liquidationThresholdBps != 0) {
            _checkThreshold(collateral.liquidationThresholdBps, collateral.maxBonusBps, collateral.ltvBps);
        } else {
            // nothing is lent against what is no collateral, or will be none at the end of a ramp
            _range("ltv", collateral.ltvBps, 0, 0);
        }
        // also of what is no collateral any more: who still holds it must be worth closing out
        if (mayBeHeld || collateral.liquidationThresholdBps != 0) {
            _checkBonus(collateral.maxBonusBps, protocol.bonusFloorWad());
        }
        if (collateral.bucketCapacityWad != 0) _checkBucketMinimum(protocol.bucketMinimumWad());
        // no plan above the Vault's own bound is accepted
        _range("mostTarget", uint256(collateral.mostTargetBps) * WAD / BPS, 0, MAX_TARGET_HEALTH_FACTOR_WAD);
        // also of what is not lent any more: what is owed still accrues by these
        _range("kink", borrowing.kinkWad, 0, WAD);
        _range("reserveFactor", borrowing.reserveFactorBps, 0, BPS);
        // dearer than 1 % nobody would call it a flash loan
        _range("flashFee", borrowing.flashFeeBps, 0, 1_00);
        if (borrowing.rateModel != address(0)) _requireContract(borrowing.rateModel);
    }

    /// @dev Is collateral, or was: accounts may hold it.
    function _mayBeHeld(Configuration.Asset memory asset) private view returns (bool) {
        return asset.hasFlag(Configuration.FLAG_COLLATERAL) || asset.maxBonusBps() != 0
            || asset.thresholdBps(block.timestamp) != 0;
    }

    function _checkBucketMinimum(uint256 bucketMinimumWad) private pure {
        // a bucket without a minimum could hold a close-out at nothing
        _range("bucketMinimum", bucketMinimumWad, 1, type(uint128).max);
    }

    /// @dev Who sees two feeds' next answers coming can borrow all he may at the old ones and be closed out at the new: what they
    /// hide together has to fit between what a close-out takes at most and the collateral's value, or it is bad debt at once.
    function _checkDeviations(Configuration.Asset[] memory assets, uint256 changed) private view {
        for (uint256 i; i < assets.length; ++i) {
            if (i == changed) continue;
            _checkDeviation(assets[changed], assets[i]);
            _checkDeviation(assets[i], assets[changed]);
        }
    }

    function _checkDeviation(Configuration.Asset memory collateral, Configuration.Asset memory debt) private view {
        uint256 threshold = collateral.thresholdBps(block.timestamp);
        if (threshold == 0 || !debt.hasFlag(Configuration.FLAG_BORROWABLE)) return;
        uint256 room = (BPS * BPS - threshold * (BPS + collateral.maxBonusBps())) / BPS;
        _range("deviations", collateral.deviationBps() + debt.deviationBps(), 0, room);
    }

    function _checkThreshold(uint256 threshold, uint256 maxBonus, uint256 ltv) private pure {
        // tau (1 + beta) < 1 for every basket: a close-out raises the health factor, and its denominator is positive
        _range("threshold * (1 + maxBonus)", threshold * (BPS + maxBonus), 1, 99_00 * BPS);
        // who borrows all he may is not liquidatable at once
        _range("ltv", ltv, 0, threshold - 1);
    }

    function _checkBonus(uint256 maxBonus, uint256 bonusFloorWad) private pure {
        // bonusFloor <= maxBonus: the smallest penalty is within the Vault's own bound
        _range("maxBonus", maxBonus, (bonusFloorWad * BPS + WAD - 1) / WAD, 20_00);
    }

    function _range(bytes32 parameter, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ParameterOutOfRange(parameter, value, least, most);
    }

    function _requireContract(address module) private view {
        if (module.code.length == 0) revert NotAContract(module);
    }
}
