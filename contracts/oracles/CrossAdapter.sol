// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IPriceAdapter, PriceStatus} from "interfaces/IPriceAdapter.sol";
import {AdapterBase} from "./AdapterBase.sol";
import {BoundedCall, Quote} from "./BoundedCall.sol";

/// @title CrossAdapter: the price of A in USD through B: A in B, times B in USD
/// @notice Both are needed; in doubt where one of them is.
contract CrossAdapter is AdapterBase {
    using FixedPointMathLib for uint256;

    /// @notice Answers in WAD of B per whole A, for instance a feed of stETH / ETH.
    address public immutable BASE_ADAPTER;
    /// @notice Answers in WAD USD per whole B.
    address public immutable QUOTE_ADAPTER;
    uint256 private immutable _BASE_GAS;
    uint256 private immutable _QUOTE_GAS;
    /// @inheritdoc IPriceAdapter
    uint256 public immutable gasBound;

    constructor(IPriceAdapter baseAdapter, IPriceAdapter quoteAdapter) {
        (BASE_ADAPTER, QUOTE_ADAPTER) = (address(baseAdapter), address(quoteAdapter));
        (_BASE_GAS, _QUOTE_GAS) = (baseAdapter.gasBound(), quoteAdapter.gasBound());
        gasBound = OWN_GAS + _gasFor(_BASE_GAS) + _gasFor(_QUOTE_GAS);
    }

    /// @inheritdoc IPriceAdapter
    function price() external view returns (uint256 low, uint256 high, uint256 time, PriceStatus status) {
        Quote memory base = BoundedCall.readPrice(BASE_ADAPTER, _BASE_GAS);
        Quote memory quote = BoundedCall.readPrice(QUOTE_ADAPTER, _QUOTE_GAS);
        bool isSure = base.status == PriceStatus.Fresh && quote.status == PriceStatus.Fresh;
        low = _plausible(base.low.mulDiv(quote.low, WAD));
        high = isSure ? low : _plausible(base.high.mulDiv(quote.high, WAD));
        time = _min(base.time, quote.time);
        status = isSure ? PriceStatus.Fresh : PriceStatus.Degraded;
    }

    /// @inheritdoc IPriceAdapter
    function primaryPrice() external view returns (uint256 priceWad) {
        priceWad = BoundedCall.readPrimary(BASE_ADAPTER, _BASE_GAS);
        return _plausible(priceWad.mulDiv(BoundedCall.readPrimary(QUOTE_ADAPTER, _QUOTE_GAS), WAD));
    }
}
