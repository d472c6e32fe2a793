// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What collateral without a market is worth
/// @notice The last good price until the market has been missing for `abandonAfter`, then cut by a haircut that grows linearly over
/// `decayPeriod` until nothing is left. Never above the last good price, never rising while the market is missing.
library ModelPrice {
    function cut(uint256 lastGoodWad, uint256 missingFor, uint256 abandonAfter, uint256 decayPeriod)
        internal
        pure
        returns (uint256)
    {
        if (missingFor <= abandonAfter) return lastGoodWad;
        uint256 decayed = missingFor - abandonAfter;
        return decayed >= decayPeriod ? 0 : lastGoodWad * (decayPeriod - decayed) / decayPeriod;
    }
}
