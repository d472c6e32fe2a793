// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Status} from "interfaces/IOracleRouter.sol";
import {IReadsInPlace, OracleRouter} from "contracts/oracles/OracleRouter.sol";

/// @dev An authority that admits everybody.
contract Admitting {
    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }
}

/// @dev An adapter, and its asset, that answers what it was told to.
contract Told {
    uint256[4] private _answer = [uint256(2000e18), 2000e18, 1, 0];
    uint256 private _primary;

    function tell(uint256[4] calldata answer, uint256 primary) external {
        (_answer, _primary) = (answer, primary);
    }

    function price() external view returns (uint256, uint256, uint256, uint256) {
        return (_answer[0], _answer[1], _answer[2], _answer[3]);
    }

    function primaryPrice() external view returns (uint256) {
        return _primary;
    }

    function gasBound() external pure returns (uint256) {
        return 100_000;
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }
}

/// @title Whatever an adapter answers, what the router says of it is in order and in range
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
contract PriceProofs {
    uint256 private constant MOST = 1e30;

    OracleRouter private _router;
    Told private _asset;

    function setUp() external {
        _asset = new Told();
        _router = new OracleRouter(address(new Admitting()), IReadsInPlace(address(0)), 14 days, 90 days);
        _router.activate(address(_asset), address(_asset), 2000e18);
    }

    function check_price_of_any_answer_is_in_order(uint256[4] calldata answer, uint256 primary) external {
        _asset.tell(answer, primary);
        (Status status, uint256 collateral, uint256 debt, uint256 exchange, uint256 time) = _router.readPrice(address(_asset));
        assert(time <= block.timestamp && collateral <= MOST && debt <= MOST && debt != 0);
        if (status == Status.Fresh) assert(collateral == debt && exchange == debt);
        // a liquidation takes debt for no less, and collateral for no more, than what they are exchanged at
        if (status == Status.Degraded) assert(debt <= exchange && exchange <= collateral);
        if (status == Status.Missing) assert(exchange == 0 && collateral <= debt);
    }

    /// @dev The usual case is read by assembly of its own: the same price, the same refusals.
    function check_usual_case_is_read_as_any_other(uint256[4] calldata answer, uint256 primary) external {
        _asset.tell(answer, primary);
        (Status status, uint256 collateral,,, uint256 time) = _router.readPrice(address(_asset));
        try _router.freshPrice(address(_asset)) returns (uint256 price, uint256 at) {
            assert(status == Status.Fresh && price == collateral && at == time);
        } catch {
            assert(status != Status.Fresh);
        }
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_price_is_what_the_adapter_says(uint256[4] calldata answer, uint256 primary) external {
        _asset.tell(answer, primary);
        (,, uint256 debt,,) = _router.readPrice(address(_asset));
        assert(debt == answer[0]);
    }

    function broken_price_is_always_fresh(uint256[4] calldata answer, uint256 primary) external {
        _asset.tell(answer, primary);
        (Status status,,,,) = _router.readPrice(address(_asset));
        assert(status == Status.Fresh);
    }
}
