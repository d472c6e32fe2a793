// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccountId, AssetSet} from "./Types.sol";

/// @notice What a sale of seized collateral is for.
enum SaleKind {
    /// Buys exactly what is missing of the debt token that the path ends in; nothing where nothing is missing.
    BuyMissing,
    /// Sells all that is held of the path's first token; of a debt token, all beyond what is to be repaid.
    SellAll
}

/// @notice One sale on Uniswap V3.
struct Sale {
    SaleKind kind;
    /// Token sold (20 bytes), pool fee (3), token (20), ..., token bought: in this order for both kinds.
    bytes path;
    /// Part of that amount, in (0, 1e18]: several sales in a row share it out over pools. Bought rounded up, sold rounded down.
    uint256 partWad;
}

/// @notice Token units of any token.
struct TokenAmount {
    address token;
    uint256 amount;
}

/// @notice What to close out, how to pay for it, and what must be left over.
struct FlashCloseOut {
    AccountId account;
    AssetSet collaterals;
    AssetSet debts;
    /// Part of the largest close-out to fill, in (0, 1e18].
    uint256 fillWad;
    /// Last timestamp, in seconds, at which it may be executed.
    uint256 deadline;
    /// Carried out in this order.
    Sale[] sales;
    /// The least that the caller ends up with more of. Other tokens that are left over are his as well.
    TokenAmount[] leastProfits;
}

/// @title FlashLiquidator: closes out an account without capital
/// @notice Seizes, sells the collateral on Uniswap V3, repays, and sends what is left to the caller, all in one call. Anyone may call
/// it, for himself. It has no owner, keeps neither tokens nor claims nor approvals from one call to the next, and what is sent to it by
/// mistake goes to whoever next names the token.
///
/// The stated profit is the only slippage bound, and a complete one: whatever prices the sales get, and whatever the close-out
/// comes to by the time it is executed, the caller ends up with that much more or nothing has happened. A sandwich can take what
/// lies between the stated profit and the fair one: state it close.
interface IFlashLiquidator {
    /// @notice The caller would end up with less than he stated.
    error ProfitTooSmall(address token, uint256 profit, uint256 least);
    /// @notice After all sales there is less of a debt token than is to be repaid.
    error DebtNotCovered(address token, uint256 held, uint256 repaid);
    /// @notice A sale needs more of a token than is held.
    error SaleTooLarge(address token, uint256 held, uint256 needed);
    /// @notice The pool's liquidity ended first: `amount` of the token was asked of it, or given to it, and `filled` is what went through.
    error LiquidityExhausted(address pool, address token, uint256 amount, uint256 filled);
    error PoolMissing(address tokenIn, address tokenOut, uint24 fee);
    error PathMalformed(bytes path);
    error PartOutOfRange(uint256 partWad);
    /// @notice A collateral token refused to be sent, and refuses it still: leave it out of the set, or close out at the Vault and
    /// take it as a claim.
    error LegHeldBack(uint256 assetId, uint256 amount);
    /// @notice A grace period begins with this call: nothing can be seized yet. `Vault.marginCall` starts it.
    error GraceNotStarted(AccountId account);
    error UnexpectedCallback(address caller);
    error Reentrancy();

    /// @notice Closes out an account and sells what was seized. The seized tokens, the debt tokens and the tokens that sales end in, as
    /// far as they are left, are sent to the caller. A collateral that was credited as a claim because its token refused to be sent here is paid
    /// out to the caller, or the call reverts.
    /// @dev Called with `eth_call` and no least profit it says what the profit would be.
    /// @return profits how much more of each token in `leastProfits` the caller has, token units
    function closeOut(FlashCloseOut calldata order) external returns (uint256[] memory profits);
}
