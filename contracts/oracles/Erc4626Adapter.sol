// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall, Quote} from "./BoundedCall.sol";

/// @notice Times in seconds.
struct ShareParameters {
    /// The most that the rate grows in a year; what it grows faster is not counted.
    uint32 maxGrowthBpsPerYear;
    /// A fall up to this is taken as it comes; a larger one is in doubt until it has stood for `confirmAfter`.
    uint16 maxDropBps;
    uint32 confirmAfter;
}

/// @title Erc4626Adapter: a share of an ERC-4626 vault, its rate times the price of its asset
/// @notice A share's rate can be lied about for a moment: by a donation (upwards), or by calling in the middle of one of the vault's own
/// transactions (either way). So the rate is held against the last recorded one. Above what it may have grown since, degraded, with the
/// capped rate as low; below what it may have fallen, degraded, with the recorded rate as high; between the two it is the rate.
/// `poke`, for anyone, records.
contract Erc4626Adapter is AdapterBase {
    using FixedPointMathLib for uint256;

    /// @notice The rate last recorded, WAD of assets per whole share, and the time from which its growth is counted. @param lowSince
    /// since when a fall is in doubt, 0 for none.
    struct Record {
        uint128 rateWad;
        uint64 time;
        uint64 lowSince;
    }

    event RateRecorded(uint256 rateWad);
    event DropNoted(uint256 rateWad, uint256 recordedWad);

    /// @dev Gas the vault gets for a rate: some loop over their strategies.
    uint256 private constant RATE_GAS = 500_000;
    uint256 private constant YEAR = 365 days;
    /// @dev How far above the capped rate the upper end of the doubt may lie. A rate beyond is no rate that ran ahead of its cap but a
    /// donation or a broken vault, and must not keep an account from being closed out.
    uint256 private constant MAX_DOUBT_BPS = 10_00;
    /// @dev Growth that did not come yet is kept for so long, since yield is paid out in lumps: or whoever pokes before the weekly one
    /// would make it look like a donation.
    uint256 private constant MAX_HEADROOM = 14 days;

    address public immutable SHARE;
    address public immutable ASSET_ADAPTER;
    uint256 public immutable MAX_GROWTH_BPS_PER_YEAR;
    uint256 public immutable MAX_DROP_BPS;
    uint256 public immutable CONFIRM_AFTER;
    uint256 private immutable _SHARE_UNIT;
    uint256 private immutable _ASSET_UNIT;
    uint256 private immutable _ASSET_GAS;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    Record public record;

    /// @dev Rate and time of the first record are read together, here: they cannot be set apart from each other.
    constructor(IERC4626 share, IPriceAdapter assetAdapter, ShareParameters memory parameters) {
        // no honest yield is above 300 % a year, and none that is stated as a bound is nothing
        _range("maxGrowth", parameters.maxGrowthBpsPerYear, 1, 300_00);
        // a fall of more than 5 % is worth a second look
        _range("maxDrop", parameters.maxDropBps, 0, 5_00);
        // time for one honest poke; not so long that a real loss waits for a day
        _range("confirmAfter", parameters.confirmAfter, 10 minutes, 1 days);
        uint256 assetDecimals = IERC20Metadata(share.asset()).decimals();
        uint256 shareDecimals = share.decimals();
        // with fewer digits a rate jumps by more than it grows in a day
        _range("assetDecimals", assetDecimals, 6, 36);
        _range("shareDecimals", shareDecimals, 0, 36);
        (SHARE, ASSET_ADAPTER) = (address(share), address(assetAdapter));
        (_SHARE_UNIT, _ASSET_UNIT) = (10 ** shareDecimals, 10 ** assetDecimals);
        MAX_GROWTH_BPS_PER_YEAR = parameters.maxGrowthBpsPerYear;
        (MAX_DROP_BPS, CONFIRM_AFTER) = (parameters.maxDropBps, parameters.confirmAfter);
        _ASSET_GAS = assetAdapter.gasBound();
        gasBound = OWN_GAS + _gasFor(RATE_GAS) + _gasFor(_ASSET_GAS);

        uint256 rate = share.convertToAssets(10 ** shareDecimals).fullMulDiv(WAD, 10 ** assetDecimals);
        if (rate == 0 || rate > MAX_PRICE_WAD) revert PriceOutOfRange(rate, MAX_PRICE_WAD);
        record = Record(uint128(rate), uint64(block.timestamp), 0);
        emit RateRecorded(rate);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        (uint256 lowRate, uint256 highRate,) = _rates();
        Quote memory asset = BoundedCall.readPrice(ASSET_ADAPTER, _ASSET_GAS);
        bool isSure = lowRate == highRate && asset.status == PriceStatus.Fresh;
        low = _plausible(asset.low.mulDiv(lowRate, WAD));
        high = isSure ? low : _plausible(asset.high.mulDiv(highRate, WAD));
        time = asset.time;
        status = isSure ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    /// @dev Of a rate above its cap the cap, of one that fell the recorded one: what a moment's lie cannot move.
    function primaryPrice() external view returns (uint256 priceWad) {
        (,, uint256 rate) = _rates();
        return _plausible(BoundedCall.readPrimary(ASSET_ADAPTER, _ASSET_GAS).mulDiv(rate, WAD));
    }

    /// @notice Records the rate, for anyone. One that rose, up to its cap, at once. One that fell by more than `maxDrop`, once it has
    /// been noted and has stood for `confirmAfter` without anybody seeing a better one.
    function poke() external {
        Record memory last = record;
        uint256 live = _liveRate();
        if (live >= last.rateWad) {
            uint256 cap = _cap(last);
            uint256 rate = _min(live, cap);
            // seconds of growth that the cap is ahead, rounded down
            uint256 headroom = (cap - rate).fullMulDiv(BPS * YEAR, rate * MAX_GROWTH_BPS_PER_YEAR);
            _store(rate, _min(headroom, MAX_HEADROOM));
        } else if (live >= _floor(last)) {
            record.lowSince = 0;
        } else if (last.lowSince == 0) {
            record.lowSince = uint64(block.timestamp);
            emit DropNoted(live, last.rateWad);
        } else if (block.timestamp - last.lowSince >= CONFIRM_AFTER) {
            _store(live, 0);
        }
    }

    /// @notice The most that the rate counts for now, WAD of assets per whole share.
    function capWad() external view returns (uint256) {
        return _cap(record);
    }

    function _store(uint256 rateWad, uint256 headroom) private {
        record = Record(uint128(rateWad), uint64(block.timestamp - headroom), 0);
        emit RateRecorded(rateWad);
    }

    function _rates() private view returns (uint256 low, uint256 high, uint256 primary) {
        Record memory last = record;
        uint256 live = _liveRate();
        uint256 cap = _cap(last);
        // a rate of whole asset units runs up to one of them ahead of the growth that it is made of
        if (live > cap + WAD.divUp(_ASSET_UNIT)) return (cap, _min(live, cap + cap * MAX_DOUBT_BPS / BPS), cap);
        if (live < _floor(last)) return (live, last.rateWad, last.rateWad);
        return (live, live, live);
    }

    function _liveRate() private view returns (uint256 rate) {
        (bool isAnswered, uint256 assets) =
            BoundedCall.tryWord(SHARE, RATE_GAS, abi.encodeCall(IERC4626.convertToAssets, (_SHARE_UNIT)));
        // 1e66: a price's bound at 36 decimals
        if (!isAnswered || assets == 0 || assets > 1e66) revert SourceMissing(SHARE);
        rate = assets.fullMulDiv(WAD, _ASSET_UNIT);
        if (rate == 0) revert SourceMissing(SHARE);
    }

    function _cap(Record memory last) private view returns (uint256) {
        uint256 growth = uint256(last.rateWad).fullMulDiv(
            MAX_GROWTH_BPS_PER_YEAR * (block.timestamp - last.time), BPS * YEAR
        );
        return _min(last.rateWad + growth, MAX_PRICE_WAD);
    }

    function _floor(Record memory last) private view returns (uint256) {
        return last.rateWad - last.rateWad * MAX_DROP_BPS / BPS;
    }
}
