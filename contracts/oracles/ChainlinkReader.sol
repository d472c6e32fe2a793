// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title The one way a Chainlink-shaped feed is read
/// @notice Used by the ChainlinkAdapter and, compiled in, by the Vault: the same guards, without the hops.
library ChainlinkReader {
    /// @dev Gas a feed gets: a proxy and its aggregator need about 20 000.
    uint256 private constant FEED_GAS = 200_000;
    uint256 private constant MAX_PRICE_WAD = 1e30;
    /// @dev The first four bytes of keccak256("latestRoundData()").
    bytes4 private constant LATEST_ROUND_DATA = 0xfeaf968c;

    /// @notice The latest answer in WAD per whole token, rounded down, and its time.
    /// @dev Never reverts. `priceWad` is 0 where there is no usable answer: the call failed or answered too little, the answer is not
    /// positive, above 1e12 USD or rounds to nothing, or its time lies in the future.
    function read(address feed, uint256 feedDecimals) internal view returns (uint256 priceWad, uint256 updatedAt) {
        bool isAnswered;
        int256 answer;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, LATEST_ROUND_DATA)
            isAnswered := staticcall(FEED_GAS, feed, free, 4, free, 160)
            isAnswered := and(isAnswered, gt(returndatasize(), 159))
            answer := mload(add(free, 32))
            updatedAt := mload(add(free, 96))
        }
        if (!isAnswered || answer <= 0 || updatedAt > block.timestamp) return (0, 0);
        // 1e48 is above any price within the bound at up to 18 feed decimals more than a WAD has
        if (uint256(answer) > 1e48) return (0, 0);
        priceWad = feedDecimals <= 18
            ? uint256(answer) * 10 ** (18 - feedDecimals)
            : uint256(answer) / 10 ** (feedDecimals - 18);
        if (priceWad > MAX_PRICE_WAD) priceWad = 0;
    }
}
