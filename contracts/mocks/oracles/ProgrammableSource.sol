// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A source of prices that answers any call as it is told to: the misbehaviour kit of the oracle tests
/// @notice Plays a feed, a proxy, Pyth, a pool, a share vault or a whole adapter, by the selectors that are programmed.
contract ProgrammableSource {
    enum Mode {
        /// Answers with the programmed data.
        Answer,
        Revert,
        /// Burns all the gas it gets.
        Burn,
        /// Answers, or reverts, with as much as the gas of a feed pays for.
        ReturnBomb,
        RevertBomb,
        /// Succeeds without a word.
        Silence,
        /// Asks whoever asks for his price, then answers.
        Recurse,
        /// Answers, after 60 000 gas.
        Slow
    }

    struct Response {
        Mode mode;
        bytes data;
    }

    error Told();

    mapping(bytes4 => Response) private _responses;
    /// @notice Unless `Answer`, what every selector does.
    Mode public mood;

    function program(bytes4 selector, Mode mode, bytes calldata data) external {
        _responses[selector] = Response(mode, data);
    }

    function setMood(Mode mode) external {
        mood = mode;
    }

    fallback() external {
        Response memory response = _responses[msg.sig];
        Mode mode = mood == Mode.Answer ? response.mode : mood;
        if (mode == Mode.Revert) revert Told();
        if (mode == Mode.Silence) return;
        if (mode == Mode.Recurse) {
            // bytes4(keccak256("price()"))
            (bool isDone,) = msg.sender.staticcall(hex"a035b1fe");
            isDone;
        }
        if (mode == Mode.Slow) {
            uint256 end = gasleft() - 60_000;
            while (gasleft() > end) {}
        }
        bytes memory data = response.data;
        assembly {
            // a bomb has something to say, too: nothing but ones
            if or(eq(mode, 3), eq(mode, 4)) { for { let i := 0 } lt(i, 256) { i := add(i, 32) } { mstore(i, not(0)) } }
            switch mode
            case 2 { for {} 1 {} { mstore(0, keccak256(0, 32)) } }
            case 3 { return(0, 120000) }
            case 4 { revert(0, 120000) }
            default { return(add(data, 32), mload(data)) }
        }
    }
}
