use crate::domain::Revision;

use super::*;

/// A change that is never made.
struct NoRun;

impl AnyRun for NoRun {
    fn make<'a>(
        &'a self,
        _: Pass<'a>,
        _: TenantVersion,
        _: (Announcement, &'a [FactKey]),
    ) -> Making<'a> {
        Box::pin(async { Ok(Committed::Stale) })
    }
}

fn acme() -> Code {
    "acme".parse().unwrap()
}

fn member(number: u64) -> Member {
    Member {
        number,
        run: Arc::new(NoRun),
        context: Arc::new(WriteContext {
            tenant: acme(),
            actor: String::new(),
            caller: None,
            request_id: String::new(),
            idempotency_key: String::new(),
            request_hash: Vec::new(),
            dry_run: false,
            expected_revision: None,
        }),
        rehearsed: TenantVersion {
            id: None,
            revision: Revision(0),
        },
        keys: Vec::new(),
        ended: oneshot::channel().0,
    }
}

/// Queues of a tenant whose commit is under way, with so many members.
fn queues(members: u64) -> CommitQueues {
    let queues = CommitQueues::new(Duration::from_secs(5));
    let mut queue = Queue::new();
    queue.members.extend((0..members).map(member));
    queues.tenants().insert(acme(), queue);
    queues
}

fn numbers(members: &[Member]) -> Vec<u64> {
    members.iter().map(|member| member.number).collect()
}

#[test]
fn postponed_members_are_first_in_a_smaller_commit() {
    let queues = queues(5);
    let mut members = queues.next(&acme());
    assert_eq!(numbers(&members), [0, 1, 2, 3, 4]);
    queues
        .tenants()
        .get_mut(&acme())
        .unwrap()
        .members
        .push_back(member(5));
    queues.put_back(&acme(), members.split_off(2), 2);
    let mut members = queues.next(&acme());
    assert_eq!(numbers(&members), [2, 3]);
    queues.put_back(&acme(), members.split_off(2), 2);
    assert_eq!(numbers(&queues.next(&acme())), [4, 5]);
}

#[test]
fn commit_of_which_none_was_in_time_is_followed_by_one_of_one() {
    let queues = queues(3);
    let members = queues.next(&acme());
    queues.put_back(&acme(), members, 0);
    assert_eq!(numbers(&queues.next(&acme())), [0]);
}

#[test]
fn member_leaves_until_its_commit_has_begun() {
    let queues = queues(2);
    assert!(queues.leave(&acme(), 0));
    assert!(!queues.leave(&acme(), 0));
    let members = queues.next(&acme());
    assert_eq!(numbers(&members), [1]);
    assert!(!queues.leave(&acme(), 1));
    queues.put_back(&acme(), members, 0);
    assert!(queues.leave(&acme(), 1));
}

#[test]
fn tenant_is_committed_until_none_waits() {
    let queues = queues(1);
    assert!(queues.end(&acme()));
    queues.next(&acme());
    assert!(!queues.end(&acme()));
    assert!(queues.tenants().is_empty());
    assert_eq!(queues.patience(&acme()), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn stalled_commit_is_not_waited_for() {
    let queues = queues(0);
    assert_eq!(queues.patience(&acme()), LONGEST_WAIT_IN_TURN);
    tokio::time::advance(Duration::from_millis(400)).await;
    queues.proceed(&acme());
    tokio::time::advance(Duration::from_millis(400)).await;
    assert_eq!(queues.patience(&acme()), Duration::from_millis(100));
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(queues.patience(&acme()), Duration::ZERO);
    let slow = CommitQueues::new(Duration::from_mins(1));
    assert_eq!(slow.patience, LONGEST_STALL);
}
