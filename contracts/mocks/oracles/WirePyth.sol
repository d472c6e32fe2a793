// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";
import {PythErrors} from "@pythnetwork/pyth-sdk-solidity/PythErrors.sol";
import {PythStructs} from "@pythnetwork/pyth-sdk-solidity/PythStructs.sol";

/// @title Pyth's mock behind the format that comes off the wire: local chains only
/// @notice Takes what Pyth's contracts on chains take: an accumulator update, its Wormhole message signed by guardians (here one), each
/// price proved against the message's Merkle root; and hands the prices to Pyth's own mock. The fee is per price, as there.
contract WirePyth {
    uint256 private constant HEADER = 7;

    MockPyth public immutable MOCK;
    address public immutable WORMHOLE_GUARDIAN;
    uint256 private immutable _FEE;

    constructor(MockPyth mock, address guardian, uint256 fee) {
        (MOCK, WORMHOLE_GUARDIAN, _FEE) = (mock, guardian, fee);
    }

    function getPriceUnsafe(bytes32 id) external view returns (PythStructs.Price memory) {
        return MOCK.getPriceUnsafe(id);
    }

    function getUpdateFee(bytes[] calldata updates) public view returns (uint256 fee) {
        for (uint256 i; i < updates.length; ++i) {
            (bytes calldata rest,) = _open(updates[i]);
            fee += _FEE * uint8(rest[0]);
        }
    }

    function updatePriceFeeds(bytes[] calldata updates) external payable {
        if (msg.value < getUpdateFee(updates)) revert PythErrors.InsufficientFee();
        for (uint256 i; i < updates.length; ++i) {
            (bytes calldata rest, bytes20 root) = _open(updates[i]);
            uint256 count = uint8(rest[0]);
            rest = rest[1:];
            for (uint256 j; j < count; ++j) {
                rest = _take(rest, root);
            }
            if (rest.length != 0) revert PythErrors.InvalidUpdateData();
        }
    }

    /// @dev Checks header and message; what follows the message, and the root it vouches for.
    function _open(bytes calldata update) private view returns (bytes calldata rest, bytes20 root) {
        // "PNAU", version 1.0; then a header that may grow, and the type of proof: Wormhole and Merkle
        if (bytes4(update) != "PNAU" || update[4] != 0x01) revert PythErrors.InvalidUpdateData();
        rest = update[HEADER + uint8(update[6]):];
        if (rest[0] != 0x00) revert PythErrors.InvalidUpdateData();
        uint256 size = uint16(bytes2(rest[1:]));
        root = _rootOf(rest[3:3 + size]);
        rest = rest[3 + size:];
    }

    function _rootOf(bytes calldata message) private view returns (bytes20 root) {
        // version 1, guardian set 4 bytes, signatures 66 bytes each
        if (message[0] != 0x01 || message[5] != 0x01) revert PythErrors.InvalidWormholeVaa();
        bytes calldata signature = message[6:72];
        bytes calldata body = message[72:];
        bytes32 digest = keccak256(bytes.concat(keccak256(body)));
        address signer = ecrecover(
            digest, uint8(signature[65]) + 27, bytes32(signature[1:33]), bytes32(signature[33:65])
        );
        if (signer != WORMHOLE_GUARDIAN) revert PythErrors.InvalidWormholeVaa();
        // timestamp 4, nonce 4, emitter 2 + 32, sequence 8, consistency 1; then "AUWV", type 1, slot 8, ring size 4, root
        bytes calldata payload = body[51:];
        if (bytes4(payload) != "AUWV" || payload[4] != 0x00) revert PythErrors.InvalidUpdateData();
        return bytes20(payload[17:37]);
    }

    /// @dev Takes one price with its proof off `rest`.
    function _take(bytes calldata rest, bytes20 root) private returns (bytes calldata) {
        uint256 size = uint16(bytes2(rest));
        bytes calldata message = rest[2:2 + size];
        rest = rest[2 + size:];
        bytes20 node = bytes20(keccak256(bytes.concat(hex"00", message)));
        uint256 siblings = uint8(rest[0]);
        for (uint256 i; i < siblings; ++i) {
            bytes20 sibling = bytes20(rest[1 + 20 * i:]);
            (bytes20 left, bytes20 right) = node < sibling ? (node, sibling) : (sibling, node);
            node = bytes20(keccak256(bytes.concat(hex"01", left, right)));
        }
        if (node != root || message[0] != 0x00) revert PythErrors.InvalidUpdateData();
        _store(message[1:]);
        return rest[1 + 20 * siblings:];
    }

    /// @dev id 32, price 8, confidence 8, exponent 4, publish time 8, previous one 8, mean price 8 and its confidence 8. The mock
    /// ignores what is not newer than what it has, as Pyth does.
    function _store(bytes calldata message) private {
        bytes[] memory updates = new bytes[](1);
        updates[0] = MOCK.createPriceFeedUpdateData(
            bytes32(message),
            int64(uint64(bytes8(message[32:]))),
            uint64(bytes8(message[40:])),
            int32(uint32(bytes4(message[48:]))),
            int64(uint64(bytes8(message[68:]))),
            uint64(bytes8(message[76:])),
            uint64(bytes8(message[52:])),
            uint64(bytes8(message[60:]))
        );
        MOCK.updatePriceFeeds{value: MOCK.getUpdateFee(updates)}(updates);
    }
}
