// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The one way a Chainlink-shaped feed is read
/// @notice Used by the ChainlinkAdapter and, compiled in, by the Vault: the same guards, without the hops.
library ChainlinkReader {
    /// @dev Gas a feed gets: a proxy and its aggregator need about 20 000.
    uint256 internal constant FEED_GAS = 100_000;
    uint256 internal constant MAX_PRICE_WAD = 1e30;
    /// @dev Above any price within the bound, at up to 18 feed decimals more than a WAD has.
    int256 internal constant MAX_ANSWER = 1e48;
    /// @dev The first four bytes of keccak256("latestRoundData()").
    bytes4 private constant LATEST_ROUND_DATA = 0xfeaf968c;

    /// @notice The latest answer in WAD per whole token, rounded down, and its time.
    /// @dev Never reverts. `priceWad` is 0 where there is no usable answer: the call failed or answered too little, the answer is not
    /// positive, above 1e12 USD or rounds to nothing, its time lies in the future, or it is outside [least, most]: an aggregator that
    /// clamps its answers says nothing at its bounds. The raw answer says why. Needs 0 < least and most <= MAX_ANSWER.
    function readWithin(address feed, uint256 feedDecimals, int256 least, int256 most)
        internal
        view
        returns (uint256 priceWad, uint256 updatedAt, int256 answer)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, LATEST_ROUND_DATA)
            // the answer's length is looked at after the call, although it stands before it: Yul goes from right to left
            if and(gt(returndatasize(), 159), staticcall(FEED_GAS, feed, free, 4, free, 160)) {
                answer := mload(add(free, 32))
                updatedAt := mload(add(free, 96))
                if iszero(or(or(slt(answer, least), sgt(answer, most)), gt(updatedAt, timestamp()))) {
                    // nothing overflows: 1e48 * 1e18 < 2^256
                    switch gt(feedDecimals, 18)
                    case 0 { priceWad := mul(answer, exp(10, sub(18, feedDecimals))) }
                    default { priceWad := div(answer, exp(10, sub(feedDecimals, 18))) }
                    if gt(priceWad, MAX_PRICE_WAD) { priceWad := 0 }
                }
            }
        }
    }

    /// @notice Whether an L2's sequencer uptime feed says that it is up, and has been for longer than `grace`.
    /// @dev Its answer is 0 for up and 1 for down; `startedAt` is when that began, 0 where nothing was reported yet.
    function isSequencerUp(address feed, uint256 grace) internal view returns (bool isUp, bool isAnswered) {
        uint256 answer;
        uint256 startedAt;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, LATEST_ROUND_DATA)
            isAnswered := and(gt(returndatasize(), 159), staticcall(FEED_GAS, feed, free, 4, free, 160))
            answer := mload(add(free, 32))
            startedAt := mload(add(free, 64))
        }
        isUp = isAnswered && answer == 0 && startedAt != 0 && startedAt < block.timestamp
            && block.timestamp - startedAt > grace;
    }
}
