// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The protocol's configuration: one table, kept as the code of a contract
/// @notice A change deploys a new table and plugs it in, so that everything changes at once and what is in force can be
/// compared with a file by one code hash. Reading it costs one cold account instead of one cold slot or two per asset.
///
/// Layout, after one STOP byte: the protocol's words, then the words of each asset. Fields are listed from the lowest bit.
///
/// | word | fields |
/// | --- | --- |
/// | protocol `engine` | engine 160, number of assets 8 |
/// | `fund` | insurance fund 160, grace period 32 (s), call lifetime 32 (s), backstop delay 32 (s) |
/// | `splitter` | penalty splitter 160 |
/// | `treasury` | treasury 160 |
/// | `health` | target 64, margin call 64, hard floor 64, health for max bonus 64 (all WAD) |
/// | `penalty` | bonus floor 64, min bonus fraction 64, fee share 64 (all WAD) |
/// | `minimum` | min debt value 128, min debt per asset 128 (WAD) |
/// | `dust` | dust value 128 (WAD), steepness 128 (WAD) |
/// | `bucket` | bucket minimum 128 (WAD), part of a bucket's refill while its collateral's price is degraded 64 (WAD) |
/// | `router` | oracle router 160, grace period after the sequencer's return 32 (s) |
/// | `sequencer` | L2 sequencer uptime feed 160; 0 where there is none |
/// | `volatility` | volatility oracle 160; 0 where there is none |
/// | asset `risk` | token 160, decimals 8, flags 8, ltv 16, threshold now 16, threshold at the ramp's start 16, max bonus 16, reserve factor 16 (bps) |
/// | `feed` | Chainlink feed that is read in place 160, feed decimals 8, heartbeat 24 (s), deviation of the asset's price 24 (bps), ramp end 40 (s) |
/// | `answers` | least 128 and most 128 answer of that feed that is believed |
/// | `rate` | base 32, slope 1 32, slope 2 32 (nine decimals a year), kink 64 (WAD), ramp duration 24 (s), bucket refill 72 (WAD per s) |
/// | `caps` | collateral cap 112 (units), bucket capacity 128 (WAD) |
/// | `supply` | supply cap 112, borrow cap 112 (units), flash-loan fee 16 (bps), largest target health factor by volatility 16 (bps) |
/// | `model` | interest-rate model 160; 0: the kinked model with the parameters of `rate`, computed in place |
library Configuration {
    uint256 internal constant PROTOCOL_WORDS = 12;
    uint256 internal constant ASSET_WORDS = 7;
    /// @dev What fits a contract's code (EIP-170): 1 + 32 * (12 + 7 * 107) = 24 353 of 24 576 bytes.
    uint256 internal constant MAX_ASSETS = 107;

    uint256 internal constant FLAG_COLLATERAL = 1;
    uint256 internal constant FLAG_BORROWABLE = 2;
    /// @dev A fresh price is read from the Chainlink feed in place; any other comes from the router.
    uint256 internal constant FLAG_IN_PLACE = 4;

    struct Protocol {
        uint256 engineWord;
        uint256 fundWord;
        uint256 splitterWord;
        uint256 treasuryWord;
        uint256 healthWord;
        uint256 penaltyWord;
        uint256 minimumWord;
        uint256 dustWord;
        uint256 bucketWord;
        uint256 routerWord;
        uint256 sequencerWord;
        uint256 volatilityWord;
    }

    struct Asset {
        uint256 riskWord;
        uint256 feedWord;
        uint256 answersWord;
        uint256 rateWord;
        uint256 capsWord;
        uint256 supplyWord;
        uint256 modelWord;
    }

    /// @notice The protocol's words of a table; all zero where there is no table.
    function protocol(address table) internal view returns (Protocol memory words) {
        load(words, table);
    }

    /// @notice The same into memory that is there.
    function load(Protocol memory words, address table) internal view {
        assembly ("memory-safe") {
            extcodecopy(table, words, 1, mul(PROTOCOL_WORDS, 32))
        }
    }

    /// @notice The words of one asset; all zero where it is not listed.
    function asset(address table, uint256 assetId) internal view returns (Asset memory words) {
        load(words, table, assetId);
    }

    /// @notice The same into memory that is there: whoever has a place for it does not pay for a second one.
    function load(Asset memory words, address table, uint256 assetId) internal view {
        assembly ("memory-safe") {
            extcodecopy(
                table, words, add(1, mul(32, add(PROTOCOL_WORDS, mul(assetId, ASSET_WORDS)))), mul(ASSET_WORDS, 32)
            )
        }
    }

    /// @notice The token of one asset alone; 0 where it is not listed.
    function tokenOf(address table, uint256 assetId) internal view returns (address token_) {
        assembly ("memory-safe") {
            extcodecopy(table, 0, add(1, mul(32, add(PROTOCOL_WORDS, mul(assetId, ASSET_WORDS)))), 32)
            // the lower 160 bits of the first word
            token_ := shr(96, shl(96, mload(0)))
        }
    }

    // ---------------------------------------------------------------------------------------------------- protocol

    function engine(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.engineWord));
    }

    function assetCount(Protocol memory words) internal pure returns (uint256) {
        return uint8(words.engineWord >> 160);
    }

    function insuranceFund(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.fundWord));
    }

    function gracePeriod(Protocol memory words) internal pure returns (uint256) {
        return uint32(words.fundWord >> 160);
    }

    function callLifetime(Protocol memory words) internal pure returns (uint256) {
        return uint32(words.fundWord >> 192);
    }

    function backstopDelay(Protocol memory words) internal pure returns (uint256) {
        return uint32(words.fundWord >> 224);
    }

    function penaltySplitter(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.splitterWord));
    }

    function treasury(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.treasuryWord));
    }

    function targetHealthFactorWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.healthWord);
    }

    function marginCallHealthFactorWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.healthWord >> 64);
    }

    function hardFloorWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.healthWord >> 128);
    }

    function healthForMaxBonusWad(Protocol memory words) internal pure returns (uint256) {
        return words.healthWord >> 192;
    }

    function bonusFloorWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.penaltyWord);
    }

    function minBonusFractionWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.penaltyWord >> 64);
    }

    function feeShareWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.penaltyWord >> 128);
    }

    function minDebtValueWad(Protocol memory words) internal pure returns (uint256) {
        return uint128(words.minimumWord);
    }

    function minDebtPerAssetWad(Protocol memory words) internal pure returns (uint256) {
        return words.minimumWord >> 128;
    }

    function dustValueWad(Protocol memory words) internal pure returns (uint256) {
        return uint128(words.dustWord);
    }

    function steepnessWad(Protocol memory words) internal pure returns (uint256) {
        return words.dustWord >> 128;
    }

    function bucketMinimumWad(Protocol memory words) internal pure returns (uint256) {
        return uint128(words.bucketWord);
    }

    function degradedRefillWad(Protocol memory words) internal pure returns (uint256) {
        return uint64(words.bucketWord >> 128);
    }

    function oracleRouter(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.routerWord));
    }

    function sequencerGrace(Protocol memory words) internal pure returns (uint256) {
        return uint32(words.routerWord >> 160);
    }

    function sequencerFeed(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.sequencerWord));
    }

    function volatilityOracle(Protocol memory words) internal pure returns (address) {
        return address(uint160(words.volatilityWord));
    }

    // ------------------------------------------------------------------------------------------------------- asset

    function token(Asset memory words) internal pure returns (address) {
        return address(uint160(words.riskWord));
    }

    function decimals(Asset memory words) internal pure returns (uint256) {
        return uint8(words.riskWord >> 160);
    }

    function hasFlag(Asset memory words, uint256 flag) internal pure returns (bool) {
        return (words.riskWord >> 168) & flag != 0;
    }

    function ltvBps(Asset memory words) internal pure returns (uint256) {
        return uint16(words.riskWord >> 176);
    }

    function maxBonusBps(Asset memory words) internal pure returns (uint256) {
        return uint16(words.riskWord >> 224);
    }

    function reserveFactorBps(Asset memory words) internal pure returns (uint256) {
        return words.riskWord >> 240;
    }

    /// @notice The liquidation threshold at `timestamp`: on the line from the ramp's start to its end, rounded up.
    function thresholdBps(Asset memory words, uint256 timestamp) internal pure returns (uint256) {
        uint256 target = uint16(words.riskWord >> 192);
        uint256 end = uint40(words.feedWord >> 216);
        if (timestamp >= end) return target;
        uint256 start = uint16(words.riskWord >> 208);
        uint256 duration = uint24(words.rateWord >> 160);
        unchecked {
            // start >= target: a ramp only lowers; end - timestamp <= duration once the table is in force
            return target + ((start - target) * (end - timestamp) + duration - 1) / duration;
        }
    }

    function targetThresholdBps(Asset memory words) internal pure returns (uint256) {
        return uint16(words.riskWord >> 192);
    }

    function feed(Asset memory words) internal pure returns (address) {
        return address(uint160(words.feedWord));
    }

    function feedDecimals(Asset memory words) internal pure returns (uint256) {
        return uint8(words.feedWord >> 160);
    }

    function heartbeat(Asset memory words) internal pure returns (uint256) {
        return uint24(words.feedWord >> 168);
    }

    /// @notice How far the price may be from the market without its sources noticing, as stated at the listing.
    function deviationBps(Asset memory words) internal pure returns (uint256) {
        return uint24(words.feedWord >> 192);
    }

    /// @notice The answers of the feed that are believed, both ends included.
    function answerBounds(Asset memory words) internal pure returns (int256 least, int256 most) {
        return (int256(uint256(uint128(words.answersWord))), int256(words.answersWord >> 128));
    }

    function rateParameters(Asset memory words)
        internal
        pure
        returns (uint256 base, uint256 slope1, uint256 slope2, uint256 kinkWad)
    {
        uint256 word = words.rateWord;
        return (uint32(word), uint32(word >> 32), uint32(word >> 64), uint64(word >> 96));
    }

    function bucketRefillWad(Asset memory words) internal pure returns (uint256) {
        return words.rateWord >> 184;
    }

    function collateralCap(Asset memory words) internal pure returns (uint256) {
        return uint112(words.capsWord);
    }

    /// @notice Value the bucket holds when full, WAD; 0: no bucket.
    function bucketCapacityWad(Asset memory words) internal pure returns (uint256) {
        return uint128(words.capsWord >> 112);
    }

    function supplyCap(Asset memory words) internal pure returns (uint256) {
        return uint112(words.supplyWord);
    }

    function borrowCap(Asset memory words) internal pure returns (uint256) {
        return uint112(words.supplyWord >> 112);
    }

    function flashFeeBps(Asset memory words) internal pure returns (uint256) {
        return uint16(words.supplyWord >> 224);
    }

    /// @notice The target health factor in a turbulent market, bps; 0: volatility does not move it.
    function mostTargetBps(Asset memory words) internal pure returns (uint256) {
        return words.supplyWord >> 240;
    }

    function rateModel(Asset memory words) internal pure returns (address) {
        return address(uint160(words.modelWord));
    }

    /// @notice Most units of the asset that one account may hold: 1e14 whole tokens, within 112 bits.
    function maxAmount(Asset memory words) internal pure returns (uint256) {
        uint256 whole = 1e14 * 10 ** decimals(words);
        return whole < type(uint112).max ? whole : type(uint112).max;
    }
}
