// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Configuration} from "contracts/libraries/Configuration.sol";

/// @title The fields of the configuration table stand where its layout says, each for itself
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
contract TableProofs {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;

    function check_engine_and_count(address engine, uint8 count, uint88 above) external pure {
        Configuration.Protocol memory words;
        words.engineWord = uint160(engine) | (uint256(count) << 160) | (uint256(above) << 168);
        assert(words.engine() == engine && words.assetCount() == count);
    }

    function check_fund_and_periods(address fund, uint32 grace, uint32 lifetime, uint32 backstop) external pure {
        Configuration.Protocol memory words;
        words.fundWord =
            uint160(fund) | (uint256(grace) << 160) | (uint256(lifetime) << 192) | (uint256(backstop) << 224);
        assert(words.insuranceFund() == fund && words.gracePeriod() == grace);
        assert(words.callLifetime() == lifetime && words.backstopDelay() == backstop);
    }

    function check_health_levels(uint64 target, uint64 call, uint64 floor, uint64 most) external pure {
        Configuration.Protocol memory words;
        words.healthWord = uint256(target) | (uint256(call) << 64) | (uint256(floor) << 128) | (uint256(most) << 192);
        assert(words.targetHealthFactorWad() == target && words.marginCallHealthFactorWad() == call);
        assert(words.hardFloorWad() == floor && words.healthForMaxBonusWad() == most);
    }

    function check_penalty_parameters(uint64 floor, uint64 fraction, uint64 share, uint64 above) external pure {
        Configuration.Protocol memory words;
        words.penaltyWord = uint256(floor) | (uint256(fraction) << 64) | (uint256(share) << 128) | (uint256(above) << 192);
        assert(words.bonusFloorWad() == floor && words.minBonusFractionWad() == fraction && words.feeShareWad() == share);
    }

    function check_values(uint128 low, uint128 high) external pure {
        Configuration.Protocol memory words;
        (words.minimumWord, words.dustWord) = (uint256(low) | (uint256(high) << 128), uint256(low) | (uint256(high) << 128));
        assert(words.minDebtValueWad() == low && words.minDebtPerAssetWad() == high);
        assert(words.dustValueWad() == low && words.steepnessWad() == high);
    }

    function check_risk_word(address token, uint8 decimals, uint8 flags, uint16[5] memory bps) external pure {
        Configuration.Asset memory words;
        words.riskWord = uint160(token) | (uint256(decimals) << 160) | (uint256(flags) << 168);
        for (uint256 i; i < 5; ++i) {
            words.riskWord |= uint256(bps[i]) << (176 + 16 * i);
        }
        assert(words.token() == token && words.decimals() == decimals);
        assert(words.hasFlag(Configuration.FLAG_COLLATERAL) == (flags & 1 != 0));
        assert(words.hasFlag(Configuration.FLAG_BORROWABLE) == (flags & 2 != 0));
        assert(words.hasFlag(Configuration.FLAG_IN_PLACE) == (flags & 4 != 0));
        assert(words.ltvBps() == bps[0] && words.targetThresholdBps() == bps[1]);
        assert(words.maxBonusBps() == bps[3] && words.reserveFactorBps() == bps[4]);
    }

    function check_supply_word(uint112 supply, uint112 borrow, uint16 fee, uint16 above) external pure {
        Configuration.Asset memory words;
        words.supplyWord = uint256(supply) | (uint256(borrow) << 112) | (uint256(fee) << 224) | (uint256(above) << 240);
        assert(words.supplyCap() == supply && words.borrowCap() == borrow && words.flashFeeBps() == fee);
    }

    function check_ramp_that_is_over_is_at_its_target(uint16 target, uint16 start, uint40 end, uint24 duration, uint40 now_)
        external
        pure
    {
        if (now_ < end) return;
        assert(_ramp(target, start, end, duration).thresholdBps(now_) == target);
    }

    function check_most_of_an_account_fits_112_bits(uint160 token, uint80 above) external pure {
        for (uint256 decimals; decimals <= 27; ++decimals) {
            Configuration.Asset memory words;
            words.riskWord = token | (decimals << 160) | (uint256(above) << 168);
            assert(words.maxAmount() <= type(uint112).max && words.maxAmount() >= 1e14);
        }
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_ramp_of_any_start_runs_between_its_ends(uint16 target, uint16 start, uint24 left) external pure {
        if (left == 0) return;
        uint256 threshold = _ramp(target, start, uint40(left), left).thresholdBps(0);
        assert(threshold >= target && threshold <= start);
    }

    function broken_count_of_nine_bits_is_read_back(uint256 count) external pure {
        Configuration.Protocol memory words;
        words.engineWord = count << 160;
        assert(count > 511 || words.assetCount() == count);
    }

    function _ramp(uint16 target, uint16 start, uint40 end, uint24 duration)
        private
        pure
        returns (Configuration.Asset memory words)
    {
        words.riskWord = (uint256(target) << 192) | (uint256(start) << 208);
        words.feedWord = uint256(end) << 216;
        words.rateWord = uint256(duration) << 160;
    }
}
