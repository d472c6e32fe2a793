// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall, Quote} from "./BoundedCall.sol";

/// @title DeviationAdapter: two sources that watch each other
/// @notice Within a bound of each other the primary, as it says. Apart, degraded, from the lower to the higher. One dead, the other,
/// degraded. Apart for longer than the dispute period, the primary alone decides, as it says.
///
/// That period has to be seen, and seen by anyone: `poke` while they are apart starts a dispute, and keeps it alive; it lapses where
/// nobody saw it for a whole period, and ends where anybody sees them together.
contract DeviationAdapter is AdapterBase {
    /// @dev Times in seconds; `lastSeen` 0: no dispute.
    struct Dispute {
        uint64 since;
        uint64 lastSeen;
    }

    event DisputeStarted(uint256 primaryWad, uint256 secondaryWad);
    event DisputeSeen(uint256 since);
    event DisputeEnded();

    address public immutable PRIMARY;
    address public immutable SECONDARY;
    uint256 public immutable MAX_DEVIATION_BPS;
    uint256 public immutable DISPUTE_PERIOD;
    uint256 private immutable _PRIMARY_GAS;
    uint256 private immutable _SECONDARY_GAS;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    Dispute public dispute;

    constructor(IPriceAdapter primary, IPriceAdapter secondary, uint256 maxDeviationBps, uint256 disputePeriod) {
        // closer than two feeds' own thresholds they would always be apart; beyond a fifth they are not watching each other
        _range("maxDeviation", maxDeviationBps, 10, 20_00);
        // the guardian needs time to look before a broken primary decides; nobody is throttled for more than a week
        _range("disputePeriod", disputePeriod, 1 hours, 7 days);
        (PRIMARY, SECONDARY) = (address(primary), address(secondary));
        (MAX_DEVIATION_BPS, DISPUTE_PERIOD) = (maxDeviationBps, disputePeriod);
        (_PRIMARY_GAS, _SECONDARY_GAS) = (primary.gasBound(), secondary.gasBound());
        // each may burn all it gets, and it must then still be told from a caller who gave too little
        gasBound = OWN_GAS + 2 * (_gasFor(_PRIMARY_GAS) + _gasFor(_SECONDARY_GAS));
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        (bool hasPrimary, bool hasSecondary, Quote memory primary, Quote memory secondary) = _readBoth();
        if (!hasPrimary && !hasSecondary) revert SourcesMissing(PRIMARY, SECONDARY);
        if (!hasSecondary) return (primary.low, primary.high, primary.time, PriceStatus.Degraded);
        if (!hasPrimary) return (secondary.low, secondary.high, secondary.time, PriceStatus.Degraded);
        if (!_areApart(primary, secondary) || _isDecided()) {
            return (primary.low, primary.high, primary.time, primary.status);
        }
        return (
            _min(primary.low, secondary.low),
            _max(primary.high, secondary.high),
            _min(primary.time, secondary.time),
            PriceStatus.Degraded
        );
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        bool isAnswered;
        (isAnswered, priceWad) = _tryPrimary(PRIMARY, _PRIMARY_GAS);
        if (isAnswered) return priceWad;
        (isAnswered, priceWad) = _tryPrimary(SECONDARY, _SECONDARY_GAS);
        if (!isAnswered) revert SourcesMissing(PRIMARY, SECONDARY);
    }

    /// @dev Of a source whose price is in order only: what `price` does not count says nothing here either.
    function _tryPrimary(address source, uint256 gasCap) private view returns (bool isAnswered, uint256 priceWad) {
        (isAnswered,) = BoundedCall.tryPrice(source, gasCap);
        if (isAnswered) (isAnswered, priceWad) = BoundedCall.tryPrimary(source, gasCap);
        if (!isAnswered) BoundedCall.requireGenuine(gasCap);
    }

    /// @notice Writes down whether the sources are apart now, for anyone. Changes nothing where one of them is missing.
    function poke() external {
        (bool hasPrimary, bool hasSecondary, Quote memory primary, Quote memory secondary) = _readBoth();
        if (!hasPrimary || !hasSecondary) return;
        Dispute memory last = dispute;
        if (!_areApart(primary, secondary)) {
            if (last.lastSeen == 0) return;
            delete dispute;
            emit DisputeEnded();
        } else if (block.timestamp - last.lastSeen > DISPUTE_PERIOD) {
            dispute = Dispute(uint64(block.timestamp), uint64(block.timestamp));
            emit DisputeStarted(primary.low, secondary.low);
        } else {
            dispute.lastSeen = uint64(block.timestamp);
            emit DisputeSeen(last.since);
        }
    }

    /// @dev Seen apart for the whole period, and not forgotten since.
    function _isDecided() private view returns (bool) {
        Dispute memory last = dispute;
        return last.lastSeen != 0 && last.lastSeen - last.since >= DISPUTE_PERIOD
            && block.timestamp - last.lastSeen <= DISPUTE_PERIOD;
    }

    /// @dev The two farthest figures, an interval's own width included.
    function _areApart(Quote memory primary, Quote memory secondary) private view returns (bool) {
        uint256 low = _min(primary.low, secondary.low);
        uint256 high = _max(primary.high, secondary.high);
        return high * BPS > low * (BPS + MAX_DEVIATION_BPS);
    }

    function _readBoth()
        private
        view
        returns (bool hasPrimary, bool hasSecondary, Quote memory primary, Quote memory secondary)
    {
        (hasPrimary, primary) = BoundedCall.tryPrice(PRIMARY, _PRIMARY_GAS);
        if (!hasPrimary) BoundedCall.requireGenuine(_PRIMARY_GAS);
        (hasSecondary, secondary) = BoundedCall.tryPrice(SECONDARY, _SECONDARY_GAS);
        if (!hasSecondary) BoundedCall.requireGenuine(_SECONDARY_GAS);
    }
}
