use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Code;

use super::failure::Failure;

/// Number of compressed messages unpacked at once: each may become as large as
/// the largest message, and its size is known only afterwards.
const UNPACKED_AT_ONCE: usize = 2;

/// Divisor of the budget for one tenant, and likewise one caller: each may use
/// one half.
const SHARE_OF_ONE: usize = 2;

/// Limit on the total memory of the pending calls, in bytes.
///
/// A call is accounted for as its bytes arrive, by what they take once decoded,
/// and again once the decoded message shows what it takes to answer. Calls beyond
/// the budget are rejected at once; none waits for memory while it holds some.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    used: Mutex<Used>,
    unpacking: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    by_tenant: Shares,
    by_caller: Shares,
}

/// Bytes used by each tenant or caller; those that use none have no entry.
#[derive(Debug, Default)]
struct Shares(HashMap<Code, usize>);

/// The memory accounted to one call, released when its last clone is dropped.
/// Stored as an extension of the request.
#[derive(Clone, Debug)]
pub struct Weight {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    /// The caller; `None`: the call came without credentials.
    caller: Option<Code>,
    state: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    bytes: usize,
    tenant: Option<Code>,
    unpacking: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// Creates a budget of `bytes` bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                most: bytes,
                used: Mutex::default(),
                unpacking: Arc::new(Semaphore::new(UNPACKED_AT_ONCE)),
            }),
        }
    }

    /// Returns a weight of zero for a call of `caller`; `None`: it came without
    /// credentials.
    #[must_use]
    pub fn weigh(&self, caller: Option<&Code>) -> Weight {
        Weight {
            held: Arc::new(Held {
                shared: Arc::clone(&self.shared),
                caller: caller.cloned(),
                state: Mutex::default(),
            }),
        }
    }

    /// Returns the number of bytes accounted to pending calls.
    #[must_use]
    pub fn used(&self) -> usize {
        self.shared.used().all
    }
}

impl Shared {
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the bytes of a call; fails without a change if that exceeds a
    /// limit.
    fn replace(
        &self,
        taken: &mut Reserved,
        caller: Option<&Code>,
        bytes: usize,
        tenant: Option<&Code>,
    ) -> Result<(), Failure> {
        let mut used = self.used();
        let most_of_one = self.most / SHARE_OF_ONE;
        let of_tenant = tenant.map(|tenant| {
            let is_same = taken.tenant.as_ref() == Some(tenant);
            let own = if is_same { taken.bytes } else { 0 };
            used.by_tenant.with(tenant, own, bytes)
        });
        let of_caller = caller.map(|caller| used.by_caller.with(caller, taken.bytes, bytes));
        let all = used.all.saturating_sub(taken.bytes).saturating_add(bytes);
        let shares = [of_tenant, of_caller].into_iter().flatten();
        let is_too_much_of_one = shares.max().is_some_and(|share| share > most_of_one);
        let most = if is_too_much_of_one {
            most_of_one
        } else {
            self.most
        };
        // A call that shrinks is never rejected.
        if (is_too_much_of_one || all > self.most) && bytes > taken.bytes {
            return Err(Failure::TooHeavy { bytes, most });
        }
        used.release(taken, caller);
        used.all += bytes;
        used.by_tenant.add(tenant, bytes);
        used.by_caller.add(caller, bytes);
        taken.bytes = bytes;
        taken.tenant = tenant.cloned();
        Ok(())
    }
}

impl Used {
    fn release(&mut self, taken: &Reserved, caller: Option<&Code>) {
        self.all = self.all.saturating_sub(taken.bytes);
        self.by_tenant.take(taken.tenant.as_ref(), taken.bytes);
        self.by_caller.take(caller, taken.bytes);
    }
}

impl Shares {
    /// Returns the total of `of` if its share `own` became `bytes`.
    fn with(&self, of: &Code, own: usize, bytes: usize) -> usize {
        let held = self.0.get(of).copied().unwrap_or_default();
        held.saturating_sub(own).saturating_add(bytes)
    }

    fn add(&mut self, of: Option<&Code>, bytes: usize) {
        let Some(of) = of.filter(|_| bytes > 0) else {
            return;
        };
        match self.0.get_mut(of) {
            Some(held) => *held += bytes,
            None => {
                self.0.insert(of.clone(), bytes);
            }
        }
    }

    fn take(&mut self, of: Option<&Code>, bytes: usize) {
        let Some(of) = of else { return };
        if let Some(held) = self.0.get_mut(of) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.0.remove(of);
            }
        }
    }
}

impl Weight {
    /// Returns the weight that [`super::Admission`] stored in a request's
    /// extensions.
    pub(super) fn of(extensions: &tonic::Extensions) -> Option<&Self> {
        extensions.get::<Self>()
    }

    /// Returns the bytes of all calls together, at most.
    pub(super) fn most(&self) -> usize {
        self.held.shared.most
    }

    fn state(&self) -> MutexGuard<'_, Reserved> {
        self.held
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes that have arrived.
    ///
    /// # Errors
    ///
    /// [`Failure::TooHeavy`] if all calls would exceed the budget, or those of
    /// the caller its share.
    pub(super) fn add(&self, bytes: usize) -> Result<(), Failure> {
        let mut taken = self.state();
        let bytes = taken.bytes.saturating_add(bytes);
        self.replace(&mut taken, bytes, None)
    }

    /// Adds bytes that a message takes besides what has arrived of it.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` if all calls would exceed the budget, or those of the caller
    /// its share.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<(), tonic::Status> {
        Ok(self.add(bytes)?)
    }

    /// Waits for a permit to decompress a message. It is released when
    /// [`Self::set`] accounts for the decompressed message, so only a few are
    /// decompressed at once.
    pub(super) async fn unpack(&self) {
        let unpacking = Arc::clone(&self.held.shared.unpacking);
        // The semaphore is never closed.
        let turn = unpacking.acquire_owned().await.ok();
        self.state().unpacking = turn;
    }

    /// Sets the bytes of the call until it is answered, now that it is decoded;
    /// `tenant` if it belongs to one.
    ///
    /// # Errors
    ///
    /// [`Failure::TooHeavy`] if all calls would exceed the budget, or those of
    /// the tenant or the caller their share.
    pub(super) fn set(&self, bytes: usize, tenant: Option<&Code>) -> Result<(), Failure> {
        let mut taken = self.state();
        taken.unpacking = None;
        self.replace(&mut taken, bytes, tenant)
    }

    fn replace(
        &self,
        taken: &mut Reserved,
        bytes: usize,
        tenant: Option<&Code>,
    ) -> Result<(), Failure> {
        let Held { shared, caller, .. } = &*self.held;
        shared.replace(taken, caller.as_ref(), bytes, tenant)
    }
}

/// Bytes that an entry takes while it is parsed and executed, per byte of its
/// encoded message.
const CARRIED_OUT: usize = 8;

/// Accounts for the memory that parsing and executing the message takes.
///
/// # Errors
///
/// [`Failure::TooHeavy`].
pub(super) fn weigh<M: prost::Message>(request: &tonic::Request<M>) -> Result<(), Failure> {
    let Some(weight) = Weight::of(request.extensions()) else {
        return Ok(());
    };
    let bytes = request.get_ref().encoded_len().saturating_mul(CARRIED_OUT);
    weight.set(bytes, None)
}

impl Drop for Held {
    fn drop(&mut self) {
        let taken = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.shared.used().release(taken, self.caller.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn code(code: &str) -> Code {
        code.parse().unwrap()
    }

    #[test]
    fn calls_beyond_the_budget_are_rejected() {
        let budget = Budget::new(100);
        let first = budget.weigh(None);
        first.add(60).unwrap();
        let second = budget.weigh(None);
        let refused = second.add(50).unwrap_err();
        assert!(matches!(
            refused,
            Failure::TooHeavy {
                bytes: 50,
                most: 100
            }
        ));
        second.add(40).unwrap();
        assert_eq!(budget.used(), 100);
        drop(first.clone());
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(budget.used(), 40);
        second.set(10, None).unwrap();
        assert_eq!(budget.used(), 10);
    }

    #[test]
    fn one_tenant_may_use_half_the_budget() {
        let budget = Budget::new(100);
        let (acme, other) = (code("acme"), code("other"));
        let first = budget.weigh(None);
        first.set(30, Some(&acme)).unwrap();
        let second = budget.weigh(None);
        let refused = second.set(30, Some(&code("ACME"))).unwrap_err();
        assert!(matches!(
            refused,
            Failure::TooHeavy {
                bytes: 30,
                most: 50
            }
        ));
        second.set(20, Some(&acme)).unwrap();
        let third = budget.weigh(None);
        third.set(50, Some(&other)).unwrap();
        drop((first, second, third));
        assert_eq!(budget.used(), 0);
        assert!(budget.shared.used().by_tenant.0.is_empty());
    }

    #[test]
    fn one_caller_may_use_half_the_budget() {
        let budget = Budget::new(100);
        let (shop, erp) = (code("shop"), code("erp"));
        let first = budget.weigh(Some(&shop));
        first.add(30).unwrap();
        let second = budget.weigh(Some(&code("SHOP")));
        let refused = second.add(30).unwrap_err();
        assert!(matches!(
            refused,
            Failure::TooHeavy {
                bytes: 30,
                most: 50
            }
        ));
        // The caller's share applies across tenants.
        let refused = second.set(30, Some(&code("acme"))).unwrap_err();
        assert!(matches!(refused, Failure::TooHeavy { most: 50, .. }));
        second.set(20, Some(&code("acme"))).unwrap();
        let third = budget.weigh(Some(&erp));
        third.set(50, Some(&code("other"))).unwrap();
        // Calls without credentials have no share of their own.
        assert!(budget.weigh(None).add(1).is_err());
        drop(first);
        budget.weigh(None).add(30).unwrap();
        second.set(5, None).unwrap();
        assert_eq!(budget.used(), 55);
        drop((second, third));
        assert_eq!(budget.used(), 0);
        assert!(budget.shared.used().by_caller.0.is_empty());
    }

    #[tokio::test]
    async fn concurrent_decompression_is_limited() {
        let budget = Budget::new(100);
        let unpacked: Vec<Weight> = (0..UNPACKED_AT_ONCE).map(|_| budget.weigh(None)).collect();
        for weight in &unpacked {
            weight.unpack().await;
        }
        let next = budget.weigh(None);
        let mut waiting = pin!(next.unpack());
        assert!(poll_once(waiting.as_mut()).is_pending());
        for weight in &unpacked {
            weight.set(1, None).unwrap();
        }
        waiting.await;
    }

    fn poll_once(future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }
}
