//! What is computed of measurements, and how it is shown.

use std::time::Duration;

/// The middle one; of an even number of values the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => panic!("no value has no median"),
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that this share of all values does not exceed.
pub fn percentile(values: &[Duration], share: f64) -> Duration {
    assert!(!values.is_empty(), "no value has no percentile");
    let mut sorted = values.to_vec();
    sorted.sort();
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

pub fn milliseconds(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1_000.0;
    if value < 10.0 {
        format!("{value:.2} ms")
    } else {
        format!("{value:.0} ms")
    }
}

pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// With commas, as people write it.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// Of mails a second: the last digits would say nothing.
pub fn rate(a_second: f64) -> String {
    grouped((a_second / 10.0).round() as u64 * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds_each(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, 5.0, 6.0]), 5.5);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let hundred = milliseconds_each(&hundred);
        assert_eq!(percentile(&hundred, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&hundred, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&hundred, 1.0), Duration::from_millis(100));
        assert_eq!(
            percentile(&milliseconds_each(&[3, 7]), 0.99),
            Duration::from_millis(7)
        );
        assert_eq!(
            percentile(&milliseconds_each(&[3]), 0.0),
            Duration::from_millis(3)
        );
    }

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(rate(28_347.6), "28,350");
    }
}
