// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title The part of Uniswap's Permit2 that the Vault uses, with its encoding. Tests only: put at Permit2's address
contract TestPermit2 {
    struct PermitDetails {
        address token;
        uint160 amount;
        uint48 expiration;
        uint48 nonce;
    }

    struct PermitSingle {
        PermitDetails details;
        address spender;
        uint256 sigDeadline;
    }

    struct Allowed {
        uint160 amount;
        uint48 expiration;
        uint48 nonce;
    }

    error InvalidSigner();
    error SignatureExpired(uint256 deadline);
    error AllowanceExpired(uint256 deadline);
    error InsufficientAllowance(uint256 amount);

    bytes32 private constant DETAILS_TYPEHASH =
        keccak256("PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)");
    bytes32 private constant SINGLE_TYPEHASH = keccak256(
        "PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
    );

    mapping(address owner => mapping(address token => mapping(address spender => Allowed))) public allowance;

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256("Permit2"),
                block.chainid,
                address(this)
            )
        );
    }

    function approve(address token, address spender, uint160 amount, uint48 expiration) external {
        Allowed storage allowed = allowance[msg.sender][token][spender];
        (allowed.amount, allowed.expiration) = (amount, expiration);
    }

    function permit(address owner, PermitSingle calldata single, bytes calldata signature) external {
        if (block.timestamp > single.sigDeadline) revert SignatureExpired(single.sigDeadline);
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", DOMAIN_SEPARATOR(), _hash(single)));
        (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
        if (ecrecover(digest, uint8(signature[64]), r, s) != owner) revert InvalidSigner();
        Allowed storage allowed = allowance[owner][single.details.token][single.spender];
        if (allowed.nonce != single.details.nonce) revert InvalidSigner();
        allowed.nonce = single.details.nonce + 1;
        (allowed.amount, allowed.expiration) = (single.details.amount, single.details.expiration);
    }

    function transferFrom(address from, address to, uint160 amount, address token) external {
        Allowed storage allowed = allowance[from][token][msg.sender];
        if (block.timestamp > allowed.expiration) revert AllowanceExpired(allowed.expiration);
        if (allowed.amount < amount) revert InsufficientAllowance(allowed.amount);
        if (allowed.amount != type(uint160).max) allowed.amount -= amount;
        IERC20(token).transferFrom(from, to, amount);
    }

    function _hash(PermitSingle calldata single) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                SINGLE_TYPEHASH,
                keccak256(abi.encode(DETAILS_TYPEHASH, single.details)),
                single.spender,
                single.sigDeadline
            )
        );
    }
}
