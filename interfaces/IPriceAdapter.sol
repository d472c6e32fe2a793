// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

enum PriceStatus {
    Fresh,
    Degraded
}

/// @notice What a ChainlinkAdapter is made with. Times in seconds, answers in the feed's own units.
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

/// @notice Why there is no price, or why an adapter was not made: facts, with the two numbers that were compared.
interface IPriceErrors {
    /// @notice The source did not answer, answered too little, or answered what no price can be.
    error SourceMissing(address source);
    error AnswerOutOfBounds(int256 answer, int256 least, int256 most);
    /// @notice A price of nothing, or above 1e12 USD per whole token (WAD).
    error PriceOutOfRange(uint256 priceWad, uint256 most);
    error TimeInFuture(uint256 time, uint256 timestamp);
    error PriceStale(uint256 age, uint256 maxAge);
    /// @notice A confidence interval too wide for its price, both in the feed's own units.
    error ConfidenceTooWide(uint256 confidence, uint256 most);
    error ExponentChanged(int256 exponent, int256 expected);
    error LiquidityTooThin(uint256 liquidity, uint256 least);
    error SourcesMissing(address primary, address secondary);
    /// @notice The market is not recorded as dead for long enough to be valued by a model.
    error MarketNotAbandoned(uint256 missingFor, uint256 abandonAfter);
    /// @notice A model that has nothing left to say: the haircut is complete.
    error NothingLeft(uint256 missingFor, uint256 end);
    /// @notice A source failed and the caller gave too little gas to know whether it was the source's fault.
    error GasTooLow(uint256 left, uint256 needed);
    /// @notice A constructor's argument; both bounds allowed, the reason stands beside the check.
    error ParameterOutOfRange(bytes32 parameter, uint256 value, uint256 least, uint256 most);
}

/// @title The price of one asset: what every oracle adapter answers
/// @notice Immutable, one job each. Whatever an adapter's sources do, it answers or reverts within `gasBound`; that is what lets
/// adapters be nested without one source deciding over another's.
interface IPriceAdapter is IPriceErrors {
    /// @notice The asset's price in WAD USD per whole token. Reverts with a typed error where there is no price (missing).
    /// @dev Fresh means that nothing is in doubt: `low == high`.
    /// @return low never 0, never above `high`
    /// @return high at most 1e30
    /// @return time timestamp of the oldest market observation that the price rests on
    /// @return status what the price may be used for: specification, section 9
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status);

    /// @notice The primary source's own figure, in [low, high]: what amounts are exchanged at while the price is degraded.
    /// @dev Reverts where `price` does; equal to it while fresh. Apart from `price`, so that the usual read does not pay for it.
    function primaryPrice() external view returns (uint256 priceWad);

    /// @notice Gas within which `price` and `primaryPrice` answer or revert, whatever their sources do with theirs.
    function gasBound() external view returns (uint256);
}
