/// True if the event with this number, from 0, is sampled at the ratio `share`.
#[expect(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "whole numbers below 2^52, for longer than any server runs"
)]
pub(super) fn is_in_sample(number: u64, share: f64) -> bool {
    let due = |number: u64| (number as f64 * share).floor();
    due(number + 1) != due(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_sampled_evenly() {
        let drawn = |share| {
            (0..1_000)
                .filter(|number| is_in_sample(*number, share))
                .count()
        };
        assert_eq!(drawn(0.0), 0);
        assert_eq!(drawn(0.01), 10);
        assert_eq!(drawn(0.25), 250);
        assert_eq!(drawn(1.0), 1_000);
    }
}
