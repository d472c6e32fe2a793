// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
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

/// @notice Times in seconds, answers in the feed's own units.
struct ChainlinkParameters {
    /// The feed's promise: it answers at least this often.
    uint32 heartbeat;
    /// Our limit: an older answer is no price.
    uint32 maxAge;
    /// Answers outside [least, most] are not believed. At their widest, 1 and 1e48, only the aggregator's own bounds count.
    int256 leastAnswer;
    int256 mostAnswer;
    /// The L2's sequencer uptime feed; 0 where there is none.
    address sequencerFeed;
    /// How long after its return prices are not yet what the market says.
    uint32 sequencerGrace;
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

    address public immutable FEED;
    uint256 public immutable FEED_DECIMALS;
    uint256 public immutable HEARTBEAT;
    uint256 public immutable MAX_AGE;
    /// @notice Both allowed: our own bounds, or the aggregator's exclusive ones where they are tighter.
    int256 public immutable LEAST_ANSWER;
    int256 public immutable MOST_ANSWER;
    address public immutable SEQUENCER_FEED;
    uint256 public immutable SEQUENCER_GRACE;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    constructor(address feed, ChainlinkParameters memory parameters) {
        // beyond 36 decimals an answer of 256 bits does not carry the prices that are allowed
        uint256 decimals = IAggregator(feed).decimals();
        _range("feedDecimals", decimals, 0, 36);
        // a heartbeat of nothing would never be met
        _range("heartbeat", parameters.heartbeat, 1, MAX_HEARTBEAT);
        // an answer is never too old before it is late
        _range("maxAge", parameters.maxAge, parameters.heartbeat, MAX_MAX_AGE);
        _range("sequencerGrace", parameters.sequencerGrace, 0, MAX_GRACE);
        if (parameters.leastAnswer < 1 || parameters.mostAnswer > ChainlinkReader.MAX_ANSWER) {
            revert AnswerOutOfBounds(parameters.leastAnswer, 1, ChainlinkReader.MAX_ANSWER);
        }

        (int256 least, int256 most) = _boundsOf(feed);
        least = parameters.leastAnswer > least ? parameters.leastAnswer : least;
        most = parameters.mostAnswer < most ? parameters.mostAnswer : most;
        // bounds that leave no room would make the price missing for good
        if (least > most) revert AnswerOutOfBounds(least, least, most);

        (FEED, FEED_DECIMALS) = (feed, decimals);
        (HEARTBEAT, MAX_AGE) = (parameters.heartbeat, parameters.maxAge);
        (LEAST_ANSWER, MOST_ANSWER) = (least, most);
        (SEQUENCER_FEED, SEQUENCER_GRACE) = (parameters.sequencerFeed, parameters.sequencerGrace);
        uint256 feedGas = _gasFor(ChainlinkReader.FEED_GAS);
        gasBound = OWN_GAS + feedGas + (parameters.sequencerFeed == address(0) ? 0 : 2 * feedGas);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        (low, time) = _read();
        high = low;
        bool isSure = block.timestamp - time <= HEARTBEAT && (SEQUENCER_FEED == address(0) || _isSequencerUp());
        status = isSure ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        (priceWad,) = _read();
    }

    /// @notice The tightest answers that the feed's aggregator of today can give, both allowed. Where they have come to lie inside
    /// [LEAST_ANSWER, MOST_ANSWER], the aggregator behind the proxy was replaced and this adapter has to be, too.
    function currentBounds() external view returns (int256 least, int256 most) {
        return _boundsOf(FEED);
    }

    function _read() private view returns (uint256 priceWad, uint256 time) {
        int256 answer;
        (priceWad, time, answer) = ChainlinkReader.readWithin(FEED, FEED_DECIMALS, LEAST_ANSWER, MOST_ANSWER);
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
