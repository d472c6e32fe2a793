// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Configuration} from "../libraries/Configuration.sol";

/// @title The configuration table, read field by field. Tests only
contract ConfigurationHarness {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;

    /// @dev In the order of the table in libraries/Configuration.sol.
    struct ProtocolFields {
        address engine;
        uint256 assetCount;
        address insuranceFund;
        uint256 gracePeriod;
        uint256 callLifetime;
        uint256 backstopDelay;
        address penaltySplitter;
        address treasury;
        uint256 targetHealthFactorWad;
        uint256 marginCallHealthFactorWad;
        uint256 hardFloorWad;
        uint256 healthForMaxBonusWad;
        uint256 bonusFloorWad;
        uint256 minBonusFractionWad;
        uint256 feeShareWad;
        uint256 minDebtValueWad;
        uint256 minDebtPerAssetWad;
        uint256 dustValueWad;
        uint256 steepnessWad;
        uint256 bucketMinimumWad;
        uint256 degradedRefillWad;
        address oracleRouter;
        uint256 sequencerGrace;
        address sequencerFeed;
        address volatilityOracle;
    }

    struct AssetFields {
        address token;
        uint256 decimals;
        bool isCollateral;
        bool isBorrowable;
        bool isReadInPlace;
        uint256 ltvBps;
        uint256 thresholdBps;
        uint256 targetThresholdBps;
        uint256 maxBonusBps;
        uint256 reserveFactorBps;
        address feed;
        uint256 feedDecimals;
        uint256 heartbeat;
        int256 leastAnswer;
        int256 mostAnswer;
        uint256[4] rateParameters;
        uint256 bucketRefillWad;
        uint256 collateralCap;
        uint256 bucketCapacityWad;
        uint256 supplyCap;
        uint256 borrowCap;
        uint256 flashFeeBps;
        uint256 mostTargetBps;
        address rateModel;
        uint256 maxAmount;
    }

    function protocolOf(address table) external view returns (ProtocolFields memory fields) {
        Configuration.Protocol memory words = Configuration.protocol(table);
        fields.engine = words.engine();
        fields.assetCount = words.assetCount();
        fields.insuranceFund = words.insuranceFund();
        fields.gracePeriod = words.gracePeriod();
        fields.callLifetime = words.callLifetime();
        fields.backstopDelay = words.backstopDelay();
        fields.penaltySplitter = words.penaltySplitter();
        fields.treasury = words.treasury();
        fields.targetHealthFactorWad = words.targetHealthFactorWad();
        fields.marginCallHealthFactorWad = words.marginCallHealthFactorWad();
        fields.hardFloorWad = words.hardFloorWad();
        fields.healthForMaxBonusWad = words.healthForMaxBonusWad();
        fields.bonusFloorWad = words.bonusFloorWad();
        fields.minBonusFractionWad = words.minBonusFractionWad();
        fields.feeShareWad = words.feeShareWad();
        fields.minDebtValueWad = words.minDebtValueWad();
        fields.minDebtPerAssetWad = words.minDebtPerAssetWad();
        fields.dustValueWad = words.dustValueWad();
        fields.steepnessWad = words.steepnessWad();
        fields.bucketMinimumWad = words.bucketMinimumWad();
        fields.degradedRefillWad = words.degradedRefillWad();
        fields.oracleRouter = words.oracleRouter();
        fields.sequencerGrace = words.sequencerGrace();
        fields.sequencerFeed = words.sequencerFeed();
        fields.volatilityOracle = words.volatilityOracle();
    }

    /// @param timestamp when the threshold is asked for
    function assetOf(address table, uint256 assetId, uint256 timestamp)
        external
        view
        returns (AssetFields memory fields)
    {
        Configuration.Asset memory words = Configuration.asset(table, assetId);
        fields.token = words.token();
        fields.decimals = words.decimals();
        fields.isCollateral = words.hasFlag(Configuration.FLAG_COLLATERAL);
        fields.isBorrowable = words.hasFlag(Configuration.FLAG_BORROWABLE);
        fields.isReadInPlace = words.hasFlag(Configuration.FLAG_IN_PLACE);
        fields.ltvBps = words.ltvBps();
        fields.thresholdBps = words.thresholdBps(timestamp);
        fields.targetThresholdBps = words.targetThresholdBps();
        fields.maxBonusBps = words.maxBonusBps();
        fields.reserveFactorBps = words.reserveFactorBps();
        fields.feed = words.feed();
        fields.feedDecimals = words.feedDecimals();
        fields.heartbeat = words.heartbeat();
        (fields.leastAnswer, fields.mostAnswer) = words.answerBounds();
        (fields.rateParameters[0], fields.rateParameters[1], fields.rateParameters[2], fields.rateParameters[3]) =
            words.rateParameters();
        fields.bucketRefillWad = words.bucketRefillWad();
        fields.collateralCap = words.collateralCap();
        fields.bucketCapacityWad = words.bucketCapacityWad();
        fields.supplyCap = words.supplyCap();
        fields.borrowCap = words.borrowCap();
        fields.flashFeeBps = words.flashFeeBps();
        fields.mostTargetBps = words.mostTargetBps();
        fields.rateModel = words.rateModel();
        fields.maxAmount = words.maxAmount();
    }
}
