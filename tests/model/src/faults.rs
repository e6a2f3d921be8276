//! What nobody wants: runners that die or are taken for dead, and standbys that take over without the last commits.

use crate::database::{Process, Rules};
use crate::guards::Guard;
use crate::numbers::Numbers;
use crate::runner::Runner;
use crate::world::{RECIPIENTS, RUNNERS, Standby, Step, World};

impl World {
    pub(crate) fn faults(&self, steps: &mut Vec<Step>) {
        for (runner, slot) in self.runners.iter().enumerate() {
            if self.budget.crashes > 0 && slot.has_leases() {
                let cases = 1 << slot.in_flight().count();
                steps.extend((0..cases).map(|accepted| Step::Crash { runner, accepted }));
            }
            if self.budget.terminations > 0 {
                steps.push(Step::Terminate { runner });
            }
            if !self.database.gate_is_open() {
                steps.push(Step::Replay { runner });
            }
        }
        if self.budget.failovers > 0 {
            steps.push(match self.standby {
                None => Step::Detach,
                Some(_) => Step::FailOver,
            });
        }
        if !self.database.gate_is_open() {
            steps.push(Step::GiveUpWaiting);
        }
    }

    fn lives(&self, process: Process) -> bool {
        self.runners.iter().any(|runner| runner.process == process)
    }

    /// A new process takes the place.
    pub(crate) fn crash(&mut self, place: usize, accepted: usize) -> Option<()> {
        self.budget.crashes -= 1;
        let runner = self.runners[place];
        for (nth, position) in runner.in_flight().enumerate() {
            if accepted >> nth & 1 == 1 {
                self.accepted[position] += 1;
            }
        }
        self.runners[place] = Runner::new(runner.next_process());
        Some(())
    }

    pub(crate) fn recover(&mut self, rules: &Rules, process: Process) -> Option<()> {
        if !self.database.gate_is_open() {
            return None;
        }
        if self.lives(process) {
            self.budget.thought_dead = self.budget.thought_dead.checked_sub(1)?;
        }
        self.database.recover(rules, process);
        Some(())
    }

    pub(crate) fn detach(&mut self) -> Option<()> {
        self.standby = Some(Standby {
            database: self.database,
            runners: self.runners.map(|runner| runner.process),
        });
        Some(())
    }

    pub(crate) fn fail_over(&mut self, rules: &Rules) -> Option<()> {
        let standby = self.standby.take()?;
        self.budget.failovers -= 1;
        self.has_failed_over = true;
        // Its server is gone.
        self.delayed = None;
        let seen = standby.runners.iter();
        let living = self.runners.iter().map(|runner| &runner.process);
        let alive: Numbers = seen.chain(living).map(|process| process.0.into()).collect();
        self.database = standby.database.take_over(rules, &self.database, alive);
        Some(())
    }

    pub(crate) fn replay(&mut self, rules: &Rules, place: usize) -> Option<()> {
        let runner = &mut self.runners[place];
        if !self.database.awaited.contains(runner.process.0.into()) {
            return None;
        }
        runner.end_for_replay();
        self.database.replay(rules, runner.process, &runner.memory);
        if !self.remembers() {
            self.runners[place].memory = Runner::new(Process(0)).memory;
        }
        Some(())
    }

    /// After a minute, in which the living have replayed. Whoever lets the job go on says that those may be mailed twice of whom only the dead know.
    pub(crate) fn give_up_waiting(&mut self, rules: &Rules) -> Option<()> {
        let mut awaited = self.database.awaited.iter();
        if awaited.any(|process| self.lives(Process(process as u8))) {
            return None;
        }
        self.database.give_up_waiting(rules);
        if rules.has(Guard::MissingReplaysAreLeftToAPerson) {
            self.is_left_to_a_person = true;
            self.asked = self.asked.map(|asked| asked + 1);
        }
        Some(())
    }

    /// Whether a runner may still tell of mails.
    pub(crate) fn has_leases(&self) -> bool {
        self.runners.iter().any(Runner::has_leases)
    }
}

const _: () = assert!(
    RUNNERS * 8 <= 16 && RECIPIENTS <= 8,
    "processes and positions are numbers below 16"
);
