// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUniswapV3SwapCallback} from "@uniswap/v3-core/contracts/interfaces/callback/IUniswapV3SwapCallback.sol";
import {IUniswapV3PoolActions} from "@uniswap/v3-core/contracts/interfaces/pool/IUniswapV3PoolActions.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICloseOutCallback} from "interfaces/ICloseOutCallback.sol";
import {FlashCloseOut, IFlashLiquidator, Sale, SaleKind, TokenAmount} from "interfaces/IFlashLiquidator.sol";
import {IVault} from "interfaces/IVault.sol";
import {AssetAmount, AssetSet, CloseOutRequest, CloseOutResult, RepaidLeg, SeizedLeg} from "interfaces/Types.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {UniswapPaths} from "./UniswapPaths.sol";

/// @title FlashLiquidator
/// @notice See interfaces/IFlashLiquidator.sol. Talks to the pools themselves: no router has an allowance of it.
/// @dev Why nobody can use it against its caller, or against whoever calls next:
/// 1. All it holds between two calls is nothing, and the only approval it gives is to the Vault, of what the Vault takes next.
/// 2. While it holds something, it runs for one caller: `closeOut` excludes itself, `onCloseOut` is the Vault's inside that call, and a
///    swap callback is taken once per swap, from the very pool that was called, at the address where only the factory can have put it.
/// 3. What it is told comes from the caller: paths and tokens, also hostile ones, can spoil nobody's call but his.
contract FlashLiquidator is IFlashLiquidator, ICloseOutCallback, IUniswapV3SwapCallback {
    using Configuration for Configuration.Asset;
    using SafeCastLib for uint256;
    using UniswapPaths for bytes;

    IVault public immutable VAULT;
    /// @notice The Uniswap V3 factory.
    address public immutable FACTORY;

    uint256 private constant WAD = 1e18;
    /// @dev The outermost prices that a pool accepts as limits: a sale is bounded by the caller's profit alone.
    uint160 private constant LEAST_SQRT_PRICE = 4_295_128_740;
    uint160 private constant MOST_SQRT_PRICE = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341;

    bool private transient _isRunning;
    /// @dev The pool whose callback is due.
    address private transient _pool;
    /// @dev Seized assets that did not arrive, as bits by asset id.
    uint256 private transient _missing;

    constructor(IVault vault, address factory) {
        (VAULT, FACTORY) = (vault, factory);
    }

    /// @inheritdoc IFlashLiquidator
    function closeOut(FlashCloseOut calldata order) external returns (uint256[] memory profits) {
        if (_isRunning) revert Reentrancy();
        _isRunning = true;
        uint256[] memory before = _balancesOfCaller(order.leastProfits);
        // the Vault's views are closed during the callback
        address table = VAULT.configuration();

        CloseOutResult memory result = VAULT.closeOut(_requestOf(order), abi.encode(table, order.sales));
        if (!result.isExecuted) revert GraceNotStarted(order.account);
        if (_missing != 0) _collectClaims(result.seized);
        _sendAll(table, result, order);

        profits = _balancesOfCaller(order.leastProfits);
        for (uint256 i; i < profits.length; ++i) {
            TokenAmount calldata least = order.leastProfits[i];
            profits[i] = profits[i] > before[i] ? profits[i] - before[i] : 0;
            if (profits[i] < least.amount) revert ProfitTooSmall(least.token, profits[i], least.amount);
        }
        _isRunning = false;
    }

    function _requestOf(FlashCloseOut calldata order) private view returns (CloseOutRequest memory) {
        AssetSet none = AssetSet.wrap(0);
        return CloseOutRequest({
            account: order.account,
            collaterals: order.collaterals,
            debts: order.debts,
            fillWad: order.fillWad,
            deadline: order.deadline,
            receiver: address(this),
            asClaims: none,
            fromShares: none,
            fromClaims: none,
            leastSeized: new AssetAmount[](0),
            mostRepaid: new AssetAmount[](0)
        });
    }

    /// @inheritdoc ICloseOutCallback
    function onCloseOut(CloseOutResult calldata result, bytes calldata data) external {
        if (msg.sender != address(VAULT) || !_isRunning) revert UnexpectedCallback(msg.sender);
        (address table, Sale[] calldata sales) = _decode(data);
        for (uint256 i; i < result.seized.length; ++i) {
            SeizedLeg calldata leg = result.seized[i];
            uint256 held = SafeTransferLib.balanceOf(_tokenOf(table, leg.assetId), address(this));
            if (held < leg.seized - leg.toProtocol - leg.toInsurance) _missing |= 1 << leg.assetId;
        }
        address[] memory debts = new address[](result.repaid.length);
        for (uint256 i; i < debts.length; ++i) {
            debts[i] = _tokenOf(table, result.repaid[i].assetId);
        }
        for (uint256 i; i < sales.length; ++i) {
            _carryOut(sales[i], debts, result.repaid);
        }
        for (uint256 i; i < debts.length; ++i) {
            uint256 owed = result.repaid[i].repaid;
            uint256 held = SafeTransferLib.balanceOf(debts[i], address(this));
            if (held < owed) revert DebtNotCovered(debts[i], held, owed);
            if (owed != 0) SafeTransferLib.safeApproveWithRetry(debts[i], address(VAULT), owed);
        }
    }

    /// @dev `data` is what `closeOut` encoded: `(address, Sale[])`.
    function _decode(bytes calldata data) private pure returns (address table, Sale[] calldata sales) {
        assembly ("memory-safe") {
            table := calldataload(data.offset)
            let at := add(data.offset, calldataload(add(data.offset, 32)))
            sales.length := calldataload(at)
            sales.offset := add(at, 32)
        }
    }

    // -------------------------------------------------------------------------------------------------------- sales

    function _carryOut(Sale calldata sale, address[] memory debts, RepaidLeg[] calldata repaid) private {
        bytes calldata path = sale.path;
        if (!path.isWellFormed()) revert PathMalformed(path);
        uint256 part = sale.partWad;
        if (part == 0 || part > WAD) revert PartOutOfRange(part);
        if (sale.kind == SaleKind.BuyMissing) {
            address token = path.lastToken();
            uint256 held = SafeTransferLib.balanceOf(token, address(this));
            uint256 owed = _owed(token, debts, repaid);
            if (held < owed) _buy(path, FixedPointMathLib.fullMulDivUp(owed - held, part, WAD), address(this));
        } else {
            address token = path.firstToken();
            uint256 held = SafeTransferLib.balanceOf(token, address(this));
            uint256 owed = _owed(token, debts, repaid);
            if (held > owed) _sell(path, FixedPointMathLib.fullMulDiv(held - owed, part, WAD));
        }
    }

    function _owed(address token, address[] memory debts, RepaidLeg[] calldata repaid) private pure returns (uint256) {
        for (uint256 i; i < debts.length; ++i) {
            if (debts[i] == token) return repaid[i].repaid;
        }
        return 0;
    }

    /// @dev Sells exactly `amount` of the path's first token, hop by hop.
    function _sell(bytes calldata path, uint256 amount) private {
        while (path.hasHops()) {
            bytes calldata hop = path.firstHop();
            // paid from here in the callback: a path of one token
            (address pool, uint256 sold, uint256 bought) =
                _swap(hop, amount.toInt256(), address(this), path[:UniswapPaths.TOKEN_BYTES]);
            if (sold != amount) revert LiquidityExhausted(pool, hop.firstToken(), amount, sold);
            amount = bought;
            path = path.withoutFirst();
        }
    }

    /// @dev Buys exactly `amount` of the path's last token, from the last hop backwards: what a pool is owed for it is bought in its
    /// callback, over the path that is left.
    function _buy(bytes calldata path, uint256 amount, address receiver) private {
        bytes calldata hop = path.lastHop();
        (address pool,, uint256 bought) = _swap(hop, -amount.toInt256(), receiver, path.withoutLast());
        if (bought != amount) revert LiquidityExhausted(pool, hop.lastToken(), amount, bought);
    }

    function _swap(bytes calldata hop, int256 amount, address receiver, bytes calldata payment)
        private
        returns (address pool, uint256 sold, uint256 bought)
    {
        (address tokenIn, address tokenOut) = (hop.firstToken(), hop.lastToken());
        pool = UniswapPaths.poolOf(FACTORY, tokenIn, tokenOut, hop.feeOf());
        if (pool.code.length == 0) revert PoolMissing(tokenIn, tokenOut, hop.feeOf());
        bool isZeroForOne = tokenIn < tokenOut;
        _pool = pool;
        (int256 amount0, int256 amount1) = IUniswapV3PoolActions(pool).swap(
            receiver, isZeroForOne, amount, isZeroForOne ? LEAST_SQRT_PRICE : MOST_SQRT_PRICE, payment
        );
        return isZeroForOne ? (pool, uint256(amount0), uint256(-amount1)) : (pool, uint256(amount1), uint256(-amount0));
    }

    /// @inheritdoc IUniswapV3SwapCallback
    /// @param payment a path that ends in the token owed: of one token, pay it from here; of more, buy it
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata payment) external {
        if (msg.sender != _pool) revert UnexpectedCallback(msg.sender);
        _pool = address(0);
        uint256 due = uint256(amount0Delta > 0 ? amount0Delta : amount1Delta);
        if (payment.hasHops()) return _buy(payment, due, msg.sender);
        address token = payment.firstToken();
        uint256 held = SafeTransferLib.balanceOf(token, address(this));
        if (held < due) revert SaleTooLarge(token, held, due);
        SafeTransferLib.safeTransfer(token, msg.sender, due);
    }

    // ----------------------------------------------------------------------------------------------------- the rest

    /// @dev A leg whose token did not move to here became a claim: it is paid out to the caller, for whom it may.
    function _collectClaims(SeizedLeg[] memory seized) private {
        for (uint256 i; i < seized.length; ++i) {
            uint256 assetId = seized[i].assetId;
            if ((_missing >> assetId) & 1 == 0) continue;
            uint256 amount = VAULT.claimOf(address(this), assetId);
            if (amount == 0) continue;
            try VAULT.claim(assetId, amount, msg.sender) {}
            catch {
                revert LegHeldBack(assetId, amount);
            }
        }
        _missing = 0;
    }

    function _sendAll(address table, CloseOutResult memory result, FlashCloseOut calldata order) private {
        for (uint256 i; i < result.seized.length; ++i) {
            _send(_tokenOf(table, result.seized[i].assetId));
        }
        for (uint256 i; i < result.repaid.length; ++i) {
            _send(_tokenOf(table, result.repaid[i].assetId));
        }
        for (uint256 i; i < order.sales.length; ++i) {
            if (order.sales[i].kind == SaleKind.SellAll) _send(order.sales[i].path.lastToken());
        }
        for (uint256 i; i < order.leastProfits.length; ++i) {
            _send(order.leastProfits[i].token);
        }
    }

    function _send(address token) private {
        uint256 held = SafeTransferLib.balanceOf(token, address(this));
        if (held != 0) SafeTransferLib.safeTransfer(token, msg.sender, held);
    }

    function _balancesOfCaller(TokenAmount[] calldata tokens) private view returns (uint256[] memory balances) {
        balances = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            balances[i] = SafeTransferLib.balanceOf(tokens[i].token, msg.sender);
        }
    }

    function _tokenOf(address table, uint256 assetId) private view returns (address) {
        return Configuration.asset(table, assetId).token();
    }
}
