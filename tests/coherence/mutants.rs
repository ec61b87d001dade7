//! Mutation tests of the checker: with any one rule of the protocol switched off,
//! it finds a violation. They print the number of attempts that this took.

use std::time::Duration;

use pim_authz::failpoints::Rule;
use strum::IntoEnumIterator as _;

use crate::{
    cluster::{Cluster, LEASE, Postgres},
    fault::Fault,
    scenario::{self, SERVERS, Verdict, inject, under_load},
    workload::PACE,
};

/// Rules whose absence these scenarios do not detect reliably: a violation takes
/// two faults of one server at certain moments. They are tried all the same, but
/// need not be detected.
const RARELY_MISSED: [Rule; 6] = [
    Rule::RenewalHitsRow,
    Rule::LogAppliedBeforeLease,
    Rule::LeaseFromSend,
    Rule::FinalFloorCheck,
    Rule::WaitFullLease,
    Rule::UntilBeforeFloors,
];

/// Maximum number of attempts per rule, except [`RARELY_MISSED`].
const TRIES: u32 = 16;

/// Duration of the pauses between steps of the protocol, in milliseconds. They
/// provoke races that are otherwise rare.
const STRETCH_MS: &str = "8";

/// Returns the faults under which the absence of a rule is detected; `None`: a schedule
/// of `tests/rules_off` alone does.
fn faults(rule: Rule) -> Option<&'static [Fault]> {
    Some(match rule {
        Rule::JoinRaisesFloors | Rule::IntentIsCondition => &[Fault::LongStandstill],
        Rule::RenewalHitsRow => &[Fault::Relapse],
        Rule::LogAppliedBeforeLease | Rule::LeaseFromSend | Rule::UntilBeforeFloors => {
            &[Fault::FadingNetwork]
        }
        Rule::LeaseChecked | Rule::WaitFullLease | Rule::WaitForAcks => &[Fault::HeldNetwork],
        Rule::FullWaitUnlessArmed => &[Fault::RefusedNetwork, Fault::Restart],
        Rule::ApplyBeforeAck
        | Rule::FinalFloorCheck
        | Rule::Floors
        | Rule::ProductsMarked
        | Rule::MarkedReadLast
        | Rule::PendingNotCached
        | Rule::AsOfInDataSnapshot
        | Rule::ShareYoungLoadsOnly
        | Rule::GroupAnnouncesAll => &[],
        Rule::JoinRowFirst
        | Rule::JoinGivesNoLease
        | Rule::LogReadAfterRow
        | Rule::LogFloorDropsAll
        | Rule::LogFloorWithRows
        | Rule::LeaseCheckedLast
        | Rule::LeaveStopsFirst
        | Rule::EpochTag
        | Rule::EpochIsCondition
        | Rule::UncachedLast
        | Rule::UncachedTogether
        | Rule::ValidateAfterLast
        | Rule::CommitAfterWait
        | Rule::RegistryAfterIntent
        | Rule::ClockAfterRegistry
        | Rule::DeleteUnmovedLease
        | Rule::ArmOwnEpoch
        | Rule::AnnouncedKeysOnly
        | Rule::IdempotencyInCommit
        | Rule::GiveUpDeletesIntent
        | Rule::MembersBeforeCommit
        | Rule::OwnMemberRow => return None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rule_is_missed() {
    let only = std::env::var("PIM_AUTHZ_COHERENCE_RULE");
    let mut postgres = Postgres::start().await;
    let mut survivors = Vec::new();
    for rule in Rule::iter() {
        let name = rule.to_string();
        let Some(faults) = faults(rule) else {
            continue;
        };
        if only.as_ref().is_ok_and(|only| *only != name) {
            continue;
        }
        let without = [
            ("PIM_AUTHZ_FAILPOINT_WITHOUT", name.as_str()),
            ("PIM_AUTHZ_FAILPOINT_STRETCH_MS", STRETCH_MS),
        ];
        let mut killed = None;
        let is_rare = RARELY_MISSED.contains(&rule);
        for number in 1..=if is_rare { 4 } else { TRIES } {
            let outcome = scenario::run(&mut postgres, faults, &without).await;
            if let Verdict::Unexplained(why) = outcome.verdict {
                killed = Some((number, why));
                break;
            }
        }
        let Some((tries, why)) = killed else {
            println!("without {name}: not found");
            if !is_rare {
                survivors.push(rule);
            }
            continue;
        };
        let first = why.lines().take(5).collect::<Vec<_>>().join("\n");
        println!("without {name}: found in try {tries} ({faults:?})\n{first}");
    }
    assert_eq!(survivors, Vec::<Rule>::new());
}

/// With all rules on, slow steps and clocks that run too fast on one server and too slow on
/// another cause no violation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_rules_nothing_is_found() {
    let mut postgres = Postgres::start().await;
    for rates in [
        [990, 1_000, 1_010],
        [1_010, 990, 1_000],
        [1_000, 1_010, 990],
    ] {
        for rule in [
            Rule::WaitForAcks,
            Rule::JoinRaisesFloors,
            Rule::LeaseFromSend,
            Rule::WaitFullLease,
            Rule::FullWaitUnlessArmed,
        ] {
            let slow = (
                "PIM_AUTHZ_FAILPOINT_STRETCH_MS".to_owned(),
                STRETCH_MS.to_owned(),
            );
            let faults = faults(rule).unwrap_or_default();
            let cluster = Cluster::start(&mut postgres, SERVERS, LEASE, vec![slow]).await;
            let outcome = under_load(cluster, PACE, async |cluster, _| {
                for (server, rate) in rates.into_iter().enumerate() {
                    cluster.set_clock_rate(server, rate);
                }
                inject(cluster, faults).await;
            });
            let outcome = outcome.await;
            assert_eq!(outcome.verdict, Verdict::Explained, "{rates:?} {rule}");
            assert!(
                outcome
                    .write_latency
                    .iter()
                    .all(|time| *time < Duration::from_secs(30))
            );
        }
    }
}
