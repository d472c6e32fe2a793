// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPyth} from "@pythnetwork/pyth-sdk-solidity/IPyth.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall} from "./BoundedCall.sol";

/// @notice Times in seconds.
struct PythParameters {
    /// Older, an answer is late: somebody should have posted an update.
    uint32 heartbeat;
    /// Our limit: an older answer is no price.
    uint32 maxAge;
    /// How far ahead of the block's clock an answer may have been published.
    uint32 maxAhead;
    /// Confidence interval over price up to which nothing is in doubt.
    uint16 maxConfidenceBps;
}

/// @title PythAdapter: a Pyth price, pulled
/// @notice Anyone can bring it up to date, before or in the same transaction: see PythPoster. Where the confidence interval is wide,
/// degraded with the interval as (low, high); too wide, missing.
contract PythAdapter is AdapterBase {
    /// @dev Gas the Pyth contract gets for a price: a proxy and two slots need about 15 000.
    uint256 private constant PYTH_GAS = 100_000;
    /// @dev Where publishers differ by more than a fifth of the price, they do not agree on one.
    uint256 private constant HARD_CONFIDENCE_BPS = 20_00;
    /// @dev A confidence above 5 % is never nothing.
    uint256 private constant MAX_CONFIDENCE_BPS = 5_00;
    /// @dev Publishers' clocks run ahead of a block's by its building time, seconds. Without a tolerance whoever posts the newest update
    /// could make the price missing for the rest of the block.
    uint256 private constant MAX_AHEAD = 60;
    uint256 private constant MAX_MAX_AGE = 7 days;

    address public immutable PYTH;
    bytes32 public immutable PRICE_ID;
    int256 public immutable EXPONENT;
    uint256 public immutable HEARTBEAT;
    uint256 public immutable MAX_AGE;
    uint256 public immutable MAX_AHEAD_OF_BLOCK;
    uint256 public immutable CONFIDENCE_BPS;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    /// @dev The price feed must exist: its exponent is read here, and a change of it is another feed.
    constructor(IPyth pyth, bytes32 priceId, PythParameters memory parameters) {
        // a heartbeat of nothing would never be met
        _range("heartbeat", parameters.heartbeat, 1, MAX_MAX_AGE);
        // an answer is never too old before it is late
        _range("maxAge", parameters.maxAge, parameters.heartbeat, MAX_MAX_AGE);
        _range("maxAhead", parameters.maxAhead, 0, MAX_AHEAD);
        _range("maxConfidence", parameters.maxConfidenceBps, 1, MAX_CONFIDENCE_BPS);
        int256 exponent = pyth.getPriceUnsafe(priceId).expo;
        // a price is an int64: at 10^-30 it is below 1e-11 USD, at 10^11 above the largest that is allowed
        if (exponent < -30 || exponent > 11) revert ExponentChanged(exponent, -8);
        (PYTH, PRICE_ID, EXPONENT) = (address(pyth), priceId, exponent);
        (HEARTBEAT, MAX_AGE) = (parameters.heartbeat, parameters.maxAge);
        (MAX_AHEAD_OF_BLOCK, CONFIDENCE_BPS) = (parameters.maxAhead, parameters.maxConfidenceBps);
        gasBound = OWN_GAS + _gasFor(PYTH_GAS);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        uint256 value;
        uint256 confidence;
        (value, confidence, time) = _read();
        bool isNarrow = confidence * BPS <= value * CONFIDENCE_BPS;
        bool isRecent = block.timestamp - time <= HEARTBEAT;
        (low, high) = isNarrow ? (_toWad(value), _toWad(value)) : (_toWad(value - confidence), _toWad(value + confidence));
        status = isNarrow && isRecent ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        (uint256 value,,) = _read();
        return _toWad(value);
    }

    function _read() private view returns (uint256 value, uint256 confidence, uint256 time) {
        uint256[] memory answer = new uint256[](4);
        bool isAnswered =
            BoundedCall.tryRead(PYTH, PYTH_GAS, abi.encodeCall(IPyth.getPriceUnsafe, (PRICE_ID)), answer);
        if (!isAnswered) revert SourceMissing(PYTH);
        confidence = answer[1];
        time = answer[3];
        if (int256(answer[2]) != EXPONENT) revert ExponentChanged(int256(answer[2]), EXPONENT);
        if (int256(answer[0]) <= 0 || int256(answer[0]) > type(int64).max) {
            revert AnswerOutOfBounds(int256(answer[0]), 1, type(int64).max);
        }
        value = answer[0];
        if (time > block.timestamp + MAX_AHEAD_OF_BLOCK) revert TimeInFuture(time, block.timestamp);
        time = _min(time, block.timestamp);
        if (block.timestamp - time > MAX_AGE) revert PriceStale(block.timestamp - time, MAX_AGE);
        uint256 most = value * HARD_CONFIDENCE_BPS / BPS;
        if (confidence > most) revert ConfidenceTooWide(confidence, most);
    }

    /// @dev Values are below 1.2 * 2^63, so nothing overflows at an exponent of 11.
    function _toWad(uint256 value) private view returns (uint256) {
        int256 shift = 18 + EXPONENT;
        return _plausible(shift >= 0 ? value * 10 ** uint256(shift) : value / 10 ** uint256(-shift));
    }
}
