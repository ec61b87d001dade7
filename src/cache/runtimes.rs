use tokio::runtime::Handle;

/// Where tasks of the memory run, whoever began them.
#[derive(Clone, Debug)]
pub(super) struct Runtimes {
    /// What questions wait for.
    pub(super) questions: Handle,
    /// What computes much, and what nobody waits for.
    pub(super) work: Handle,
}

impl Runtimes {
    /// Everything on the runtime of a test; in one that has none nothing runs.
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
