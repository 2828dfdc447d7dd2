//! Adds up the counts of all units. /in/units.jsonl has one line per unit, in order; the outputs of
//! unit N lie in /in/units/N (six digits). A unit that failed has none.

use my_app as task;

fn main() {
    let units = std::fs::read_to_string(format!("{}/units.jsonl", task::INPUT)).expect("units");
    let (mut total, mut missing) = (0u64, 0u64);
    let count = units.lines().count();
    for index in 0..count {
        match std::fs::read_to_string(format!("{}/units/{:06}/count", task::INPUT, index)) {
            Ok(text) => total += text.trim().parse::<u64>().expect("a number"),
            Err(_) => missing += 1,
        }
    }
    let answer = format!(
        "{{\"primes\": {}, \"units\": {}, \"missing\": {}}}\n",
        total, count, missing
    );
    std::fs::write(format!("{}/answer.json", task::OUTPUT), answer).expect("written");
}
