// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IOracleRouter, Status} from "interfaces/IOracleRouter.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {ModelPrice} from "./ModelPrice.sol";

/// @dev What the adapter needs to know of the router it stands on.
interface IModelTerms {
    function ABANDON_AFTER() external view returns (uint256);
    function DECAY_PERIOD() external view returns (uint256);
    function MAX_GAS_BOUND() external view returns (uint256);
}

/// @title MarkToModelAdapter: an asset's price as collateral, also long after its market died
/// @notice What the router reads; once the market has been recorded as missing for `abandonAfter`, the last good price, cut by a haircut
/// that grows until nothing is left. It only ever lowers collateral: it is for valuing what nobody trades, never for debts.
/// @dev Stands on the router and is too dear in gas to be put into it: an asset cannot be priced by itself.
contract MarkToModelAdapter is AdapterBase {
    IOracleRouter public immutable ROUTER;
    address public immutable ASSET;
    uint256 public immutable ABANDON_AFTER;
    uint256 public immutable DECAY_PERIOD;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    constructor(IOracleRouter router, address asset) {
        (ROUTER, ASSET) = (router, asset);
        IModelTerms terms = IModelTerms(address(router));
        (ABANDON_AFTER, DECAY_PERIOD) = (terms.ABANDON_AFTER(), terms.DECAY_PERIOD());
        // the router's adapter may burn all it gets for its price, and its primary again
        gasBound = 4 * OWN_GAS + 4 * _gasFor(terms.MAX_GAS_BOUND());
        router.readPrice(asset);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        Status found;
        (found, high, low,, time) = ROUTER.readPrice(ASSET);
        if (found == Status.Missing) low = high = _model();
        status = found == Status.Fresh ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        Status found;
        (found,,, priceWad,) = ROUTER.readPrice(ASSET);
        if (found == Status.Missing) priceWad = _model();
    }

    function _model() private view returns (uint256 priceWad) {
        (uint256 lastGood,, uint256 missingSince) = ROUTER.lastGoodOf(ASSET);
        uint256 missingFor = missingSince == 0 ? 0 : block.timestamp - missingSince;
        if (missingFor <= ABANDON_AFTER) revert MarketNotAbandoned(missingFor, ABANDON_AFTER);
        priceWad = ModelPrice.cut(lastGood, missingFor, ABANDON_AFTER, DECAY_PERIOD);
        if (priceWad == 0) revert NothingLeft(missingFor, ABANDON_AFTER + DECAY_PERIOD);
    }
}
