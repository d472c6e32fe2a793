// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Modules of the protocol.
struct Modules {
    address engine;
    address insuranceFund;
    address penaltySplitter;
    address treasury;
    address oracleRouter;
    /// 0: no volatility lifts a target.
    address volatilityOracle;
    /// Of an L2; 0 where there is none. Every Chainlink feed that is read in place stands behind it.
    address sequencerFeed;
    uint32 sequencerGrace;
}

/// @notice Health factors and penalty curve, all WAD. Specification, sections 2 and 3.
struct CurveParameters {
    uint64 targetHealthFactorWad;
    uint64 marginCallHealthFactorWad;
    uint64 healthForMaxBonusWad;
    uint64 bonusFloorWad;
    uint64 minBonusFractionWad;
    uint64 feeShareWad;
    uint128 steepnessWad;
}

/// @notice Limits around a close-out; values in WAD, times in seconds. Specification, section 5.
struct LimitParameters {
    uint128 minDebtValueWad;
    uint128 minDebtPerAssetWad;
    uint128 dustValueWad;
    uint128 bucketMinimumWad;
    uint64 hardFloorWad;
    uint32 gracePeriod;
    uint32 callLifetime;
    uint32 backstopDelay;
    /// Part of a bucket's refill that goes on while its collateral's price is in doubt, WAD.
    uint64 degradedRefillWad;
}

/// @notice An asset as collateral. Ratios in bps; a threshold of 0: not collateral.
struct CollateralParameters {
    uint16 ltvBps;
    uint16 liquidationThresholdBps;
    uint16 maxBonusBps;
    /// Token units.
    uint112 cap;
    /// Size bucket: value it holds when full (0: none) and what flows back per second, WAD.
    uint96 bucketCapacityWad;
    uint72 bucketRefillWad;
    /// Target health factor in a turbulent market, bps; 0: volatility does not lift it.
    uint16 mostTargetBps;
}

/// @notice An asset to be borrowed. Rates a year with nine decimals; caps in token units; a supply cap of 0: not to be borrowed.
struct BorrowParameters {
    uint32 base;
    uint32 slope1;
    uint32 slope2;
    uint64 kinkWad;
    uint16 reserveFactorBps;
    uint112 supplyCap;
    uint112 borrowCap;
    /// Another interest-rate model; 0: the kinked one with the rates above.
    address rateModel;
    uint16 flashFeeBps;
}

/// @notice What a listing says of its price; the source itself is the router's.
struct PriceTerms {
    /// The router's adapter is a ChainlinkAdapter: while fresh, its feed is read without the hops to it.
    bool isReadInPlace;
    /// By how much the market may move before the feeds that the price rests on answer anew, added up.
    uint16 deviationBps;
}

/// @notice What is in force for an asset, as it would be set. `thresholdBps` is the liquidation threshold of now: above that of
/// `collateral` until `rampEnd` (a time that is over: no ramp).
struct AssetParameters {
    address token;
    CollateralParameters collateral;
    BorrowParameters borrowing;
    PriceTerms price;
    uint256 thresholdBps;
    uint256 rampEnd;
}

/// @title RiskConfigurator: every parameter, every bound, every relation between parameters
/// @notice Builds the Vault's configuration table; nothing that breaks a formula gets into one.
interface IRiskConfigurator {
    /// @notice The parameter, the value found and the bounds, both allowed; the reason stands beside each check.
    error ParameterOutOfRange(bytes32 parameter, uint256 value, uint256 least, uint256 most);
    error AssetAlreadyListed(address token);
    error TooManyAssets(uint256 most);
    error NotAContract(address module);
    error PriceSourceUnchanged(uint256 assetId);
    error AssetNotListed(uint256 assetId);
    /// @notice The router has no adapter for the token.
    error AdapterMissing(address token);
    /// @notice A feed that is read in place stands behind another sequencer, or grace period, than the protocol's.
    error SequencerDiffers(address token, address sequencerFeed, uint256 grace);
    error RampOutOfRange(uint256 duration, uint256 least, uint256 most);

    event AssetListed(uint256 indexed assetId, address indexed token);
    event TablePublished(address indexed table);

    /// @notice Replaces modules, curve and limits at once. Restricted.
    function setProtocol(Modules calldata modules, CurveParameters calldata curve, LimitParameters calldata limits)
        external;

    /// @notice Lists an asset under the next id. The router has its adapter already, and a fresh price. Restricted.
    function listAsset(
        address token,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price
    ) external returns (uint256 assetId);

    /// @notice Changes an asset. A lower liquidation threshold is reached over `rampDuration` seconds. Restricted.
    function setAsset(
        uint256 assetId,
        CollateralParameters calldata collateral,
        BorrowParameters calldata borrowing,
        PriceTerms calldata price,
        uint256 rampDuration
    ) external;

    /// @notice Brings what is read in place in line with the router, after an asset's adapter was replaced. Anyone may.
    function syncPriceSource(uint256 assetId) external;

    /// @notice What is in force for an asset.
    function assetParameters(uint256 assetId) external view returns (AssetParameters memory parameters);
}
