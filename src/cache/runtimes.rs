use tokio::runtime::Handle;

/// The runtimes on which the tasks of the cache run, whoever spawned them.
#[derive(Clone, Debug)]
pub(super) struct Runtimes {
    /// For tasks that questions wait for.
    pub(super) questions: Handle,
    /// For tasks that compute much, and for those that no question waits for.
    pub(super) work: Handle,
}

impl Runtimes {
    /// Uses the runtime of a test for everything; in a test without one nothing
    /// runs.
    #[cfg(test)]
    pub(super) fn of_test() -> Self {
        let none = || {
            let builder = tokio::runtime::Builder::new_current_thread().build();
            Box::leak(Box::new(builder.unwrap())).handle().clone()
        };
        let here = Handle::try_current().unwrap_or_else(|_| none());
        Self {
            questions: here.clone(),
            work: here,
        }
    }
}
