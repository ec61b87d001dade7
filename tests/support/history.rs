//! History of the calls, and the check that one order explains it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Number of registers: values that are written by one call and read by checks.
pub(crate) const REGISTERS: usize = 3;

/// Start of a call and arrival of its response, by the one clock of the test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begun: Duration,
    pub(crate) ended: Duration,
}

/// A write of the next value of a register. Each register has one writer, so its
/// values are 1, 2, 3 …
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) register: usize,
    pub(crate) value: u32,
    /// Start of its first attempt.
    pub(crate) begun: Duration,
    /// Time of the acknowledgement; `None` if there was none.
    pub(crate) ended: Option<Duration>,
}

/// One response, with the values that it shows.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) who: String,
    pub(crate) span: Span,
    /// Value of each register; `None` if the response does not show it.
    pub(crate) values: [Option<u32>; REGISTERS],
}

/// All writes and all responses of reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) writes: Vec<Write>,
    pub(crate) reads: Vec<Read>,
}

impl History {
    /// Checks that all calls can be put in one order that agrees with their
    /// times, in which each read shows the last preceding write of every register
    /// at once. That is G1, G2 and one-instant decisions in one: a stale answer,
    /// an inversion and a torn decision each create a cycle.
    ///
    /// # Errors
    ///
    /// Returns the calls of one cycle.
    pub(crate) fn explained(&self) -> Result<(), String> {
        let graph = Graph::of(self)?;
        match graph.cycle() {
            None => Ok(()),
            Some(cycle) => Err(self.describe(&cycle)),
        }
    }

    fn describe(&self, cycle: &[usize]) -> String {
        let calls = cycle.iter().filter_map(|node| {
            if let Some(write) = self.writes.get(*node) {
                return Some(format!("{write:?}"));
            }
            let read = self.reads.get(node.checked_sub(self.writes.len())?)?;
            Some(format!("{read:?}"))
        });
        let calls: Vec<String> = calls.collect();
        format!("no order explains:\n  {}", calls.join("\n  "))
    }
}

/// Precedence graph. Its nodes are the writes, the reads, and moments, which
/// stand between calls that ended and calls that began later.
struct Graph {
    after: Vec<Vec<usize>>,
}

impl Graph {
    fn of(history: &History) -> Result<Self, String> {
        let calls = history.writes.len() + history.reads.len();
        let mut graph = Self {
            after: vec![Vec::new(); calls],
        };
        let mut by_value: BTreeMap<(usize, u32), usize> = BTreeMap::new();
        for (node, write) in history.writes.iter().enumerate() {
            by_value.insert((write.register, write.value), node);
        }
        for ((register, value), node) in &by_value {
            if let Some(next) = by_value.get(&(*register, value + 1)) {
                graph.edge(*node, *next);
            }
        }
        for (number, read) in history.reads.iter().enumerate() {
            let node = history.writes.len() + number;
            for (register, value) in read.values.iter().enumerate() {
                let Some(value) = *value else { continue };
                if let Some(next) = by_value.get(&(register, value + 1)) {
                    graph.edge(node, *next);
                }
                match by_value.get(&(register, value)) {
                    Some(write) => graph.edge(*write, node),
                    // The initial value.
                    None if value == 0 => {}
                    None => return Err(format!("a value that nobody wrote: {read:?}")),
                }
            }
        }
        graph.add_time(history);
        Ok(graph)
    }

    fn edge(&mut self, before: usize, after: usize) {
        self.after[before].push(after);
    }

    /// Adds edges from each call that ended to every call that began later.
    fn add_time(&mut self, history: &History) {
        let writes = history.writes.iter().map(|w| (Some(w.begun), w.ended));
        let reads = history.reads.iter();
        let reads = reads.map(|r| (Some(r.span.begun), Some(r.span.ended)));
        // At the same moment, starts sort before ends, so that the calls overlap.
        let mut moments: Vec<(Duration, bool, usize)> = Vec::new();
        for (node, (begun, ended)) in writes.chain(reads).enumerate() {
            moments.extend(begun.map(|moment| (moment, false, node)));
            moments.extend(ended.map(|moment| (moment, true, node)));
        }
        moments.sort_unstable();
        let mut before = None;
        for (_, is_end, call) in moments {
            let moment = self.after.len();
            self.after.push(Vec::new());
            if let Some(before) = before {
                self.edge(before, moment);
            }
            if is_end {
                self.edge(call, moment);
            } else {
                self.edge(moment, call);
            }
            before = Some(moment);
        }
    }

    /// Returns the nodes of a cycle; `None` if the graph has a topological order.
    fn cycle(&self) -> Option<Vec<usize>> {
        let mut before = vec![0_usize; self.after.len()];
        for next in self.after.iter().flatten() {
            before[*next] += 1;
        }
        let ready = before.iter().enumerate().filter(|(_, count)| **count == 0);
        let mut ready: VecDeque<usize> = ready.map(|(node, _)| node).collect();
        while let Some(node) = ready.pop_front() {
            for next in &self.after[node] {
                before[*next] -= 1;
                if before[*next] == 0 {
                    ready.push_back(*next);
                }
            }
        }
        // Every remaining node is on a cycle or reachable from one. Return the
        // shortest cycle through the first that is on one.
        let left: Vec<usize> = (0..before.len()).filter(|node| before[*node] > 0).collect();
        left.iter().find_map(|start| self.way_back(*start))
    }

    fn way_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(node) = open.pop_front() {
            for next in &self.after[node] {
                if *next == start {
                    let mut cycle = vec![node];
                    while let Some(before) = from.get(cycle.last()?) {
                        cycle.push(*before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if !from.contains_key(next) {
                    from.insert(*next, node);
                    open.push_back(*next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(moment: u64) -> Duration {
        Duration::from_millis(moment)
    }

    fn write(register: usize, value: u32, begun: u64, ended: u64) -> Write {
        Write {
            register,
            value,
            begun: ms(begun),
            ended: Some(ms(ended)),
        }
    }

    fn read(begun: u64, ended: u64, first: u32, second: u32) -> Read {
        Read {
            who: String::new(),
            span: Span {
                begun: ms(begun),
                ended: ms(ended),
            },
            values: [Some(first), Some(second), None],
        }
    }

    fn is_explained(writes: &[Write], reads: &[Read]) -> bool {
        let history = History {
            writes: writes.to_vec(),
            reads: reads.to_vec(),
        };
        history.explained().is_ok()
    }

    #[test]
    fn reads_of_what_was_written_are_explained() {
        let writes = [
            write(0, 1, 10, 20),
            write(1, 1, 15, 25),
            write(0, 2, 30, 40),
        ];
        let reads = [
            read(0, 5, 0, 0),
            read(11, 21, 0, 1),
            read(12, 22, 0, 0),
            read(26, 27, 1, 1),
            read(31, 50, 1, 1),
            read(45, 50, 2, 1),
        ];
        assert!(is_explained(&writes, &reads));
    }

    #[test]
    fn a_stale_read_is_not() {
        let writes = [write(0, 1, 10, 20)];
        assert!(!is_explained(&writes, &[read(21, 22, 0, 0)]));
        assert!(is_explained(&writes, &[read(19, 22, 0, 0)]));
    }

    #[test]
    fn an_inversion_is_not() {
        let writes = [write(0, 1, 10, 100)];
        assert!(!is_explained(
            &writes,
            &[read(20, 30, 1, 0), read(31, 40, 0, 0)]
        ));
        assert!(is_explained(
            &writes,
            &[read(20, 30, 0, 0), read(31, 40, 1, 0)]
        ));
    }

    #[test]
    fn a_read_that_mixes_two_instants_is_not() {
        // Register 0 became 1 before register 1 did.
        let writes = [write(0, 1, 10, 20), write(1, 1, 30, 40)];
        assert!(!is_explained(&writes, &[read(5, 50, 0, 1)]));
        assert!(is_explained(&writes, &[read(5, 50, 1, 0)]));
        // Two reads that show two writes in opposite orders.
        let writes = [write(0, 1, 10, 90), write(1, 1, 10, 90)];
        assert!(!is_explained(
            &writes,
            &[read(20, 30, 1, 0), read(20, 30, 0, 1)]
        ));
    }

    #[test]
    fn a_value_that_nobody_wrote_and_one_before_it_was_written_are_not() {
        assert!(!is_explained(&[], &[read(5, 50, 1, 0)]));
        assert!(!is_explained(&[write(0, 1, 60, 70)], &[read(5, 50, 1, 0)]));
    }
}
