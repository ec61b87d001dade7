//! The clocks that schedules set.

use std::time::Duration;

use pim_authz::failpoints::Skew;

#[test]
fn clock_runs_at_its_rate_from_where_it_was_put() {
    let clock = Skew::settable();
    assert_eq!(clock.shown(5_000), 5_000);
    clock.set(5_000, Duration::from_nanos(300), 1_010);
    assert_eq!(clock.shown(5_000), 5_300);
    assert_eq!(clock.shown(105_000), 106_300);
    clock.set(105_000, Duration::ZERO, 0);
    assert_eq!(clock.shown(107_000), 106_300);
    assert_ne!(clock, Skew::settable());
    assert_eq!(Skew::default().shown(5_000), 5_000);
}
