//! What requests cost in money. These prices are the only ones: what README and the report say is made from them.

use shared::dynamodb::Cost;

/// What the prices are.
pub const PRICES: &str = "Public on-demand prices of us-east-1 as known at the end of 2025, in dollars: DynamoDB 0.125 a million read units and \
0.625 a million write units, HTTP API 1.00 and Lambda 0.20 a million requests, Lambda on arm64 0.0000133334 a GB-second, at 256 MB and 10 ms a request.";

const READ_UNIT: f64 = 0.125;
const WRITE_UNIT: f64 = 0.625;
const REQUEST: f64 = 1.00 + 0.20;
const GIGABYTE_SECOND: f64 = 13.3334;
/// Mostly waits for DynamoDB: what few requests exceed.
const GIGABYTE_SECONDS: f64 = 0.25 * 0.010;

/// Dollars for a million such requests.
pub fn of_a_million(cost: &Cost) -> f64 {
    cost.read_units * READ_UNIT + cost.write_units * WRITE_UNIT + REQUEST + GIGABYTE_SECOND * GIGABYTE_SECONDS
}
