// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Uniswap V3 paths and pools
/// @notice A path is a token (20 bytes), then for each hop the pool's fee (3) and the next token (20).
library UniswapPaths {
    uint256 internal constant TOKEN_BYTES = 20;
    uint256 private constant HOP_BYTES = 23;
    uint256 private constant PAIR_BYTES = TOKEN_BYTES + HOP_BYTES;
    /// @dev keccak256 of the creation code of UniswapV3Pool: the same on every chain to which Uniswap itself was deployed by CREATE2.
    bytes32 private constant POOL_CODE_HASH = 0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54;

    function isWellFormed(bytes calldata path) internal pure returns (bool) {
        return path.length >= PAIR_BYTES && (path.length - TOKEN_BYTES) % HOP_BYTES == 0;
    }

    function hasHops(bytes calldata path) internal pure returns (bool) {
        return path.length > TOKEN_BYTES;
    }

    function firstToken(bytes calldata path) internal pure returns (address) {
        return address(bytes20(path[:TOKEN_BYTES]));
    }

    function lastToken(bytes calldata path) internal pure returns (address) {
        return address(bytes20(path[path.length - TOKEN_BYTES:]));
    }

    /// @notice The path's first token, fee and second token.
    function firstHop(bytes calldata path) internal pure returns (bytes calldata hop) {
        return path[:PAIR_BYTES];
    }

    /// @notice The last two tokens and the fee between them.
    function lastHop(bytes calldata path) internal pure returns (bytes calldata hop) {
        return path[path.length - PAIR_BYTES:];
    }

    function withoutFirst(bytes calldata path) internal pure returns (bytes calldata) {
        return path[HOP_BYTES:];
    }

    function withoutLast(bytes calldata path) internal pure returns (bytes calldata) {
        return path[:path.length - HOP_BYTES];
    }

    function feeOf(bytes calldata hop) internal pure returns (uint24) {
        return uint24(bytes3(hop[TOKEN_BYTES:HOP_BYTES]));
    }

    /// @notice Where the factory puts the pool of a pair; there may be none yet.
    function poolOf(address factory, address tokenA, address tokenB, uint24 fee) internal pure returns (address) {
        (address token0, address token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        bytes32 salt = keccak256(abi.encode(token0, token1, fee));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", factory, salt, POOL_CODE_HASH)))));
    }
}
