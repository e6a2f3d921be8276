//! What people decide.

use crate::database::{Decision, Rules};
use crate::world::{Step, World};

impl World {
    pub(crate) fn steps_of_people(&self, steps: &mut Vec<Step>) {
        let budget = &self.budget;
        let wishes = [
            (budget.cancels, Step::Cancel),
            (budget.pauses, Step::Pause),
            (budget.retries, Step::RetryFailed),
            (budget.resends, Step::Resolve(Decision::Resend)),
            (budget.decided_sent, Step::Resolve(Decision::Sent)),
            // Whoever pauses resumes, or cancels.
            (1, Step::Resume),
        ];
        let possible = wishes.into_iter().filter(|(left, _)| *left > 0);
        steps.extend(possible.map(|(_, step)| step));
    }

    pub(crate) fn decide(&mut self, rules: &Rules, step: Step) -> Option<()> {
        let (database, budget) = (&mut self.database, &mut self.budget);
        let makes_a_difference = match step {
            Step::Cancel => {
                budget.cancels -= 1;
                database.cancel(rules)
            }
            Step::Pause => {
                budget.pauses -= 1;
                database.pause()
            }
            Step::Resume => database.resume(),
            Step::RetryFailed => {
                budget.retries -= 1;
                !database.retry_failed(rules)?.is_empty()
            }
            Step::Resolve(decision) => {
                match decision {
                    Decision::Sent => budget.decided_sent -= 1,
                    Decision::Resend => budget.resends -= 1,
                }
                !database.resolve(rules, decision)?.is_empty()
            }
            _ => false,
        };
        makes_a_difference.then_some(())
    }
}
