// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IUniswapV3Pool} from "@uniswap/v3-core/contracts/interfaces/IUniswapV3Pool.sol";

interface IMintable {
    function mint(address to, uint256 amount) external;
}

/// @title Adds liquidity to Uniswap V3 pools and swaps in them, with tokens anyone may mint: local chains only
contract PoolActor {
    /// @notice What this contract won (positive) or paid in each token, over all its actions.
    mapping(address token => int256) public balance;

    function addLiquidity(IUniswapV3Pool pool, int24 lower, int24 upper, uint128 liquidity) external {
        pool.mint(address(this), lower, upper, liquidity, abi.encode(pool));
    }

    function removeLiquidity(IUniswapV3Pool pool, int24 lower, int24 upper, uint128 liquidity) external {
        pool.burn(lower, upper, liquidity);
    }

    /// @notice Swaps until the pool's price is `sqrtPriceX96`.
    function swapTo(IUniswapV3Pool pool, uint160 sqrtPriceX96) external {
        (uint160 now_,,,,,,) = pool.slot0();
        if (now_ == sqrtPriceX96) return;
        (int256 delta0, int256 delta1) =
            pool.swap(address(this), sqrtPriceX96 < now_, type(int128).max, sqrtPriceX96, abi.encode(pool));
        balance[pool.token0()] -= delta0;
        balance[pool.token1()] -= delta1;
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata data) external {
        _pay(data, int256(owed0), int256(owed1));
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata data) external {
        _pay(data, delta0, delta1);
    }

    function _pay(bytes calldata data, int256 owed0, int256 owed1) private {
        IUniswapV3Pool pool = abi.decode(data, (IUniswapV3Pool));
        if (owed0 > 0) IMintable(pool.token0()).mint(msg.sender, uint256(owed0));
        if (owed1 > 0) IMintable(pool.token1()).mint(msg.sender, uint256(owed1));
    }
}
