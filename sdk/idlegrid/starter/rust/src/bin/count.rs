//! Counts the primes p with from <= p < to; writes the count to /out/count.

use my_app as task;

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let from: u64 = words[1].parse().expect("FROM is a number");
    let to: u64 = words[2].parse().expect("TO is a number");
    let mut count = 0;
    for n in from..to {
        count += is_prime(n) as u64;
        if n % 1000 == 0 {
            task::progress((n - from) as f64 / (to - from) as f64);
        }
    }
    std::fs::write(format!("{}/count", task::OUTPUT), format!("{}\n", count)).expect("written");
}
