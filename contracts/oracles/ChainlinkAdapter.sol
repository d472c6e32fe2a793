// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ChainlinkParameters, IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall} from "./BoundedCall.sol";
import {ChainlinkReader} from "./ChainlinkReader.sol";

/// @dev Of Chainlink's proxies and aggregators, what is read at construction.
interface IAggregator {
    function decimals() external view returns (uint8);
    function aggregator() external view returns (address);
    function minAnswer() external view returns (int192);
    function maxAnswer() external view returns (int192);
}

/// @title ChainlinkAdapter: a Chainlink-shaped feed
/// @notice Past its heartbeat, and while the L2's sequencer is down or just back, degraded; past its hard limit, at the bounds at which
/// an aggregator clamps, or with a time in the future, missing.
contract ChainlinkAdapter is AdapterBase {
    /// @dev Aggregators promise an answer once a day at least; two days is one missed.
    uint256 private constant MAX_HEARTBEAT = 2 days;
    /// @dev Whatever a market does in a week, its price of then is not its price.
    uint256 private constant MAX_MAX_AGE = 7 days;
    /// @dev Within a day everybody who wants to has acted after an outage.
    uint256 private constant MAX_GRACE = 1 days;

    // what `parameters` tells: a getter each would cost every read the comparison of its selector
    address private immutable FEED;
    uint256 private immutable FEED_DECIMALS;
    uint256 private immutable HEARTBEAT;
    uint256 private immutable MAX_AGE;
    int256 private immutable LEAST_ANSWER;
    int256 private immutable MOST_ANSWER;
    address private immutable SEQUENCER_FEED;
    uint256 private immutable SEQUENCER_GRACE;
    /// @dev An answer younger than this is fresh without another question; 0 where a sequencer has to be asked.
    uint256 private immutable FRESH_BELOW;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    constructor(address feed, ChainlinkParameters memory chosen) {
        // beyond 36 decimals an answer of 256 bits does not carry the prices that are allowed
        uint256 decimals = IAggregator(feed).decimals();
        _range("feedDecimals", decimals, 0, 36);
        // a heartbeat of nothing would never be met
        _range("heartbeat", chosen.heartbeat, 1, MAX_HEARTBEAT);
        // an answer is never too old before it is late
        _range("maxAge", chosen.maxAge, chosen.heartbeat, MAX_MAX_AGE);
        _range("sequencerGrace", chosen.sequencerGrace, 0, MAX_GRACE);
        if (chosen.leastAnswer < 1 || chosen.mostAnswer > ChainlinkReader.MAX_ANSWER) {
            revert AnswerOutOfBounds(chosen.leastAnswer, 1, ChainlinkReader.MAX_ANSWER);
        }

        (int256 least, int256 most) = _boundsOf(feed);
        least = chosen.leastAnswer > least ? chosen.leastAnswer : least;
        most = chosen.mostAnswer < most ? chosen.mostAnswer : most;
        // bounds that leave no room would make the price missing for good
        if (least > most) revert AnswerOutOfBounds(least, least, most);

        (FEED, FEED_DECIMALS) = (feed, decimals);
        (HEARTBEAT, MAX_AGE) = (chosen.heartbeat, chosen.maxAge);
        (LEAST_ANSWER, MOST_ANSWER) = (least, most);
        (SEQUENCER_FEED, SEQUENCER_GRACE) = (chosen.sequencerFeed, chosen.sequencerGrace);
        FRESH_BELOW = chosen.sequencerFeed == address(0) ? uint256(chosen.heartbeat) + 1 : 0;
        uint256 feedGas = _gasFor(ChainlinkReader.FEED_GAS);
        gasBound = OWN_GAS + feedGas + (chosen.sequencerFeed == address(0) ? 0 : 2 * feedGas);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        int256 answer;
        (low, time, answer) = ChainlinkReader.readWithin(FEED, FEED_DECIMALS, LEAST_ANSWER, MOST_ANSWER);
        uint256 freshBelow = FRESH_BELOW;
        assembly ("memory-safe") {
            // the usual case, without another question: low, high, time, fresh
            if and(gt(low, 0), lt(sub(timestamp(), time), freshBelow)) {
                let free := mload(0x40)
                mstore(free, low)
                mstore(add(free, 32), low)
                mstore(add(free, 64), time)
                mstore(add(free, 96), 0)
                return(free, 128)
            }
        }
        _requireUsable(low, time, answer);
        high = low;
        bool isSure = block.timestamp - time <= HEARTBEAT && (SEQUENCER_FEED == address(0) || _isSequencerUp());
        status = isSure ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        uint256 time;
        int256 answer;
        (priceWad, time, answer) = ChainlinkReader.readWithin(FEED, FEED_DECIMALS, LEAST_ANSWER, MOST_ANSWER);
        _requireUsable(priceWad, time, answer);
    }

    /// @notice The feed, its decimals, and the parameters in force: both answers allowed, our own bounds or the aggregator's where those
    /// are tighter.
    function parameters() external view returns (address feed, uint256 feedDecimals, ChainlinkParameters memory) {
        return (
            FEED,
            FEED_DECIMALS,
            ChainlinkParameters({
                heartbeat: uint32(HEARTBEAT),
                maxAge: uint32(MAX_AGE),
                leastAnswer: LEAST_ANSWER,
                mostAnswer: MOST_ANSWER,
                sequencerFeed: SEQUENCER_FEED,
                sequencerGrace: uint32(SEQUENCER_GRACE)
            })
        );
    }

    /// @notice The tightest answers that the feed's aggregator of today can give, both allowed. Where they have come to lie inside
    /// the parameters', the aggregator behind the proxy was replaced and this adapter has to be, too.
    function currentBounds() external view returns (int256 least, int256 most) {
        return _boundsOf(FEED);
    }

    function _requireUsable(uint256 priceWad, uint256 time, int256 answer) private view {
        if (priceWad == 0) {
            if (time == 0 && answer == 0) revert SourceMissing(FEED);
            if (time > block.timestamp) revert TimeInFuture(time, block.timestamp);
            revert AnswerOutOfBounds(answer, LEAST_ANSWER, MOST_ANSWER);
        }
        if (block.timestamp - time > MAX_AGE) revert PriceStale(block.timestamp - time, MAX_AGE);
    }

    /// @dev Never a blanket block: a sequencer feed that is down, silent or wrong degrades the price and stops nothing.
    function _isSequencerUp() private view returns (bool isUp) {
        bool isAnswered;
        (isUp, isAnswered) = ChainlinkReader.isSequencerUp(SEQUENCER_FEED, SEQUENCER_GRACE);
        if (!isAnswered) BoundedCall.requireGenuine(ChainlinkReader.FEED_GAS);
    }

    /// @dev An aggregator clamps its answers to [minAnswer, maxAnswer]: at a bound the market may be anywhere beyond it. Read through
    /// the proxy where there is one; a feed that states no bounds has none.
    function _boundsOf(address feed) private view returns (int256 least, int256 most) {
        (bool isProxy, uint256 word) =
            BoundedCall.tryWord(feed, ChainlinkReader.FEED_GAS, abi.encodeCall(IAggregator.aggregator, ()));
        address source = isProxy && word != 0 && word <= type(uint160).max ? address(uint160(word)) : feed;
        bool isStated;
        (isStated, word) = BoundedCall.tryWord(source, ChainlinkReader.FEED_GAS, abi.encodeCall(IAggregator.minAnswer, ()));
        least = isStated && int256(word) > 0 && int256(word) < ChainlinkReader.MAX_ANSWER ? int256(word) + 1 : int256(1);
        (isStated, word) = BoundedCall.tryWord(source, ChainlinkReader.FEED_GAS, abi.encodeCall(IAggregator.maxAnswer, ()));
        most = isStated && int256(word) > 0 && int256(word) < ChainlinkReader.MAX_ANSWER
            ? int256(word) - 1
            : ChainlinkReader.MAX_ANSWER;
    }
}
