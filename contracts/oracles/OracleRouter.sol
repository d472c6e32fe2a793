// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IERC7726, IOracleRouter, Status} from "interfaces/IOracleRouter.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {BoundedCall, Quote} from "./BoundedCall.sol";
import {ModelPrice} from "./ModelPrice.sol";

/// @dev Who reads feeds in place, beside the router, and must know until when not to.
interface IReadsInPlace {
    function askRouterUntil(uint40 until) external;
}

/// @title OracleRouter
/// @notice See interfaces/IOracleRouter.sol.
contract OracleRouter is IOracleRouter, AccessManaged {
    using FixedPointMathLib for uint256;

    /// @dev One slot: all that a fresh price needs.
    struct Source {
        address adapter;
        uint24 gasBound;
        uint40 frozenUntil;
        uint16 jumpBps;
        uint8 decimals;
    }

    /// @dev One slot: all that a degraded or missing price needs besides. Times in seconds, 0 for never.
    struct Record {
        uint104 priceWad;
        uint40 recordedAt;
        uint40 missingSince;
        uint40 frozenAt;
    }

    /// @dev A fresh price that jumped away from the last good one and was seen once.
    struct Candidate {
        uint104 priceWad;
        uint40 notedAt;
    }

    /// @dev What `readPrice` returns.
    struct Reading {
        Status status;
        uint256 collateralWad;
        uint256 debtWad;
        uint256 exchangeWad;
        uint256 time;
    }

    /// @notice USD as ERC-7726 names it: ISO 4217's number.
    address public constant USD = address(840);
    /// @notice An adapter that may need more could not be read within a fraction of a block, nested and failing as it may be.
    uint256 public constant MAX_GAS_BOUND = 5_000_000;
    /// @dev Two honest sources of one price differ by their thresholds and delays: a few per cent.
    uint256 private constant MAX_REPLACE_BPS = 5_00;
    /// @dev A stated reference is as old as the delay of the governor who states it, and the market has moved since; what it is there to
    /// catch, a missing factor or digit, is a multiple.
    uint256 private constant MAX_REFERENCE_BPS = 25_00;
    /// @dev A fresh price this far from the last good one has to be seen twice before it is good: the guardian has the spacing between
    /// two pokes to look at it. Twice what any listed market moves in an ordinary hour.
    uint256 private constant MAX_POKE_STEP_BPS = 20_00;
    /// @dev Between two records. Short enough for the last good price to be near the market, long enough for the guardian to act.
    uint256 private constant POKE_SPACING = 1 hours;
    /// @dev A last good price older than this says nothing about a jump.
    uint256 private constant JUMP_WINDOW = 1 days;
    /// @dev Below, every ordinary hour is a jump.
    uint256 private constant MIN_JUMP_BPS = 5_00;
    uint256 private constant MAX_JUMP_BPS = 60_00;
    /// @dev The guardian alone: at most a day, once a week per asset. The governor: at most a month, and then again.
    uint256 private constant FREEZE_PERIOD = 24 hours;
    uint256 private constant FREEZE_SPACING = 7 days;
    uint256 private constant MAX_CONFIRMED_FREEZE = 30 days;
    uint256 private constant BPS = 1e4;
    /// @dev What the protocol's arithmetic carries: docs/liquidation.md, section 1.
    uint256 private constant MAX_PRICE_WAD = 1e30;

    /// @notice The Vault, which is told of freezes; 0 where nobody reads feeds in place.
    IReadsInPlace public immutable VAULT;
    /// @notice How long a market is missing before its last good price is cut, and how long until nothing of it is left.
    uint256 public immutable ABANDON_AFTER;
    uint256 public immutable DECAY_PERIOD;

    mapping(address asset => Source) private _sources;
    mapping(address asset => Record) private _records;
    mapping(address asset => Candidate) private _candidates;
    /// @inheritdoc IOracleRouter
    uint256 public anyFrozenUntil;

    constructor(address authority, IReadsInPlace vault, uint256 abandonAfter, uint256 decayPeriod)
        AccessManaged(authority)
    {
        // an outage of a weekend is no abandonment; after three months nobody waits for the market to come back
        _range("abandonAfter", abandonAfter, 3 days, 90 days);
        // faster, the cut itself would be the crash; slower, worthless collateral holds bad debt back for years
        _range("decayPeriod", decayPeriod, 7 days, 365 days);
        (VAULT, ABANDON_AFTER, DECAY_PERIOD) = (vault, abandonAfter, decayPeriod);
    }

    // -------------------------------------------------------------------------------------------------------- prices

    /// @inheritdoc IOracleRouter
    function readPrice(address asset) external view returns (Status, uint256, uint256, uint256, uint256) {
        _returnFresh(asset);
        Reading memory reading = _read(asset);
        return (reading.status, reading.collateralWad, reading.debtWad, reading.exchangeWad, reading.time);
    }

    /// @inheritdoc IOracleRouter
    function freshPrice(address asset) public view returns (uint256 priceWad, uint256 time) {
        Reading memory reading = _read(asset);
        if (reading.status != Status.Fresh) revert PriceNotFresh(asset);
        return (reading.exchangeWad, reading.time);
    }

    /// @inheritdoc IERC7726
    function getQuote(uint256 baseAmount, address base, address quote) external view returns (uint256 quoteAmount) {
        (uint256 basePrice, uint256 baseUnit) = _priceAndUnit(base, base, quote);
        (uint256 quotePrice, uint256 quoteUnit) = _priceAndUnit(quote, base, quote);
        return baseAmount.fullMulDiv(basePrice * quoteUnit, quotePrice * baseUnit);
    }

    function _priceAndUnit(address asset, address base, address quote) private view returns (uint256, uint256) {
        if (asset == USD) return (1e18, 1e18);
        if (_sources[asset].adapter == address(0)) revert OracleUnsupportedPair(base, quote);
        Reading memory reading = _read(asset);
        if (reading.status != Status.Fresh) revert OracleUntrustedData(base, quote);
        return (reading.exchangeWad, 10 ** _sources[asset].decimals);
    }

    function _read(address asset) private view returns (Reading memory) {
        Source memory source = _sourceOf(asset);
        (bool isAnswered, Quote memory quote, uint256 primary) = _ask(source);
        if (!isAnswered) return _missing(asset);
        if (block.timestamp < source.frozenUntil) {
            uint256 held = _records[asset].priceWad;
            return Reading(Status.Degraded, held, held, held, _records[asset].recordedAt);
        }
        if (quote.status == PriceStatus.Degraded) {
            return Reading(Status.Degraded, quote.high, quote.low, primary, quote.time);
        }
        if (source.jumpBps != 0) return _withJump(asset, source, quote);
        return Reading(Status.Fresh, primary, primary, primary, quote.time);
    }

    /// @dev The usual case of `_read`, to the word, without the memory that the others need: ends the call with the adapter's fresh
    /// answer where there is neither freeze nor jump bound, and leaves everything else to it.
    function _returnFresh(address asset) private view {
        bytes4 selector = IPriceAdapter.price.selector;
        assembly ("memory-safe") {
            mstore(0, asset)
            mstore(32, _sources.slot)
            // adapter 160, gasBound 24, frozenUntil 40, jumpBps 16, decimals 8
            let source := sload(keccak256(0, 64))
            if iszero(or(gt(and(shr(184, source), 0xffffffffff), timestamp()), and(shr(224, source), 0xffff))) {
                let free := mload(0x40)
                mstore(free, selector)
                // low, high, time, status
                let isDone := staticcall(and(shr(160, source), 0xffffff), source, free, 4, add(free, 32), 128)
                let low := mload(add(free, 32))
                let time := mload(add(free, 96))
                let isValid := and(lt(sub(low, 1), MAX_PRICE_WAD), iszero(gt(time, timestamp())))
                let isFresh := iszero(or(mload(add(free, 128)), xor(low, mload(add(free, 64)))))
                if and(and(isDone, gt(returndatasize(), 127)), and(isValid, isFresh)) {
                    mstore(free, 0)
                    mstore(add(free, 96), low)
                    mstore(add(free, 128), time)
                    return(free, 160)
                }
            }
        }
    }

    function _sourceOf(address asset) private view returns (Source memory source) {
        source = _sources[asset];
        if (source.adapter == address(0)) revert AssetUnknown(asset);
    }

    /// @dev What the adapter says now, with its primary where it is degraded.
    function _ask(Source memory source)
        private
        view
        returns (bool isAnswered, Quote memory quote, uint256 primary)
    {
        (isAnswered, quote) = BoundedCall.tryPrice(source.adapter, source.gasBound);
        if (isAnswered && quote.status == PriceStatus.Fresh) return (true, quote, quote.low);
        if (isAnswered) (isAnswered, primary) = BoundedCall.tryPrimary(source.adapter, source.gasBound);
        if (!isAnswered) BoundedCall.requireGenuine(source.gasBound);
        // an adapter's primary lies in its interval; whatever another one says, an exchange stays within it
        primary = primary.clamp(quote.low, quote.high);
    }

    function _withJump(address asset, Source memory source, Quote memory quote) private view returns (Reading memory) {
        Record memory last = _records[asset];
        (uint256 low, uint256 high) = (quote.low.min(last.priceWad), quote.low.max(last.priceWad));
        bool isJump = block.timestamp - last.recordedAt <= JUMP_WINDOW && _differsBy(low, high, source.jumpBps);
        if (!isJump) return Reading(Status.Fresh, quote.low, quote.low, quote.low, quote.time);
        return Reading(Status.Degraded, high, low, quote.low, quote.time);
    }

    function _missing(address asset) private view returns (Reading memory) {
        Record memory last = _records[asset];
        uint256 missingFor = last.missingSince == 0 ? 0 : block.timestamp - last.missingSince;
        uint256 model = ModelPrice.cut(last.priceWad, missingFor, ABANDON_AFTER, DECAY_PERIOD);
        return Reading(Status.Missing, model, last.priceWad, 0, last.recordedAt);
    }

    // --------------------------------------------------------------------------------------------------------- record

    /// @inheritdoc IOracleRouter
    function poke(address asset) external {
        Source memory source = _sourceOf(asset);
        Record memory last = _records[asset];
        (bool isAnswered, Quote memory quote,) = _ask(source);
        if (!isAnswered) {
            if (last.missingSince != 0) revert PriceNotFresh(asset);
            _records[asset].missingSince = uint40(block.timestamp);
            emit MissingNoted(asset, block.timestamp);
            return;
        }
        bool wasMissing = last.missingSince != 0;
        if (wasMissing) {
            _records[asset].missingSince = 0;
            emit MissingCleared(asset);
        }
        // what is degraded or frozen only shows that the market is not dead
        bool isGood = quote.status == PriceStatus.Fresh && block.timestamp >= source.frozenUntil;
        uint256 nextAt = last.recordedAt + POKE_SPACING;
        if (isGood && block.timestamp >= nextAt) return _record(asset, last.priceWad, quote.low);
        if (wasMissing) return;
        if (!isGood) revert PriceNotFresh(asset);
        revert PokedTooSoon(nextAt, block.timestamp);
    }

    function _record(address asset, uint256 lastGood, uint256 priceWad) private {
        if (_differsBy(lastGood.min(priceWad), lastGood.max(priceWad), MAX_POKE_STEP_BPS)) {
            Candidate memory noted = _candidates[asset];
            uint256 candidate = noted.priceWad;
            bool isSeenTwice = candidate != 0 && block.timestamp >= noted.notedAt + POKE_SPACING
                && !_differsBy(candidate.min(priceWad), candidate.max(priceWad), MAX_POKE_STEP_BPS);
            if (!isSeenTwice) {
                if (candidate != 0 && block.timestamp < noted.notedAt + POKE_SPACING) {
                    revert PokedTooSoon(noted.notedAt + POKE_SPACING, block.timestamp);
                }
                _candidates[asset] = Candidate(uint104(priceWad), uint40(block.timestamp));
                emit JumpNoted(asset, priceWad, lastGood);
                return;
            }
        }
        _store(asset, priceWad);
    }

    function _store(address asset, uint256 priceWad) private {
        Record storage last = _records[asset];
        (last.priceWad, last.recordedAt) = (uint104(priceWad), uint40(block.timestamp));
        delete _candidates[asset];
        emit GoodPriceRecorded(asset, priceWad, block.timestamp);
    }

    // -------------------------------------------------------------------------------------------------------- control

    /// @inheritdoc IOracleRouter
    function replace(address asset, address adapter) external restricted {
        Source memory old = _sourceOf(asset);
        Quote memory replaced = BoundedCall.readPrice(old.adapter, old.gasBound);
        uint256 priceWad = _plug(asset, adapter);
        // held against both ends of what the old one says
        _requireNear(priceWad, replaced.low, MAX_REPLACE_BPS);
        _requireNear(priceWad, replaced.high, MAX_REPLACE_BPS);
        emit AdapterSet(asset, adapter, priceWad, replaced.low);
    }

    /// @inheritdoc IOracleRouter
    function activate(address asset, address adapter, uint256 referenceWad) external restricted {
        uint256 priceWad = _plug(asset, adapter);
        _requireNear(priceWad, referenceWad, MAX_REFERENCE_BPS);
        emit AdapterSet(asset, adapter, priceWad, referenceWad);
    }

    /// @dev Read as the protocol will read it: fresh, through this very contract, with the gas it says it needs.
    function _plug(address asset, address adapter) private returns (uint256 priceWad) {
        uint256 gasBound = IPriceAdapter(adapter).gasBound();
        _range("gasBound", gasBound, 1, MAX_GAS_BOUND);
        uint8 decimals = IERC20Metadata(asset).decimals();
        // 10^decimals times a price stays within 256 bits
        _range("decimals", decimals, 0, 36);
        Source storage source = _sources[asset];
        (source.adapter, source.gasBound, source.frozenUntil, source.decimals) = (adapter, uint24(gasBound), 0, decimals);
        (bool isAnswered, Quote memory quote) = BoundedCall.tryPrice(adapter, gasBound);
        if (!isAnswered || quote.status != PriceStatus.Fresh) revert AdapterNotFresh(adapter);
        priceWad = quote.low;
        _records[asset].missingSince = 0;
        _store(asset, priceWad);
    }

    /// @inheritdoc IOracleRouter
    function setJumpBound(address asset, uint256 jumpBps) external restricted {
        if (_sources[asset].adapter == address(0)) revert AssetUnknown(asset);
        if (jumpBps != 0) _range("jumpBps", jumpBps, MIN_JUMP_BPS, MAX_JUMP_BPS);
        _sources[asset].jumpBps = uint16(jumpBps);
        emit JumpBoundSet(asset, jumpBps);
    }

    /// @inheritdoc IOracleRouter
    function freeze(address asset) external restricted {
        if (_sources[asset].adapter == address(0)) revert AssetUnknown(asset);
        Record storage last = _records[asset];
        if (last.frozenAt != 0 && block.timestamp < last.frozenAt + FREEZE_SPACING) {
            revert FrozenTooSoon(last.frozenAt + FREEZE_SPACING, block.timestamp);
        }
        last.frozenAt = uint40(block.timestamp);
        uint256 until = block.timestamp + FREEZE_PERIOD;
        _setFrozenUntil(asset, until);
        emit Frozen(asset, last.priceWad, until);
    }

    /// @inheritdoc IOracleRouter
    function confirmFreeze(address asset, uint256 until) external restricted {
        if (block.timestamp >= _sources[asset].frozenUntil) revert NotFrozen(asset);
        _range("until", until, block.timestamp, block.timestamp + MAX_CONFIRMED_FREEZE);
        _setFrozenUntil(asset, until);
        emit FreezeConfirmed(asset, until);
    }

    /// @inheritdoc IOracleRouter
    function unfreeze(address asset) external restricted {
        if (block.timestamp >= _sources[asset].frozenUntil) revert NotFrozen(asset);
        _sources[asset].frozenUntil = 0;
        emit Unfrozen(asset);
    }

    function _setFrozenUntil(address asset, uint256 until) private {
        _sources[asset].frozenUntil = uint40(until);
        if (until <= anyFrozenUntil) return;
        anyFrozenUntil = until;
        if (address(VAULT) != address(0)) VAULT.askRouterUntil(uint40(until));
    }

    // ---------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IOracleRouter
    function adapterOf(address asset) external view returns (address) {
        return _sources[asset].adapter;
    }

    /// @inheritdoc IOracleRouter
    function lastGoodOf(address asset) external view returns (uint256, uint256, uint256) {
        Record memory last = _records[asset];
        return (last.priceWad, last.recordedAt, last.missingSince);
    }

    /// @inheritdoc IOracleRouter
    function sourceOf(address asset) external view returns (address, uint256, uint256, uint256) {
        Source memory source = _sources[asset];
        return (source.adapter, source.gasBound, source.frozenUntil, source.jumpBps);
    }

    // --------------------------------------------------------------------------------------------------------- bounds

    function _requireNear(uint256 priceWad, uint256 referenceWad, uint256 mostBps) private pure {
        if (referenceWad == 0 || _differsBy(priceWad.min(referenceWad), priceWad.max(referenceWad), mostBps)) {
            revert AdapterDiffers(priceWad, referenceWad, mostBps);
        }
    }

    /// @dev Nothing here is above 1e30, but for a stated reference.
    function _differsBy(uint256 low, uint256 high, uint256 bps) private pure returns (bool) {
        return low == 0 || high / low > BPS || high * BPS > low * (BPS + bps);
    }

    function _range(bytes32 parameter, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ParameterOutOfRange(parameter, value, least, most);
    }
}
